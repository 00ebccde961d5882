"""The panel: who is asked, when waiting ends, and what each member's ending is called."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

import pytest

from fusion.engine.call import Caller
from fusion.engine.controls import Controls
from fusion.engine.events import (
    AnswerAsked,
    AnswerEnded,
    AnswerGrew,
    AnswerRetrying,
    CallEnded,
    CallStarted,
    GraceStarted,
    PanelClosed,
    ReasoningGrew,
    WaitingForAll,
)
from fusion.engine.grace import quorum_of
from fusion.engine.panel import Panel, ask_panel
from fusion.engine.types import Answer, AnswerState, FinishReason, Limits, Message, Plan, TextDelta
from fusion.errors import (
    ProviderAuthFailed,
    ProviderOverloaded,
    ProviderRateLimited,
    ProviderRefused,
    ProviderStreamCut,
    ProviderUnreachable,
)

from .fakes import EventLog, FakeProvider, Reply, given_answer, make_member, make_plan

BUSY = Reply(error=ProviderOverloaded("busy"), ttft=0.2)


class Sitting:
    """One panel run to the end of its last late answer, with times counted from its start."""

    def __init__(self) -> None:
        self.log = EventLog()
        self.controls = Controls()
        self.started = 0.0
        self.closed_after = 0.0
        self.panel: Panel | None = None

    def at(self, seconds: float, do: Callable[..., object], *args: object) -> None:
        asyncio.get_running_loop().call_later(seconds, do, *args)

    async def run(self, plan: Plan) -> Sitting:
        loop = asyncio.get_running_loop()
        self.started = loop.time()
        caller = Caller(emit=self.log, controls=self.controls, deadline=self.started + plan.limits.overall_s)
        async with asyncio.TaskGroup() as tasks:
            self.panel = await ask_panel(plan, emit=self.log, caller=caller, controls=self.controls, tasks=tasks)
            self.closed_after = round(loop.time() - self.started, 2)
            await self.panel.all_ended()
        return self

    @property
    def closed(self) -> PanelClosed:
        (closed,) = self.log.of(PanelClosed)
        return closed

    def answer(self, letter: str) -> Answer:
        """The last answer that this member ended with."""
        return [event.answer for event in self.log.of(AnswerEnded) if event.answer.letter == letter][-1]

    def states(self) -> dict[str, str]:
        return {event.answer.letter: event.answer.state.value for event in self.log.of(AnswerEnded)}


async def sit(*providers: FakeProvider, **plan: object) -> Sitting:
    return await Sitting().run(make_plan(*providers, **plan))  # type: ignore[arg-type]


# --- asking ------------------------------------------------------------------------------------------------


async def test_all_members_are_asked_at_once_and_stream_side_by_side() -> None:
    providers = [FakeProvider("Par", "is", ttft=1, gap=1) for _ in range(8)]
    sitting = await sit(*providers)
    assert {provider.asked_at[0] for provider in providers} == {sitting.started}
    assert sitting.closed.judged == tuple("ABCDEFGH")
    grown = [(event.letter, event.text) for event in sitting.log.of(AnswerGrew)]
    assert [text for _, text in grown] == ["Par"] * 8 + ["is"] * 8
    assert sorted(letter for letter, _ in grown[:8]) == list("ABCDEFGH")
    assert sitting.answer("H") == Answer(
        "H", AnswerState.DONE, "Paris", usage=sitting.answer("H").usage, ttft_ms=1000, total_ms=2000
    )


async def test_the_same_endpoint_may_sit_twice() -> None:
    provider = FakeProvider("Paris")
    twin = make_member("A", provider).endpoint
    members = [make_member("A", provider, endpoint=twin), make_member("B", provider, endpoint=twin, temperature=0.9)]
    sitting = await sit(members=members)
    assert sitting.states() == {"A": "done", "B": "done"}
    assert [request.temperature for request in provider.requests] == [None, 0.9]


async def test_a_member_is_asked_the_prompt_verbatim_with_its_own_settings() -> None:
    provider = FakeProvider("Paris")
    member = make_member("A", provider, temperature=0.3, max_tokens=77, system_note="Be brief.", timeout_s=9.0)
    await sit(members=[member], prompt=" What?\n")
    (request,) = provider.requests
    assert request.messages == (Message("system", "Be brief."), Message("user", " What?\n"))
    assert (request.model_id, request.temperature, request.max_tokens) == ("model-a", 0.3, 77)


async def test_a_member_with_a_given_answer_is_not_asked_again() -> None:
    given = FakeProvider("never")
    members = [
        make_member("A", given, given=given_answer("A", "Paris")),
        make_member("B", FakeProvider("Lyon", ttft=20)),
    ]
    sitting = await sit(members=members)
    assert given.opened == 0
    assert sitting.closed == PanelClosed(("A", "B"), (), "all_ended")
    assert [event.letter for event in sitting.log.of(AnswerAsked)] == ["B"]


async def test_given_answers_alone_do_not_start_the_grace() -> None:
    members = [make_member(letter, FakeProvider(), given=given_answer(letter, "Paris")) for letter in "AB"]
    sitting = await sit(members=[*members, make_member("C", FakeProvider("Lyon", ttft=60))])
    assert sitting.closed == PanelClosed(("A", "B", "C"), (), "all_ended")


async def test_reasoning_is_shown_as_reasoning_and_never_part_of_the_text() -> None:
    sitting = await sit(FakeProvider("Paris", reasoning=["let me ", "think"]))
    assert [event.text for event in sitting.log.of(ReasoningGrew)] == ["let me ", "think"]
    answer = sitting.answer("A")
    assert (answer.text, answer.reasoning_chars) == ("Paris", 12)


# --- what an ending is called ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("provider", "state", "text", "code"),
    [
        (FakeProvider("Paris"), AnswerState.DONE, "Paris", None),
        (FakeProvider("Par", finish=FinishReason.LENGTH), AnswerState.CUT_OFF, "Par", None),
        (FakeProvider(" \n"), AnswerState.EMPTY, " \n", "empty_answer"),
        (FakeProvider("\u200b\ufeff", "\u2060 "), AnswerState.EMPTY, "\u200b\ufeff\u2060 ", "empty_answer"),
        (FakeProvider("\u200b\u200d."), AnswerState.DONE, "\u200b\u200d.", None),
        (FakeProvider(reasoning=["hm"], finish=FinishReason.LENGTH), AnswerState.EMPTY, "", "empty_answer"),
        (FakeProvider("I ", finish=FinishReason.REFUSED), AnswerState.REFUSED, "I ", "provider_refused"),
        (FakeProvider(error=ProviderRefused("no")), AnswerState.REFUSED, "", "provider_refused"),
        (FakeProvider(error=ProviderAuthFailed("bad key")), AnswerState.FAILED, "", "provider_auth_failed"),
        (FakeProvider("Par", error=ProviderStreamCut("cut")), AnswerState.TRUNCATED, "Par", "provider_stream_cut"),
        (FakeProvider("\n", error=ProviderStreamCut("cut")), AnswerState.FAILED, "\n", "provider_stream_cut"),
        (FakeProvider("Par", finish=None), AnswerState.TRUNCATED, "Par", "provider_stream_cut"),
        (FakeProvider("late", ttft=500), AnswerState.FAILED, "", "provider_timeout"),
        (FakeProvider("Par", "is", gap=500), AnswerState.TRUNCATED, "Par", "provider_timeout"),
        (FakeProvider(error=KeyError("oops")), AnswerState.FAILED, "", "provider_bug"),
    ],
)
async def test_each_ending_has_its_state(
    provider: FakeProvider, state: AnswerState, text: str, code: str | None
) -> None:
    sitting = await sit(provider)
    answer = sitting.answer("A")
    assert (answer.state, answer.text, answer.failure.code if answer.failure else None) == (state, text, code)
    assert sitting.closed.judged == (("A",) if state.is_usable else ())
    assert provider.open_streams == 0


async def test_one_failing_member_does_not_stop_the_others() -> None:
    sitting = await sit(FakeProvider("Paris"), FakeProvider(error=ProviderAuthFailed("bad key")), FakeProvider("Lyon"))
    assert sitting.states() == {"A": "done", "B": "failed", "C": "done"}
    assert sitting.closed == PanelClosed(("A", "C"), (), "all_ended")


async def test_a_members_own_time_is_shorter_than_the_panels() -> None:
    slow = make_member("A", FakeProvider("Paris", ttft=50), timeout_s=10.0)
    sitting = await sit(members=[slow, make_member("B", FakeProvider("Lyon", ttft=20))])
    assert sitting.answer("A").total_ms == 10_000
    assert sitting.closed_after == 20


# --- retry -------------------------------------------------------------------------------------------------


async def test_one_retry_before_the_first_token_after_a_seeded_wait() -> None:
    provider = FakeProvider(replies=[BUSY, Reply(("Paris",))])
    sitting = await sit(provider)
    (retrying,) = sitting.log.of(AnswerRetrying)
    assert 0.5 <= retrying.wait_s <= 1.5
    assert retrying.failure.code == "provider_overloaded"
    assert provider.asked_at[1] - provider.asked_at[0] == pytest.approx(0.2 + retrying.wait_s)
    assert [event.attempt for event in sitting.log.of(CallStarted)] == [1, 2]
    assert sitting.answer("A").state is AnswerState.DONE
    assert sitting.answer("A").ttft_ms == pytest.approx(1200 + retrying.wait_s * 1000, abs=1)


async def test_the_wait_before_a_retry_is_the_same_for_the_same_seed_and_differs_between_members() -> None:
    first = await sit(FakeProvider(replies=[BUSY]), FakeProvider(replies=[BUSY]))
    again = await sit(FakeProvider(replies=[BUSY]), FakeProvider(replies=[BUSY]))
    assert first.log.of(AnswerRetrying) == again.log.of(AnswerRetrying)
    assert len({event.wait_s for event in first.log.of(AnswerRetrying)}) == 2


async def test_there_is_only_one_retry() -> None:
    provider = FakeProvider(replies=[BUSY])
    sitting = await sit(provider)
    assert provider.opened == 2
    assert sitting.states() == {"A": "failed"}


@pytest.mark.parametrize(
    "provider",
    [
        FakeProvider(error=ProviderAuthFailed("bad key")),
        FakeProvider("Lo", error=ProviderOverloaded("busy")),
        FakeProvider(reasoning=["hm"], error=ProviderUnreachable("reset")),
    ],
    ids=["not retryable", "after text", "after reasoning"],
)
async def test_no_retry_where_it_cannot_help_or_would_repeat_text(provider: FakeProvider) -> None:
    sitting = await sit(provider)
    assert provider.opened == 1
    assert sitting.log.of(AnswerRetrying) == []


@pytest.mark.parametrize(
    ("retry_after_s", "timeout_s", "is_obeyed"),
    [(7.0, 120.0, True), (20.0, 120.0, True), (20.5, 120.0, False), (7.0, 7.1, False)],
    ids=["obeyed", "as long as we wait", "longer than we wait", "longer than the member has"],
)
async def test_retry_after_is_obeyed_or_there_is_no_retry(
    retry_after_s: float, timeout_s: float, is_obeyed: bool
) -> None:
    limited = Reply(error=ProviderRateLimited("slow down", retry_after_s=retry_after_s), ttft=0.2)
    provider = FakeProvider(replies=[limited, Reply(("Paris",))])
    await sit(members=[make_member("A", provider, timeout_s=timeout_s)])
    waits = [at - provider.asked_at[0] - 0.2 for at in provider.asked_at[1:]]
    assert len(waits) == is_obeyed
    assert all(retry_after_s + 0.5 <= wait <= retry_after_s + 1.5 for wait in waits)


async def test_members_that_were_sent_away_together_do_not_come_back_together() -> None:
    limited = Reply(error=ProviderRateLimited("slow down", retry_after_s=7), ttft=0.2)
    providers = [FakeProvider(replies=[limited, Reply(("Paris",))]) for _ in range(8)]
    await sit(*providers)
    assert len({provider.asked_at[1] for provider in providers}) == 8


async def test_stopping_a_member_ends_its_wait_for_the_retry() -> None:
    sitting = Sitting()
    provider = FakeProvider(replies=[Reply(error=ProviderRateLimited("slow", retry_after_s=15.0))])
    sitting.at(3, sitting.controls.stop_member, "A")
    await sitting.run(make_plan(provider))
    assert (sitting.states(), sitting.closed_after, provider.opened) == ({"A": "stopped"}, 3, 1)


# --- quorum and grace --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("members", "asked", "quorum"),
    [
        (1, None, 1),
        (2, None, 2),
        (3, None, 2),
        (4, None, 3),
        (5, None, 4),
        (8, None, 6),
        (3, 3, 3),
        (3, 9, 3),
        (3, 1, 1),
    ],
)
def test_quorum_is_two_thirds_but_at_least_two_and_never_more_than_there_are(
    members: int, asked: int | None, quorum: int
) -> None:
    assert quorum_of(members, Limits(quorum=asked)) == quorum


@pytest.mark.parametrize(("took", "grace"), [(1.0, 3.0), (20.0, 10.0), (80.0, 30.0)])
async def test_a_straggler_beyond_the_grace_is_left_out_and_shown_late(took: float, grace: float) -> None:
    quick = [FakeProvider("Paris", ttft=took) for _ in range(2)]
    sitting = await sit(*quick, FakeProvider("Lyon", ttft=115))
    assert sitting.log.of(GraceStarted) == [GraceStarted(grace, ("C",))]
    assert sitting.closed == PanelClosed(("A", "B"), ("C",), "grace_over")
    assert sitting.closed_after == took + grace
    late = sitting.answer("C")
    assert (late.state, late.text, late.late) == (AnswerState.DONE, "Lyon", True)
    assert not sitting.answer("A").late


async def test_a_straggler_within_the_grace_is_judged() -> None:
    sitting = await sit(FakeProvider("Paris"), FakeProvider("Paris"), FakeProvider("Lyon", ttft=3.5))
    assert sitting.closed == PanelClosed(("A", "B", "C"), (), "all_ended")
    assert sitting.closed_after == 3.5


async def test_the_grace_is_extended_once_for_a_straggler_that_is_writing() -> None:
    writing = FakeProvider(*["word "] * 50, ttft=2, gap=1)
    sitting = await sit(FakeProvider("Paris"), FakeProvider("Paris"), writing)
    assert sitting.log.of(GraceStarted) == [GraceStarted(3.0, ("C",)), GraceStarted(3.0, ("C",), extension=True)]
    assert (sitting.closed.reason, sitting.closed_after) == ("grace_over", 7)
    assert sitting.answer("C").late


async def test_the_grace_is_not_extended_for_a_straggler_that_only_thinks() -> None:
    thinking = FakeProvider("Lyon", reasoning=["hm"] * 50, ttft=2, gap=1)
    sitting = await sit(FakeProvider("Paris"), FakeProvider("Paris"), thinking)
    assert len(sitting.log.of(GraceStarted)) == 1
    assert sitting.closed_after == 4


async def test_failures_and_refusals_do_not_count_for_the_quorum() -> None:
    sitting = await sit(
        FakeProvider("Paris"),
        FakeProvider(error=ProviderRefused("no")),
        FakeProvider("Lyon", ttft=60),
    )
    assert sitting.log.of(GraceStarted) == []
    assert sitting.closed == PanelClosed(("A", "C"), (), "all_ended")


async def test_refusals_with_words_are_judged_when_everyone_refused() -> None:
    refusal = [FakeProvider("I cannot.", finish=FinishReason.REFUSED) for _ in range(3)]
    assert (await sit(*refusal)).closed.judged == ("A", "B", "C")
    assert (await sit(*refusal[:2], FakeProvider(error=ProviderAuthFailed("bad key")))).closed.judged == ()


async def test_without_a_possible_quorum_the_panel_closes_with_its_last_member() -> None:
    bad = [FakeProvider(error=ProviderAuthFailed("bad key")) for _ in range(2)]
    sitting = await sit(*bad, FakeProvider("Paris", ttft=9))
    assert (sitting.closed, sitting.closed_after) == (PanelClosed(("C",), (), "all_ended"), 9)


async def test_the_deadline_ends_stragglers_and_what_they_wrote_is_judged() -> None:
    sitting = await sit(
        FakeProvider("Paris", ttft=100),
        FakeProvider("Par", "is", ttft=2, gap=500),
        FakeProvider("never", ttft=500),
        limits=Limits(grace_min_s=30),
    )
    assert (sitting.closed, sitting.closed_after) == (PanelClosed(("A", "B"), (), "deadline"), 120)
    assert sitting.states() == {"A": "done", "B": "truncated", "C": "failed"}


async def test_a_late_answer_ends_with_the_panels_deadline() -> None:
    sitting = await sit(FakeProvider("Paris"), FakeProvider("Paris"), FakeProvider("never", ttft=500))
    late = sitting.answer("C")
    assert (late.state, late.late, late.total_ms) == (AnswerState.FAILED, True, 120_000)


async def test_a_provider_that_will_not_be_ended_cannot_hold_the_panel_open() -> None:
    class Stubborn(FakeProvider):
        async def stream(self, request):  # type: ignore[no-untyped-def]
            for _ in range(3):
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.sleep(200)
            yield TextDelta("far too late")

    sitting = await sit(FakeProvider("Paris"), Stubborn())
    assert (sitting.closed, sitting.closed_after) == (PanelClosed(("A",), ("B",), "deadline"), 121.5)


async def test_answers_only_waits_for_everyone_and_closes_without_judged_answers() -> None:
    sitting = await sit(FakeProvider("A"), FakeProvider("B"), FakeProvider("C", ttft=100), answers_only=True)
    assert sitting.log.of(GraceStarted) == []
    assert (sitting.closed, sitting.closed_after) == (PanelClosed((), (), "all_ended"), 100)


# --- what a person asks ------------------------------------------------------------------------------------


async def test_judge_now_closes_the_panel_in_that_instant() -> None:
    sitting = Sitting()
    sitting.at(2, sitting.controls.judge_now)
    await sitting.run(make_plan(FakeProvider("A"), FakeProvider("B"), FakeProvider("C", ttft=9)))
    assert (sitting.closed, sitting.closed_after) == (PanelClosed(("A", "B"), ("C",), "asked"), 2)


async def test_judge_now_is_remembered_until_two_answers_exist() -> None:
    sitting = Sitting()
    assert sitting.controls.judge_now()
    await sitting.run(make_plan(*[FakeProvider("A", ttft=ttft) for ttft in (5, 6, 7, 8)]))
    assert (sitting.closed, sitting.closed_after) == (PanelClosed(("A", "B"), ("C", "D"), "asked"), 6)


async def test_wait_for_all_removes_the_grace() -> None:
    sitting = Sitting()
    sitting.at(2, sitting.controls.wait_for_all)
    await sitting.run(make_plan(FakeProvider("A"), FakeProvider("B"), FakeProvider("C", ttft=100)))
    assert sitting.log.of(WaitingForAll) == [WaitingForAll(("C",))]
    assert (sitting.closed, sitting.closed_after) == (PanelClosed(("A", "B", "C"), (), "all_ended"), 100)


async def test_judge_now_takes_back_wait_for_all_and_the_other_way_round() -> None:
    sitting = Sitting()
    sitting.at(0.5, sitting.controls.judge_now)
    sitting.at(0.6, sitting.controls.wait_for_all)
    sitting.at(30, sitting.controls.judge_now)
    await sitting.run(make_plan(FakeProvider("A"), FakeProvider("B"), FakeProvider("C", ttft=100)))
    assert (sitting.closed.reason, sitting.closed_after) == ("asked", 30)


async def test_stopping_the_last_straggler_closes_the_panel_and_keeps_its_text() -> None:
    sitting = Sitting()
    sitting.at(3, sitting.controls.stop_member, "C")
    await sitting.run(make_plan(FakeProvider("A"), FakeProvider("B"), FakeProvider("Ly", "on", ttft=2, gap=9)))
    assert (sitting.closed, sitting.closed_after) == (PanelClosed(("A", "B"), (), "all_ended"), 3)
    assert (sitting.answer("C").state, sitting.answer("C").text) == (AnswerState.STOPPED, "Ly")


async def test_a_member_stopped_before_the_run_is_not_called() -> None:
    sitting = Sitting()
    sitting.controls.stop_member("B")
    unused = FakeProvider("never")
    await sitting.run(make_plan(FakeProvider("A"), unused))
    assert (sitting.states(), unused.opened) == ({"A": "done", "B": "stopped"}, 0)


async def test_stop_all_ends_every_call_in_that_instant() -> None:
    sitting = Sitting()
    sitting.at(1.5, sitting.controls.stop_all)
    providers = [FakeProvider("Par", "is", ttft=ttft, gap=9) for ttft in (1, 2, 3)]
    await sitting.run(make_plan(*providers))
    assert (sitting.closed, sitting.closed_after) == (PanelClosed((), (), "stopped"), 1.5)
    assert {event.status for event in sitting.log.of(CallEnded)} == {"stopped"}
    assert [sitting.answer(letter).text for letter in "ABC"] == ["Par", "", ""]
    assert all(provider.open_streams == 0 for provider in providers)


async def test_a_failed_member_is_asked_again_while_the_panel_is_open() -> None:
    sitting = Sitting()
    fickle = FakeProvider(replies=[Reply(error=ProviderAuthFailed("bad key")), Reply(("Lyon",))])
    sitting.at(3, sitting.controls.retry_member, "B")
    await sitting.run(make_plan(FakeProvider("Paris", ttft=9), fickle))
    assert sitting.closed == PanelClosed(("A", "B"), (), "all_ended")
    assert [event.attempt for event in sitting.log.of(CallStarted) if event.letter == "B"] == [1, 2]
    assert (sitting.answer("B").state, sitting.answer("B").total_ms) == (AnswerState.DONE, 1000)


async def test_a_member_asked_again_after_the_panel_closed_answers_late() -> None:
    sitting = Sitting()
    fickle = FakeProvider(replies=[Reply(error=ProviderAuthFailed("bad key")), Reply(("Lyon",))])
    sitting.at(10, sitting.controls.retry_member, "B")
    limits = Limits(quorum=2)
    others = [FakeProvider("Paris"), FakeProvider("Paris", ttft=60)]
    await sitting.run(make_plan(FakeProvider("Paris"), fickle, *others, limits=limits))
    assert (sitting.closed, sitting.closed_after) == (PanelClosed(("A", "C"), ("D",), "grace_over"), 4)
    assert (sitting.answer("B").state, sitting.answer("B").late) == (AnswerState.DONE, True)


async def test_a_member_asked_again_late_has_a_whole_panel_time_of_its_own() -> None:
    sitting = Sitting()
    fickle = FakeProvider(replies=[Reply(error=ProviderAuthFailed("bad key")), Reply(("Lyon",), ttft=20)])
    sitting.at(110, sitting.controls.retry_member, "C")
    others = [FakeProvider("Paris"), FakeProvider("Paris"), fickle, FakeProvider("Nice", ttft=115)]
    await sitting.run(make_plan(*others, limits=Limits(quorum=2)))
    assert (sitting.answer("C").state, sitting.answer("C").total_ms) == (AnswerState.DONE, 20_000)


async def test_asking_again_starts_from_nothing() -> None:
    sitting = Sitting()
    fickle = FakeProvider(replies=[Reply(("Ly", "on"), gap=9), Reply(("Me", "tz"), ttft=2, gap=500)])
    sitting.at(3, sitting.controls.stop_member, "A")
    sitting.at(4, sitting.controls.retry_member, "A")
    task = asyncio.create_task(sitting.run(make_plan(fickle, FakeProvider("Nice", ttft=60))))
    await asyncio.sleep(10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    answer = sitting.answer("A")
    assert (answer.state, answer.text, answer.ttft_ms) == (AnswerState.INTERRUPTED, "Me", 2000)


async def test_a_stopped_member_can_be_asked_again_and_a_done_one_cannot() -> None:
    sitting = Sitting()
    seen: list[bool] = []
    controls = sitting.controls
    sitting.at(0.5, controls.stop_member, "A")
    sitting.at(
        2, lambda: seen.extend([controls.retry_member("A"), controls.retry_member("B"), controls.retry_member("X")])
    )
    await sitting.run(make_plan(FakeProvider("Paris"), FakeProvider("Lyon"), FakeProvider("Nice", ttft=9)))
    assert seen == [True, False, False]
    assert [event.answer.state.value for event in sitting.log.of(AnswerEnded)] == ["stopped", "done", "done", "done"]


@pytest.mark.parametrize(
    "state", [AnswerState.FAILED, AnswerState.STOPPED, AnswerState.REFUSED, AnswerState.INTERRUPTED]
)
async def test_an_answer_that_an_earlier_run_left_without_use_can_be_asked_again(state: AnswerState) -> None:
    sitting = Sitting()
    seen: list[bool] = []
    left = make_member("A", FakeProvider("Nice"), given=given_answer("A", "", state))
    kept = make_member("B", FakeProvider("never"), given=given_answer("B", "Paris"))
    sitting.at(2, lambda: seen.extend([sitting.controls.retry_member("A"), sitting.controls.retry_member("B")]))
    await sitting.run(make_plan(members=[left, kept, make_member("C", FakeProvider("Lyon", ttft=5))]))
    assert seen == [True, False]
    assert (sitting.answer("A").text, sitting.closed.judged) == ("Nice", ("A", "B", "C"))


async def test_asking_again_after_the_first_end_of_the_panel_does_not_spin_the_loop() -> None:
    """The grace has begun with one asked member's failure; retrying that member must not lose the grace's end."""
    sitting = Sitting()
    given = [make_member(letter, FakeProvider(), given=given_answer(letter, "Paris")) for letter in "AB"]
    fickle = FakeProvider(replies=[Reply(error=ProviderAuthFailed("bad key")), Reply(("Lyon",), ttft=60)])
    sitting.at(2, sitting.controls.retry_member, "C")
    members = [*given, make_member("C", fickle), make_member("D", FakeProvider(ttft=90))]
    await sitting.run(make_plan(members=members, limits=Limits(quorum=2)))
    assert (sitting.closed.reason, sitting.closed_after) == ("grace_over", 4)
