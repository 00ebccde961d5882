"""A member that sends nothing for a while is told of, once for each stretch; asking it again does not wait for it."""

from __future__ import annotations

import asyncio

from fusion.engine.call import Caller
from fusion.engine.controls import Controls
from fusion.engine.events import AnswerAsked, AnswerEnded, AnswerSilent
from fusion.engine.panel import ask_panel
from fusion.engine.silence import Silence
from fusion.engine.types import Answer, AnswerState, Limits, Plan

from .fakes import EventLog, FakeProvider, Reply, make_member, make_plan

LIMITS = Limits(silence_s=10.0, grace_min_s=60.0, grace_max_s=60.0)


async def sat(plan: Plan, log: EventLog, controls: Controls | None = None) -> dict[str, Answer]:
    """The panel, to the end of its last answer."""
    controls = controls or Controls()
    caller = Caller(emit=log, controls=controls)
    async with asyncio.TaskGroup() as tasks:
        panel = await ask_panel(plan, emit=log, caller=caller, controls=controls, tasks=tasks)
        await panel.all_ended()
    return {answer.letter: answer for answer in panel.ended_answers()}


def told(log: EventLog) -> list[tuple[str, float]]:
    return [(event.letter, event.silent_s) for event in log.of(AnswerSilent)]


def later(seconds: float, do: object, *args: object) -> None:
    asyncio.get_running_loop().call_later(seconds, do, *args)  # type: ignore[arg-type]


async def test_a_member_that_does_not_begin_is_told_of_once_and_its_answer_still_counts() -> None:
    log, started = EventLog(), asyncio.get_running_loop().time()
    answers = await sat(make_plan(FakeProvider("quick"), FakeProvider("late", ttft=45), limits=LIMITS), log)
    assert told(log) == [("B", 10.0)]
    assert log.time_of(AnswerSilent) - started == 10.0
    assert answers["B"].state is AnswerState.DONE


async def test_a_member_that_keeps_sending_is_never_told_of_however_long_it_takes() -> None:
    log = EventLog()
    steady = FakeProvider(*"abcdefgh", ttft=9, gap=9)
    await sat(make_plan(FakeProvider("quick"), steady, limits=LIMITS), log)
    assert told(log) == []


async def test_reasoning_is_no_silence() -> None:
    log = EventLog()
    thinker = FakeProvider("so", reasoning=["hm"] * 5, ttft=8, gap=8)
    await sat(make_plan(FakeProvider("quick"), thinker, limits=LIMITS), log)
    assert told(log) == []


async def test_each_stretch_of_silence_is_told_of() -> None:
    log = EventLog()
    halting = FakeProvider("one", "two", "three", ttft=1, gap=25)
    await sat(make_plan(FakeProvider("quick"), halting, limits=LIMITS), log)
    assert told(log) == [("B", 10.0), ("B", 10.0)]


async def test_a_model_that_is_known_to_begin_late_gets_three_times_as_long() -> None:
    log = EventLog()
    slow = make_member("B", FakeProvider("x", ttft=40), usual_ttft_s=12.0)
    await sat(make_plan(members=(make_member("A", FakeProvider("quick")), slow), limits=LIMITS), log)
    assert told(log) == [("B", 36.0)]


async def test_nothing_is_told_of_a_member_that_has_ended() -> None:
    log = EventLog()
    await sat(make_plan(FakeProvider("quick"), FakeProvider("x", ttft=9.5), limits=LIMITS), log)
    await asyncio.sleep(60)
    assert told(log) == []


async def test_a_silent_member_that_is_asked_again_gives_its_answer_and_is_not_waited_for() -> None:
    log, controls = EventLog(), Controls()
    stuck = FakeProvider(replies=[Reply(("half", "never"), ttft=1, gap=1000), Reply(("whole",), ttft=1)])
    later(12, controls.retry_member, "B")
    started = asyncio.get_running_loop().time()
    answers = await sat(make_plan(FakeProvider("quick"), stuck, limits=LIMITS), log, controls)
    assert (answers["B"].state, answers["B"].text) == (AnswerState.DONE, "whole")
    assert [(e.answer.state, e.answer.text) for e in log.of(AnswerEnded) if e.answer.letter == "B"] == [
        (AnswerState.STOPPED, "half"),
        (AnswerState.DONE, "whole"),
    ]
    assert [event.letter for event in log.of(AnswerAsked)] == ["A", "B", "B"]
    assert asyncio.get_running_loop().time() - started == 13.0
    assert stuck.open_streams == 0


async def test_a_member_that_is_not_silent_is_not_interrupted_by_a_second_click() -> None:
    log, controls = EventLog(), Controls()
    busy = FakeProvider("one", "two", ttft=8, gap=8)
    later(12, controls.retry_member, "B")
    answers = await sat(make_plan(FakeProvider("quick"), busy, limits=LIMITS), log, controls)
    assert (answers["B"].text, len(busy.requests)) == ("onetwo", 1)


async def test_asking_again_one_that_is_being_stopped_already_has_its_effect_and_says_so() -> None:
    log, controls, told = EventLog(), Controls(), list[bool]()
    stuck = FakeProvider(replies=[Reply(ttft=1000), Reply(("whole",), ttft=1)])
    later(12, controls.stop_member, "B")
    later(12, lambda: told.append(controls.retry_member("B")))
    answers = await sat(make_plan(FakeProvider("quick"), stuck, limits=LIMITS), log, controls)
    assert (told, answers["B"].text) == ([True], "whole")


async def test_a_stop_of_everything_is_stronger_than_asking_one_again() -> None:
    log, controls = EventLog(), Controls()
    stuck = FakeProvider("never", ttft=1000)
    later(12, controls.retry_member, "B")
    later(12, controls.stop_all)
    answers = await sat(make_plan(FakeProvider("quick"), stuck, limits=LIMITS), log, controls)
    assert answers["B"].state is AnswerState.STOPPED and len(stuck.requests) == 1


async def test_a_late_member_that_is_silent_can_be_asked_again_too() -> None:
    log, controls = EventLog(), Controls()
    stuck = FakeProvider(replies=[Reply(ttft=1000), Reply(("whole",), ttft=1)])
    limits = Limits(silence_s=10.0, quorum=1, grace_min_s=3.0, grace_max_s=3.0)
    later(20, controls.retry_member, "B")
    answers = await sat(make_plan(FakeProvider("quick"), stuck, limits=limits), log, controls)
    assert (answers["B"].text, answers["B"].late) == ("whole", True)


async def test_one_timer_is_left_neither_running_nor_telling() -> None:
    said: list[float] = []
    silence = Silence(first_s=5, between_s=2, tell=said.append)
    await asyncio.sleep(4)
    silence.heard()
    await asyncio.sleep(5)
    assert said == [2]
    silence.heard()
    silence.close()
    await asyncio.sleep(10)
    assert said == [2]
