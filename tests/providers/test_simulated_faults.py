"""Every problem that the simulated provider can have, as a caller meets it; and who in a pool can have it."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import replace

import pytest

from fusion.engine.controls import Controls
from fusion.engine.events import JudgeEnded, JudgeFailed
from fusion.engine.fuse import fuse
from fusion.engine.rubrics import RUBRICS
from fusion.engine.types import (
    Chunk,
    CompletionRequest,
    Endpoint,
    Finish,
    FinishReason,
    Member,
    ReasoningDelta,
    RunState,
    TextDelta,
    Usage,
)
from fusion.engine.verdict import Reading, Sheet, read_verdict
from fusion.errors import (
    ProviderAuthFailed,
    ProviderBillingRefused,
    ProviderContextTooLong,
    ProviderError,
    ProviderMalformed,
    ProviderModelUnknown,
    ProviderOverloaded,
    ProviderRateLimited,
    ProviderRefused,
    ProviderTimeout,
    ProviderUnreachable,
)
from fusion.providers import registry
from fusion.providers.connection import Connection
from fusion.providers.problems import Problem
from fusion.providers.simulated import PROBLEMS, SimulatedProvider
from fusion.providers.simulated.faults import PAUSE_S, THINKING_S, Fault, Passing, split_fault
from tests.engine.fakes import EventLog, make_plan
from tests.providers.simulated_calls import (
    LABELS,
    MEMBERS,
    answers_to,
    bundled,
    chunks_of,
    judge_request,
    member_request,
    text_of,
)

QUESTION = "How do I descale a kettle?"
EARLY: dict[Fault, type[ProviderError]] = {
    Fault.OVERLOADED: ProviderOverloaded,
    Fault.RATE_LIMITED: ProviderRateLimited,
    Fault.RATE_LIMITED_LONG: ProviderRateLimited,
    Fault.WRONG_KEY: ProviderAuthFailed,
    Fault.NO_CREDIT: ProviderBillingRefused,
    Fault.UNREACHABLE: ProviderUnreachable,
    Fault.GONE: ProviderModelUnknown,
    Fault.TOO_LONG: ProviderContextTooLong,
    Fault.FILTERED: ProviderRefused,
    Fault.MALFORMED: ProviderMalformed,
}


def asked(fault: Fault, **changes: int) -> CompletionRequest:
    return member_request(f"careful!{fault}", QUESTION, **changes)


async def read(provider: SimulatedProvider, request: CompletionRequest) -> list[Chunk]:
    return [chunk async for chunk in provider.stream(request)]


def test_every_fault_can_be_chosen_and_is_said_in_words_of_its_own() -> None:
    assert {problem.key for problem in PROBLEMS} == {fault.value for fault in Fault}
    assert len({problem.words for problem in PROBLEMS}) == len(PROBLEMS)
    assert all(problem.parts for problem in PROBLEMS)


def test_what_only_a_verdict_can_suffer_is_offered_to_judges_alone() -> None:
    only_judges = {problem.key for problem in PROBLEMS if problem.parts == frozenset({"judge"})}
    assert only_judges == {"garble", "garble-once", "garble-long", "tie", "none-acceptable", "cannot-judge"}


def test_a_real_provider_simulates_nothing_whatever_its_model_ids_look_like() -> None:
    real = Connection("custom", "openai-compatible", "Mine", "http://localhost:1/v1")
    assert registry.problems_of(real) == ()
    assert registry.split_problem(real, "model!stall") == ("model!stall", None)
    assert registry.with_problem(real, "model", "stall") == "model"


@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda problem: problem.key)
def test_a_problem_goes_into_an_id_and_comes_out_of_it(problem: Problem) -> None:
    asked_for = registry.with_problem(registry.SIMULATED, "careful", problem.key)
    assert asked_for != "careful"
    assert registry.split_problem(registry.SIMULATED, asked_for) == ("careful", problem)


def test_a_problem_that_does_not_exist_is_none() -> None:
    assert registry.with_problem(registry.SIMULATED, "careful", "no-such") == "careful"
    assert registry.split_problem(registry.SIMULATED, "careful!no-such") == ("careful!no-such", None)
    assert split_fault("careful") == ("careful", None)


@pytest.mark.parametrize("fault", EARLY)
async def test_an_early_fault_is_the_error_of_its_kind_and_says_that_it_is_simulated(fault: Fault) -> None:
    with pytest.raises(EARLY[fault], match=r"^Careful .*This problem is simulated\.$"):
        await chunks_of(asked(fault))


async def test_a_defect_of_ours_is_no_error_of_the_provider() -> None:
    with pytest.raises(RuntimeError):
        await chunks_of(asked(Fault.DEFECT))


@pytest.mark.parametrize(("fault", "times"), [(Fault.OVERLOADED_ONCE, 1), (Fault.OVERLOADED_TWICE, 2)])
async def test_a_fault_that_passes_fails_so_often_and_then_lets_the_same_question_through(
    fault: Fault, times: int
) -> None:
    provider = SimulatedProvider(speed=0)
    for _ in range(2):  # the next run of the same question meets it again
        for _ in range(times):
            with pytest.raises(ProviderOverloaded):
                await read(provider, asked(fault))
        assert isinstance((await read(provider, asked(fault)))[-1], Finish)


async def test_what_passes_is_counted_for_each_question() -> None:
    provider = SimulatedProvider(speed=0)
    for question in ("One?", "Another?"):
        with pytest.raises(ProviderOverloaded):
            await read(provider, member_request("careful!overloaded-once", question))


def test_only_the_latest_purposes_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fusion.providers.simulated.faults.PURPOSES_KEPT", 2)
    passing = Passing()
    for purpose in "abc":
        assert not passing.gets_through(purpose, fails=1)
    assert not passing.gets_through("a", fails=1), "the oldest is forgotten"
    assert passing.gets_through("c", fails=1)


@pytest.mark.looptime
async def test_a_silent_model_sends_nothing_until_its_time_is_over() -> None:
    start_s = asyncio.get_running_loop().time()
    with pytest.raises(ProviderTimeout):
        await anext(SimulatedProvider().stream(asked(Fault.SILENT)))
    assert asyncio.get_running_loop().time() - start_s >= asked(Fault.SILENT).timeout_s


@pytest.mark.looptime
async def test_a_model_that_falls_silent_goes_on_and_says_everything() -> None:
    clock, times, text = asyncio.get_running_loop(), [], ""
    async for chunk in SimulatedProvider().stream(asked(Fault.PAUSE)):
        if isinstance(chunk, TextDelta):
            times.append(clock.time())
            text += chunk.text
    gaps = [after - before for before, after in itertools.pairwise(times)]
    assert sum(gap > PAUSE_S for gap in gaps) == 1
    assert text == await text_of(member_request("careful", QUESTION))


@pytest.mark.looptime
async def test_a_thinking_model_streams_reasoning_alone_for_a_while_and_then_its_answer() -> None:
    clock = asyncio.get_running_loop()
    start_s, first_text_s, text = clock.time(), None, ""
    async for chunk in SimulatedProvider().stream(asked(Fault.THINKING)):
        if isinstance(chunk, TextDelta):
            first_text_s = first_text_s or clock.time() - start_s
            text += chunk.text
        elif isinstance(chunk, ReasoningDelta):
            assert first_text_s is None
    assert first_text_s == pytest.approx(THINKING_S, rel=0.2)
    assert text == await text_of(member_request("careful", QUESTION))


async def test_a_model_that_only_thinks_ends_at_its_limit_without_a_word() -> None:
    chunks = await chunks_of(asked(Fault.ONLY_THINKING))
    assert not [chunk for chunk in chunks if isinstance(chunk, TextDelta)]
    assert isinstance(chunks[-1], Finish) and chunks[-1].reason is FinishReason.LENGTH
    assert isinstance(chunks[-2], Usage) and chunks[-2].reasoning_tokens == chunks[-2].output_tokens > 0


async def test_one_cut_off_by_length_says_so_after_half_of_its_text() -> None:
    chunks = await chunks_of(asked(Fault.LENGTH))
    whole = await text_of(member_request("careful", QUESTION))
    assert "".join(chunk.text for chunk in chunks if isinstance(chunk, TextDelta)) == whole[: len(whole) // 2]
    assert isinstance(chunks[-1], Finish) and chunks[-1].reason is FinishReason.LENGTH


async def test_an_empty_answer_ends_in_order_without_a_word() -> None:
    chunks = await chunks_of(asked(Fault.EMPTY))
    assert [type(chunk) for chunk in chunks] == [Usage, Finish]


@pytest.mark.looptime
async def test_a_slow_model_takes_ten_times_as_long() -> None:
    clock, ends = asyncio.get_running_loop(), []
    for model_id in ("careful", "careful!slow"):
        start_s = clock.time()
        await read(SimulatedProvider(), member_request(model_id, QUESTION))
        ends.append(clock.time() - start_s)
    assert ends[1] > 6 * ends[0]


@pytest.mark.parametrize(
    ("fault", "verdict"),
    [(Fault.TIE, "tie"), (Fault.NONE_ACCEPTABLE, "none_acceptable"), (Fault.CANNOT_JUDGE, "cannot_judge")],
)
async def test_a_judge_says_what_its_fault_wants_in_a_verdict_that_does_not_contradict_itself(
    fault: Fault, verdict: str
) -> None:
    question = bundled("research").prompt
    answers = await answers_to(question)
    request = judge_request(question, answers, RUBRICS["general"])
    reply = await text_of(replace(request, model_id=f"{request.model_id}!{fault}"))
    letters = "ABCD"
    sheet = Sheet(
        dict(zip(letters, LABELS, strict=False)), dict(zip(letters, answers, strict=True)), RUBRICS["general"]
    )
    reading = read_verdict(reply, finish=FinishReason.STOP, sheet=sheet)
    assert isinstance(reading, Reading), reading
    assert (reading.verdict.verdict, reading.inconsistent) == (verdict, ())


@pytest.mark.parametrize(
    ("fault", "state", "path", "steps"),
    [
        (Fault.GARBLE_LONG, RunState.DONE, "winner_only", ["reask", "winner_only"]),
        (Fault.GARBLE_ONCE, RunState.DONE, "reasked", ["reask"]),
        (Fault.GARBLE, RunState.UNJUDGED, None, ["reask", "winner_only", "none"]),
    ],
)
async def test_a_garbling_judge_leads_down_the_ladder(
    fault: Fault, state: RunState, path: str | None, steps: list[str]
) -> None:
    provider = SimulatedProvider(speed=0)

    def endpoint(model_id: str) -> Endpoint:
        return Endpoint(f"sim:{model_id}", model_id, model_id, "Simulated", provider, context_tokens=64_000)

    plan = make_plan(
        members=[Member(letter, endpoint(model)) for letter, model in zip("ABC", MEMBERS, strict=False)],
        prompt=QUESTION,
    )
    log = EventLog()
    plan = replace(plan, judges=(endpoint(f"arbiter!{fault}"),), rubric=RUBRICS["general"])
    assert await fuse(plan, emit=log, controls=Controls()) is state
    assert [event.next_step for event in log.of(JudgeFailed)] == steps
    assert [event.judgement.parse_path for event in log.of(JudgeEnded)] == ([path] if path else [])
    assert all(event.raw for event in log.of(JudgeFailed))
