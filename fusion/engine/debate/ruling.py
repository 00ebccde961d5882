"""The end of a debate: a judge rules on each dispute and chooses the answer that the final builds on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fusion.engine.call import Caller, CallResult
from fusion.engine.clean import clean_answer
from fusion.engine.controls import Controls
from fusion.engine.debate.ledger import TEXT_MAX, Ledger
from fusion.engine.debate.moves import REASON_MAX
from fusion.engine.debate.shown import RulingNames, Veil, veil_of
from fusion.engine.debate.wire import Shown, Unreadable, WireRuling, read_ruling, ruling_schema
from fusion.engine.disputes import Dispute, DisputeRuling, LedgerStance, Move, Ruling
from fusion.engine.events import Emit, RulingEnded
from fusion.engine.judge import JUDGES_MAX, QUOTED_REPLY_MAX_CHARS, without_steering
from fusion.engine.labels import derive_seed, shuffle
from fusion.engine.prompts import FencedAnswer
from fusion.engine.prompts.debate import FencedDispute, FencedStance, reask_messages, ruling_messages
from fusion.engine.sitting import Brief, Sitting
from fusion.engine.types import Answer, Endpoint, Judgement, Message, Plan
from fusion.engine.verdict import Rejection


async def rule(
    plan: Plan,
    answers: Sequence[Answer],
    judgement: Judgement,
    ledger: Ledger,
    *,
    emit: Emit,
    caller: Caller,
    controls: Controls,
) -> Ruling | None:
    """The ruling of the first judge that gives one; None when all fail or a person stops the run.

    `answers`: those that may become the base; one that tries to steer, by the judgement, is shown without what does.
    Emits JudgeStarted, JudgeGrew and JudgeFailed with `ruling` set, and last RulingEnded. The same judges are asked in
    the same order as for the verdict.
    """
    whole = {answer.letter: clean_answer(answer.text) for answer in sorted(answers, key=lambda one: one.letter)}
    texts = await without_steering(plan, whole, judgement)
    judges = plan.judges[:JUDGES_MAX]
    for attempt, endpoint in enumerate(judges, start=1):
        sitting = _RulingSitting(plan, texts, ledger, endpoint, attempt, emit=emit, caller=caller, controls=controls)
        outcome = await sitting.hear()
        if isinstance(outcome, Ruling):
            emit(RulingEnded(outcome))
            return outcome
        if outcome is None or controls.all_stopped:
            return None
        sitting.announce(outcome, "fallback" if attempt < len(judges) else "none")
    return None


class _RulingSitting(Sitting[tuple[WireRuling, str], Ruling]):
    decision = "ruling"
    rules = True

    def __init__(
        self,
        plan: Plan,
        texts: Mapping[str, str],
        ledger: Ledger,
        endpoint: Endpoint,
        attempt: int,
        *,
        emit: Emit,
        caller: Caller,
        controls: Controls,
    ) -> None:
        super().__init__(plan, texts, endpoint, attempt, emit=emit, caller=caller, controls=controls)
        self.ledger = ledger
        self.disputes = ledger.disputes
        self.veil = veil_of(plan)

    @property
    def stage(self) -> str:
        return f"ruling-{self.attempt}"

    def names(self) -> tuple[str, ...]:
        return (*self.texts, *(stance.id for dispute in self.disputes for stance in dispute.stances))

    def told(self) -> Sequence[str]:
        stances = [stance for dispute in self.disputes for stance in dispute.stances]
        shown = [text for stance in stances for text in (stance.text, stance.quote, stance.argument)]
        moved = [text for _, _, move in self.ledger.moves() for text in (move.reason, _why(move))]
        return (*self.texts.values(), *(dispute.topic for dispute in self.disputes), *shown, *moved)

    def messages(
        self, labels: Mapping[str, str], order: Sequence[str], nonce: str, texts: Mapping[str, str]
    ) -> tuple[Message, ...]:
        return ruling_messages(
            rubric=self.plan.rubric,
            judge_instructions=self.plan.judge_instructions,
            question=self.plan.prompt,
            answers=[FencedAnswer(labels[letter], texts[letter]) for letter in order],
            disputes=[self._fenced(dispute, labels) for dispute in self.disputes],
            nonce=nonce,
        )

    def schema(self, brief: Brief) -> Mapping[str, Any]:
        return ruling_schema(self._shown(brief), brief.shown_labels)

    def read(self, brief: Brief, result: CallResult) -> tuple[WireRuling, str] | Rejection:
        read = read_ruling(result.text, finish=result.finish, shown=self._shown(brief), answers=brief.shown_labels)
        return Rejection(read.errors, assessments_missing=True) if isinstance(read, Unreadable) else read

    def corrected(self, brief: Brief, reply: str, rejection: Rejection) -> tuple[Message, ...]:
        reply = reply[-QUOTED_REPLY_MAX_CHARS:]
        return reask_messages(
            brief.messages, template="ruling_reask", reply=reply, errors=rejection.errors, nonce=brief.nonce
        )

    def outcome(
        self, brief: Brief, reading: tuple[WireRuling, str], raw: str, *, parse_path: str | None = None
    ) -> Ruling:
        wire, path = reading
        shown, names = self._shown(brief), RulingNames(brief.labels, self.disputes)
        rulings = (
            DisputeRuling(
                dispute=one.id,
                stance=shown.stance(one.stance) or None,
                basis=one.basis,
                reason=names.prose(one.reason[:REASON_MAX]),
                test=names.prose(one.test[:TEXT_MAX]),
            )
            for one in wire.disputes
        )
        return Ruling(
            judge=self.endpoint.ref,
            attempt=self.attempt,
            order=brief.order,
            labels=dict(brief.labels),
            parse_path=parse_path or path,
            rulings=tuple(rulings),
            base=next(letter for letter in self.texts if brief.labels[letter] == wire.base),
            confidence=min(100, max(0, wire.confidence)),
            rationale=names.prose(wire.rationale[:REASON_MAX]),
            trims=brief.fitted.trims,
            raw=raw,
        )

    def prose(self, text: str) -> str:
        return RulingNames(self.labels, self.disputes).prose(text)

    def _shown(self, brief: Brief) -> Shown:
        ids = {stance.id for dispute in self.disputes for stance in dispute.stances}
        return Shown(self.disputes, {one: label for one, label in brief.labels.items() if one in ids})

    def _fenced(self, dispute: Dispute, labels: Mapping[str, str]) -> FencedDispute:
        """The whole dispute, in an order of its own: also what nobody holds any more may be ruled right."""
        by_id = {stance.id: stance for stance in dispute.stances}
        seed = derive_seed(self.plan.seed, f"{self.stage}-{dispute.id}", 0)
        stances = (self._stance(by_id[one], labels[one]) for one in shuffle(tuple(by_id), seed))
        return FencedDispute(dispute.id, self.veil.words(dispute.topic), tuple(stances))

    def _stance(self, stance: LedgerStance, label: str) -> FencedStance:
        return FencedStance(
            label,
            self.veil.words(stance.text),
            stance.quote,
            self.veil.argument(stance.argument),
            history=tuple(sorted(_given_up(self.ledger, stance.id, self.veil))),
        )


def _given_up(ledger: Ledger, stance: str, veil: Veil) -> set[str]:
    """One line for each way in which this stance was given up; never how often."""
    return {
        _how(number, move, veil)
        for number, _, move in ledger.moves()
        if move.before == stance and move.stance != stance
    }


def _how(number: int, move: Move, veil: Veil) -> str:
    if move.soft:
        return f"given up in round {number} without a reason: neither an error nor evidence was named"
    why = veil.argument(_why(move)) or veil.argument(move.reason)
    error = move.error
    if error is not None and error.stance == move.before and error.quote:
        return f"given up in round {number} for a named error in “{error.quote}”: {why}"
    return f"given up in round {number} for evidence, “{move.evidence_quote}”: {why}"


def _why(move: Move) -> str:
    return move.error.why if move.error is not None else ""


def base_candidates(ledger: Ledger, answers: Sequence[Answer], chosen: str | None) -> tuple[Answer, ...]:
    """The answers that a ruling may build on: of those who took part, and the one that the verdict chose."""
    return tuple(answer for answer in answers if answer.letter in ledger.debaters or answer.letter == chosen)
