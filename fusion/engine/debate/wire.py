"""What a member writes in a round and what a judge rules, as JSON with labels; their schemas and how they are read.

The schemas keep to what every provider's strict mode knows, as the verdict's does (`verdict/wire.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import ValidationError

from fusion.engine.disputes import Dispute
from fusion.engine.types import FinishReason
from fusion.engine.verdict.extract import object_with
from fusion.engine.verdict.plain import Labels, dicts, one_of, percentage, text_of, word_of
from fusion.engine.verdict.wire import BASES, Basis, Wire, enum_schema, list_schema, object_schema

W = TypeVar("W", bound=Wire)

NEW = "new"
ACTIONS = ("hold", "refine", "concede")
ERRORS_MAX = 8


class WireError(Wire):
    stance: str
    quote: str
    why: str


class WireMove(Wire):
    id: str
    action: str
    stance: str | None
    wording: str
    reason: str
    evidence_quote: str
    error: WireError | None
    would_change_my_mind: str
    confidence: int


class WireRebuttal(Wire):
    disputes: list[WireMove]


class WireDisputeRuling(Wire):
    id: str
    stance: str | None
    basis: Basis
    reason: str
    test: str


class WireRuling(Wire):
    disputes: list[WireDisputeRuling]
    base: str
    confidence: int
    rationale: str


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Why a reply cannot be used, precisely enough to be sent back."""

    errors: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Shown:
    """The disputes of one call, with the label under which each stance is shown (stance id to label)."""

    disputes: tuple[Dispute, ...]
    labels: Mapping[str, str]

    def labels_of(self, dispute: Dispute) -> tuple[str, ...]:
        return tuple(self.labels[stance.id] for stance in dispute.stances if stance.id in self.labels)

    def dispute(self, identity: str) -> Dispute | None:
        return next((dispute for dispute in self.disputes if dispute.id == identity), None)

    def stance(self, label: str | None) -> str:
        """The id of the stance under a label, "" for none."""
        return next((one for one, known in self.labels.items() if known == label), "")


# --- schemas -------------------------------------------------------------------------------------

_STRING: Mapping[str, Any] = {"type": "string"}


def rebuttal_schema(shown: Shown) -> dict[str, Any]:
    """The JSON schema of one member's reply."""
    labels = tuple(shown.labels.values())
    stance = {"type": ["string", "null"], "enum": [*labels, NEW, None]}
    error = {**object_schema(stance=enum_schema(labels), quote=_STRING, why=_STRING), "type": ["object", "null"]}
    move = object_schema(
        id=enum_schema([dispute.id for dispute in shown.disputes]),
        action=enum_schema(ACTIONS),
        stance=stance,
        wording=_STRING,
        reason=_STRING,
        evidence_quote=_STRING,
        error=error,
        would_change_my_mind=_STRING,
        confidence={"type": "integer"},
    )
    return object_schema(disputes=list_schema(move))


def ruling_schema(shown: Shown, answers: Sequence[str]) -> dict[str, Any]:
    """The JSON schema of a ruling; `answers`: the labels of the answers it may build on."""
    labels = tuple(shown.labels.values())
    ruling = object_schema(
        id=enum_schema([dispute.id for dispute in shown.disputes]),
        stance={"type": ["string", "null"], "enum": [*labels, None]},
        basis=enum_schema(BASES),
        reason=_STRING,
        test=_STRING,
    )
    return object_schema(
        disputes=list_schema(ruling), base=enum_schema(answers), confidence={"type": "integer"}, rationale=_STRING
    )


# --- reading -------------------------------------------------------------------------------------


def read_rebuttal(
    raw: str, *, finish: FinishReason | None, shown: Shown
) -> tuple[tuple[WireMove, ...], str] | Unreadable:
    """The moves of a reply, one for each dispute it speaks of, and the rung of the ladder that gave them.

    A dispute that it leaves out is not an error: the member keeps its stance there.
    """
    found, path = object_with(raw, "disputes", may_repair=finish is FinishReason.STOP)
    if found is None:
        return Unreadable(("There is no complete JSON object with `disputes` in the reply.",))
    exact = _exact(WireRebuttal, found)
    moves = exact.disputes if isinstance(exact, WireRebuttal) and not _move_errors(exact.disputes, shown) else None
    if moves is None:
        moves = [WireMove.model_validate(move) for item in dicts(found["disputes"]) if (move := _move(item, shown))]
        path = "coerced"
    by_dispute = {move.id: move for move in reversed(moves)}
    if not by_dispute:
        known = ", ".join(dispute.id for dispute in shown.disputes)
        return Unreadable((f"No entry of `disputes` has an `id` ({known}) and an `action` ({', '.join(ACTIONS)}).",))
    return tuple(by_dispute[one.id] for one in shown.disputes if one.id in by_dispute), path


def read_ruling(
    raw: str, *, finish: FinishReason | None, shown: Shown, answers: Sequence[str]
) -> tuple[WireRuling, str] | Unreadable:
    """The ruling, with every dispute exactly once and in order, and the rung of the ladder that gave it.

    What decides (the stance that holds, the base) is never guessed; a stance of another dispute is an error.
    """
    found, path = object_with(raw, "base", may_repair=finish is FinishReason.STOP)
    if found is None:
        return Unreadable(("There is no complete JSON object with `disputes` and `base` in the reply.",))
    wire = _exact(WireRuling, found)
    errors = wire if isinstance(wire, tuple) else _ruling_errors(wire, shown, answers)
    if errors:
        wire, path = WireRuling.model_validate(_ruling(found, shown, answers)), "coerced"
        errors = _ruling_errors(wire, shown, answers)
    if errors or isinstance(wire, tuple):
        return Unreadable(tuple(errors[:ERRORS_MAX]))
    by_dispute = {item.id: item for item in wire.disputes}
    return wire.model_copy(update={"disputes": [by_dispute[one.id] for one in shown.disputes]}), path


def _exact(kind: type[W], found: Mapping[str, Any]) -> W | tuple[str, ...]:
    try:
        return kind.model_validate(found)
    except ValidationError as exc:
        errors = exc.errors(include_url=False)[:ERRORS_MAX]
        return tuple(f"`{'.'.join(map(str, error['loc']))}`: {error['msg']}." for error in errors)


def _move_errors(moves: Sequence[WireMove], shown: Shown) -> bool:
    return any(
        shown.dispute(move.id) is None
        or move.action not in ACTIONS
        or (move.stance not in (None, NEW) and not shown.stance(move.stance))
        for move in moves
    )


def _move(item: Mapping[str, Any], shown: Shown) -> dict[str, Any] | None:
    """One entry in wire form; None without a dispute and an action."""
    dispute = shown.dispute(word_of(item.get("id")))
    action = word_of(item.get("action"))
    if dispute is None or action not in ACTIONS:
        return None
    known = Labels(shown.labels_of(dispute))
    stance = known.read(item.get("stance"))
    return {
        "id": dispute.id,
        "action": action,
        "stance": stance or (NEW if word_of(item.get("stance")) == NEW else None),
        "wording": text_of(item.get("wording")),
        "reason": text_of(item.get("reason")),
        "evidence_quote": text_of(item.get("evidence_quote")),
        "error": _error(item.get("error"), known),
        "would_change_my_mind": text_of(item.get("would_change_my_mind")),
        "confidence": percentage(item.get("confidence")),
    }


def _error(value: object, known: Labels) -> dict[str, str] | None:
    if not isinstance(value, dict):
        return None
    return {
        "stance": known.read(value.get("stance")) or "",
        "quote": text_of(value.get("quote")),
        "why": text_of(value.get("why")),
    }


def _ruling(found: Mapping[str, Any], shown: Shown, answers: Sequence[str]) -> dict[str, Any]:
    return {
        "disputes": [_dispute_ruling(item, shown) for item in dicts(found.get("disputes"))],
        "base": Labels(answers).read(found.get("base")) or "",
        "confidence": percentage(found.get("confidence")),
        "rationale": text_of(found.get("rationale")),
    }


def _dispute_ruling(item: Mapping[str, Any], shown: Shown) -> dict[str, Any]:
    """A stance that cannot be read stays as it is and fails the check; one that "cannot be told" is open."""
    dispute = shown.dispute(word_of(item.get("id")))
    basis = one_of(item.get("basis"), BASES, otherwise="cannot_tell")
    stance: str | None = None
    if word_of(item.get("stance")) not in ("", "none", "null", "open") and basis != "cannot_tell":
        known = Labels(shown.labels_of(dispute)) if dispute else Labels(())
        stance = known.read(item.get("stance")) or text_of(item.get("stance"))[:40]
    return {
        "id": dispute.id if dispute else text_of(item.get("id"))[:40],
        "stance": stance,
        "basis": basis if stance is not None else "cannot_tell",
        "reason": text_of(item.get("reason")),
        "test": text_of(item.get("test")),
    }


def _ruling_errors(wire: WireRuling, shown: Shown, answers: Sequence[str]) -> tuple[str, ...]:
    errors = []
    for dispute in shown.disputes:
        ruled = [item for item in wire.disputes if item.id == dispute.id]
        labels = shown.labels_of(dispute)
        if len(ruled) != 1:
            errors.append(f"`disputes` must hold `{dispute.id}` once, it holds it {len(ruled)} times.")
        elif ruled[0].stance is not None and ruled[0].stance not in labels:
            errors.append(f"`{ruled[0].stance[:40]}` is not a stance of `{dispute.id}`: {', '.join(labels)}, or null.")
        elif (ruled[0].stance is None) != (ruled[0].basis == "cannot_tell"):
            errors.append(f"`{dispute.id}`: `stance` is null exactly when `basis` is `cannot_tell`.")
    if wire.base not in answers:
        errors.append(f"`base` must be one of the answers: {', '.join(answers)}.")
    return tuple(errors)
