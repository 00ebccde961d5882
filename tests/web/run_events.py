"""Runs as sequences of engine events, for tests of what a page shows."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from fusion.engine import events as ev
from fusion.engine.disputes import (
    Dispute,
    DisputeRuling,
    LedgerStance,
    Move,
    NamedError,
    Position,
    Round,
    Ruling,
    StopReason,
)
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
    yield from judged_run(texts or TEXTS, Mode.MERGE, seed)
    yield from written(final or merged(), seed)


def judged_run(texts: dict[str, str], mode: Mode, seed: int = 1) -> Iterator[ev.Event]:
    """A run up to its verdict."""
    yield ev.RunStarted(mode, tuple(texts))
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


def written(final: Final, seed: int = 1) -> Iterator[ev.Event]:
    """What follows once it is decided what to write."""
    started, ended = call("w1", Role.WRITER, WRITER)
    yield started
    yield ev.FinalStarted(WRITER, "A")
    for piece in pieces(final.text, seed):
        yield ev.FinalGrew(piece)
    yield ended
    yield ev.FinalEnded(final)
    yield ev.RunEnded(RunState.DONE)


# --- a debate ------------------------------------------------------------------------------------

REBUTTAL = (
    '{"disputes": [{"id": "d1", "action": "concede", "stance": "R5TX", "wording": "Blue is scattered more", '
    '"reason": "R5TX was measured.", "evidence_quote": "", "error": null}]}'
)
STANCE_LABELS = {"d1s1": "R5TX", "d1s2": "H2WM", "d2s1": "P8CN", "d2s2": "V6KD"}
RULING_REPLY = (
    '{"disputes": [{"id": "d1", "stance": "R5TX", "basis": "checked", "reason": "K7Q2 measured it, against H2WM", '
    '"test": ""}, {"id": "d2", "stance": null, "basis": "cannot_tell", "reason": "Neither"}], "rationale": "M9XD"}'
)


def ledger(*, moved: bool = False) -> tuple[Dispute, ...]:
    """Two disputes; `moved`: after C has conceded the first and A has given in on the second."""
    first = (
        LedgerStance("d1s1", "more", "Blue more", ("A", "C") if moved else ("A",), "It measured." if moved else ""),
        LedgerStance("d1s2", "fourth power", "", () if moved else ("C",), alive=not moved),
    )
    second = (
        LedgerStance("d2s1", "It is Rayleigh scattering", "", () if moved else ("A",)),
        LedgerStance("d2s2", "It is *absorption*", "", ("A", "B") if moved else ("B",)),
    )
    return Dispute("d1", "How much more", first), Dispute("d2", "Which effect", second)


def position(letter: str, number: int = 1) -> Position:
    """A holds the first and gives in on the second; B refines; C concedes for a reason."""
    own = NamedError("d1s2", "lambda ** -4", "The exponent is wrong")
    other = NamedError("d2s1", "Rayleigh", "That is not what was asked")
    moves = {
        "A": (
            Move("d1", "hold", "d1s1", "d1s1", "more", "It was measured", "Blue more", None, "A measurement", 80),
            Move("d2", "concede", "d2s1", "d2s2", "absorption then", "", soft=True),
        ),
        "B": (Move("d2", "refine", "d2s2", "d2s2", "absorption, mostly", "It fits", error=other),),
        "C": (Move("d1", "concede", "d1s2", "d1s1", "more", "I was wrong", error=own),),
    }
    return Position(number, letter, moves[letter])


def ruling(**changes: object) -> Ruling:
    values: dict[str, object] = {
        "judge": JUDGE,
        "attempt": 1,
        "order": ("B", "C", "A"),
        "labels": LABELS | STANCE_LABELS,
        "parse_path": "clean",
        "rulings": (
            DisputeRuling("d1", "d1s1", "checked", "The measurement says so."),
            DisputeRuling("d2", None, "cannot_tell", "Neither case is made.", "Measure the spectrum."),
        ),
        "base": "B",
        "confidence": 64,
        "rationale": "B is closest to what was measured.",
        "trims": (Trim("A", 30),),
        "raw": "{}",
    }
    return Ruling(**{**values, **changes})  # type: ignore[arg-type]


def ruled() -> Final:
    return Final(FinalKind.RULED, FINAL, "B", (Span(0, len(FINAL), "base", ("B",)),), writer=WRITER)


def one_round(number: int = 1, *, failing: str = "", seed: int = 1) -> Iterator[ev.Event]:
    """One round of a debate among A, B and C; `failing` gives no reply that can be used."""
    yield ev.RoundStarted(number, ("A", "B", "C"), dict.fromkeys("ABC", STANCE_LABELS))
    calls = {x: call(f"r{number}{x}", Role.REBUTTAL, f"acme:{x.lower()}", x) for x in "ABC"}
    for letter in "ABC":
        yield calls[letter][0]
    growing = [[ev.PositionGrew(number, x, piece) for piece in pieces(REBUTTAL, seed)] for x in "ABC"]
    for together in itertools.zip_longest(*growing):
        yield from (event for event in together if event is not None)
    for letter in "CAB":
        yield calls[letter][1]
        failed = Failure("malformed", f"{letter} gave no reply that can be read.")
        if letter == failing:
            yield ev.PositionEnded(number, letter, None, failed)
        else:
            yield ev.PositionEnded(number, letter, position(letter, number))
    positions = tuple(position(x, number) for x in "ABC" if x != failing)
    yield ev.RoundEnded(Round(number, positions, ledger(moved=True), 1.0))


def debate_run(
    texts: dict[str, str] | None = None, *, rounds: int = 2, seed: int = 1, failing: str = ""
) -> Iterator[ev.Event]:
    """A debate from its start to its end: answers, verdict, rounds, a ruling that is asked for twice, the final."""
    yield from judged_run(texts or TEXTS, Mode.DEBATE, seed)
    yield ev.DebateStarted(ledger(), rounds)
    for number in range(1, rounds + 1):
        yield from one_round(number, failing=failing, seed=seed)
    yield ev.DebateEnded(StopReason.STABLE, rounds, ledger(moved=True))
    started, ended = call("j2", Role.JUDGE, JUDGE)
    yield started
    yield ev.JudgeStarted(JUDGE, 1, ("B", "C", "A"), LABELS | STANCE_LABELS, ruling=True)
    yield ev.JudgeGrew('{"rulings": [')
    yield ev.JudgeFailed(JUDGE, 1, Failure("malformed", "The reply broke off."), "reask", ruling=True)
    yield ev.JudgeStarted(JUDGE, 1, ("B", "C", "A"), LABELS | STANCE_LABELS, reask=True, ruling=True)
    for piece in pieces(RULING_REPLY, seed):
        yield ev.JudgeGrew(piece)
    yield ended
    yield ev.RulingEnded(ruling())
    yield from written(ruled(), seed)


def without_dispute() -> Iterator[ev.Event]:
    """A debate in which nothing material is disputed: it goes on as a merge."""
    yield from judged_run(TEXTS, Mode.DEBATE)
    yield ev.DebateEnded(StopReason.NO_DISPUTE, 0, ())
    yield from written(merged())
