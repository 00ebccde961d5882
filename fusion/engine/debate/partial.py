"""What can be shown of a position or a ruling while it is still being written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

from fusion.engine.debate.shown import RulingNames, StanceNames
from fusion.engine.debate.wire import ACTIONS, Shown
from fusion.engine.disputes import Action, Dispute
from fusion.engine.verdict.names import Names
from fusion.engine.verdict.partial import decode_unfinished
from fusion.engine.verdict.plain import dicts


@dataclass(frozen=True, slots=True)
class PartialMove:
    """As much of a move as came; `action` "" until it is whole."""

    dispute: str
    action: Action | Literal[""] = ""
    text: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class PartialDisputeRuling:
    """As much of a ruling on one dispute as came; `stance` "" until it is known, None when it is left open."""

    dispute: str
    stance: str | None = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class PartialRuling:
    rulings: tuple[PartialDisputeRuling, ...] = ()
    rationale: str = ""


def partial_position(raw_text: str, labels: Mapping[str, str], disputes: Sequence[Dispute]) -> tuple[PartialMove, ...]:
    """The moves that can be read from an unfinished reply, whatever the text is; never JSON, never a label.

    `labels`: the member's, of RoundStarted; `disputes`: the ledger before the round.
    """
    names = StanceNames(labels, disputes)
    found = decode_unfinished(_whole(raw_text, labels))
    return tuple(_move(item, names) for item in _entries(found, disputes))


def partial_ruling(raw_text: str, labels: Mapping[str, str], disputes: Sequence[Dispute]) -> PartialRuling:
    """The same of a ruling; `labels` of JudgeStarted, `disputes` of DebateEnded."""
    names, shown = RulingNames(labels, disputes), Shown(tuple(disputes), labels)
    found = decode_unfinished(_whole(raw_text, labels))
    rulings = (_ruling(item, names, shown) for item in _entries(found, disputes))
    return PartialRuling(tuple(rulings), names.prose(_text(found.get("rationale"))))


def _entries(found: Mapping[str, Any], disputes: Sequence[Dispute]) -> list[Mapping[str, Any]]:
    """The first entry about each dispute, whatever else stands there."""
    known = {dispute.id for dispute in disputes}
    entries: dict[str, Mapping[str, Any]] = {}
    for item in dicts(found.get("disputes")):
        identity = _text(item.get("id"))
        if identity in known:
            entries.setdefault(identity, item)
    return list(entries.values())


def _move(item: Mapping[str, Any], names: StanceNames) -> PartialMove:
    action = item.get("action")
    return PartialMove(
        dispute=item["id"],
        action=cast(Action, action) if action in ACTIONS else "",
        text=names.prose(_text(item.get("wording"))),
        reason=names.prose(_text(item.get("reason"))),
    )


def _ruling(item: Mapping[str, Any], names: RulingNames, shown: Shown) -> PartialDisputeRuling:
    stance: str | None = ""
    if "stance" in [*item][:-1]:  # a field after it has come, so it is whole
        label = item["stance"]
        stance = None if label is None else shown.stance(str(label))
    return PartialDisputeRuling(item["id"], stance, names.prose(_text(item.get("reason"))))


def _whole(raw_text: str, labels: Mapping[str, str]) -> str:
    return Names(labels).without_cut_label(raw_text)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
