"""Whatever is to be fitted into whatever context."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fusion.engine.budget import fit
from tests.engine.test_budget import total
from tests.exhaustive.examples import examples


@examples
@given(
    st.dictionaries(st.sampled_from("ABCDE"), st.text(alphabet="ab \n`", max_size=900), min_size=1),
    st.integers(0, 900),
    st.booleans(),
)
def test_the_result_never_exceeds_the_budget(texts: dict[str, str], budget: int, uniform: bool) -> None:
    fitted = fit(texts, budget, prompt="a b", uniform=uniform)
    assert total(dict(fitted.texts)) <= budget or total(dict(fitted.texts)) == 0
    assert fitted.texts.keys() == texts.keys()
    assert all(trim.omitted_tokens > 0 for trim in fitted.trims)
