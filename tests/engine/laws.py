"""The law that however a run ends, nothing is left behind and every beginning has exactly one end.

One eventful run (a retry, a failure, a straggler, a judge that is replaced, a debate with members that change, fail and
write nonsense, a writer) and the ways to end it or to disturb it: by a person, by a cancellation, by its deadline.
`test_laws.py` tries each way in each stage, `tests/exhaustive/test_laws.py` at every instant.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator

from fusion.engine.controls import Controls
from fusion.engine.events import (
    AnswerAsked,
    AnswerEnded,
    CallEnded,
    CallStarted,
    DebateEnded,
    Event,
    FinalEnded,
    PanelClosed,
    PositionEnded,
    RoundEnded,
    RoundStarted,
    RunEnded,
    RunStarted,
)
from fusion.engine.fuse import fuse
from fusion.engine.types import Limits, Mode, Plan, RunState
from fusion.errors import ProviderAuthFailed, ProviderOverloaded
from tests.engine.debaters import concedes, disputing, either, holds
from tests.engine.fakes import EventLog, FakeProvider, Reply, make_plan, verdict_for

BUSY = Reply(error=ProviderOverloaded("busy"), ttft=0.3)
LYON = either(Reply(("Ly", "on"), gap=1), concedes("Paris"))

WRITTEN = [Mode.MERGE, Mode.DEBATE]
CITY = {"Which city?": ("Paris", "Lyon", "Metz")}


class World:
    """The eventful run: about 14 s long, with late answers until 18 s, and in a debate with two rounds until 24 s."""

    def __init__(self, *, mode: Mode, overall_s: float = 420.0) -> None:
        self.providers = [
            FakeProvider(replies=[either(Reply(("Par", "is"), ttft=1, gap=1), holds())]),
            FakeProvider(replies=[BUSY, LYON, BUSY, LYON]),
            FakeProvider(error=ProviderAuthFailed("bad key"), ttft=2),
            FakeProvider(*["Nice "] * 14, reasoning=["hm"] * 3, gap=1),
            FakeProvider("Metz", usage=None),
            FakeProvider("{", error=ProviderOverloaded("busy"), ttft=0.4),
            FakeProvider(replies=[disputing("Paris", CITY) if mode is Mode.DEBATE else verdict_for("Paris")]),
            FakeProvider("Paris ", "it is. [[b]] ", "Really. [[b]]", gap=0.7),
        ]
        self.plan: Plan = make_plan(
            *self.providers[:5],
            judges=self.providers[5:7],
            writer=self.providers[7],
            mode=mode,
            limits=Limits(quorum=3, overall_s=overall_s, judge_s=8, writer_s=8, round_s=4, debate_rounds=2),
        )
        self.log = EventLog()
        self.controls = Controls()

    async def run(self) -> RunState:
        return await fuse(self.plan, emit=self.log, controls=self.controls)

    def check_laws(self) -> None:
        self._check_nothing_is_left()
        self._check_beginnings_have_ends()
        self._check_answers()
        self._check_debate()

    def _check_nothing_is_left(self) -> None:
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert [provider.open_streams for provider in self.providers] == [0] * len(self.providers)
        assert not self.controls.stop_all()
        assert not self.controls.retry_member("C")

    def _check_beginnings_have_ends(self) -> None:
        events = self.log.events
        assert isinstance(events[0], RunStarted)
        assert isinstance(events[-1], RunEnded)
        assert Counter(map(type, events))[RunEnded] == 1
        assert len(self.log.of(PanelClosed)) <= 1
        assert len(self.log.of(FinalEnded)) <= 1
        started = [event.call_id for event in self.log.of(CallStarted)]
        assert len(set(started)) == len(started)
        assert sorted(started) == sorted(event.call_id for event in self.log.of(CallEnded))
        assert len(started) == sum(provider.opened for provider in self.providers)

    def _check_answers(self) -> None:
        """Asked and ended take turns, letter by letter, and end on ended."""
        for letter in "ABCDE":
            turns = [type(event) for event in self._asks_of(letter)]
            assert turns == [AnswerAsked, AnswerEnded] * (len(turns) // 2)

    def _check_debate(self) -> None:
        """Each member that is asked in a round that ended has one end in it; a round ends once, in order."""
        assert len(self.log.of(DebateEnded)) <= 1
        ended = [event.round.number for event in self.log.of(RoundEnded)]
        assert ended == list(range(1, len(ended) + 1))
        for number in ended:
            (asked,) = [event.letters for event in self.log.of(RoundStarted) if event.number == number]
            assert sorted(asked) == sorted(
                event.letter for event in self.log.of(PositionEnded) if event.number == number
            )

    def _asks_of(self, letter: str) -> Iterator[AnswerAsked | AnswerEnded]:
        for event in self.log.events:
            if isinstance(event, AnswerAsked) and event.letter == letter:
                yield event
            if isinstance(event, AnswerEnded) and event.answer.letter == letter:
                yield event


def at(seconds: float, do: Callable[..., object], *args: object) -> asyncio.TimerHandle:
    return asyncio.get_running_loop().call_later(seconds, do, *args)


def now() -> float:
    return asyncio.get_running_loop().time()


# --- ways to end it: each runs once, and fails unless the laws hold ----------------------------------------


async def stopped_at(instant: float, mode: Mode) -> RunState:
    world, started = World(mode=mode), now()
    alarm = at(instant, world.controls.stop_all)
    state = await world.run()
    assert now() - started <= instant + 0.01
    alarm.cancel()
    world.check_laws()
    return state


async def cancelled_at(instant: float, mode: Mode, *, stop_too: bool = False) -> None:
    world = World(mode=mode)
    task = asyncio.create_task(world.run())
    await asyncio.sleep(instant)
    was_done = task.done()
    if stop_too:
        world.controls.stop_all()
    task.cancel()
    (outcome,) = await asyncio.gather(task, return_exceptions=True)
    assert outcome is RunState.DONE if was_done else isinstance(outcome, asyncio.CancelledError)
    world.check_laws()


async def out_of_time_at(instant: float, mode: Mode) -> None:
    world, started = World(mode=mode, overall_s=instant), now()
    await world.run()
    assert now() - started <= instant + 0.01
    world.check_laws()


async def stopped_after_event(index: int, mode: Mode) -> None:
    """The stop comes from inside `emit`, so that it falls into a gap of the engine's own steps."""
    world = World(mode=mode)

    def emit(event: Event) -> None:
        world.log(event)
        if len(world.log.events) == index + 1:
            world.controls.stop_all()

    await fuse(world.plan, emit=emit, controls=world.controls)
    world.check_laws()


async def cancelled_after_event(index: int, mode: Mode) -> None:
    world = World(mode=mode)
    tasks: list[asyncio.Task[RunState]] = []

    def emit(event: Event) -> None:
        world.log(event)
        if len(world.log.events) == index + 1:
            tasks[-1].cancel()

    tasks.append(asyncio.create_task(fuse(world.plan, emit=emit, controls=world.controls)))
    (outcome,) = await asyncio.gather(tasks[-1], return_exceptions=True)
    assert isinstance(outcome, asyncio.CancelledError)
    world.check_laws()


async def event_count(mode: Mode) -> int:
    quiet = World(mode=mode)
    await quiet.run()
    return len(quiet.log.events)


# --- ways to disturb it: it still ends with a final ---------------------------------------------------------


async def stopped_and_asked_again_at(instant: float, letter: str, mode: Mode) -> None:
    world = World(mode=mode)
    alarms = [at(instant, world.controls.stop_member, letter), at(instant + 1, world.controls.retry_member, letter)]
    assert await world.run() is RunState.DONE
    for alarm in alarms:
        alarm.cancel()
    world.check_laws()


async def wished_at(instant: float, wish: Callable[[Controls], bool], mode: Mode) -> None:
    world = World(mode=mode)
    alarm = at(instant, wish, world.controls)
    assert await world.run() is RunState.DONE
    alarm.cancel()
    world.check_laws()
