"""Whatever a judge replies: read, or refused with a reason, never an exception."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from fusion.engine.types import Assessment, Contradiction, FinishReason, IntegrityNote, Point, Problem, Stance, Verdict
from fusion.engine.verdict import (
    PartialVerdict,
    Reading,
    Rejection,
    partial_verdict,
    read_verdict,
    verdict_from_dict,
    verdict_to_dict,
)
from tests.engine.test_verdict import CRITERIA, GOOD, LABELS, RICH, SHEET, wire
from tests.exhaustive.examples import examples

# Characters that parsers, JSON and encodings stumble over; all of Unicode would take hypothesis half a second to load.
ODD = "aK7é\"'`\\{}[]<>,:#\0\x1f\t\r\n\x7f\x85\u2028\ufeff\ufffd\u200d\u0301😀\U0010ffff"


@examples
@given(
    st.one_of(
        st.text(alphabet=ODD, max_size=300),
        st.lists(st.sampled_from([*GOOD.split(","), "{", "}", '"', "\\", "<think>"])).map(",".join),
    )
)
def test_the_ladder_never_crashes(raw: str) -> None:
    assert isinstance(read_verdict(raw, finish=FinishReason.STOP, sheet=SHEET), Reading | Rejection)


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from(["K7T", "q2m", "winner", "5", "", "\ud800\x00"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["label", "labels", "quote", "scores"]), inner)
    ),
    max_leaves=6,
)


@examples
@given(st.dictionaries(st.sampled_from(sorted(wire())), VALUES))
def test_any_value_in_any_field_is_read_or_rejected(changes: dict[str, Any]) -> None:
    outcome = read_verdict(json.dumps(wire(**changes)), finish=FinishReason.STOP, sheet=SHEET)
    if isinstance(outcome, Reading):
        json.dumps(verdict_to_dict(outcome.verdict), ensure_ascii=False).encode()
        assert sorted(letter for place in outcome.verdict.ranking for letter in place) == ["A", "B", "C"]


@examples
@given(
    st.one_of(st.text(alphabet=ODD, max_size=200), st.text(alphabet='{}[]",:\\u0ak7T \n', max_size=200)),
    st.integers(0, 900),
)
def test_a_partial_verdict_of_garbage_is_just_poor(garbage: str, end: int) -> None:
    assert isinstance(partial_verdict(garbage, LABELS), PartialVerdict)
    assert isinstance(partial_verdict(RICH[:end] + garbage, LABELS), PartialVerdict)


letters = st.lists(st.sampled_from("ABC"), max_size=3, unique=True).map(tuple)


texts = st.text(alphabet=ODD, max_size=12)


points = st.lists(
    st.builds(
        Point,
        id=texts,
        text=texts,
        letters=letters,
        quote=texts,
        standing=st.sampled_from(["supported", "plausible", "doubtful", "wrong"]),
    ),
    max_size=1,
).map(tuple)


def some(build: Callable[..., Any], **fields: Any) -> Any:
    return st.lists(st.builds(build, **fields), max_size=2).map(tuple)


verdicts = st.builds(
    Verdict,
    notes=texts,
    assessments=some(
        Assessment,
        letter=st.sampled_from("ABC"),
        strengths=st.lists(texts, max_size=1).map(tuple),
        problems=some(Problem, quote=texts, issue=texts, severity=st.sampled_from(["minor", "fatal"])),
        fatal_flaw=st.none() | texts,
        scores=st.dictionaries(st.sampled_from(CRITERIA), st.integers(1, 5)),
        composite=st.floats(0, 100),
    ),
    consensus=points,
    partial_coverage=points,
    unique=points,
    contradictions=some(
        Contradiction,
        id=texts,
        topic=texts,
        material=st.booleans(),
        stances=some(Stance, letters=letters, stance=texts, quote=texts),
        resolution=st.none() | texts,
        resolved_for=letters,
        basis=st.sampled_from(["checked", "cannot_tell"]),
    ),
    blind_spots=st.lists(texts, max_size=1).map(tuple),
    ranking=st.lists(letters, max_size=2).map(tuple),
    verdict=st.sampled_from(["winner", "tie"]),
    winner=st.none() | st.sampled_from("ABC"),
    margin=st.sampled_from(["clear", "none"]),
    confidence=st.integers(0, 100),
    rationale=texts,
    integrity=some(IntegrityNote, letter=st.sampled_from("ABC"), quote=texts),
)


@examples
@given(verdicts)
def test_a_verdict_survives_storing(verdict: Verdict) -> None:
    assert verdict_from_dict(json.loads(json.dumps(verdict_to_dict(verdict)))) == verdict
