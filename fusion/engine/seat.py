"""One seat of the panel: its member is asked, asked once more if that may help, and its answer gets a state."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from io import StringIO

from fusion.engine.call import Caller, CallResult
from fusion.engine.clean import is_blank
from fusion.engine.controls import Controls
from fusion.engine.events import AnswerAsked, AnswerGrew, AnswerRetrying, AnswerSilent, Emit, ReasoningGrew
from fusion.engine.prompts.images import member_messages
from fusion.engine.retry import ask_patiently
from fusion.engine.silence import Silence
from fusion.engine.types import (
    Answer,
    AnswerState,
    CompletionRequest,
    Failure,
    FinishReason,
    Image,
    Member,
    Role,
    Sight,
)
from fusion.errors import ProviderImagesRefused

UNUSUAL = 3.0  # a first token is late after this many times what it usually takes


@dataclass(slots=True)
class Seat:
    """A member and where its answer stands; one `ask` at a time.

    `calls` counts the requests of all asks. `answer` is set by the panel when an ask has ended.
    """

    member: Member
    state: AnswerState = AnswerState.WAITING
    answer: Answer | None = None
    calls: int = 0
    asks: int = 0
    written: StringIO = field(default_factory=StringIO)
    reasoning_chars: int = 0
    asked_at: float = 0.0
    is_silent: bool = False
    first_token_at: float | None = None
    sight: Sight | None = None

    @property
    def letter(self) -> str:
        return self.member.letter

    @property
    def is_asked(self) -> bool:
        """Whether its answer comes from this run: one that was given comes from an earlier one, until it is asked."""
        return (self.member.given is None or self.asks > 0) and self.state is not AnswerState.LEFT_OUT

    def begin(self) -> None:
        """Forget an earlier ask."""
        self.state, self.answer, self.is_silent = AnswerState.WAITING, None, False
        self.written, self.reasoning_chars, self.first_token_at = StringIO(), 0, None

    def interrupted(self) -> Answer:
        """What there is when the run is cancelled in mid-answer."""
        return self._measured(AnswerState.INTERRUPTED, text=self.written.getvalue())

    def answered(self, result: CallResult) -> Answer:
        state = answer_state(result)
        failure = result.failure if state is not AnswerState.EMPTY else self._emptiness(result)
        return self._measured(state, text=result.text, result=result, failure=failure)

    def token_came(self, state: AnswerState) -> None:
        self.state, self.is_silent = state, False
        if self.first_token_at is None:
            self.first_token_at = asyncio.get_running_loop().time()

    def _emptiness(self, result: CallResult) -> Failure:
        name = self.member.endpoint.name
        if result.finish is FinishReason.LENGTH:
            used_up = f"{name} used all its {self.member.max_tokens} tokens before it wrote any visible text."
            return Failure("empty_answer", used_up)
        return Failure("empty_answer", f"{name} sent an empty answer.")

    def _measured(
        self, state: AnswerState, *, text: str, result: CallResult | None = None, failure: Failure | None = None
    ) -> Answer:
        now = asyncio.get_running_loop().time()
        ttft_s = None if self.first_token_at is None else self.first_token_at - self.asked_at
        return Answer(
            letter=self.letter,
            state=state,
            text=text,
            reasoning_chars=self.reasoning_chars,
            usage=result.usage if result else None,
            ttft_ms=None if ttft_s is None else round(ttft_s * 1000),
            total_ms=round((now - self.asked_at) * 1000),
            failure=failure,
            sight=self.sight,
        )


def answer_state(result: CallResult) -> AnswerState:
    """The state of the answer that a call has brought; blanks and invisible characters alone are no text."""
    blank = is_blank(result.text)
    match result.status:
        case "stopped":
            return AnswerState.STOPPED
        case "refused":
            return AnswerState.REFUSED
        case "failed":
            return AnswerState.FAILED
        case "truncated":
            return AnswerState.FAILED if blank else AnswerState.TRUNCATED
        case "ok":
            if blank:
                return AnswerState.EMPTY
            return AnswerState.CUT_OFF if result.finish is FinishReason.LENGTH else AnswerState.DONE


@dataclass(frozen=True, slots=True)
class Asker:
    """Asks members the run's prompt, verbatim and without a persona: their independence is what a panel is for."""

    prompt: str
    seed: str
    retry_wait_max_s: float
    silence_s: float
    emit: Emit
    caller: Caller
    controls: Controls
    images: tuple[Image, ...] = ()
    leaves_out_blind: bool = False

    async def ask(self, seat: Seat, *, deadline: float) -> Answer:
        """Ask one member until `deadline` (loop time) or its own time is over, with one retry before the first token.

        Emits AnswerAsked, AnswerRetrying, AnswerSilent, ReasoningGrew and AnswerGrew. Raises nothing of the provider's.
        """
        seat.asks += 1
        seat.asked_at = asyncio.get_running_loop().time()
        deadline = min(deadline, seat.asked_at + seat.member.timeout_s)
        seat.sight = self.caller.sight(seat.member.endpoint, images=bool(self.images))
        self.emit(AnswerAsked(seat.letter, seat.sight))

        def tell(failure: Failure, wait_s: float) -> None:
            seat.state = AnswerState.RETRYING
            self.emit(AnswerRetrying(seat.letter, failure, wait_s))

        result = await ask_patiently(
            lambda: self._call(seat, deadline),
            dice=f"{self.seed}:{seat.letter}:{seat.calls + 1}",
            deadline=deadline,
            wait_max_s=self.retry_wait_max_s,
            controls=self.controls,
            letter=seat.letter,
            tell=tell,
        )
        if self.leaves_out_blind and result.failure is not None and result.failure.code == ProviderImagesRefused.code:
            return replace(seat.answered(result), state=AnswerState.LEFT_OUT, sight=Sight.LEFT_OUT)
        return seat.answered(result)

    async def _call(self, seat: Seat, deadline: float) -> CallResult:
        silence = self._silence(seat)

        def on_text(text: str) -> None:
            silence.heard()
            seat.token_came(AnswerState.STREAMING)
            seat.written.write(text)
            self.emit(AnswerGrew(seat.letter, text))

        def on_reasoning(text: str) -> None:
            silence.heard()
            seat.token_came(AnswerState.STREAMING if seat.written.tell() else AnswerState.THINKING)
            seat.reasoning_chars += len(text)
            self.emit(ReasoningGrew(seat.letter, text))

        seat.state, seat.is_silent = AnswerState.ASKED, False
        seat.calls += 1
        try:
            result = await self.caller.call(
                role=Role.PANEL,
                endpoint=seat.member.endpoint,
                request=self._request(seat.member),
                attempt=seat.calls,
                letter=seat.letter,
                on_text=on_text,
                on_reasoning=on_reasoning,
                deadline=deadline,
            )
        finally:
            silence.close()
        seat.calls += result.requests - 1
        seat.sight = result.sight or seat.sight
        return result

    def _silence(self, seat: Seat) -> Silence:
        def tell(silent_s: float) -> None:
            seat.is_silent = True
            self.emit(AnswerSilent(seat.letter, silent_s))

        usual_s = seat.member.usual_ttft_s or 0.0
        return Silence(first_s=max(self.silence_s, UNUSUAL * usual_s), between_s=self.silence_s, tell=tell)

    def _request(self, member: Member) -> CompletionRequest:
        messages, unseen = member_messages(self.prompt, member.system_note, self.images)
        return CompletionRequest(
            model_id=member.endpoint.model_id,
            messages=messages,
            unseen=None if self.leaves_out_blind else unseen,
            max_tokens=member.max_tokens,
            temperature=member.temperature,
            timeout_s=member.timeout_s,
        )
