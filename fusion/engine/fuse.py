"""One run from its plan to its end: ask the panel, let a judge decide, ship one answer, say what it is worth."""

from __future__ import annotations

import asyncio
from contextlib import closing
from dataclasses import dataclass

from fusion.engine import sentences
from fusion.engine.call import Caller
from fusion.engine.controls import Controls
from fusion.engine.debate import (
    Ledger,
    base_candidates,
    hold_debate,
    ledger_of,
    left_out_letters,
    plan_ruled_patches,
    rule,
)
from fusion.engine.disputes import Ruling
from fusion.engine.events import Degraded, Emit, Event, FinalEnded, JudgeFailed, RunEnded, RunStarted
from fusion.engine.judge import judge_answers
from fusion.engine.merge import WritingTask, write_final, write_merge
from fusion.engine.panel import Panel, ask_panel
from fusion.engine.types import (
    Answer,
    AnswerState,
    Failure,
    Final,
    FinalKind,
    Judgement,
    Mode,
    Plan,
    RunState,
)


@dataclass(frozen=True, slots=True)
class Outcome:
    state: RunState
    failure: Failure | None = None


async def fuse(plan: Plan, *, emit: Emit, controls: Controls) -> RunState:
    """Run a plan to its end and give the state it ended in; the last event is RunEnded, whatever happened upstream.

    The final waits for nobody who is late; the run's end does. A person's stop ends as CANCELLED. Cancelling this task
    ends as INTERRUPTED, unless only late answers were missing, and raises CancelledError; an exception of our own (also
    one that `emit` raises) comes out without RunEnded. Every task and stream is closed before that.
    """
    outcome = Outcome(RunState.INTERRUPTED, sentences.interrupted())
    deadline = asyncio.get_running_loop().time() + plan.limits.overall_s
    caller = Caller(emit=emit, controls=controls, deadline=deadline)
    try:
        async with asyncio.TaskGroup() as tasks:
            with closing(controls):  # before the tasks are wound up: from then on nobody can be asked again
                if plan.mode is not Mode.DEBATE or plan.given_ruling is not None:
                    controls.close_debate()
                emit(RunStarted(plan.mode, tuple(member.letter for member in plan.members)))
                panel = await ask_panel(plan, emit=emit, caller=caller, controls=controls, tasks=tasks)
                outcome = await _Run(plan, panel=panel, emit=emit, caller=caller, controls=controls).conclude()
                await panel.all_ended()
    except asyncio.CancelledError:
        emit(RunEnded(outcome.state, outcome.failure))
        raise
    except BaseExceptionGroup as group:
        raise group.exceptions[0] from None
    emit(RunEnded(outcome.state, outcome.failure))
    return outcome.state


class _Run:
    """What follows the panel, in order."""

    def __init__(self, plan: Plan, *, panel: Panel, emit: Emit, caller: Caller, controls: Controls) -> None:
        self.plan = plan
        self.panel = panel
        self.answers = panel.judged
        self.caller = caller
        self.controls = controls
        self.judge_failures: list[JudgeFailed] = []
        self._emit = emit

    async def conclude(self) -> Outcome:
        if self.controls.all_stopped:
            return Outcome(RunState.CANCELLED)
        if self.plan.answers_only:
            return self._answered()
        if self.plan.given_judgement is not None:
            return await self._finished(self.plan.given_judgement)
        if not self.answers:
            return self._nobody()
        if len(self.answers) == 1:
            return self._single(self.answers[0])
        return await self._fused()

    async def _fused(self) -> Outcome:
        if self._say_panel_is_short() and self.plan.on_quorum_missed == "stop":
            return Outcome(RunState.SHORT)
        judgement = await self._judge()
        if self.controls.all_stopped:
            return Outcome(RunState.CANCELLED)
        if judgement is None:
            return self._without_verdict()
        self._say_how_it_was_judged(judgement)
        return await self._finished(judgement)

    async def _finished(self, judgement: Judgement) -> Outcome:
        if self.plan.mode is Mode.DEBATE and _is_worth_a_debate(judgement):
            ledger = await self._debate(judgement)
            ruling = await self._rule(judgement, ledger) if ledger is not None else None
            if self.controls.all_stopped:
                return Outcome(RunState.CANCELLED)
            if ledger is not None and ruling is not None:
                return await self._ruled(judgement, ledger, ruling)
        self.controls.close_debate()
        chosen = self._answer_of(judgement.chosen)
        if chosen is None:
            return Outcome(RunState.UNJUDGED, sentences.none_chosen(judgement))
        if self.plan.mode is Mode.BEST_OF:
            return self._shipped(_verbatim(FinalKind.VERBATIM, chosen))
        return await self._merged(judgement, base=chosen)

    # --- the stages --------------------------------------------------------------------------------------

    async def _judge(self) -> Judgement | None:
        return await judge_answers(self.plan, self.answers, emit=self._note, caller=self.caller, controls=self.controls)

    async def _debate(self, judgement: Judgement) -> Ledger | None:
        """What the debate left; None when a person stopped the run."""
        if self.plan.given_ruling is not None:
            return ledger_of(self.plan, self.answers, judgement)
        left_out = left_out_letters(judgement, self.answers)
        if left_out:
            self._degraded("left_out_of_debate", sentences.left_out_of_debate(self.plan, left_out))
        return await hold_debate(
            self.plan, self.answers, judgement, emit=self._emit, caller=self.caller, controls=self.controls
        )

    async def _rule(self, judgement: Judgement, ledger: Ledger) -> Ruling | None:
        """The ruling on a debate that had a round; without one, the verdict before it still stands."""
        if self.plan.given_ruling is not None or not ledger.rounds:
            return self.plan.given_ruling
        candidates = base_candidates(ledger, self.answers, judgement.chosen)
        ruling = await rule(
            self.plan, candidates, judgement, ledger, emit=self._note, caller=self.caller, controls=self.controls
        )
        failures = [failure for failure in self.judge_failures if failure.ruling]
        if ruling is None and not self.controls.all_stopped:
            self._degraded("ruling_failed", sentences.ruling_failed(self.plan, failures, chosen=judgement.chosen))
        if ruling is not None and ruling.attempt > 1:
            self._degraded("ruling_fallback", sentences.ruling_fallback(self.plan, ruling, failures))
        return ruling

    async def _ruled(self, judgement: Judgement, ledger: Ledger, ruling: Ruling) -> Outcome:
        """The ruling, written out on the answer that it builds on."""
        base = self._answer_of(ruling.base)
        if base is None:
            return Outcome(RunState.UNJUDGED, sentences.none_chosen(judgement))
        patches = plan_ruled_patches(judgement, ruling, ledger)
        task = WritingTask(FinalKind.RULED, base, patches, ruling.judge)
        final = await write_final(self.plan, task, emit=self._emit, caller=self.caller, controls=self.controls)
        return self._written(final, base)

    async def _merged(self, judgement: Judgement, *, base: Answer) -> Outcome:
        if judgement.analysis_missing:
            return self._shipped(_verbatim(FinalKind.VERBATIM, base))  # nobody said what could be worked into it
        final = await write_merge(
            self.plan, self.answers, judgement, emit=self._emit, caller=self.caller, controls=self.controls
        )
        return self._written(final, base)

    def _written(self, final: Final | None, base: Answer) -> Outcome:
        """The written final; without one, the base as it stands, which is what the judge held to be best."""
        if self.controls.all_stopped and (final is None or final.truncated):
            return self._stopped_in_writing(final)
        if final is None:
            self._degraded("writer_failed", sentences.writer_failed(base))
            return self._shipped(_verbatim(FinalKind.VERBATIM, base))
        return self._shipped(final)

    # --- the ways to end ---------------------------------------------------------------------------------

    def _shipped(self, final: Final, state: RunState = RunState.DONE) -> Outcome:
        self._emit(FinalEnded(final))
        return Outcome(state)

    def _stopped_in_writing(self, final: Final | None) -> Outcome:
        if final is not None and final.text:
            self._emit(FinalEnded(final))
        return Outcome(RunState.CANCELLED)

    def _single(self, answer: Answer) -> Outcome:
        if len(self.plan.members) > 1:
            self._degraded("single_answer", sentences.single_answer(self.plan, self.panel.ended_answers(), answer))
        return self._shipped(_verbatim(FinalKind.SINGLE, answer), RunState.SINGLE)

    def _answered(self) -> Outcome:
        answers = self.panel.ended_answers()
        if any(answer.state.is_usable for answer in answers):
            return Outcome(RunState.ANSWERED)
        return self._nobody()

    def _nobody(self) -> Outcome:
        """There is nothing to judge: because a person stopped somebody, or because all members failed."""
        answers = self.panel.ended_answers()
        if any(answer.state is AnswerState.STOPPED for answer in answers):
            return Outcome(RunState.CANCELLED)
        return Outcome(RunState.FAILED, sentences.nobody_answered(self.plan, answers))

    def _without_verdict(self) -> Outcome:
        """No final pretends to exist, unless the pool wants the anchor's text when no judge can be had."""
        failure = sentences.no_verdict(self.plan, self.judge_failures)
        self._degraded(failure.code, failure.message)
        anchor = self.panel.answer_of(self.plan.anchor)  # late or not: no judge compared anything
        if self.plan.on_judge_failure == "anchor" and anchor is not None and anchor.state.is_usable:
            self._emit(FinalEnded(_verbatim(FinalKind.ANCHOR, anchor)))
        return Outcome(RunState.UNJUDGED, failure)

    # --- saying what a reader must know ------------------------------------------------------------------

    def _say_panel_is_short(self) -> bool:
        """Say who is missing from what will be judged; True when the quorum is missed and nobody asked for that."""
        answers = self.panel.ended_answers()
        if self.panel.reason == "asked":
            self._degraded("judged_early", sentences.judged_early(self.plan, len(self.answers), self.panel.left_out))
            return False
        if len(self.answers) < self.panel.quorum:
            self._degraded(
                "quorum_missed", sentences.quorum_missed(self.plan, len(self.answers), self.panel.quorum, answers)
            )
            return True
        if self.panel.left_out:
            self._degraded("late_answers_left_out", sentences.left_out(self.plan, self.panel.left_out))
        return False

    def _say_how_it_was_judged(self, judgement: Judgement) -> None:
        if judgement.attempt > 1:
            self._degraded("judge_fallback", sentences.judge_fallback(self.plan, judgement, self.judge_failures))
        if judgement.analysis_missing:
            self._degraded("analysis_missing", sentences.analysis_missing(self.plan, judgement))
        recheck = judgement.recheck
        if recheck is not None:
            code = "suspect_disqualified" if recheck.result == "overturned" else "suspect_winner"
            self._degraded(code, sentences.rechecked(recheck))

    def _degraded(self, code: str, message: str) -> None:
        self._emit(Degraded(code, message))

    def _note(self, event: Event) -> None:
        """Pass a judge's event on, and remember why judges failed."""
        if isinstance(event, JudgeFailed):
            self.judge_failures.append(event)
        self._emit(event)

    def _answer_of(self, letter: str | None) -> Answer | None:
        return next((answer for answer in self.answers if answer.letter == letter), None)


def _is_worth_a_debate(judgement: Judgement) -> bool:
    """There is an analysis to take disputes from, and not every answer is beyond use.

    A judge that cannot tell which answer is right leaves just the disputes that a debate is for.
    """
    return not judgement.analysis_missing and judgement.standing != "none_acceptable"


def _verbatim(kind: FinalKind, answer: Answer) -> Final:
    """An answer's text as the final, byte for byte; `truncated` when that answer was itself not complete."""
    return Final(kind, answer.text, answer.letter, truncated=answer.state is not AnswerState.DONE)
