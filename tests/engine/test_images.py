"""Images in a prompt: who gets them, who is told, who is left out, and what a refusal changes."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from fusion.engine.budget import IMAGE_TOKENS
from fusion.engine.controls import Controls
from fusion.engine.events import (
    AnswerAsked,
    AnswerEnded,
    CallStarted,
    Degraded,
    Event,
    ImagesRefused,
    JudgeFailed,
    JudgeStarted,
)
from fusion.engine.fuse import fuse
from fusion.engine.types import (
    Answer,
    AnswerState,
    CompletionRequest,
    FinalKind,
    Image,
    Member,
    Mode,
    Plan,
    Role,
    RunState,
    Sight,
    Usage,
)
from fusion.errors import ProviderImagesRefused, ProviderOverloaded
from tests.engine.fakes import EventLog, FakeProvider, Reply, make_member, make_plan, verdict_for

IMAGES = (Image("image/png", b"\x89PNG first", 60, 40), Image("image/jpeg", b"\xff\xd8 second", 30, 20))
NO_IMAGES = ProviderImagesRefused("It takes no images.")


def refusing(*pieces: str) -> FakeProvider:
    """Answers, but not to a request with images."""

    def reply(request: CompletionRequest) -> Reply:
        return Reply(error=NO_IMAGES, usage=None) if pictures(request) else Reply(pieces)

    return FakeProvider(replies=[reply])


def pictures(request: CompletionRequest) -> tuple[Image, ...]:
    return tuple(image for message in request.messages for image in message.images)


def said(request: CompletionRequest) -> str:
    return "\n".join(message.content for message in request.messages)


def seat(letter: str, provider: FakeProvider, *, sees: bool | None = None, **more: object) -> Member:
    member = make_member(letter, provider, **more)
    return replace(member, endpoint=replace(member.endpoint, sees=sees))


def plan_of(
    *members: Member, judge: FakeProvider | None = None, judge_sees: bool | None = True, **more: object
) -> Plan:
    plan = make_plan(members=members, judges=[judge or FakeProvider(replies=[verdict_for("Paris")])])
    judges = tuple(replace(endpoint, sees=judge_sees) for endpoint in plan.judges)
    return replace(plan, judges=judges, **{"images": IMAGES, **more})  # type: ignore[arg-type]


async def run(plan: Plan) -> EventLog:
    log = EventLog()
    await fuse(plan, emit=log, controls=Controls())
    return log


def sights(log: EventLog) -> dict[str, Sight | None]:
    return {event.answer.letter: event.answer.sight for event in log.of(AnswerEnded)}


def state_of(log: EventLog) -> RunState:
    return log.events[-1].state  # type: ignore[union-attr]


async def test_who_sees_gets_the_images_with_the_persons_own_words_and_nothing_else() -> None:
    seeing, untold = FakeProvider("Paris."), FakeProvider("Lyon.")
    log = await run(plan_of(seat("A", seeing, sees=True, system_note="Be brief."), seat("B", untold)))
    for provider in (seeing, untold):
        (request,) = provider.requests
        assert pictures(request) == IMAGES
        assert request.messages[-1].content == "What is the capital of France?"
        assert request.unseen is None
    assert said(seeing.requests[0]) == "Be brief.\nWhat is the capital of France?"
    assert sights(log) == {"A": Sight.SEEN, "B": Sight.SEEN}
    assert log.of(AnswerAsked) == [AnswerAsked("A", Sight.SEEN), AnswerAsked("B", Sight.SEEN)]


async def test_who_cannot_see_is_told_in_a_note_of_ours_and_gets_no_image() -> None:
    blind = FakeProvider("Lyon.")
    log = await run(
        plan_of(seat("A", FakeProvider("Paris."), sees=True), seat("B", blind, sees=False, system_note="Be brief."))
    )
    (request,) = blind.requests
    assert not pictures(request)
    assert request.messages[-1].content == "What is the capital of France?"
    assert request.messages[0].role == "system" and request.messages[0].content.startswith("Be brief.\n\n")
    assert "came with 2 images that you cannot see" in request.messages[0].content
    assert sights(log) == {"A": Sight.SEEN, "B": Sight.TOLD}


async def test_without_images_no_request_says_anything_of_them() -> None:
    providers = [FakeProvider("Paris."), FakeProvider("Lyon.")]
    judge = FakeProvider(replies=[verdict_for("Paris")])
    members = [seat("A", providers[0], sees=False), seat("B", providers[1])]
    log = await run(plan_of(*members, judge=judge, judge_sees=False, images=()))
    for provider in (*providers, judge):
        assert "image" not in said(provider.requests[0]) and provider.requests[0].unseen is None
    assert sights(log) == {"A": None, "B": None}
    assert [event.sight for event in log.of(JudgeStarted)] == [None]


async def test_a_refusal_of_images_is_followed_by_one_request_with_the_note_and_is_told() -> None:
    unknown = refusing("Lyon.")
    log = await run(plan_of(seat("A", FakeProvider("Paris."), sees=True), seat("B", unknown)))
    assert [bool(pictures(request)) for request in unknown.requests] == [True, False]
    assert "2 images that you cannot see" in said(unknown.requests[1])
    (refused,) = log.of(ImagesRefused)
    assert (refused.role, refused.letter, refused.failure.message) == (Role.PANEL, "B", "It takes no images.")
    assert sights(log)["B"] is Sight.REFUSED
    assert [event.attempt for event in log.of(CallStarted) if event.letter == "B"] == [1, 2]
    assert state_of(log) is RunState.DONE


async def test_another_failure_than_a_refusal_of_images_is_asked_again_with_them() -> None:
    busy = FakeProvider(replies=[Reply(error=ProviderOverloaded("busy"), usage=None), Reply(("Paris.",))])
    log = await run(plan_of(seat("A", busy), seat("B", FakeProvider("Lyon."))))
    assert [bool(pictures(request)) for request in busy.requests] == [True, True]
    assert not log.of(ImagesRefused)


async def test_who_is_left_out_is_not_asked_and_not_waited_for() -> None:
    blind = FakeProvider("Lyon.")
    members = [seat("A", FakeProvider("Paris.")), seat("B", blind, sees=False), seat("C", FakeProvider("Rome."))]
    log = await run(plan_of(*members, blind_members="leave_out"))
    assert blind.requests == []
    left_out = next(event.answer for event in log.of(AnswerEnded) if event.answer.letter == "B")
    assert left_out == Answer("B", AnswerState.LEFT_OUT, sight=Sight.LEFT_OUT)
    assert state_of(log) is RunState.DONE and not log.of(JudgeFailed)
    assert "quorum_missed" not in [getattr(event, "code", "") for event in log.events]


async def test_a_provider_that_refuses_where_such_members_are_left_out_is_not_asked_again() -> None:
    unknown = refusing("Lyon.")
    members = [seat("A", FakeProvider("Paris.")), seat("B", unknown), seat("C", FakeProvider("Rome."))]
    log = await run(plan_of(*members, blind_members="leave_out"))
    assert len(unknown.requests) == 1
    left_out = next(event.answer for event in log.of(AnswerEnded) if event.answer.letter == "B")
    assert (left_out.state, left_out.sight) == (AnswerState.LEFT_OUT, Sight.LEFT_OUT)
    assert left_out.failure is not None and left_out.failure.code == "provider_images_refused"


async def test_an_only_member_that_can_see_gives_the_final_and_the_run_says_who_was_left_out() -> None:
    log = await run(
        plan_of(seat("A", FakeProvider("Paris.")), seat("B", FakeProvider(), sees=False), blind_members="leave_out")
    )
    assert state_of(log) is RunState.SINGLE
    assert any("left out, because it cannot see the images" in getattr(event, "message", "") for event in log.events)


async def test_the_quorum_is_one_of_those_who_are_asked() -> None:
    """Two of two: of all four it would be three, and the run would be called short of answers."""
    sighted = [seat(letter, FakeProvider(f"Paris, {letter}.")) for letter in "AB"]
    blind = [seat(letter, FakeProvider(), sees=False) for letter in "CD"]
    log = await run(plan_of(*sighted, *blind, blind_members="leave_out"))
    assert state_of(log) is RunState.DONE
    assert log.of(Degraded) == []


async def test_a_left_out_member_is_not_asked_when_somebody_asks_it_again_or_the_run_is_taken_up() -> None:
    blind = FakeProvider("Lyon.")
    given = Answer("B", AnswerState.LEFT_OUT, sight=Sight.LEFT_OUT)
    members = [seat("A", FakeProvider("Paris.")), seat("B", blind, sees=False, given=given)]
    plan, log, controls = plan_of(*members, blind_members="leave_out"), EventLog(), Controls()

    def emit(event: Event) -> None:
        log(event)
        if isinstance(event, AnswerAsked):
            assert not controls.retry_member("B")

    await fuse(plan, emit=emit, controls=controls)
    assert blind.requests == [] and state_of(log) is RunState.SINGLE


@pytest.mark.parametrize("sees", [True, None])
async def test_a_judge_that_can_see_gets_the_images_with_the_question(sees: bool | None) -> None:
    judge = FakeProvider(replies=[verdict_for("Paris")])
    members = [seat("A", FakeProvider("Paris.")), seat("B", FakeProvider("Lyon."))]
    log = await run(plan_of(*members, judge=judge, judge_sees=sees))
    system, user = judge.requests[0].messages
    assert user.images == IMAGES and not system.images
    assert user.content.startswith("The question below came with 2 images, attached to this message.")
    assert [event.sight for event in log.of(JudgeStarted)] == [Sight.SEEN]


async def test_a_judge_that_cannot_see_is_told_and_its_system_message_stays_the_pools() -> None:
    judge = FakeProvider(replies=[verdict_for("Paris")])
    members = [seat("A", FakeProvider("Paris.")), seat("B", FakeProvider("Lyon."))]
    await run(plan_of(*members, judge=judge, judge_sees=False))
    plain = FakeProvider(replies=[verdict_for("Paris")])
    members = [seat("A", FakeProvider("Paris.")), seat("B", FakeProvider("Lyon."))]
    await run(plan_of(*members, judge=plain, images=()))
    told, bare = judge.requests[0].messages, plain.requests[0].messages
    assert not pictures(judge.requests[0]) and "2 images that you cannot see" in told[1].content
    assert told[0] == bare[0] and told[1].content.endswith(bare[1].content)


async def test_a_judge_that_refuses_images_is_told_instead_and_not_replaced() -> None:
    def reply(request: CompletionRequest) -> Reply:
        return Reply(error=NO_IMAGES, usage=None) if pictures(request) else verdict_for("Paris")(request)

    judge = FakeProvider(replies=[reply])
    members = [seat("A", FakeProvider("Paris.")), seat("B", FakeProvider("Lyon."))]
    log = await run(plan_of(*members, judge=judge, judge_sees=None))
    assert [event.role for event in log.of(ImagesRefused)] == [Role.JUDGE]
    assert state_of(log) is RunState.DONE and not log.of(JudgeFailed)


async def test_images_take_their_part_of_a_judges_context() -> None:
    long = "A long answer with many words in it. " * 500
    members = [seat("A", FakeProvider(f"Paris. {long}")), seat("B", FakeProvider(f"Lyon. {long}"))]
    seen = FakeProvider(replies=[verdict_for("Paris")])
    plan = plan_of(*members, judge=seen)
    roomy = replace(plan, judges=tuple(replace(judge, context_tokens=24_000) for judge in plan.judges))
    trims = [len(event.trims) for event in (await run(replace(roomy, images=()))).of(JudgeStarted)]
    assert trims == [0]
    trims = [len(event.trims) for event in (await run(roomy)).of(JudgeStarted)]
    assert trims == [2]


async def test_a_request_to_mend_a_verdict_that_is_quoted_carries_no_images() -> None:
    whole = verdict_for("Paris")

    def broken(request: CompletionRequest) -> Reply:
        verdict = json.loads("".join(whole(request).pieces))
        del verdict["winner"], verdict["ranking"], verdict["verdict"]
        return Reply((json.dumps(verdict),))

    judge = FakeProvider(replies=[broken, lambda request: Reply(("{}",))])
    members = [seat("A", FakeProvider("Paris.")), seat("B", FakeProvider("Lyon."))]
    await run(plan_of(*members, judge=judge))
    first, mended, *_ = judge.requests
    assert pictures(first) == IMAGES
    repeats_the_question = "<question n=" in said(mended)
    assert bool(pictures(mended)) is repeats_the_question


async def test_the_writer_gets_no_images_and_is_told_that_it_needs_none() -> None:
    writer = FakeProvider("Paris. [[b]] It lies on the Seine. [[u1]]")
    members = [seat("A", FakeProvider("Paris.")), seat("B", FakeProvider("Lyon."))]
    plan = plan_of(*members, mode=Mode.MERGE)
    plan = replace(plan, writer=replace(plan.judges[0], ref="fakes:writer", provider=writer))
    log = await run(plan)
    assert not pictures(writer.requests[0]) and "came with 2 images" in said(writer.requests[0])
    assert log.events[-2].final.kind is FinalKind.MERGED  # type: ignore[union-attr]


async def test_an_estimate_of_what_was_consumed_counts_the_images() -> None:
    silent = FakeProvider("Paris.", usage=None)
    bare = FakeProvider("Paris.", usage=None)
    log = await run(plan_of(seat("A", silent, sees=True)))
    less = await run(plan_of(seat("A", bare, sees=True), images=()))

    def tokens(events: EventLog) -> int:
        usage = events.of(AnswerEnded)[0].answer.usage
        assert isinstance(usage, Usage) and usage.estimated
        return usage.input_tokens

    assert tokens(log) - tokens(less) == 2 * IMAGE_TOKENS


def test_a_repr_of_an_image_or_a_plan_shows_no_bytes() -> None:
    assert "first" not in repr(IMAGES[0]) and "first" not in repr(plan_of(seat("A", FakeProvider())))
