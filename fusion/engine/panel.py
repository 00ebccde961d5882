"""The panel: every member is asked at once, and the panel closes when waiting longer is not worth it.

A quorum of usable answers starts a grace in proportion to the time that the quorum took; whoever is still writing when
the panel closes goes on as a late answer, shown but not judged.
"""

from __future__ import annotations

import asyncio
import math
from dataclasses import replace
from typing import Literal

from fusion.engine.call import CLOSE_S, Caller
from fusion.engine.controls import Controls
from fusion.engine.events import AnswerEnded, Emit, GraceStarted, PanelClosed, WaitingForAll
from fusion.engine.grace import CLOCK_S, Grace, quorum_of
from fusion.engine.seat import Asker, Seat
from fusion.engine.types import Answer, AnswerState, Plan, Sight

Reason = Literal["all_ended", "grace_over", "asked", "deadline", "stopped"]

UNWIND_S = CLOSE_S + 0.5  # after the deadline; a provider that will not be ended even then is not waited for


async def ask_panel(plan: Plan, *, emit: Emit, caller: Caller, controls: Controls, tasks: asyncio.TaskGroup) -> Panel:
    """Ask every member that lacks an answer, in `tasks`, and return once the panel is closed.

    Late answers go on streaming in `tasks`; `Panel.all_ended` waits for them.
    """
    panel = Panel(plan, emit=emit, caller=caller, controls=controls, tasks=tasks)
    controls.attach(panel)
    panel.start()
    await panel.until_closed()
    return panel


class Panel:
    """The seats of one run. `deadline` is loop time; `reason` is None while the panel is open."""

    def __init__(self, plan: Plan, *, emit: Emit, caller: Caller, controls: Controls, tasks: asyncio.TaskGroup) -> None:
        self.seats = {member.letter: Seat(member) for member in plan.members}
        asked = [member for member in plan.members if not plan.leaves_out(member)]
        self.quorum = quorum_of(len(asked), plan.limits)
        self.reason: Reason | None = None
        self.judged: tuple[Answer, ...] = ()
        self.left_out: tuple[str, ...] = ()
        self._plan = plan
        self._emit = emit
        self._controls = controls
        self._tasks = tasks
        self._asker = Asker(
            plan.prompt,
            plan.seed,
            plan.limits.retry_wait_max_s,
            plan.limits.silence_s,
            emit,
            caller,
            controls,
            images=plan.images,
            leaves_out_blind=plan.blind_members == "leave_out",
        )
        self._changed = asyncio.Event()
        self._started = asyncio.get_running_loop().time()
        self._deadline = min(self._started + plan.limits.panel_s, caller.deadline)
        self._gives_up_at = self._deadline + UNWIND_S
        self._grace = Grace(plan.limits)
        self._said_waiting = False
        self._asked_for_again: set[str] = set()

    # --- asking ------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Ask everyone at once; a judgement that exists already covers the given answers only, so nobody is asked."""
        for seat in self.seats.values():
            if seat.member.given is not None:
                seat.answer, seat.state = seat.member.given, seat.member.given.state
        if self._plan.given_judgement is not None:
            self.seats = {letter: seat for letter, seat in self.seats.items() if seat.answer is not None}
        for seat in self._open_seats():
            if self._plan.leaves_out(seat.member):
                self._end(seat, Answer(seat.letter, AnswerState.LEFT_OUT, sight=Sight.LEFT_OUT))
            else:
                self._tasks.create_task(self._ask(seat, self._deadline), name=f"answer {seat.letter}")

    async def _ask(self, seat: Seat, deadline: float) -> None:
        try:
            answer = await self._asker.ask(seat, deadline=deadline)
        except asyncio.CancelledError:
            self._end(seat, seat.interrupted())
            raise
        self._end(seat, answer)
        if seat.letter in self._asked_for_again:
            self._asked_for_again.discard(seat.letter)
            self._controls.retry_member(seat.letter)

    def _end(self, seat: Seat, answer: Answer) -> None:
        late = self.reason is not None
        seat.answer = answer if not late else replace(answer, late=True)
        seat.state = answer.state
        self._emit(AnswerEnded(seat.answer))
        self._changed.set()

    # --- what a person steers ----------------------------------------------------------------------------

    def steer(self) -> bool:
        self._changed.set()
        return self.reason is None

    def under_way(self, letter: str) -> bool:
        return letter in self.seats and self.seats[letter].answer is None

    def ask_again_once_ended(self, letter: str) -> bool:
        if not self.seats[letter].is_silent:
            return False
        self._asked_for_again.add(letter)
        return True

    def ask_again(self, letter: str) -> bool:
        seat = self.seats.get(letter)
        if seat is None or seat.answer is None or seat.answer.state.is_usable or seat.answer in self.judged:
            return False
        if seat.answer.state is AnswerState.LEFT_OUT:
            return False
        now = asyncio.get_running_loop().time()
        deadline = self._deadline if self.reason is None else now + self._plan.limits.panel_s
        seat.begin()
        self._tasks.create_task(self._ask(seat, deadline), name=f"answer {letter}")
        self._changed.set()
        return True

    # --- closing -----------------------------------------------------------------------------------------

    async def until_closed(self) -> None:
        """Return once the panel is closed, in the very instant in which the reason to close it arises."""
        while (reason := self._reason_to_close()) is None:
            await self._change(until=self._next_look())
        self._close(reason)

    async def all_ended(self) -> None:
        """Return once nobody is under way any more; each late answer has a deadline of its own."""
        while self._open_seats():
            await self._change()

    def ended_answers(self) -> tuple[Answer, ...]:
        return tuple(seat.answer for seat in self.seats.values() if seat.answer is not None)

    def answer_of(self, letter: str) -> Answer | None:
        return self.seats[letter].answer if letter in self.seats else None

    def _reason_to_close(self) -> Reason | None:
        now = asyncio.get_running_loop().time()
        waiting = self._open_seats()
        if not waiting:
            return self._reason_of_the_end(now)
        if now >= self._gives_up_at - CLOCK_S:
            return "deadline"
        if self._controls.all_stopped or self._plan.answers_only:
            return None  # until all have ended
        if self._controls.wants_judge_now and len(self._usable()) >= 2:
            return "asked"
        if self._controls.wants_all:
            self._say_waiting(waiting)
            return None
        return "grace_over" if self._has_quorum() and self._grace_is_over(now, waiting) else None

    def _reason_of_the_end(self, now: float) -> Reason:
        if self._controls.all_stopped:
            return "stopped"
        return "deadline" if now >= self._deadline - CLOCK_S else "all_ended"

    def _has_quorum(self) -> bool:
        """Answers that were given count, but the wait is for those asked now: one of them must have ended."""
        if self._grace.ends_at is not None:
            return True
        asked_ended = any(seat.answer is not None and seat.is_asked for seat in self.seats.values())
        return asked_ended and len(self._usable()) >= self.quorum

    def _grace_is_over(self, now: float, waiting: tuple[Seat, ...]) -> bool:
        if self._grace.ends_at is None:
            self._grace.start(now, quorum_took_s=now - self._started)
            self._say_grace(now, waiting)
        if not self._grace.is_over(now):
            return False
        if self._grace.extended or all(seat.state is not AnswerState.STREAMING for seat in waiting):
            return True
        self._grace.extend(now)
        self._say_grace(now, waiting)
        return False

    def _say_grace(self, now: float, waiting: tuple[Seat, ...]) -> None:
        wait_s = min(self._grace.length_s, self._deadline - now)
        self._emit(GraceStarted(wait_s, _letters(waiting), extension=self._grace.extended))

    def _say_waiting(self, waiting: tuple[Seat, ...]) -> None:
        if not self._said_waiting:
            self._said_waiting = True
            self._emit(WaitingForAll(_letters(waiting)))

    def _close(self, reason: Reason) -> None:
        self.reason = reason
        self.left_out = _letters(self._open_seats())
        if reason != "stopped" and not self._plan.answers_only:
            self.judged = self._usable() or self._refusals()
        self._emit(PanelClosed(tuple(answer.letter for answer in self.judged), self.left_out, reason))

    def _usable(self) -> tuple[Answer, ...]:
        return tuple(answer for answer in self.ended_answers() if answer.state.is_usable)

    def _refusals(self) -> tuple[Answer, ...]:
        """When every member refused, their words are what there is to judge; a single one is no answer."""
        refused = [answer for answer in self.ended_answers() if answer.state is AnswerState.REFUSED]
        worded = tuple(answer for answer in refused if answer.text.strip())
        asked = [seat for seat in self.seats.values() if seat.state is not AnswerState.LEFT_OUT]
        return worded if len(refused) == len(asked) and len(worded) >= 2 else ()

    def _open_seats(self) -> tuple[Seat, ...]:
        return tuple(seat for seat in self.seats.values() if seat.answer is None)

    def _next_look(self) -> float:
        """The next moment at which the panel might close without anything having happened."""
        graced = not self._controls.wants_all and not self._controls.all_stopped
        return min(self._grace.ends_at or math.inf, self._gives_up_at) if graced else self._gives_up_at

    async def _change(self, *, until: float | None = None) -> None:
        """Sleep until something happened, or until a loop time. Nothing can happen between a look and this sleep."""
        self._changed.clear()
        loop = asyncio.get_running_loop()
        alarm = None if until is None else loop.call_at(until, self._changed.set)
        try:
            await self._changed.wait()
        finally:
            if alarm is not None:
                alarm.cancel()


def _letters(seats: tuple[Seat, ...]) -> tuple[str, ...]:
    return tuple(seat.letter for seat in seats)
