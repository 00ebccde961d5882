"""The rounds of a debate: every member goes through the disputes, all at once, until a rule says that it is enough."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from fusion.engine.budget import MIN_SHARE_TOKENS, answer_budget, assumed_context, estimate_tokens, fit
from fusion.engine.call import Caller
from fusion.engine.clean import clean_answer
from fusion.engine.controls import Controls
from fusion.engine.debate.ledger import Ledger, find_disputes, stance_held
from fusion.engine.debate.moves import Debater
from fusion.engine.debate.rebuttal import Brief, Floor, Rebuttal
from fusion.engine.debate.shown import veil_of
from fusion.engine.debate.stop import DEBATERS_MIN, reason_to_stop
from fusion.engine.debate.wire import Shown
from fusion.engine.disputes import Dispute, Position, StopReason
from fusion.engine.events import (
    DebateEnded,
    DebateStarted,
    Emit,
    PositionEnded,
    RoundEnded,
    RoundStarted,
)
from fusion.engine.labels import derive_seed, draw_labels, draw_nonce, shuffle
from fusion.engine.prompts.debate import FencedDispute, FencedStance, debater_messages
from fusion.engine.prompts.images import images_tokens
from fusion.engine.sitting import OUTPUT_SHARE
from fusion.engine.types import (
    Answer,
    Judgement,
    Limits,
    Member,
    Message,
    Plan,
)

ROUND_MIN_S = 10.0  # a round that has less is not begun
RESERVED_SHARE = 0.5  # of the time limits of judge and writer, which the ruling and its writing usually take


async def hold_debate(
    plan: Plan, answers: Sequence[Answer], judgement: Judgement, *, emit: Emit, caller: Caller, controls: Controls
) -> Ledger | None:
    """Let the members argue about what the verdict leaves contradictory; None when a person stopped the run.

    Emits DebateStarted, RoundStarted, PositionGrew, PositionEnded and RoundEnded unless there is no round, and last
    DebateEnded with the reason. Rounds that exist already (`plan.given_rounds`) are not asked again.
    """
    debate = _Debate(plan, answers, judgement, emit=emit, caller=caller, controls=controls)
    controls.attach_debate(debate)
    try:
        return await debate.run()
    finally:
        controls.close_debate()


def debaters_of(judgement: Judgement, answers: Sequence[Answer]) -> tuple[str, ...]:
    """Who takes part: whose answer was judged and does not try to steer the judge."""
    judged = {answer.letter for answer in answers} & set(judgement.labels)
    return tuple(sorted(judged - set(judgement.suspects)))


def left_out_letters(judgement: Judgement, answers: Sequence[Answer]) -> tuple[str, ...]:
    """Who has a side in a material contradiction and takes no part all the same, since its answer tries to steer."""
    sides = (side for one in judgement.verdict.contradictions if one.material for side in one.stances)
    named = {letter for side in sides for letter in side.letters}
    judged = {answer.letter for answer in answers}
    return tuple(sorted(named & judged & set(judgement.suspects)))


def ledger_of(plan: Plan, answers: Sequence[Answer], judgement: Judgement) -> Ledger:
    """The ledger with the rounds that exist already."""
    debaters = debaters_of(judgement, answers)
    opened = [dispute for _, dispute in find_disputes(judgement, debaters)]
    return Ledger(opened, debaters, plan.given_rounds if opened else ())


class _Debate:
    """One debate under way; a person may steer it through the controls."""

    def __init__(
        self,
        plan: Plan,
        answers: Sequence[Answer],
        judgement: Judgement,
        *,
        emit: Emit,
        caller: Caller,
        controls: Controls,
    ) -> None:
        self.plan = plan
        self.ledger = ledger_of(plan, answers, judgement)
        self.is_disputed = bool(find_disputes(judgement, judgement.labels))  # maybe only by who takes no part
        self.texts = {answer.letter: answer.text for answer in answers if answer.letter in self.ledger.debaters}
        self.emit = emit
        self.caller = caller
        self.controls = controls
        self.floor = Floor(plan, self.ledger, emit, caller, controls)
        self.veil = veil_of(plan)
        self._under_way: set[str] = set()

    def under_way(self, letter: str) -> bool:
        return letter in self._under_way

    async def run(self) -> Ledger | None:
        reason = self._reason_to_end()
        if reason is None or self.ledger.rounds:
            self.emit(DebateStarted(self.ledger.opened, self.plan.limits.debate_rounds))
        while reason is None:
            await self._hold_round(len(self.ledger.rounds) + 1)
            if self.controls.all_stopped:
                return None
            reason = self._reason_to_end()
        self.emit(DebateEnded(reason, len(self.ledger.rounds), self.ledger.disputes))
        return self.ledger

    # --- when it ends ------------------------------------------------------------------------------------

    def _reason_to_end(self) -> StopReason | None:
        """The first rule that ends the debate as it stands now, in the order of StopReason."""
        limits = self.plan.limits
        if not self.ledger.opened:
            return StopReason.TOO_FEW if self.is_disputed else StopReason.NO_DISPUTE
        if self.plan.given_stop is not None:
            return self.plan.given_stop
        if self.ledger.rounds and (reason := reason_to_stop(self.ledger, rounds_max=limits.debate_rounds)):
            return reason
        if len(self._live()) < DEBATERS_MIN:
            return StopReason.TOO_FEW
        if limits.debate_rounds < 1:
            return StopReason.ROUNDS
        if self.controls.wants_debate_end:
            return StopReason.ASKED
        return StopReason.OUT_OF_TIME if self._round_ends_at() - _now() < _shortest(limits) else None

    def _live(self) -> tuple[str, ...]:
        """Who is asked in the next round: a member that a person stopped takes part no further."""
        return tuple(letter for letter in sorted(self.texts) if not self.controls.is_stopped(letter))

    def _round_ends_at(self) -> float:
        """Loop time; what the ruling and its writing need of the run's time is not a round's."""
        limits = self.plan.limits
        reserved_s = RESERVED_SHARE * (limits.judge_s + limits.writer_s)
        return min(_now() + limits.round_s, self.caller.deadline - reserved_s)

    # --- one round ---------------------------------------------------------------------------------------

    async def _hold_round(self, number: int) -> None:
        """Ask every live member at once and wait for all; the ledger moves when the last one has ended."""
        ends_at, briefs = self._round_ends_at(), [await self._brief(letter, number) for letter in self._live()]
        letters = tuple(brief.debater.letter for brief in briefs)
        labels = {brief.debater.letter: brief.shown.labels for brief in briefs}
        self._under_way = set(letters)
        self.emit(RoundStarted(number, letters, labels))
        try:
            async with asyncio.TaskGroup() as tasks:
                asked = [
                    tasks.create_task(self._rebuttal(brief, number, ends_at), name=f"rebuttal {brief.debater.letter}")
                    for brief in briefs
                ]
        except BaseExceptionGroup as group:
            raise group.exceptions[0] from None
        finally:
            self._under_way = set()
        if not self.controls.all_stopped:
            positions = [position for task in asked if (position := task.result()) is not None]
            self.emit(RoundEnded(self.ledger.close_round(number, positions)))

    async def _rebuttal(self, brief: Brief, number: int, ends_at: float) -> Position | None:
        """One member's position; None when it gave none that can be used."""
        position, failure = await Rebuttal(self.floor, brief, number, ends_at).heard()
        self._under_way.discard(brief.debater.letter)
        self.emit(PositionEnded(number, brief.debater.letter, position, failure))
        return position

    # --- what a member is shown --------------------------------------------------------------------------

    async def _brief(self, letter: str, number: int) -> Brief:
        """Its own labels, order and nonce. Cleaning takes time, so the loop gets its turn."""
        member = next(member for member in self.plan.members if member.letter == letter)
        disputes = tuple(_living(dispute) for dispute in self.ledger.disputes)
        answer = clean_answer(self.texts[letter])
        await asyncio.sleep(0)
        seed = derive_seed(self.plan.seed, f"round-{number}-{letter}", 1)
        stances = [stance for dispute in disputes for stance in dispute.stances]
        told = [text for stance in stances for text in (stance.text, stance.quote, stance.argument)]
        labels = draw_labels(
            [stance.id for stance in stances],
            seed,
            forbidden_text=[self.plan.prompt, answer, *told, *_topics(disputes)],
        )
        fenced, nonce = [self._fenced(dispute, labels, letter, number) for dispute in disputes], draw_nonce(seed)
        messages, max_tokens = self._fitted(member, answer, fenced, nonce)
        return Brief(
            member=member,
            debater=Debater(letter, answer, self.plan.prompt),
            shown=Shown(disputes, labels),
            nonce=nonce,
            messages=messages,
            max_tokens=max_tokens,
        )

    def _fenced(self, dispute: Dispute, labels: Mapping[str, str], letter: str, number: int) -> FencedDispute:
        """The dispute as this member sees it: in an order of its own, with the stance that it holds marked."""
        by_id = {stance.id: stance for stance in dispute.stances}
        seed = derive_seed(self.plan.seed, f"round-{number}-{letter}-{dispute.id}", 1)
        held = stance_held(dispute, letter)
        stances = tuple(
            FencedStance(
                labels[one.id],
                self.veil.words(one.text),
                one.quote,
                self.veil.argument(one.argument),
                yours=one.id == held,
            )
            for one in (by_id[identity] for identity in shuffle(tuple(by_id), seed))
        )
        return FencedDispute(dispute.id, self.veil.words(dispute.topic), stances)

    def _fitted(
        self, member: Member, answer: str, disputes: Sequence[FencedDispute], nonce: str
    ) -> tuple[tuple[Message, ...], int]:
        """The prompt, with the member's own answer cut to what its context leaves, and the limit of its reply."""
        question, limit = self.plan.prompt, self.plan.limits.rebuttal_max_tokens
        bare = debater_messages(question=question, own="", disputes=disputes, nonce=nonce)
        overhead = sum(estimate_tokens(message.content) for message in bare) + images_tokens(self.plan.images)
        context = member.endpoint.context_tokens or assumed_context(
            overhead_tokens=overhead, max_output_tokens=limit, answers=1
        )
        limit = min(limit, context // OUTPUT_SHARE)
        room = answer_budget(context_tokens=context, max_output_tokens=limit, overhead_tokens=overhead)
        own = fit({member.letter: answer}, max(room, MIN_SHARE_TOKENS), prompt=question).texts[member.letter]
        return debater_messages(question=question, own=own, disputes=disputes, nonce=nonce), limit


def _living(dispute: Dispute) -> Dispute:
    return Dispute(dispute.id, dispute.topic, tuple(stance for stance in dispute.stances if stance.alive))


def _topics(disputes: Sequence[Dispute]) -> list[str]:
    return [dispute.topic for dispute in disputes]


def _shortest(limits: Limits) -> float:
    return min(ROUND_MIN_S, limits.round_s)


def _now() -> float:
    return asyncio.get_running_loop().time()
