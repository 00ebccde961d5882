"""The simulated members in a debate, and the simulated judge that rules on it.

Both read the engine's prompts. On a bundled question a model says what is written for it and the judge rules as it
judged; on any other prompt the members hold their stances and the judge leaves them open, and both say why.
"""

from __future__ import annotations

import json
import re
from typing import Any

from rapidfuzz import fuzz

from fusion.engine.types import CompletionRequest
from fusion.providers.simulated.ballot import Ballot, ballot_of, weighted
from fusion.providers.simulated.debates import WrittenDispute, WrittenMove, find_dispute
from fusion.providers.simulated.fences import (
    DebateTask,
    FencedDispute,
    FencedStance,
    read_debate_task,
    read_judge_task,
)
from fusion.providers.simulated.judging import findings_of
from fusion.providers.simulated.questions import WrittenContradiction, WrittenQuestion, find_question

NOTHING_WEIGHED = "This is a simulation: no model weighed this dispute, so the stance stays as it is."
LEFT_OPEN = "This is a simulated ruling: the two sentences were only compared, and nobody checked which one is right."
CHECK_YOURSELF = "Look the point up, or ask a panel of real models."
SIMULATED_NOTE = "(Simulated ruling: it was written in advance for this bundled example.)"
SAME_STANCE = 60.0
SURE_OF_WRITTEN, SURE_OF_UNREAD = 86, 30
_CRITERION = re.compile(r"^\*\*(.+?)\*\* \(weight", re.MULTILINE)


# --- a member ------------------------------------------------------------------------------------


def rebuttal_reply(model_id: str, request: CompletionRequest) -> str:
    """The member's JSON reply in a round; the same again when it is asked to mend it."""
    task = read_debate_task(request) or DebateTask("", ())
    written = find_question(task.question)
    moves = [_move(model_id, dispute, written) for dispute in task.disputes]
    return json.dumps({"disputes": [move for move in moves if move is not None]}, ensure_ascii=False)


def _move(model_id: str, dispute: FencedDispute, written: WrittenQuestion | None) -> dict[str, Any] | None:
    """None where it holds no stance: it stays out."""
    own = dispute.own
    if own is None:
        return None
    told = find_dispute(dispute.topic, written) if written else None
    if told is None:
        return _said(dispute, "hold", own, reason=NOTHING_WEIGHED, confidence=SURE_OF_UNREAD)
    move = _written_move(told, model_id, dispute)
    if move is None:
        return _said(dispute, "hold", own, confidence=80)
    return _written(dispute, own, told, move)


def _written_move(told: WrittenDispute, model_id: str, dispute: FencedDispute) -> WrittenMove | None:
    """What is written for this round, a later one when something was argued already; None when all has been said."""
    moves = told.moves.get(model_id, ())
    number = 1 if any(stance.argument for stance in dispute.stances) else 0
    return moves[number] if number < len(moves) else None


def _written(dispute: FencedDispute, own: FencedStance, told: WrittenDispute, move: WrittenMove) -> dict[str, Any]:
    right = _right(dispute, told.contradiction)
    target = right if move.action == "concede" and right is not None else own
    return _said(
        dispute,
        move.action,
        target,
        wording=move.wording or target.says,
        reason=move.reason,
        evidence_quote=move.evidence_quote,
        error=_error(dispute, own, move),
        would_change_my_mind=move.would_change_my_mind,
        confidence=move.confidence,
    )


def _error(dispute: FencedDispute, own: FencedStance, move: WrittenMove) -> dict[str, str] | None:
    """The mistake that it names: its own when it concedes, else in the stance that says so."""
    if not move.error_quote:
        return None
    others = [stance for stance in dispute.stances if stance is not own and move.error_quote in stance.quote]
    wrong = own if move.action == "concede" else next(iter(others), None)
    if wrong is None:
        return None
    return {"stance": wrong.label, "quote": move.error_quote, "why": move.error_why}


def _said(dispute: FencedDispute, action: str, stance: FencedStance, **more: Any) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "id": dispute.id,
        "action": action,
        "stance": stance.label,
        "wording": stance.says,
        "reason": "",
        "evidence_quote": "",
        "error": None,
        "would_change_my_mind": "",
        "confidence": 50,
    }
    return entry | more


# --- the judge that rules ------------------------------------------------------------------------


def ruling_reply(request: CompletionRequest) -> str:
    """The ruling as JSON text, consistent with what the same judge says of the answers."""
    task, answers = read_debate_task(request), read_judge_task(request)
    if task is None or answers is None:
        return json.dumps({"disputes": [], "base": "", "confidence": 0, "rationale": "There is nothing to rule on."})
    written = find_question(task.question)
    findings = findings_of(answers)
    ballot = _ballot(request)
    best = max(findings.appraisals, key=lambda one: (one.fatal_flaw is None, weighted(one.scores, ballot)))
    rulings = [_ruling(dispute, written) for dispute in task.disputes]
    known = written is not None and all(find_dispute(dispute.topic, written) for dispute in task.disputes)
    ruling = {
        "disputes": rulings,
        "base": best.label,
        "confidence": SURE_OF_WRITTEN if known else SURE_OF_UNREAD,
        "rationale": f"{best.merit} {SIMULATED_NOTE if known else LEFT_OPEN}",
    }
    return json.dumps(ruling, ensure_ascii=False)


def _ruling(dispute: FencedDispute, written: WrittenQuestion | None) -> dict[str, Any]:
    told = find_dispute(dispute.topic, written) if written else None
    if told is None:
        return _ruled(dispute, None, "cannot_tell", LEFT_OPEN, CHECK_YOURSELF)
    right = _right(dispute, told.contradiction)
    if right is None or told.contradiction.resolution is None:
        return _ruled(dispute, None, "cannot_tell", told.open or LEFT_OPEN, told.test)
    return _ruled(dispute, right, told.contradiction.basis, told.contradiction.resolution, told.test)


def _ruled(
    dispute: FencedDispute, stance: FencedStance | None, basis: str, reason: str, test: str
) -> dict[str, str | None]:
    label = None if stance is None else stance.label
    return {"id": dispute.id, "stance": label, "basis": basis, "reason": reason, "test": test}


def _ballot(request: CompletionRequest) -> Ballot:
    """The criteria as the instructions name them; a ruling's schema has no scores."""
    told = "\n".join(message.content for message in request.messages if message.role == "system")
    return ballot_of(request, criteria=tuple(_CRITERION.findall(told)))


# --- which stance is which -----------------------------------------------------------------------


def _right(dispute: FencedDispute, contradiction: WrittenContradiction) -> FencedStance | None:
    """The stance that is right, as it is shown here; None when nobody can tell, or nobody holds it."""
    right = next((stance for stance in contradiction.stances if stance.right), None)
    if right is None:
        return None
    return next((stance for stance in dispute.stances if _is_same(stance.says, right.stance)), None)


def _is_same(says: str, stance: str) -> bool:
    return fuzz.ratio(says.casefold(), stance.casefold()) >= SAME_STANCE
