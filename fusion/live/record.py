"""What is known of one run, as plain data: the single shape behind the page, the command line, exports and storage.

A record is built in two ways that must agree: by folding the engine's events in as they happen (`folding.py`), or
from the stored rows (`runs.selectors.load_record`). Times in `_ms` count from the start of the execution.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from fusion.engine import events as ev
from fusion.engine.disputes import Ruling
from fusion.engine.types import (
    AnswerState,
    Failure,
    Final,
    FinalKind,
    Judgement,
    Mode,
    RunState,
    Sight,
    Trim,
    Usage,
)
from fusion.live.debate import DebateRecord

CHARS_PER_TOKEN = 3.0  # of a model that nothing is known of; rather too many tokens than too few


@dataclass(frozen=True, slots=True)
class EndpointFacts:
    """What people see of an endpoint, as it was when the run started. `problem`: the simulated one, in words.

    `payer`: whose key it is, `team` or `site`; empty where nobody pays.
    """

    ref: str
    model_id: str
    name: str
    provider: str
    simulated: bool = False
    problem: str = ""
    payer: str = ""


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """An image of the prompt, as far as it is named: what it shows is in the file alone."""

    public_id: str
    media_type: str
    width: int
    height: int
    bytes: int


@dataclass(frozen=True, slots=True)
class CallRecord:
    """One upstream request for the receipt: `ended` is None while it is under way. `round`: of a rebuttal, else 0."""

    started: ev.CallStarted
    endpoint: EndpointFacts
    ended: ev.CallEnded | None = None
    cost_source: str = ""
    round: int = 0


@dataclass(slots=True)
class AnswerRecord:
    """One column: the current attempt of one member. `retry`: why it is being asked once more, and the wait.

    `silent`: nothing has come for a while. `chars_per_token` estimates tokens while the text grows, `usual_ttft_ms` is
    what the model usually takes to its first token: no facts about the answer, so equality ignores them. `sight`: how
    it got the images of the prompt.
    """

    letter: str
    endpoint: EndpointFacts
    attempt: int = 1
    state: AnswerState = AnswerState.WAITING
    text: str = ""
    reasoning_chars: int = 0
    usage: Usage | None = None
    ttft_ms: int | None = None
    total_ms: int | None = None
    failure: Failure | None = None
    late: bool = False
    sight: Sight | None = None
    asked_at_ms: int | None = None
    first_text_at_ms: int | None = None
    retry: ev.AnswerRetrying | None = None
    silent: ev.AnswerSilent | None = None
    chars_per_token: float = field(default=CHARS_PER_TOKEN, compare=False)
    usual_ttft_ms: int | None = field(default=None, compare=False)


@dataclass(slots=True)
class SittingRecord:
    """A judge at work. `text` is the raw reply so far: never shown as it is."""

    endpoint: EndpointFacts | None = None
    attempt: int = 0
    order: tuple[str, ...] = ()
    labels: dict[str, str] = field(default_factory=dict)
    trims: tuple[Trim, ...] = ()
    reask: bool = False
    winner_only: bool = False
    masked: tuple[str, ...] = ()
    sight: Sight | None = None
    text: str = ""
    started_at_ms: int | None = None
    ended_at_ms: int | None = None
    failures: list[ev.JudgeFailed] = field(default_factory=list)


@dataclass(slots=True)
class JudgeRecord(SittingRecord):
    """The judging stage."""

    judgement: Judgement | None = None


@dataclass(slots=True)
class RulingRecord(SittingRecord):
    """The judge's second sitting, on a debate."""

    ruling: Ruling | None = None

    def taken_up(self) -> RulingRecord:
        """What a later execution goes on from: a ruling that is there, or nothing."""
        return RulingRecord() if self.ruling is None else replace(self, failures=list(self.failures))


@dataclass(slots=True)
class FinalRecord:
    """The final: `text` grows while a writer writes; `final` is set when it is whole.

    `number`: its place among the finals of the run. `out_of_date`: the answers that it knew have changed since.
    """

    number: int | None = None
    endpoint: EndpointFacts | None = None
    base_letter: str | None = None
    text: str = ""
    started_at_ms: int | None = None
    ready_at_ms: int | None = None
    final: Final | None = None
    picked_by: str = ""
    out_of_date: bool = False


@dataclass(frozen=True, slots=True)
class FinalMark:
    """One of the finals of a run, as far as its name says it; `is_current`: it is *the* final.

    `judge`: who judged, if anybody did. `known`: the attempt of each answer that was there when it was made.
    """

    number: int
    kind: FinalKind
    mode: Mode
    rubric: str
    judge: EndpointFacts | None
    letter: str | None
    known: Mapping[str, int]
    picked_by: str = ""
    is_current: bool = True
    out_of_date: bool = False


@dataclass(frozen=True, slots=True)
class Attempted:
    """The newest execution, when it was to give a final and gave none, so that what stood before it stands.

    `rejudged`: it asked nobody but a judge. `judge`: the one that was chosen for it, None for the pool's.
    """

    rejudged: bool
    judge: EndpointFacts | None
    state: RunState
    failure: Failure | None


@dataclass(slots=True)
class RunRecord:
    """One run. `answers` by letter, in the order of the panel; `endpoints` by ref.

    A run may have several finals: `mode`, `rubric`, `judge`, `degraded` and what else tells of its stages belong to the
    one in `final`, or to the execution that is to give the next one. `finals` names them all.
    `elsewhere`: an execution is under way that this record does not show, because an earlier final was asked for.
    `queue_ahead`: how many runs are before one that has been waiting for longer than a moment.
    """

    public_id: str
    prompt: str
    mode: Mode
    pool_name: str
    pool_public_id: str
    pool_version: int
    rubric: str
    author: str
    created_at: datetime
    endpoints: dict[str, EndpointFacts]
    answers: dict[str, AnswerRecord]
    images: tuple[ImageFacts, ...] = ()
    anchor: str = "A"
    judge_refs: tuple[str, ...] = ()
    state: RunState = RunState.QUEUED
    now_ms: int = 0
    grace: ev.GraceStarted | None = None
    grace_at_ms: int | None = None
    waiting_for_all: bool = False
    panel_closed: ev.PanelClosed | None = None
    judge: JudgeRecord = field(default_factory=JudgeRecord)
    debate: DebateRecord = field(default_factory=DebateRecord)
    ruling: RulingRecord = field(default_factory=RulingRecord)
    final: FinalRecord = field(default_factory=FinalRecord)
    finals: tuple[FinalMark, ...] = ()
    attempted: Attempted | None = None
    elsewhere: bool = False
    calls: dict[str, CallRecord] = field(default_factory=dict)
    degraded: list[ev.Degraded] = field(default_factory=list)
    failure: Failure | None = None
    finished_at: datetime | None = None
    queue_ahead: int | None = None

    @property
    def is_final(self) -> bool:
        return self.state.is_final

    @property
    def simulated(self) -> bool:
        return any(facts.simulated for facts in self.endpoints.values())

    @property
    def is_looked_back_at(self) -> bool:
        """Whether the final in it is one that another has replaced."""
        return any(mark.number == self.final.number and not mark.is_current for mark in self.finals)

    def is_unjudged(self, letter: str) -> bool:
        """Whether an answer came too late for what is shown here; another final may have been made with it."""
        closed, judgement = self.panel_closed, self.judge.judgement
        judged = closed.judged if closed is not None else judgement.order if judgement is not None else ()
        return self.answers[letter].late and letter not in judged

    def facts(self, ref: str) -> EndpointFacts:
        """Facts about `ref`; the bare ref when nothing better is known."""
        return self.endpoints.get(ref) or EndpointFacts(ref, ref.partition(":")[2], ref.partition(":")[2], "")
