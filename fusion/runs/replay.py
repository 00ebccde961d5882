"""The stages of a run from its stored events: the same `apply` that made the live record makes the loaded one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from fusion.engine import events as ev
from fusion.engine.types import Failure, Trim
from fusion.engine.verdict import judgement_from_dict
from fusion.live.record import JudgeRecord, RunRecord, apply
from fusion.models import RunEvent, VerdictRecord

Json = dict[str, Any]

KEEPS_VERDICT = "keeps_verdict"  # in the stored RunStarted of an execution that judges nothing anew


def replay(record: RunRecord, events: Iterable[RunEvent], verdicts: Sequence[VerdictRecord]) -> None:
    """Bring the stages of `record` up to date; a verdict row was written with each stored JudgeEnded, in order."""
    judged = iter(verdicts)
    order: list[str] = []
    for row in events:
        if row.kind == "RunStarted" and not row.data.get(KEEPS_VERDICT, False):
            record.judge, record.panel_closed, record.waiting_for_all = JudgeRecord(), None, False
        elif row.kind == "RunStarted":
            record.waiting_for_all = False
        elif row.kind == "CallStarted":
            order.append(row.data["call_id"])
        elif row.kind == "JudgeEnded" and (verdict := next(judged, None)) is not None:
            apply(record, ev.JudgeEnded(judgement_from_dict(verdict.data)), at_ms=row.at_ms)
        elif row.kind in _READ:
            apply(record, _READ[row.kind](row.data), at_ms=row.at_ms)
    _sort_calls(record, order)


def _sort_calls(record: RunRecord, order: list[str]) -> None:
    """Rows are written as calls end; a receipt lists them as they began."""
    place = {call_id: number for number, call_id in enumerate(order)}
    calls = sorted(record.calls.items(), key=lambda item: place.get(item[0], len(place)))
    record.calls = dict(calls)


def _panel_closed(data: Json) -> ev.PanelClosed:
    return ev.PanelClosed(tuple(data["judged"]), tuple(data["left_out"]), data["reason"])


def _judge_started(data: Json) -> ev.JudgeStarted:
    trims = tuple(Trim(trim["letter"], trim["omitted_tokens"]) for trim in data["trims"])
    return ev.JudgeStarted(
        data["ref"], data["attempt"], tuple(data["order"]), dict(data["labels"]), trims, data["reask"]
    )


def _judge_failed(data: Json) -> ev.JudgeFailed:
    failure = Failure(data["failure"]["code"], data["failure"]["message"])
    return ev.JudgeFailed(data["ref"], data["attempt"], failure, data["next_step"])


_READ: dict[str, Callable[[Json], ev.Event]] = {
    "WaitingForAll": lambda data: ev.WaitingForAll(tuple(data["waiting"])),
    "PanelClosed": _panel_closed,
    "JudgeStarted": _judge_started,
    "JudgeFailed": _judge_failed,
    "FinalStarted": lambda data: ev.FinalStarted(data["ref"], data["letter"]),
}
REPLAYED = ("RunStarted", "CallStarted", "JudgeEnded", *_READ)
