"""The closed catalogue of what can happen in a run.

The engine calls `emit(event)` and never waits for it. The same events feed the live page, the command line, the stored
record and the audit trail. Events that end in `Grew` are deltas: they live in the live record until the run ends; all
others are stage events and are stored.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from fusion.engine.disputes import Dispute, Position, Round, Ruling, StopReason
from fusion.engine.types import Answer, Failure, Final, Judgement, Mode, Role, RunState, Sight, Trim, Usage


@dataclass(frozen=True, slots=True)
class RunStarted:
    mode: Mode
    letters: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CallStarted:
    """One upstream request goes out. `call_id` is unique in the run; `attempt` counts requests for the same purpose."""

    call_id: str
    role: Role
    ref: str
    attempt: int
    letter: str | None = None


@dataclass(frozen=True, slots=True)
class CallEnded:
    """One upstream request ended. `cost_nanos` is filled in by the room that knows prices, never by the engine."""

    call_id: str
    role: Role
    ref: str
    attempt: int
    letter: str | None
    status: Literal["ok", "truncated", "refused", "failed", "stopped"]
    usage: Usage | None
    ttft_ms: int | None
    total_ms: int
    failure: Failure | None = None
    upstream_model: str | None = None
    upstream_id: str | None = None
    cost_nanos: int | None = None


@dataclass(frozen=True, slots=True)
class ImagesRefused:
    """A provider would not take the images of the prompt; the model is asked once more and told that there are some."""

    role: Role
    ref: str
    letter: str | None
    failure: Failure


@dataclass(frozen=True, slots=True)
class AnswerAsked:
    """`sight`: how the member gets the images of the prompt, None where there are none."""

    letter: str
    sight: Sight | None = None


@dataclass(frozen=True, slots=True)
class AnswerRetrying:
    letter: str
    failure: Failure
    wait_s: float


@dataclass(frozen=True, slots=True)
class AnswerSilent:
    """Nothing has come from a member for `silent_s`. It is still awaited, and its next token ends the silence."""

    letter: str
    silent_s: float


@dataclass(frozen=True, slots=True)
class ReasoningGrew:
    letter: str
    text: str


@dataclass(frozen=True, slots=True)
class AnswerGrew:
    letter: str
    text: str


@dataclass(frozen=True, slots=True)
class AnswerEnded:
    answer: Answer


@dataclass(frozen=True, slots=True)
class GraceStarted:
    """Enough answers are in; judging starts in `wait_s` unless the stragglers in `waiting` end first."""

    wait_s: float
    waiting: tuple[str, ...]
    extension: bool = False


@dataclass(frozen=True, slots=True)
class WaitingForAll:
    """A person asked to wait for every member; only the panel's deadline ends the wait now."""

    waiting: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PanelClosed:
    """No answer that ends after this is judged."""

    judged: tuple[str, ...]
    left_out: tuple[str, ...]
    reason: Literal["all_ended", "grace_over", "asked", "deadline", "stopped"]


@dataclass(frozen=True, slots=True)
class Degraded:
    """Something a reader of the final must know: a stable code and a sentence."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class JudgeStarted:
    """A judge is asked. `attempt` 1 is the pool's judge. `reask`: the same judge is asked to mend its reply.

    `ruling`: it is to rule on a debate; its JudgeGrew pieces and failures that follow belong to that sitting, and
    `labels` also holds the stances' ids with theirs.
    `winner_only`: it is asked for nothing but a winner, after two replies that could not be read. `masked`: letters
    whose answers it sees without the text that tries to steer a judge, because its first verdict chose one of them.
    `sight`: how it gets the images of the prompt, None where there are none.
    """

    ref: str
    attempt: int
    order: tuple[str, ...]
    labels: Mapping[str, str]
    trims: tuple[Trim, ...] = ()
    reask: bool = False
    ruling: bool = False
    winner_only: bool = False
    masked: tuple[str, ...] = ()
    sight: Sight | None = None


@dataclass(frozen=True, slots=True)
class JudgeGrew:
    """A piece of the judge's raw reply. Never shown raw: readers show `verdict.partial_verdict` of what came so far."""

    text: str


NextStep = Literal["retry", "reask", "winner_only", "fallback", "keep", "none"]


@dataclass(frozen=True, slots=True)
class JudgeFailed:
    """This judge gave no usable verdict. `next_step` says what happens now; `keep`: its first verdict stands.

    `raw`: its reply when that could not be read, with letters in place of labels, cut to a length that can be shown.
    """

    ref: str
    attempt: int
    failure: Failure
    next_step: NextStep
    ruling: bool = False
    raw: str = ""


@dataclass(frozen=True, slots=True)
class JudgeEnded:
    judgement: Judgement


@dataclass(frozen=True, slots=True)
class DebateStarted:
    """The judge's verdict leaves material contradictions, and the members will argue about them."""

    disputes: tuple[Dispute, ...]
    rounds_max: int


@dataclass(frozen=True, slots=True)
class RoundStarted:
    """A round begins: each of `letters` is asked at once. Rounds count from 1.

    `labels`: by letter, the labels under which this member is shown the stances (stance id to label).
    """

    number: int
    letters: tuple[str, ...]
    labels: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PositionGrew:
    """A piece of a member's raw reply in a round. Never shown raw: readers show what can be read of it so far."""

    number: int
    letter: str
    text: str


@dataclass(frozen=True, slots=True)
class PositionEnded:
    """A member's reply in a round is read; None when it gave none that can be used, and it keeps its last stances."""

    number: int
    letter: str
    position: Position | None
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class RoundEnded:
    round: Round


@dataclass(frozen=True, slots=True)
class DebateEnded:
    """The debate is over, or there was none; `disputes` is the ledger as the judge will see it.

    Without a DebateStarted before it there was no round: nothing was disputed, a person asked for none, or there was no
    time. The run then goes on as a merge, from the verdict.
    """

    reason: StopReason
    rounds: int
    disputes: tuple[Dispute, ...]


@dataclass(frozen=True, slots=True)
class RulingEnded:
    """A judge has ruled on the debate; the written ruling follows as the final."""

    ruling: Ruling


@dataclass(frozen=True, slots=True)
class FinalStarted:
    """The writer starts; `letter` is the base answer."""

    ref: str
    letter: str


@dataclass(frozen=True, slots=True)
class FinalGrew:
    """A piece of the written final, markers already taken out."""

    text: str


@dataclass(frozen=True, slots=True)
class FinalEnded:
    final: Final


@dataclass(frozen=True, slots=True)
class RunEnded:
    state: RunState
    failure: Failure | None = None


Event = (
    RunStarted
    | CallStarted
    | CallEnded
    | ImagesRefused
    | AnswerAsked
    | AnswerRetrying
    | AnswerSilent
    | ReasoningGrew
    | AnswerGrew
    | AnswerEnded
    | GraceStarted
    | WaitingForAll
    | PanelClosed
    | Degraded
    | JudgeStarted
    | JudgeGrew
    | JudgeFailed
    | JudgeEnded
    | DebateStarted
    | RoundStarted
    | PositionGrew
    | PositionEnded
    | RoundEnded
    | DebateEnded
    | RulingEnded
    | FinalStarted
    | FinalGrew
    | FinalEnded
    | RunEnded
)

DELTAS = (ReasoningGrew, AnswerGrew, JudgeGrew, PositionGrew, FinalGrew)

Emit = Callable[[Event], None]
