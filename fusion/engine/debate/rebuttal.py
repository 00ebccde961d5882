"""One member's turn in a round: what it is asked, how patiently, and how its reply is heard."""

from __future__ import annotations

from dataclasses import dataclass

from fusion.engine.call import Caller, CallResult
from fusion.engine.controls import Controls
from fusion.engine.debate.ledger import Ledger
from fusion.engine.debate.moves import Debater, position_of
from fusion.engine.debate.wire import Shown, Unreadable, read_rebuttal, rebuttal_schema
from fusion.engine.disputes import Position
from fusion.engine.events import Emit, PositionGrew
from fusion.engine.prompts.debate import reask_messages
from fusion.engine.prompts.images import with_images
from fusion.engine.retry import ask_patiently
from fusion.engine.types import CompletionRequest, Failure, FinishReason, Member, Message, Plan, Role

REPLY_MAX_CHARS = 60_000  # several times what the token limit allows; a longer one is not read at all
QUOTED_REPLY_MAX_CHARS = 12_000


@dataclass(frozen=True, slots=True)
class Floor:
    """The debate in which a member speaks."""

    plan: Plan
    ledger: Ledger
    emit: Emit
    caller: Caller
    controls: Controls


@dataclass(frozen=True, slots=True)
class Brief:
    """What one member is shown in one round."""

    member: Member
    debater: Debater
    shown: Shown
    nonce: str
    messages: tuple[Message, ...]
    max_tokens: int


class Rebuttal:
    """One member's turn in one round: one request, again after a failure that may pass, one more to mend its reply."""

    def __init__(self, floor: Floor, brief: Brief, number: int, ends_at: float) -> None:
        self.floor = floor
        self.brief = brief
        self.number = number
        self.ends_at = ends_at
        self.calls = 0
        self.shown_chars = 0

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
        plan, letter = self.floor.plan, self.brief.debater.letter
        return await ask_patiently(
            lambda: self._ask(self.brief.messages),
            dice=f"{plan.seed}:round:{self.number}:{letter}",
            deadline=self.ends_at,
            wait_max_s=plan.limits.retry_wait_max_s,
            controls=self.floor.controls,
            letter=letter,
        )

    async def _ask(self, messages: tuple[Message, ...], *, is_shown: bool = True) -> CallResult:
        """`is_shown`: its pieces are events; those of a second reply would run on from the first."""
        member, letter = self.brief.member, self.brief.debater.letter
        self.calls += 1
        messages, unseen = with_images(messages, self.floor.plan.images, "debater")
        request = CompletionRequest(
            model_id=member.endpoint.model_id,
            messages=messages,
            unseen=unseen,
            max_tokens=self.brief.max_tokens,
            temperature=member.temperature,
            timeout_s=self.floor.plan.limits.round_s,
            response_schema=rebuttal_schema(self.brief.shown),
        )
        result = await self.floor.caller.call(
            role=Role.REBUTTAL,
            endpoint=member.endpoint,
            request=request,
            attempt=self.calls,
            letter=letter,
            on_text=self._show if is_shown else None,
            deadline=self.ends_at,
        )
        self.calls += result.requests - 1
        return result

    def _show(self, text: str) -> None:
        """Emit a piece, but nothing beyond what would be read: who follows the reply copies it with each piece."""
        room = REPLY_MAX_CHARS - self.shown_chars
        self.shown_chars += len(text)
        if room > 0:
            self.floor.emit(PositionGrew(self.number, self.brief.debater.letter, text[:room]))

    def _emptiness(self, result: CallResult) -> Failure:
        name = self.brief.member.endpoint.name
        if result.finish is FinishReason.LENGTH:
            used_up = f"{name} used all its {self.brief.max_tokens} tokens before it wrote any visible text."
            return Failure("rebuttal_empty", used_up)
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
            ledger=self.floor.ledger,
        )
        return position, None


def _unreadable(member: Member) -> Failure:
    return Failure("rebuttal_unreadable", f"{member.endpoint.name} did not return a reply that can be read.")
