"""However a merged text is made up and wherever its stream is split."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.engine.test_merge import parsed, spans_of
from tests.exhaustive.examples import examples

PIECES = [
    "One. ",
    "[[b]]",
    "[[c1]]",
    "[[c1,c3]]",
    " [[",
    "]]",
    "[",
    "c1",
    "b",
    " ",
    "\n",
    "[[see]]",
    "[[c99]]",
    "x[[[b]]",
    "é",
]


@examples
@given(st.lists(st.sampled_from(PIECES), max_size=14).map("".join), st.data())
def test_however_the_stream_is_split_the_result_is_the_same_and_no_marker_leaks(text: str, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=10)))
    chunks = [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    whole, marks, _ = parsed([text])
    for way in (chunks, list(text)):
        split_text, split_marks, shown = parsed(way)
        assert (split_text, split_marks) == (whole, marks)
        grown = ""
        for piece in shown:
            grown += piece
            assert whole.startswith(grown)  # nothing is shown that is taken back later


@examples
@given(
    st.lists(st.sampled_from([*PIECES, "Use a queue.", "```\n", "Add a rollback script."]), max_size=12).map("".join)
)
def test_spans_are_ordered_disjoint_and_inside_the_text(marked: str) -> None:
    text, spans = spans_of(marked)
    ends = [0]
    for span in spans:
        assert ends[-1] <= span.start < span.end <= len(text)
        ends.append(span.end)
    covered = "".join(text[span.start : span.end] for span in spans)
    assert "".join(covered.split()) == "".join(text.split())
