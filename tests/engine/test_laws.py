"""Laws: however a run ends, nothing is left behind and every beginning has exactly one end.

One eventful run (a retry, a failure, a straggler, a judge that is replaced, a debate with members that change, fail and
write nonsense, a writer) is ended in every way at many instants of its life: by a person, by a cancellation, by its
deadline.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from fusion.engine.controls import Controls
from fusion.engine.events import (
    AnswerAsked,
    AnswerEnded,
    CallEnded,
    CallStarted,
    DebateEnded,
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

from .debaters import concedes, disputing, either, holds
from .fakes import EventLog, FakeProvider, Reply, make_plan, verdict_for

Tasks = list[asyncio.Task[RunState]]
BUSY = Reply(error=ProviderOverloaded("busy"), ttft=0.3)
LYON = either(Reply(("Ly", "on"), gap=1), concedes("Paris"))

INSTANTS = [0.0, 0.05, 1.0, 2.0, 3.0, *(0.8 * step for step in range(1, 33))]
WRITTEN = [Mode.MERGE, Mode.DEBATE]
STEP = {Mode.MERGE: 1, Mode.DEBATE: 2}  # a debate has twice the events
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


@pytest.mark.parametrize("mode", list(Mode))
async def test_an_undisturbed_run_keeps_the_laws(mode: Mode) -> None:
    world = World(mode=mode)
    assert await world.run() is RunState.DONE
    world.check_laws()
    calls = {Mode.BEST_OF: 8, Mode.MERGE: 9, Mode.DEBATE: 9 + 5 + 4 + 2}  # two rounds, a ruling
    assert len(world.log.of(CallStarted)) == calls[mode]


@pytest.mark.parametrize("mode", WRITTEN)
async def test_a_stop_at_any_instant_keeps_the_laws_and_ends_the_run_at_once(mode: Mode) -> None:
    states = set()
    for instant in INSTANTS:
        world = World(mode=mode)
        started = asyncio.get_running_loop().time()
        alarm = at(instant, world.controls.stop_all)
        states.add(await world.run())
        assert asyncio.get_running_loop().time() - started <= instant + 0.01
        alarm.cancel()
        world.check_laws()
    assert states == {RunState.CANCELLED, RunState.DONE}


@pytest.mark.parametrize("mode", WRITTEN)
async def test_a_cancellation_at_any_instant_keeps_the_laws_and_comes_through(mode: Mode) -> None:
    for instant in INSTANTS:
        world = World(mode=mode)
        task = asyncio.create_task(world.run())
        await asyncio.sleep(instant)
        was_done = task.done()
        task.cancel()
        (outcome,) = await asyncio.gather(task, return_exceptions=True)
        assert outcome is RunState.DONE if was_done else isinstance(outcome, asyncio.CancelledError)
        world.check_laws()


@pytest.mark.parametrize("mode", WRITTEN)
async def test_a_stop_and_a_cancellation_in_the_same_instant_are_a_cancellation(mode: Mode) -> None:
    for instant in INSTANTS[:20]:
        world = World(mode=mode)
        task = asyncio.create_task(world.run())
        await asyncio.sleep(instant)
        world.controls.stop_all()
        task.cancel()
        (outcome,) = await asyncio.gather(task, return_exceptions=True)
        assert isinstance(outcome, asyncio.CancelledError)
        world.check_laws()


@pytest.mark.parametrize("mode", WRITTEN)
async def test_an_overall_deadline_at_any_instant_keeps_the_laws_and_is_kept(mode: Mode) -> None:
    for instant in INSTANTS:
        world = World(mode=mode, overall_s=instant)
        started = asyncio.get_running_loop().time()
        await world.run()
        assert asyncio.get_running_loop().time() - started <= instant + 0.01
        world.check_laws()


@pytest.mark.parametrize("mode", [Mode.BEST_OF, Mode.DEBATE])
@pytest.mark.parametrize("letter", list("ABCDE"))
async def test_stopping_and_retrying_a_member_at_any_instant_keeps_the_laws(letter: str, mode: Mode) -> None:
    for instant in INSTANTS[::3]:
        world = World(mode=mode)
        alarms = [
            at(instant, world.controls.stop_member, letter),
            at(instant + 1, world.controls.retry_member, letter),
        ]
        assert await world.run() is RunState.DONE
        for alarm in alarms:
            alarm.cancel()
        world.check_laws()


@pytest.mark.parametrize("mode", WRITTEN)
@pytest.mark.parametrize("wish", [Controls.judge_now, Controls.wait_for_all, Controls.end_debate])
async def test_a_wish_at_any_instant_keeps_the_laws(wish: Callable[[Controls], bool], mode: Mode) -> None:
    for instant in INSTANTS[::2]:
        world = World(mode=mode)
        alarm = at(instant, wish, world.controls)
        assert await world.run() is RunState.DONE
        alarm.cancel()
        world.check_laws()


@pytest.mark.parametrize("mode", WRITTEN)
async def test_a_stop_between_any_two_events_keeps_the_laws(mode: Mode) -> None:
    """Stops come from inside `emit`, so that they fall into every gap of the engine's own steps."""
    quiet = World(mode=mode)
    await quiet.run()
    for index in range(0, len(quiet.log.events), STEP[mode]):
        world = World(mode=mode)

        def emit(event: object, world: World = world, index: int = index) -> None:
            world.log(event)  # type: ignore[arg-type]
            if len(world.log.events) == index + 1:
                world.controls.stop_all()

        await fuse(world.plan, emit=emit, controls=world.controls)
        world.check_laws()


@pytest.mark.parametrize("mode", WRITTEN)
async def test_a_cancellation_between_any_two_events_keeps_the_laws(mode: Mode) -> None:
    quiet = World(mode=mode)
    await quiet.run()
    for index in range(0, len(quiet.log.events) - 1, STEP[mode]):
        world = World(mode=mode)
        tasks: Tasks = []

        def emit(event: object, world: World = world, index: int = index, tasks: Tasks = tasks) -> None:
            world.log(event)  # type: ignore[arg-type]
            if len(world.log.events) == index + 1:
                tasks[-1].cancel()

        tasks.append(asyncio.create_task(fuse(world.plan, emit=emit, controls=world.controls)))
        (outcome,) = await asyncio.gather(tasks[-1], return_exceptions=True)
        assert isinstance(outcome, asyncio.CancelledError)
        world.check_laws()
