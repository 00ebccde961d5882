"""The simulated provider as members of a panel: content, pace, usage, limits and faults."""

from __future__ import annotations

import asyncio
import itertools

import pytest
from rapidfuzz import fuzz

from fusion.engine.steering import scan
from fusion.engine.types import CompletionRequest, Finish, FinishReason, Message, ReasoningDelta, TextDelta, Usage
from fusion.errors import (
    ProviderContextTooLong,
    ProviderModelUnknown,
    ProviderOverloaded,
    ProviderRateLimited,
    ProviderStreamCut,
    ProviderTimeout,
)
from fusion.providers.simulated import MODELS, QUESTIONS, SIMULATED_POOL, SimulatedProvider
from fusion.providers.simulated.pacing import count_tokens, pieces
from fusion.providers.simulated.personas import PERSONAS
from fusion.providers.simulated.questions import written_questions
from tests.providers.simulated_calls import MEMBERS, answers_to, bundled, chunks_of, member_request, text_of

UNWRITTEN = "How do I descale a <b>kettle</b> with *vinegar*, and how often?"


def test_every_model_is_labelled_as_simulated_and_has_a_price() -> None:
    assert len(MODELS) == 5
    assert all(model.name.startswith("Simulated") for model in MODELS)
    assert all(model.price and model.context_tokens for model in MODELS)
    assert len({model.family for model in MODELS}) == len(MODELS)


def test_the_recommended_pool_names_models_that_exist_and_a_judge_that_does_not_sit_on_the_panel() -> None:
    known = {model.model_id for model in MODELS}
    assert {*SIMULATED_POOL.members, SIMULATED_POOL.judge} <= known
    assert SIMULATED_POOL.judge not in SIMULATED_POOL.members


def test_the_four_bundled_questions_are_of_four_kinds() -> None:
    assert {question.rubric_key for question in QUESTIONS} == {"code-review", "research", "reasoning", "creative"}
    assert len({question.slug for question in QUESTIONS}) == 4


async def test_answers_to_a_bundled_question_are_long_enough_and_really_differ() -> None:
    for question in QUESTIONS:
        answers = await answers_to(question.prompt)
        assert all(len(answer.split()) >= 90 for answer in answers)
        assert all(fuzz.ratio(one, other) < 55 for one, other in itertools.combinations(answers, 2))


async def test_a_bundled_question_is_recognised_whatever_its_case_and_white_space() -> None:
    prompt = bundled("logic-puzzle").prompt
    respaced = "  " + prompt.upper().replace(" ", "\t ") + "\n\n"
    assert await text_of(member_request("terse", respaced)) == await text_of(member_request("terse", prompt))


async def test_a_system_note_does_not_hide_the_bundled_question() -> None:
    question = bundled("research").prompt
    noted = CompletionRequest("bold", (Message("system", "Be brief."), Message("user", question)), max_tokens=4096)
    assert await text_of(noted) == await text_of(member_request("bold", question))


async def test_any_other_prompt_is_answered_with_a_note_that_this_is_a_simulation_and_what_a_key_does() -> None:
    answers = await answers_to(UNWRITTEN, [model.model_id for model in MODELS])
    for answer in answers:
        assert "simulat" in answer.lower()
        assert "_API_KEY" in answer
        assert ".env" in answer
        assert "kettle" in answer
    assert all(fuzz.ratio(one, other) < 70 for one, other in itertools.combinations(answers, 2))


async def test_a_restated_prompt_cannot_format_the_answer() -> None:
    answer = await text_of(member_request("careful", UNWRITTEN))
    assert "<b>" not in answer
    assert r"\<b\>" in answer
    assert "*vinegar*" not in answer


async def test_braces_in_a_prompt_are_only_braces() -> None:
    assert "topics" in await text_of(member_request("careful", "What does {topics} do in {0}?"))


def test_no_written_answer_looks_like_an_attempt_to_steer_the_judge() -> None:
    for written in written_questions():
        assert [scan(answer) for answer in written.answers.values()] == [()] * len(written.answers)


async def test_the_same_request_gives_the_same_chunks() -> None:
    request = member_request("sceptic", bundled("research").prompt)
    assert await chunks_of(request) == await chunks_of(request)


async def test_a_stream_is_reasoning_then_text_then_usage_then_the_end_mark() -> None:
    chunks = await chunks_of(member_request("sceptic", bundled("research").prompt))
    kinds = [kind for kind, _ in itertools.groupby(type(chunk) for chunk in chunks)]
    assert kinds == [ReasoningDelta, TextDelta, Usage, Finish]


async def test_usage_is_counted_from_the_text_and_includes_reasoning() -> None:
    request = member_request("sceptic", UNWRITTEN)
    chunks = await chunks_of(request)
    usage = next(chunk for chunk in chunks if isinstance(chunk, Usage))
    reasoning = "".join(chunk.text for chunk in chunks if isinstance(chunk, ReasoningDelta))
    assert usage.input_tokens == count_tokens(UNWRITTEN)
    assert usage.reasoning_tokens == count_tokens(reasoning) > 0
    assert usage.output_tokens == usage.reasoning_tokens + count_tokens(await text_of(request))


async def test_text_beyond_the_token_limit_is_cut_and_the_finish_says_length() -> None:
    chunks = await chunks_of(member_request("careful", bundled("research").prompt, max_tokens=50))
    text = "".join(chunk.text for chunk in chunks if isinstance(chunk, TextDelta))
    assert count_tokens(text) == 50
    assert isinstance(chunks[-1], Finish)
    assert chunks[-1].reason is FinishReason.LENGTH


async def test_reasoning_counts_against_the_token_limit() -> None:
    chunks = await chunks_of(member_request("sceptic", bundled("research").prompt, max_tokens=80))
    usage = next(chunk for chunk in chunks if isinstance(chunk, Usage))
    assert usage.output_tokens == 80
    assert 0 < usage.reasoning_tokens < 80


async def test_an_unknown_model_and_a_prompt_that_does_not_fit_are_refused() -> None:
    with pytest.raises(ProviderModelUnknown):
        await chunks_of(member_request("brilliant", "Hello"))
    with pytest.raises(ProviderModelUnknown):
        await chunks_of(member_request("careful!no-such-fault", "Hello"))
    with pytest.raises(ProviderContextTooLong):
        await chunks_of(member_request("terse", "word " * 40_000))


# --- pace --------------------------------------------------------------------------------------


async def _timeline(model_id: str, prompt: str, *, speed: float = 1.0) -> list[float]:
    """Seconds after the request at which each piece of text came."""
    clock = asyncio.get_running_loop()
    start_s = clock.time()
    stream = SimulatedProvider(speed=speed).stream(member_request(model_id, prompt))
    return [clock.time() - start_s async for chunk in stream if isinstance(chunk, TextDelta)]


@pytest.mark.looptime
async def test_models_differ_in_speed_and_keep_their_pace() -> None:
    prompt = bundled("code-review").prompt
    lines = {model_id: await _timeline(model_id, prompt) for model_id in MEMBERS}
    firsts = {model_id: times[0] for model_id, times in lines.items() if model_id != "sceptic"}
    assert firsts == pytest.approx({"careful": 0.9, "terse": 0.3, "bold": 0.5}, abs=0.01)
    assert lines["terse"][-1] < lines["bold"][-1] < lines["careful"][-1]
    tokens = count_tokens(await text_of(member_request("careful", prompt)))
    assert lines["careful"][-1] == pytest.approx(0.9 + tokens / 110, rel=0.05)


@pytest.mark.looptime
async def test_twice_the_speed_takes_half_the_time() -> None:
    prompt = bundled("research").prompt
    natural = await _timeline("bold", prompt)
    assert (await _timeline("bold", prompt, speed=2.0))[-1] == pytest.approx(natural[-1] / 2, rel=0.01)


@pytest.mark.looptime
async def test_every_member_of_the_recommended_pool_is_done_before_the_wait_for_late_answers_ends() -> None:
    for question in QUESTIONS:
        ends = sorted([(await _timeline(member, question.prompt))[-1] for member in SIMULATED_POOL.members])
        assert ends[-1] < ends[1] + 3.0  # two of three make the quorum, the shortest grace is three seconds


def test_pieces_are_small_paced_and_lose_nothing() -> None:
    text = written_questions()[0].answers["careful"]
    for persona in PERSONAS:
        cut = list(pieces(text, tokens_per_s=persona.tokens_per_s, seed="seed"))
        assert "".join(piece.text for piece in cut) == text
        gaps = [after.due_s - before.due_s for before, after in itertools.pairwise(cut)]
        assert min(gaps) >= 0.03 - 1e-9
        assert max(gaps) < 0.1


# --- faults ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "error"), [("overloaded", ProviderOverloaded), ("rate-limited", ProviderRateLimited)]
)
async def test_an_early_fault_comes_before_the_first_token(fault: str, error: type[Exception]) -> None:
    stream = SimulatedProvider(speed=0).stream(member_request(f"careful!{fault}", "Hello"))
    with pytest.raises(error):
        await anext(stream)


@pytest.mark.looptime
@pytest.mark.parametrize(("fault", "error"), [("stall", ProviderTimeout), ("cut", ProviderStreamCut)])
async def test_a_late_fault_comes_half_way_through_the_text(fault: str, error: type[Exception]) -> None:
    prompt = bundled("research").prompt
    whole = await text_of(member_request("careful", prompt))
    seen = []
    with pytest.raises(error):
        async for chunk in SimulatedProvider(speed=0).stream(member_request(f"careful!{fault}", prompt)):
            assert isinstance(chunk, TextDelta)
            seen.append(chunk.text)
    assert "".join(seen) == whole[: len(whole) // 2]


async def test_a_refusing_model_ends_with_that_reason() -> None:
    chunks = await chunks_of(member_request("bold!refuse", "Hello"))
    assert isinstance(chunks[-1], Finish)
    assert chunks[-1].reason is FinishReason.REFUSED
