"""The stages of a run from its stored events: the same `apply` that made the live record makes the loaded one.

The events of a run's executions follow one another. Each RunStarted says which execution begins and which earlier one
it `continues`; a record is made of the events of one execution and of those that it continues, and of no other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import TypeAdapter

from fusion.engine import events as ev
from fusion.engine.disputes import Dispute, Round
from fusion.engine.types import Failure, Role, Sight, Trim
from fusion.engine.verdict import judgement_from_dict
from fusion.live.folding import apply
from fusion.live.record import RunRecord
from fusion.models import RunEvent, VerdictRecord

Json = dict[str, Any]

EXECUTION, CONTINUES = "execution", "continues"  # in the stored RunStarted


@dataclass(slots=True)
class Stages:
    """What one execution told, in order: events with their times."""

    number: int
    continues: int | None
    told: list[tuple[ev.Event, int]] = field(default_factory=list)


def stages_of(events: Iterable[RunEvent], verdicts: Sequence[VerdictRecord]) -> dict[int, Stages]:
    """The stages of every execution that began, by its number.

    A verdict row was written with each stored JudgeEnded, in order.
    """
    judged = iter(verdicts)
    found: dict[int, Stages] = {}
    current = Stages(0, None)
    for row in events:
        if row.kind == "RunStarted":
            number = row.data.get(EXECUTION, current.number + 1)
            current = found[number] = Stages(number, row.data.get(CONTINUES))
        elif row.kind == "JudgeEnded":
            if (verdict := next(judged, None)) is not None:
                current.told.append((ev.JudgeEnded(judgement_from_dict(verdict.data)), row.at_ms))
        elif row.kind in _READ and not _is_in_the_rows(row):
            current.told.append((_READ[row.kind](row.data), row.at_ms))
    return found


def _is_in_the_rows(row: RunEvent) -> bool:
    """How a member got the images is in the row of its answer, which may be of a later attempt than the event."""
    return row.kind == "ImagesRefused" and row.data["role"] != Role.JUDGE


def replay(record: RunRecord, stages: dict[int, Stages], execution: int) -> None:
    """Tell `record` what happened in `execution` and in those that it continues, oldest first."""
    for told in reversed(list(_lineage(stages, execution))):
        record.waiting_for_all = False
        record.debate, record.ruling = record.debate.taken_up(), record.ruling.taken_up()
        for event, at_ms in told.told:
            apply(record, event, at_ms=at_ms)


def _lineage(stages: dict[int, Stages], execution: int | None) -> Iterator[Stages]:
    """An execution, the one that it continues, and so on; numbers only fall, whatever the rows say."""
    last = None
    while execution is not None and (last is None or execution < last):
        last = execution
        told = stages.get(execution)
        if told is None:
            return
        yield told
        execution = told.continues


def sort_calls(record: RunRecord, events: Iterable[RunEvent]) -> None:
    """Rows are written as calls end; a receipt lists them as they began, a rebuttal with its round."""
    rounds = dict(_begun_calls(events))
    place = {call_id: number for number, call_id in enumerate(rounds)}
    calls = sorted(record.calls.items(), key=lambda item: place.get(item[0], len(place)))
    record.calls = {call_id: replace(call, round=rounds.get(call_id, 0)) for call_id, call in calls}


def _begun_calls(events: Iterable[RunEvent]) -> Iterator[tuple[str, int]]:
    """The calls in the order in which they began, each with the round of a debate that it belongs to, 0 for none."""
    number = 0
    for row in events:
        if row.kind == "RoundStarted":
            number = row.data["number"]
        elif row.kind == "CallStarted":
            yield row.data["call_id"], number if row.data["role"] == Role.REBUTTAL else 0


def _panel_closed(data: Json) -> ev.PanelClosed:
    return ev.PanelClosed(tuple(data["judged"]), tuple(data["left_out"]), data["reason"])


def _judge_started(data: Json) -> ev.JudgeStarted:
    trims = tuple(Trim(trim["letter"], trim["omitted_tokens"]) for trim in data["trims"])
    return ev.JudgeStarted(
        data["ref"],
        data["attempt"],
        tuple(data["order"]),
        dict(data["labels"]),
        trims,
        data["reask"],
        winner_only=data.get("winner_only", False),
        masked=tuple(data.get("masked", ())),
        ruling=data.get("ruling", False),  # rows of releases without debates have none
        sight=Sight(data["sight"]) if data.get("sight") else None,
    )


def _judge_failed(data: Json) -> ev.JudgeFailed:
    failure = Failure(data["failure"]["code"], data["failure"]["message"])
    return ev.JudgeFailed(
        data["ref"],
        data["attempt"],
        failure,
        data["next_step"],
        raw=data.get("raw", ""),
        ruling=data.get("ruling", False),
    )


def _as_stored(event: type[ev.Event]) -> Callable[[Json], ev.Event]:
    """Reads an event whose row holds all of it; raises pydantic.ValidationError for anything else."""
    adapter: TypeAdapter[ev.Event] = TypeAdapter(event)
    return adapter.validate_python


_DISPUTES = TypeAdapter(tuple[Dispute, ...])


def _round_ended(data: Json) -> ev.RoundEnded:
    """The positions are in the rows before it."""
    ended = data["round"]
    return ev.RoundEnded(Round(ended["number"], (), _DISPUTES.validate_python(ended["disputes"]), ended["agreement"]))


_READ: dict[str, Callable[[Json], ev.Event]] = {
    "WaitingForAll": lambda data: ev.WaitingForAll(tuple(data["waiting"])),
    "PanelClosed": _panel_closed,
    "Degraded": lambda data: ev.Degraded(data["code"], data["message"]),
    "ImagesRefused": _as_stored(ev.ImagesRefused),
    "JudgeStarted": _judge_started,
    "JudgeFailed": _judge_failed,
    "DebateStarted": _as_stored(ev.DebateStarted),
    "RoundStarted": _as_stored(ev.RoundStarted),
    "PositionEnded": _as_stored(ev.PositionEnded),
    "RoundEnded": _round_ended,
    "DebateEnded": _as_stored(ev.DebateEnded),
    "RulingEnded": _as_stored(ev.RulingEnded),
    "FinalStarted": lambda data: ev.FinalStarted(data["ref"], data["letter"]),
}
REPLAYED = ("RunStarted", "CallStarted", "JudgeEnded", *_READ)
