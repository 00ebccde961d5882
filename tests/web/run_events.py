"""Runs as sequences of engine events, for tests of what a page shows."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from fusion.engine import events as ev
from fusion.engine.types import (
    Answer,
    AnswerState,
    Assessment,
    Contradiction,
    Failure,
    Final,
    FinalKind,
    IntegrityNote,
    Judgement,
    Mode,
    Point,
    Problem,
    Role,
    RunState,
    Span,
    Stance,
    Trim,
    Usage,
    Verdict,
)
from fusion.live.record import AnswerRecord, EndpointFacts, RunRecord

RUN_ID = "3f0e8f4e-6a0b-4c45-9d0f-000000000001"
POOL_ID = "3f0e8f4e-6a0b-4c45-9d0f-000000000002"
JUDGE, WRITER = "acme:judge", "acme:writer"
LABELS = {"A": "K7Q2", "B": "M9XD", "C": "T4ZN"}
ASKED_AT = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)

TEXTS = {
    "A": "Sunlight is *scattered* by the air.\n\n1. Blue more\n2. Red less\n\n```python\nx = 4\n```\n\nThat is all.",
    "B": "| colour | nm |\n|---|---|\n| blue | 450 |\n| red | 700 |\n\nRayleigh, with <b>marks</b> & more.",
    "C": "Because of `lambda ** -4`.\n\n- short\n- to the point\n",
}
FINAL = "Sunlight is *scattered* by the air.\n\nBlue light at 450 nm more than red.\n\nSo the sky is blue.\n"
REPLY = (
    '{"notes": "K7Q2 explains, M9XD measures.", "assessments": [{"label": "K7Q2", "strengths": ["M9XD agrees"], '
    '"problems": [], "fatal_flaw": null, "scores": [{"criterion": "correctness", "score": 5}]}]}'
)


def new_record(*, letters: str = "ABC", mode: Mode = Mode.MERGE, simulated: bool = False) -> RunRecord:
    """A queued run of as many members as letters."""
    seats = {
        x: EndpointFacts(f"acme:{x.lower()}", f"model-{x.lower()}", f"Model {x}", "Acme", simulated) for x in letters
    }
    others = {ref: EndpointFacts(ref, ref[5:], ref[5:].title(), "Acme", simulated) for ref in (JUDGE, WRITER)}
    return RunRecord(
        public_id=RUN_ID,
        prompt="Why is the sky <i>blue</i>?",
        mode=mode,
        pool_name="Panel",
        pool_public_id=POOL_ID,
        pool_version=3,
        rubric="general",
        author="alice",
        created_at=ASKED_AT,
        endpoints={facts.ref: facts for facts in seats.values()} | others,
        answers={letter: AnswerRecord(letter, facts) for letter, facts in seats.items()},
        judge_refs=(JUDGE,),
    )


def finish(record: RunRecord) -> None:
    """What the executor adds when the end is stored."""
    record.finished_at = ASKED_AT + timedelta(milliseconds=record.now_ms)


def verdict(*, winner: str = "A") -> Verdict:
    """One with all five fields, a quote, and a note about an answer that tries to steer."""
    return Verdict(
        notes="A explains, B measures.",
        assessments=(
            Assessment("A", ("Explains why",), (), None, {"correctness": 5, "fit": 4}, 88.0),
            Assessment("B", ("Has numbers",), (Problem("700", "No unit", "major"),), None, {"correctness": 4}, 70.0),
            Assessment("C", (), (), "Says nothing", {"correctness": 2}, 25.0),
        ),
        consensus=(Point("p1", "Air scatters blue more", ("A", "B", "C"), "Blue more", "supported"),),
        partial_coverage=(Point("p2", "It is Rayleigh scattering", ("B",), "", "plausible"),),
        unique=(Point("p3", "Fourth power", ("C",), "", "doubtful"),),
        contradictions=(
            Contradiction(
                "c1",
                "How much more",
                True,
                (Stance(("A",), "more", ""), Stance(("C",), "fourth power", "")),
                "Both hold",
                ("A", "C"),
                "reasoning",
            ),
        ),
        blind_spots=("Nobody mentions sunsets",),
        ranking=(("A",), ("B", "C")),
        verdict="winner",
        winner=winner,
        margin="slight",
        confidence=71,
        rationale="A explains it best. B adds numbers.",
        integrity=(IntegrityNote("C", "to the point"),),
    )


def judgement(**changes: object) -> Judgement:
    values: dict[str, object] = {
        "verdict": verdict(),
        "judge": JUDGE,
        "attempt": 1,
        "order": ("C", "A", "B"),
        "labels": LABELS,
        "parse_path": "repaired",
        "chosen": "A",
        "standing": "close",
        "trims": (Trim("B", 120),),
    }
    return Judgement(**{**values, **changes})  # type: ignore[arg-type]


def merged() -> Final:
    cut = FINAL.index("Blue light")
    last = FINAL.index("So the sky")
    spans = (
        Span(0, cut, "base", ("A",)),
        Span(cut, last, "patch", ("B", "C"), ("p1",), check=True),
        Span(last, len(FINAL), "added"),
    )
    return Final(FinalKind.MERGED, FINAL, "A", spans, writer=WRITER)


def answered(letter: str, text: str, **changes: object) -> Answer:
    values: dict[str, object] = {"usage": Usage(100, 40), "ttft_ms": 300, "total_ms": 2500}
    return Answer(letter, **{"state": AnswerState.DONE, "text": text, **values, **changes})  # type: ignore[arg-type]


def call(call_id: str, role: Role, ref: str, letter: str | None = None) -> tuple[ev.CallStarted, ev.CallEnded]:
    ended = ev.CallEnded(call_id, role, ref, 1, letter, "ok", Usage(100, 40), 300, 2500, cost_nanos=2_500_000)
    return ev.CallStarted(call_id, role, ref, 1, letter), ended


def pieces(text: str, seed: int = 1) -> Iterator[str]:
    """The text cut anywhere, also in the middle of marks."""
    rng, at = random.Random(seed), 0
    while at < len(text):
        size = rng.randint(1, 9)
        yield text[at : at + size]
        at += size


def whole_run(texts: dict[str, str] | None = None, *, final: Final | None = None, seed: int = 1) -> Iterator[ev.Event]:
    """A merge from its start to its end: answers mixed in one another, a judge, a writer."""
    texts = texts or TEXTS
    yield ev.RunStarted(Mode.MERGE, tuple(texts))
    calls = {x: call(f"p{x}", Role.PANEL, f"acme:{x.lower()}", x) for x in texts}
    for letter in texts:
        yield ev.AnswerAsked(letter)
        yield calls[letter][0]
    yield ev.AnswerRetrying("B", Failure("provider_rate_limited", "429: too many requests."), 4.0)
    yield ev.AnswerAsked("B")
    yield ev.AnswerSilent("C", 30.0)
    yield ev.ReasoningGrew("C", "hm " * 40)
    growing = [[ev.AnswerGrew(x, piece) for piece in pieces(text, seed)] for x, text in texts.items()]
    for together in itertools.zip_longest(*growing):
        yield from (event for event in together if event is not None)
    yield ev.AnswerEnded(answered("A", texts["A"]))
    yield calls["A"][1]
    yield ev.GraceStarted(6.0, ("B", "C"))
    for letter in list(texts)[1:]:
        yield ev.AnswerEnded(answered(letter, texts[letter]))
        yield calls[letter][1]
    yield ev.PanelClosed(tuple(texts), (), "all_ended")
    started, ended = call("j1", Role.JUDGE, JUDGE)
    yield started
    yield ev.JudgeStarted(JUDGE, 1, ("C", "A", "B"), LABELS)
    for piece in pieces(REPLY, seed):
        yield ev.JudgeGrew(piece)
    yield ended
    yield ev.JudgeEnded(judgement())
    started, ended = call("w1", Role.WRITER, WRITER)
    yield started
    final = final or merged()
    yield ev.FinalStarted(WRITER, "A")
    for piece in pieces(final.text, seed):
        yield ev.FinalGrew(piece)
    yield ended
    yield ev.FinalEnded(final)
    yield ev.RunEnded(RunState.DONE)
