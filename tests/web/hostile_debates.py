"""Debates in which every word that somebody else may write is a hostile text, as events and as stored runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fusion.engine import events as ev
from fusion.engine.debate.ledger import ARGUMENT_MAX, TEXT_MAX
from fusion.engine.debate.moves import QUOTE_MAX, REASON_MAX
from fusion.engine.disputes import (
    Dispute,
    DisputeRuling,
    LedgerStance,
    Move,
    NamedError,
    Position,
    Round,
    StopReason,
)
from fusion.engine.types import Failure, Mode
from fusion.models import Run, User, WorkerLease
from fusion.runs.selectors import load_record
from tests.factories import make_pool, make_run
from tests.runs.test_debate_record import play
from tests.web.hostile_text import HOSTILE, long
from tests.web.run_events import TEXTS, judged_run, ruled, ruling, written

TEXTS_A_DEBATE = 44
LONG_CHARS = ARGUMENT_MAX


def hostile_debate(texts: Sequence[str]) -> Iterator[ev.Event]:
    """A whole debate with one dispute for each text, which stands in every field of it."""
    before = tuple(_dispute(number, text, moved=False) for number, text in enumerate(texts))
    after = tuple(_dispute(number, text, moved=True) for number, text in enumerate(texts))
    yield from judged_run(TEXTS, Mode.DEBATE)
    yield ev.DebateStarted(before, 2)
    first = tuple(Position(1, letter, _moves(letter, texts)) for letter in "ABC")
    yield from _round(first, after)
    steered = Position(2, "A", _moves("A", texts), steering=tuple(text[:QUOTE_MAX] for text in texts))
    yield from _round((steered, Position(2, "C", _moves("C", texts))), after, failing="B", said=texts[0])
    yield ev.DebateEnded(StopReason.ROUNDS, 2, after)
    rulings = tuple(_ruling(number, text) for number, text in enumerate(texts))
    yield ev.RulingEnded(ruling(rulings=rulings, rationale="\n".join(texts)[:REASON_MAX]))
    yield from written(ruled())


def _round(
    positions: tuple[Position, ...], after: tuple[Dispute, ...], *, failing: str = "", said: str = ""
) -> Iterator[ev.Event]:
    number = positions[0].number
    yield ev.RoundStarted(number, ("A", "B", "C"))
    for position in positions:
        yield ev.PositionEnded(number, position.letter, position)
    if failing:
        yield ev.PositionEnded(number, failing, None, Failure("malformed", said))
    yield ev.RoundEnded(Round(number, positions, after, 0.5))


def _dispute(number: int, text: str, *, moved: bool) -> Dispute:
    argument = text[:ARGUMENT_MAX] if moved else ""
    stances = (
        LedgerStance(f"d{number}s1", text[:TEXT_MAX], text[:QUOTE_MAX], ("A",), argument),
        LedgerStance(f"d{number}s2", f"Not so: {text}"[:TEXT_MAX], text[:QUOTE_MAX], ("B", "C"), argument),
    )
    return Dispute(f"d{number}", text[:TEXT_MAX], stances)


def _moves(letter: str, texts: Sequence[str]) -> tuple[Move, ...]:
    """A holds, B refines and finds a mistake, C gives in and names its own."""
    action = {"A": "hold", "B": "refine", "C": "concede"}[letter]
    before, after = {"A": ("s1", "s1"), "B": ("s2", "s2"), "C": ("s2", "s1")}[letter]
    wrong = {"A": "s2", "B": "s1", "C": "s2"}[letter]
    return tuple(
        Move(
            f"d{number}",
            action,  # type: ignore[arg-type]
            f"d{number}{before}",
            f"d{number}{after}",
            text[:TEXT_MAX],
            text[:REASON_MAX],
            text[:QUOTE_MAX],
            NamedError(f"d{number}{wrong}", text[:QUOTE_MAX], text[:REASON_MAX]),
            text[:TEXT_MAX],
        )
        for number, text in enumerate(texts)
    )


def _ruling(number: int, text: str) -> DisputeRuling:
    stance = f"d{number}s1" if number % 2 else None
    return DisputeRuling(f"d{number}", stance, "reasoning", text[:REASON_MAX], text[:TEXT_MAX])


def store_hostile_debates(author: User) -> list[str]:
    """Runs that together hold every text of the corpus, short and long; their public ids."""
    texts = [*HOSTILE, *(payload for payloads in long(LONG_CHARS).values() for payload in payloads)]
    stored = [text.replace("\x00", "").encode("utf-8", "replace").decode() for text in texts]
    lease = WorkerLease.objects.create(name="here", expires_at="2100-01-01T00:00:00Z")
    pool = make_pool(author, mode="debate", debate_rounds=2, writer="sim:arbiter")
    ids = []
    for at in range(0, len(stored), TEXTS_A_DEBATE):
        run = make_run(author, pool=pool, state=Run.State.RUNNING, worker=lease)
        play(run, load_record(run), hostile_debate(stored[at : at + TEXTS_A_DEBATE]))
        ids.append(str(run.public_id))
    return ids
