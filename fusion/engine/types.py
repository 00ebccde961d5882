"""The engine's values: what goes to a provider, what comes back, and what a run is planned from.

Nothing here knows Django, HTTP or a database. Times are seconds (`_s`) or milliseconds (`_ms`); tokens are LLM tokens.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from fusion.engine.disputes import Round, Ruling, StopReason


class Mode(StrEnum):
    """How a run turns its answers into one final."""

    BEST_OF = "best-of"
    MERGE = "merge"
    DEBATE = "debate"


class Role(StrEnum):
    """What one upstream call is for; the unit of receipts."""

    PANEL = "panel"
    JUDGE = "judge"
    WRITER = "writer"
    REBUTTAL = "rebuttal"  # a member's reply in a round of a debate


class Sight(StrEnum):
    """How somebody got the images of a prompt."""

    SEEN = "seen"  # they were sent
    TOLD = "told"  # it cannot see, and was told that there are images
    REFUSED = "refused"  # its provider would not take them, and it was told instead
    LEFT_OUT = "left_out"  # it cannot see, so it was not asked


class FinishReason(StrEnum):
    """Why the model stopped, in our words; providers map theirs to these."""

    STOP = "stop"
    LENGTH = "length"
    REFUSED = "refused"
    OTHER = "other"


# --- one upstream call -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Image:
    """A picture that came with a prompt, checked and encoded anew by us; `data` is the whole file."""

    media_type: Literal["image/png", "image/jpeg", "image/webp"]
    data: bytes = field(repr=False)
    width: int = 0
    height: int = 0


@dataclass(frozen=True, slots=True)
class Message:
    role: Literal["system", "user", "assistant"]
    content: str
    images: tuple[Image, ...] = ()


@dataclass(frozen=True, slots=True)
class CompletionRequest:
    """One streamed completion. `response_schema` is a JSON schema the reply should follow, where the provider can.

    `unseen`: what to say instead of `messages` to a model that cannot see the images in them; None when that is to be
    a failure. A provider never gets to see it.
    """

    model_id: str
    messages: tuple[Message, ...]
    max_tokens: int
    temperature: float | None = None
    timeout_s: float = 120.0
    response_schema: Mapping[str, Any] | None = None
    unseen: tuple[Message, ...] | None = None


@dataclass(frozen=True, slots=True)
class TextDelta:
    """A piece of visible text; never empty."""

    text: str


@dataclass(frozen=True, slots=True)
class ReasoningDelta:
    """A piece of hidden reasoning; never empty, never judged."""

    text: str


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens one provider call consumed.

    `output_tokens` includes `reasoning_tokens`; `input_tokens` includes `cached_input_tokens`.
    `cost_nanos` is what the upstream says it charged, in whole nano-dollars. `estimated`: counted by us from the text.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cached_input_tokens: int = 0
    reasoning_tokens: int = 0
    cost_nanos: int | None = None
    estimated: bool = False


@dataclass(frozen=True, slots=True)
class Finish:
    """The end mark of a stream. A provider that cannot yield this raises ProviderStreamCut instead."""

    reason: FinishReason
    upstream_model: str | None = None
    upstream_id: str | None = None


Chunk = TextDelta | ReasoningDelta | Usage | Finish


class Provider(Protocol):
    """Streams one completion; raises ProviderError and nothing else.

    Closing the iterator (`aclose`, or cancelling the task that reads it) closes the upstream connection at once.
    """

    def stream(self, request: CompletionRequest) -> AsyncIterator[Chunk]: ...


# --- what a run is planned from ----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One LLM as one provider serves it. `ref` is `connection:model-id`, unique in the installation.

    `sees`: whether it takes images; None when nobody says, so that it is tried.
    """

    ref: str
    model_id: str
    name: str
    provider_name: str
    provider: Provider = field(repr=False, compare=False)
    context_tokens: int | None = None
    family: str = ""
    simulated: bool = False
    sees: bool | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a call, an answer or a run failed: a stable code and a sentence for people."""

    code: str
    message: str


class AnswerState(StrEnum):
    """The life of one answer. The first five are under way, the others are final."""

    WAITING = "waiting"  # not asked yet
    ASKED = "asked"  # request sent, nothing came yet
    THINKING = "thinking"  # reasoning arrives, no visible text yet
    STREAMING = "streaming"
    RETRYING = "retrying"  # failed before the first token, will be asked once more
    DONE = "done"
    CUT_OFF = "cut_off"  # stopped at its own token limit; text kept
    TRUNCATED = "truncated"  # connection or time ended in mid-text; text kept
    REFUSED = "refused"
    EMPTY = "empty"
    FAILED = "failed"
    STOPPED = "stopped"  # by a person; partial text kept
    INTERRUPTED = "interrupted"  # the process ended in mid-answer; text up to the last checkpoint kept
    LEFT_OUT = "left_out"  # never asked: it cannot see the images, and whoever asked wanted such members left out

    @property
    def is_final(self) -> bool:
        return self not in UNDER_WAY

    @property
    def is_usable(self) -> bool:
        """There is text that a judge may judge and a quorum may count."""
        return self in USABLE


UNDER_WAY = frozenset(
    {AnswerState.WAITING, AnswerState.ASKED, AnswerState.THINKING, AnswerState.STREAMING, AnswerState.RETRYING}
)
USABLE = frozenset({AnswerState.DONE, AnswerState.CUT_OFF, AnswerState.TRUNCATED})


@dataclass(frozen=True, slots=True)
class Answer:
    """One member's ended answer. `text` is byte for byte what the provider sent as visible text.

    `ttft_ms` and `total_ms` count from the moment the member was first asked. `late`: ended after the panel closed,
    so no judge saw it. `sight`: how it got the images of the prompt, None where there are none.
    """

    letter: str
    state: AnswerState
    text: str = ""
    reasoning_chars: int = 0
    usage: Usage | None = None
    ttft_ms: int | None = None
    total_ms: int | None = None
    failure: Failure | None = None
    late: bool = False
    sight: Sight | None = None


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


# --- what a judge decides ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Problem:
    quote: str
    issue: str
    severity: Literal["minor", "major", "fatal"]


@dataclass(frozen=True, slots=True)
class Assessment:
    """The judge's view of one answer. `scores`: criterion name to 1..5. `composite`: 0..100."""

    letter: str
    strengths: tuple[str, ...]
    problems: tuple[Problem, ...]
    fatal_flaw: str | None
    scores: Mapping[str, int]
    composite: float


@dataclass(frozen=True, slots=True)
class Point:
    """A claim that one or more answers make; `quote` is verified to occur in one of them, else empty."""

    id: str
    text: str
    letters: tuple[str, ...]
    quote: str
    standing: Literal["supported", "plausible", "doubtful", "wrong"]


@dataclass(frozen=True, slots=True)
class Stance:
    letters: tuple[str, ...]
    stance: str
    quote: str


@dataclass(frozen=True, slots=True)
class Contradiction:
    id: str
    topic: str
    material: bool
    stances: tuple[Stance, ...]
    resolution: str | None
    resolved_for: tuple[str, ...]
    basis: Literal["checked", "evidence_in_answer", "reasoning", "cannot_tell"]


@dataclass(frozen=True, slots=True)
class IntegrityNote:
    """The judge saw text in an answer that tries to steer it."""

    letter: str
    quote: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a judge returned, validated, with answers named by their letters (never by the judge's labels)."""

    notes: str
    assessments: tuple[Assessment, ...]
    consensus: tuple[Point, ...]
    partial_coverage: tuple[Point, ...]
    unique: tuple[Point, ...]
    contradictions: tuple[Contradiction, ...]
    blind_spots: tuple[str, ...]
    ranking: tuple[tuple[str, ...], ...]
    verdict: Literal["winner", "tie", "none_acceptable", "cannot_judge"]
    winner: str | None
    margin: Literal["clear", "slight", "none"]
    confidence: int
    rationale: str
    integrity: tuple[IntegrityNote, ...]


@dataclass(frozen=True, slots=True)
class Trim:
    """What the judge did not see of one answer, in estimated tokens."""

    letter: str
    omitted_tokens: int


@dataclass(frozen=True, slots=True)
class Recheck:
    """What became of a chosen answer that tries to steer judges.

    `held`: judged again without that text, it was chosen again. `overturned`: it was not, and `letter` is disqualified.
    Both times the verdict is the second one. `unseen`: the text was hidden and no judge saw it. `failed`: the judge
    gave no second verdict, and the first one stands.
    """

    letter: str
    result: Literal["held", "overturned", "unseen", "failed"]


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict with how it came about and what the engine made of it.

    `judge`: ref of the judge that was obeyed; `attempt` 1 is the pool's judge, 2 and 3 its fallbacks.
    `order`: letters in the order that the judge saw; `labels`: letter to the label that the judge saw.
    `parse_path`: how the reply was read: `clean`, `extracted`, `repaired`, `coerced`, `reasked`, or `winner_only`: the
    judge named a winner, or a tie, and gave no analysis that can be read.
    `chosen`: the letter that best-of ships and merge builds on, after the tie rule (a tie or an inconsistent verdict
    goes to the anchor); None when no answer is acceptable.
    `standing`: how to label it: `clear`, `close`, `could_not_separate`, `none_acceptable`, `cannot_judge`.
    `suspects`: letters whose text tries to steer a judge; `recheck`: what became of a choice among them.
    """

    verdict: Verdict
    judge: str
    attempt: int
    order: tuple[str, ...]
    labels: Mapping[str, str]
    parse_path: str
    chosen: str | None
    standing: Literal["clear", "close", "could_not_separate", "none_acceptable", "cannot_judge"]
    inconsistent: tuple[str, ...] = ()
    quote_misses: int = 0
    suspects: tuple[str, ...] = ()
    trims: tuple[Trim, ...] = ()
    raw: str = ""
    recheck: Recheck | None = None

    @property
    def analysis_missing(self) -> bool:
        return self.parse_path == "winner_only"


# --- what a run gives --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Span:
    """Characters [start, end) of the final and where they come from.

    `source`: `base` (the base answer), `patch` (claims taken from `letters`), `added` (the writer's own words).
    `check`: similarity or the polarity and number guard found a mismatch with the source.
    """

    start: int
    end: int
    source: Literal["base", "patch", "added"]
    letters: tuple[str, ...] = ()
    claim_ids: tuple[str, ...] = ()
    check: bool = False


class FinalKind(StrEnum):
    VERBATIM = "verbatim"  # best-of: the chosen answer, byte for byte
    MERGED = "merged"
    RULED = "ruled"  # debate: written from the judge's ruling
    SINGLE = "single"  # only one answer exists; nothing was judged
    ANCHOR = "anchor"  # every judge failed and the pool asked for the anchor's text
    PICKED = "picked"  # a person chose the answer; the engine never gives this one


@dataclass(frozen=True, slots=True)
class Final:
    """The one answer of a run. `letter`: the verbatim source, or the base that a merge was built on."""

    kind: FinalKind
    text: str
    letter: str | None
    spans: tuple[Span, ...] = ()
    writer: str | None = None
    truncated: bool = False


class RunState(StrEnum):
    """Where a run stands. The first two are under way, the others are final."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"  # a judged final
    SINGLE = "single"  # one answer, not judged
    UNJUDGED = "unjudged"  # answers, but every judge failed, or none was acceptable in a way that gives a final
    SHORT = "short"  # quorum missed and the pool wants a person to decide
    ANSWERED = "answered"  # stopped before judging, or asked for answers only
    FAILED = "failed"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"

    @property
    def is_final(self) -> bool:
        return self not in (RunState.QUEUED, RunState.RUNNING)
