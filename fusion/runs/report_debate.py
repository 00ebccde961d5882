"""The debate's part of a run's Markdown report."""

from __future__ import annotations

from collections.abc import Iterator

from fusion.engine.disputes import Dispute, DisputeRuling, LedgerStance, Move
from fusion.live.debate import CellRecord, RoundRecord
from fusion.live.record import RunRecord
from fusion.runs.disputes import BASES, action_words, disputes_of, round_words, stance_name, stance_state, stop_words
from fusion.runs.report_text import inline, quoted


def debate_section(record: RunRecord, *, title: str = "Debate") -> str:
    """Disputes as the debate left them, rounds, the reason for its end, the ruling; empty when none was held."""
    debate = record.debate
    if not debate.disputes and debate.reason is None:
        return ""
    ended = stop_words(debate) or "The debate had not ended."
    parts = [f"## {title}\n\n{ended}"]
    if debate.ledger:
        lines = (line for number, one in enumerate(debate.ledger, 1) for line in _dispute(number, one))
        parts.append("### Disputes\n\n" + "\n".join(lines))
    parts += [_round(record, one) for one in debate.rounds]
    parts.append(_ruling(record))
    return "\n\n".join(part for part in parts if part)


def _dispute(number: int, dispute: Dispute) -> Iterator[str]:
    yield f"- **Dispute {number}:** {inline(dispute.topic)}"
    for stance in dispute.stances:
        name, text = stance_name(dispute, stance.id), inline(stance.text)
        yield f"    - **{name}** ({_who(stance)}): {text}{quoted(stance.quote)}"


def _who(stance: LedgerStance) -> str:
    return f"held by {', '.join(stance.letters)}" if stance.letters else stance_state(stance)


def _round(record: RunRecord, one: RoundRecord) -> str:
    said = " ".join(round_words(record.debate, one)) or "This round did not end."
    disputes = disputes_of(record.debate, one.number)
    numbers = {dispute: number for number, dispute in enumerate(disputes, 1)}
    lines = [line for cell in one.cells for line in _cell(cell, disputes, numbers)]
    return f"### Round {one.number}\n\n{said}\n\n" + "\n".join(lines)


def _cell(cell: CellRecord, disputes: dict[str, Dispute], numbers: dict[str, int]) -> Iterator[str]:
    if cell.position is None:
        why = f": {inline(cell.failure.message)}" if cell.failure is not None else ""
        yield f"- **{cell.letter}:** " + (f"no reply that can be used{why}" if cell.ended else "had not replied yet")
        return
    yield f"- **{cell.letter}:**"
    for move in cell.position.moves:
        yield from _move(move, disputes.get(move.dispute), numbers.get(move.dispute, 0))


def _move(move: Move, dispute: Dispute | None, number: int) -> Iterator[str]:
    soft = " (without a reason)" if move.soft else ""
    yield f"    - **Dispute {number}, {action_words(move, dispute)}**{soft}: {inline(move.text)}"
    if move.reason.strip():
        yield f"        - **Reason:** {inline(move.reason)}"
    if move.error is not None:
        yield f"        - **Names an error:** {inline(move.error.why)}{quoted(move.error.quote)}"
    if move.evidence_quote.strip():
        yield f"        - **Evidence:**{quoted(move.evidence_quote)}"
    if move.would_change_my_mind.strip():
        yield f"        - **Would change its mind:** {inline(move.would_change_my_mind)}"


def _ruling(record: RunRecord) -> str:
    ruling = record.ruling.ruling
    if ruling is None:
        return ""
    disputes = {dispute.id: dispute for dispute in record.debate.ledger}
    numbers = {dispute: number for number, dispute in enumerate(disputes, 1)}
    lines = [line for one in ruling.rulings for line in _ruled(one, disputes.get(one.dispute), numbers)]
    judge = inline(record.facts(ruling.judge).name)
    said = f"Ruled by {judge}, built on {ruling.base}. {inline(ruling.rationale)}"
    return f"### Ruling\n\n{said}\n\n" + "\n".join(lines)


def _ruled(one: DisputeRuling, dispute: Dispute | None, numbers: dict[str, int]) -> Iterator[str]:
    holds = stance_name(dispute, one.stance) if dispute is not None and one.stance is not None else ""
    outcome = f"{holds} holds, {BASES[one.basis]}" if holds else "open"
    yield f"- **Dispute {numbers.get(one.dispute, 0)}: {outcome}.** {inline(one.reason)}"
    if one.test.strip():
        yield f"    - **What would settle it:** {inline(one.test)}"
