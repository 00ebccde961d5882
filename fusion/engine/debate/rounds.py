"""The rounds of a debate: every member goes through the disputes, all at once, until a rule says that it is enough."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fusion.engine.budget import MIN_SHARE_TOKENS, answer_budget, assumed_context, estimate_tokens, fit
from fusion.engine.call import Caller, CallResult
from fusion.engine.clean import clean_answer
from fusion.engine.controls import Controls
from fusion.engine.debate.ledger import Ledger, find_disputes, stance_held
from fusion.engine.debate.moves import Debater, position_of
from fusion.engine.debate.shown import veil_of
from fusion.engine.debate.stop import DEBATERS_MIN, reason_to_stop
from fusion.engine.debate.wire import Shown, Unreadable, read_rebuttal, rebuttal_schema
from fusion.engine.disputes import Dispute, Position, StopReason
from fusion.engine.events import (
    DebateEnded,
    DebateStarted,
    Emit,
    PositionEnded,
    PositionGrew,
    RoundEnded,
    RoundStarted,
)
from fusion.engine.labels import derive_seed, draw_labels, draw_nonce, shuffle
from fusion.engine.prompts.debate import FencedDispute, FencedStance, debater_messages, reask_messages
from fusion.engine.retry import pause, retry_wait
from fusion.engine.types import (
    Answer,
    CompletionRequest,
    Failure,
    FinishReason,
    Judgement,
    Limits,
    Member,
    Message,
    Plan,
    Role,
)

ROUND_MIN_S = 10.0  # a round that has less is not begun
RESERVED_SHARE = 0.5  # of the time limits of judge and writer, which the ruling and its writing usually take
REPLY_MAX_CHARS = 60_000  # several times what the token limit allows; a longer one is not read at all
QUOTED_REPLY_MAX_CHARS = 12_000


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


def ledger_of(plan: Plan, answers: Sequence[Answer], judgement: Judgement) -> Ledger:
    """The ledger with the rounds that exist already."""
    debaters = debaters_of(judgement, answers)
    opened = [dispute for _, dispute in find_disputes(judgement, debaters)]
    return Ledger(opened, debaters, plan.given_rounds if opened else ())


@dataclass(frozen=True, slots=True)
class _Brief:
    """What one member is shown in one round."""

    member: Member
    debater: Debater
    shown: Shown
    nonce: str
    messages: tuple[Message, ...]


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
        self.texts = {answer.letter: answer.text for answer in answers if answer.letter in self.ledger.debaters}
        self.emit = emit
        self.caller = caller
        self.controls = controls
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
            return StopReason.NO_DISPUTE
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

    async def _rebuttal(self, brief: _Brief, number: int, ends_at: float) -> Position | None:
        """One member's position; None when it gave none that can be used."""
        position, failure = await _Rebuttal(self, brief, number, ends_at).heard()
        self._under_way.discard(brief.debater.letter)
        self.emit(PositionEnded(number, brief.debater.letter, position, failure))
        return position

    # --- what a member is shown --------------------------------------------------------------------------

    async def _brief(self, letter: str, number: int) -> _Brief:
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
        return _Brief(
            member=member,
            debater=Debater(letter, answer, self.plan.prompt),
            shown=Shown(disputes, labels),
            nonce=nonce,
            messages=self._messages(member, answer, fenced, nonce),
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

    def _messages(
        self, member: Member, answer: str, disputes: Sequence[FencedDispute], nonce: str
    ) -> tuple[Message, ...]:
        """The prompt, with the member's own answer cut to what its context leaves."""
        question, limit = self.plan.prompt, self.plan.limits.rebuttal_max_tokens
        bare = debater_messages(question=question, own="", disputes=disputes, nonce=nonce)
        overhead = sum(estimate_tokens(message.content) for message in bare)
        context = member.endpoint.context_tokens or assumed_context(
            overhead_tokens=overhead, max_output_tokens=limit, answers=1
        )
        room = answer_budget(context_tokens=context, max_output_tokens=limit, overhead_tokens=overhead)
        own = fit({member.letter: answer}, max(room, MIN_SHARE_TOKENS), prompt=question).texts[member.letter]
        return debater_messages(question=question, own=own, disputes=disputes, nonce=nonce)


class _Rebuttal:
    """One member's turn in one round: one request, again after a failure that may pass, one more to mend its reply."""

    def __init__(self, debate: _Debate, brief: _Brief, number: int, ends_at: float) -> None:
        self.debate = debate
        self.brief = brief
        self.number = number
        self.ends_at = ends_at
        self.calls = 0

    async def heard(self) -> tuple[Position | None, Failure | None]:
        result = await self._ask_patiently()
        read = self._read(result)
        if not isinstance(read, Unreadable):
            return read
        if result.status != "ok":
            return None, result.failure
        return await self._mended(result, read)

    async def _mended(self, first: CallResult, unreadable: Unreadable) -> tuple[Position | None, Failure | None]:
        """One more request to the same member, with what was wrong."""
        messages = reask_messages(
            self.brief.messages,
            template="debater_reask",
            reply=first.text[-QUOTED_REPLY_MAX_CHARS:],
            errors=unreadable.errors,
            nonce=self.brief.nonce,
        )
        result = await self._ask(messages, is_shown=False)
        read = self._read(result, path="reasked")
        if isinstance(read, Unreadable):
            return None, result.failure or _unreadable(self.brief.member)
        return read

    async def _ask_patiently(self) -> CallResult:
        """Ask, and once more after a passing failure before the first token."""
        plan, letter = self.debate.plan, self.brief.debater.letter
        result = await self._ask(self.brief.messages)
        dice = f"{plan.seed}:round:{self.number}:{letter}"
        wait_s = retry_wait(result, dice=dice, deadline=self.ends_at, wait_max_s=plan.limits.retry_wait_max_s)
        if wait_s is None:
            return result
        await pause(wait_s, self.debate.controls, letter)
        return await self._ask(self.brief.messages)

    async def _ask(self, messages: tuple[Message, ...], *, is_shown: bool = True) -> CallResult:
        """`is_shown`: its pieces are events; those of a second reply would run on from the first."""
        member, letter = self.brief.member, self.brief.debater.letter
        self.calls += 1
        request = CompletionRequest(
            model_id=member.endpoint.model_id,
            messages=messages,
            max_tokens=self.debate.plan.limits.rebuttal_max_tokens,
            temperature=member.temperature,
            timeout_s=self.debate.plan.limits.round_s,
            response_schema=rebuttal_schema(self.brief.shown),
        )
        return await self.debate.caller.call(
            role=Role.REBUTTAL,
            endpoint=member.endpoint,
            request=request,
            attempt=self.calls,
            letter=letter,
            on_text=(lambda text: self.debate.emit(PositionGrew(self.number, letter, text))) if is_shown else None,
            deadline=self.ends_at,
        )

    def _emptiness(self, result: CallResult) -> Failure:
        name, limit = self.brief.member.endpoint.name, self.debate.plan.limits.rebuttal_max_tokens
        if result.finish is FinishReason.LENGTH:
            return Failure("rebuttal_empty", f"{name} used all its {limit} tokens before it wrote any visible text.")
        return Failure("rebuttal_empty", f"{name} sent an empty reply.")

    def _read(self, result: CallResult, *, path: str = "") -> tuple[Position | None, Failure | None] | Unreadable:
        """The position, or why there is none; Unreadable when the reply could be mended."""
        member = self.brief.member
        if result.status == "stopped":
            return None, Failure("stopped", f"{member.endpoint.name} was stopped in this round.")
        if result.status in ("refused", "failed"):
            return None, result.failure or _unreadable(member)
        if not result.text.strip():
            return None, result.failure or self._emptiness(result)
        if result.finish is FinishReason.LENGTH or len(result.text) > REPLY_MAX_CHARS:
            return Unreadable(("The reply was too long.",))
        read = read_rebuttal(result.text, finish=result.finish, shown=self.brief.shown)
        if isinstance(read, Unreadable):
            return read
        said, read_path = read
        position = position_of(
            said,
            path or read_path,
            number=self.number,
            debater=self.brief.debater,
            shown=self.brief.shown,
            ledger=self.debate.ledger,
        )
        return position, None


def _living(dispute: Dispute) -> Dispute:
    return Dispute(dispute.id, dispute.topic, tuple(stance for stance in dispute.stances if stance.alive))


def _topics(disputes: Sequence[Dispute]) -> list[str]:
    return [dispute.topic for dispute in disputes]


def _shortest(limits: Limits) -> float:
    return min(ROUND_MIN_S, limits.round_s)


def _unreadable(member: Member) -> Failure:
    return Failure("rebuttal_unreadable", f"{member.endpoint.name} did not return a reply that can be read.")


def _now() -> float:
    return asyncio.get_running_loop().time()
