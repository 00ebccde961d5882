"""What a run is planned from."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Literal

from fusion.engine.types.answers import Answer, AnswerState, Endpoint
from fusion.engine.types.calls import Image
from fusion.engine.types.verdicts import Judgement

if TYPE_CHECKING:
    from fusion.engine.disputes import Round, Ruling, StopReason


class Mode(StrEnum):
    """How a run turns its answers into one final."""

    BEST_OF = "best-of"
    MERGE = "merge"
    DEBATE = "debate"


@dataclass(frozen=True, slots=True)
class Member:
    """One seat of the panel. `given`: an answer that exists already and must not be asked for again.

    `usual_ttft_s`: what it usually takes to its first token, where that is known.
    """

    letter: str
    endpoint: Endpoint
    temperature: float | None = None
    max_tokens: int = 4096
    system_note: str = ""
    timeout_s: float = 120.0
    given: Answer | None = None
    usual_ttft_s: float | None = None


@dataclass(frozen=True, slots=True)
class Criterion:
    """One line of a rubric; the weights of a rubric sum to 1."""

    name: str
    weight: float
    question: str


@dataclass(frozen=True, slots=True)
class Rubric:
    key: str
    title: str
    criteria: tuple[Criterion, ...]


@dataclass(frozen=True, slots=True)
class Limits:
    """Time and size limits of one run. `quorum` None means max(2, ceil(2N/3)).

    After `silence_s` without a token people are told that a member is silent; nothing is ended by it.
    """

    panel_s: float = 120.0
    judge_s: float = 90.0
    writer_s: float = 120.0
    round_s: float = 60.0
    overall_s: float = 420.0
    silence_s: float = 30.0
    quorum: int | None = None
    grace_factor: float = 0.5
    grace_min_s: float = 3.0
    grace_max_s: float = 30.0
    retry_wait_max_s: float = 20.0
    judge_max_tokens: int = 8192
    writer_max_tokens: int = 8192
    debate_rounds: int = 1
    rebuttal_max_tokens: int = 4096  # with hidden reasoning; what is asked for takes some 600


@dataclass(frozen=True, slots=True)
class Plan:
    """All the engine needs to run one prompt through one pool version.

    `seed` (hex) decides labels and orders, so a stored plan replays to identical ones.
    `judges`: the judge, then its fallbacks, in order; at most three are tried.
    `given_judgement`: a verdict that exists already (the run was interrupted while writing). `given_rounds` and
    `given_ruling`: what exists already of a debate; they come with a `given_judgement`. `given_stop`: that debate is
    over for this reason, so no round follows the given ones. `blind_members`: what becomes of members that cannot see
    the `images`.
    """

    run_id: str
    prompt: str
    mode: Mode
    members: tuple[Member, ...]
    anchor: str
    judges: tuple[Endpoint, ...]
    writer: Endpoint | None
    rubric: Rubric
    seed: str
    judge_instructions: str = ""
    limits: Limits = Limits()
    on_quorum_missed: Literal["judge", "stop"] = "judge"
    on_judge_failure: Literal["none", "anchor"] = "none"
    given_judgement: Judgement | None = None
    given_rounds: tuple[Round, ...] = ()
    given_ruling: Ruling | None = None
    given_stop: StopReason | None = None
    answers_only: bool = False  # ask the members that lack an answer, then end without judging
    images: tuple[Image, ...] = ()
    blind_members: Literal["tell", "leave_out"] = "tell"

    def leaves_out(self, member: Member) -> bool:
        """Whether this member is not asked, because it cannot see."""
        if member.given is not None:
            return member.given.state is AnswerState.LEFT_OUT
        return bool(self.images) and self.blind_members == "leave_out" and member.endpoint.sees is False
