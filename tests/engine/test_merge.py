"""Merging: the patch plan, the markers, the attribution and the one call."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from fusion.engine.call import Caller
from fusion.engine.controls import Controls
from fusion.engine.events import CallStarted, Event, FinalGrew, FinalStarted
from fusion.engine.merge import Patch, plan_patches, write_merge
from fusion.engine.merge.attribute import Source, attribute
from fusion.engine.merge.guard import facts_of
from fusion.engine.merge.markers import Mark, MarkerParser
from fusion.engine.types import (
    Answer,
    AnswerState,
    Assessment,
    Contradiction,
    Final,
    FinalKind,
    FinishReason,
    Judgement,
    Limits,
    Point,
    Span,
    Stance,
    Verdict,
)
from fusion.errors import ProviderOverloaded, ProviderRateLimited
from tests.engine.fakes import EventLog, FakeProvider, Reply, given_answer, make_plan

BASE = "Use a queue. Keep jobs small.\n\nLog each failure."


def assessed(letter: str, fatal_flaw: str | None = None) -> Assessment:
    return Assessment(letter, (), (), fatal_flaw, {}, 50)


def point(text: str, letters: str, standing: Any = "supported", quote: str = "") -> Point:
    return Point("p", text, tuple(letters), quote, standing)


def dispute(resolved_for: str, **changes: Any) -> Contradiction:
    stances = (Stance(("A",), "retry five times", "five"), Stance(("B",), "retry twice", "twice"))
    contradiction = Contradiction("d", "Retries", True, stances, "Retry twice.", tuple(resolved_for), "reasoning")
    return replace(contradiction, **changes)


def judgement(*, suspects: Sequence[str] = (), flawed: str = "", **fields: Any) -> Judgement:
    verdict = Verdict(
        notes="",
        assessments=tuple(assessed(letter, "bad" if letter in flawed else None) for letter in "ABCD"),
        consensus=(),
        partial_coverage=(),
        unique=(),
        contradictions=(),
        blind_spots=(),
        ranking=(("A",), ("B", "C", "D")),
        verdict="winner",
        winner="A",
        margin="clear",
        confidence=80,
        rationale="",
        integrity=(),
    )
    return Judgement(
        verdict=replace(verdict, **fields),
        judge="fakes:judge-1",
        attempt=1,
        order=tuple("ABCD"),
        labels={},
        parse_path="clean",
        chosen="A",
        standing="clear",
        suspects=tuple(suspects),
    )


def planned(**fields: Any) -> list[tuple[str, str]]:
    return [(patch.kind, patch.claim) for patch in plan_patches(judgement(**fields), "A")]


# --- the plan ------------------------------------------------------------------------------------


def test_supported_points_are_added_and_plausible_ones_hedged() -> None:
    points = (
        point("One.", "B"),
        point("Two.", "C", "plausible"),
        point("Three.", "B", "doubtful"),
        point("4", "B", "wrong"),
    )
    assert planned(unique=points) == [("add", "One."), ("hedge", "Two.")]
    assert planned(partial_coverage=points) == [("add", "One."), ("hedge", "Two.")]


def test_what_the_base_says_itself_is_no_patch() -> None:
    assert planned(partial_coverage=(point("One.", "AB"),), unique=(point("Two.", "A"),)) == []


def test_nothing_rests_on_suspects_or_on_answers_with_a_fatal_flaw_alone() -> None:
    points = (point("One.", "B"), point("Two.", "C"), point("Three.", "BCD"))
    patches = plan_patches(judgement(unique=points, suspects=["B"], flawed="C"), "A")
    assert [(patch.claim, patch.letters) for patch in patches] == [("Three.", ("D",))]


def test_a_settled_dispute_corrects_the_base_only_where_the_base_is_wrong() -> None:
    (patch,) = plan_patches(judgement(contradictions=(dispute("B"),)), "A")
    assert patch == Patch("c1", "resolve", "Retries: Retry twice.", "twice", ("B",))
    assert planned(contradictions=(dispute("A"),)) == []
    assert planned(contradictions=(dispute("B"),), suspects=["B"]) == []
    assert planned(contradictions=(dispute("B", material=False),)) == []


@pytest.mark.parametrize("basis", ["checked", "evidence_in_answer", "reasoning"])
def test_a_resolution_that_neither_side_holds_is_used(basis: str) -> None:
    assert planned(contradictions=(dispute("", basis=basis),)) == [("resolve", "Retries: Retry twice.")]


def test_an_open_dispute_shows_both_sides() -> None:
    for open_one in (dispute("", basis="cannot_tell"), dispute("", resolution=None)):
        (patch,) = plan_patches(judgement(contradictions=(open_one,)), "A")
        assert (patch.kind, patch.letters) == ("both_sides", ("A", "B"))
        assert patch.claim == "Retries: either retry five times; or: retry twice"
        assert planned(contradictions=(open_one,), flawed="B") == []


def test_the_same_claim_is_planned_once_and_at_most_twelve_are() -> None:
    assert planned(partial_coverage=(point("Add an index.", "B"),), unique=(point("add an index", "C"),)) == [
        ("add", "Add an index.")
    ]
    words = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "xi", "xii", "xiii"]
    patches = plan_patches(judgement(unique=tuple(point(f"{word} {word}", "B") for word in words)), "A")
    assert [patch.id for patch in patches] == [f"c{number}" for number in range(1, 13)]


# --- the markers ---------------------------------------------------------------------------------


def parsed(chunks: Sequence[str]) -> tuple[str, list[Mark], list[str]]:
    parser = MarkerParser()
    shown = [parser.feed(chunk) for chunk in chunks]
    shown.append(parser.finish())
    assert "".join(shown) == parser.text
    return parser.text, parser.marks, shown


def test_markers_are_taken_out_with_the_blanks_before_them() -> None:
    text, marks, _ = parsed(["One. [[b]] Two [[c1, C3]].\n- three [[c2]][[c4]]\n"])
    assert text == "One. Two.\n- three\n"
    assert marks == [Mark(4, ("b",)), Mark(8, ("c1", "c3")), Mark(17, ("c2",)), Mark(17, ("c4",))]


@pytest.mark.parametrize(
    "text", ["a [[wiki link]] b", "m[[0]] = x[[1]]", "[ [", "if [[ -f x ]]; then", "a [[", "a [", " [[[ "]
)
def test_what_is_no_marker_is_text(text: str) -> None:
    assert parsed(list(text))[0] == text


@pytest.mark.parametrize(
    "marker", ["[[c1, 3]]", "[[C1;c3]]", "[[c1 c3]]", "[[c1 and c3]]", "[[ c1/c3 ]]", "[[c1 & c3]]", "[[c1,  c3]]"]
)
def test_a_marker_is_known_in_whatever_way_its_ids_are_listed(marker: str) -> None:
    assert parsed(list(f"One. {marker} Two."))[:2] == ("One. Two.", [Mark(4, ("c1", "c3"))])


def test_the_longest_marker_is_held_back_as_a_whole() -> None:
    marker = f"[[   {'   and   '.join(['c100'] * 15)}   ]]"
    assert parsed(list(f"One. {marker}")) == (
        "One.",
        [Mark(4, ("c100",))],
        ["O", "n", "e", "."] + [""] * (len(marker) + 2),
    )


OWN_CODE = "Use `np.array([[b]])` here.\n```\nm = [[b]]\nn = [[c1]]\n```\nDone."


def test_brackets_of_code_that_the_writer_was_given_are_text() -> None:
    marked = OWN_CODE.replace("here.", "here. [[b]]").replace("Done.", "[[b]]\nDone. [[c1]]")
    for chunks in ([marked], list(marked)):
        parser = MarkerParser(OWN_CODE)
        shown = "".join([*map(parser.feed, chunks), parser.finish()])
        assert shown == parser.text == OWN_CODE.replace("Done.", "\nDone.")
        assert [mark.ids for mark in parser.marks] == [("b",), ("b",), ("c1",)]


@pytest.mark.parametrize("cut", ["[[b", "[[c1", "[[c1,c", "[[b]", "[[c12, "])
def test_a_marker_that_the_end_cut_off_is_dropped(cut: str) -> None:
    assert parsed([f"One. {cut}"])[0] == "One."


# --- the attribution -----------------------------------------------------------------------------

PATCHES = (
    Patch("c1", "add", "Add a rollback script.", "add a rollback script", ("B",)),
    Patch("c2", "add", "Set the timeout to 30 s.", "", ("C",)),
    Patch("c3", "hedge", "A cache helps with reads.", "", ("B", "C")),
    Patch("c4", "add", "Call `drain_queue` before the deploy.", "", ("D",)),
)
SOURCE = Source("A", BASE, "How do I run 5 jobs?", PATCHES)


def spans_of(marked: str) -> tuple[str, tuple[Span, ...]]:
    text, marks, _ = parsed([marked])
    return text, attribute(text, marks, SOURCE)


def one_span(marked: str) -> Span:
    (span,) = spans_of(marked)[1]
    return span


def test_each_sentence_knows_where_it_comes_from() -> None:
    text, spans = spans_of(
        "Use a queue. [[b]] Add a rollback script. [[c1]] By the way, hello there. Log each failure. [[b]]"
    )
    assert [(text[span.start : span.end], span.source, span.letters, span.claim_ids) for span in spans] == [
        ("Use a queue.", "base", ("A",), ()),
        ("Add a rollback script.", "patch", ("B",), ("c1",)),
        ("By the way, hello there.", "added", (), ()),
        ("Log each failure.", "base", ("A",), ()),
    ]
    assert not any(span.check for span in spans)


def test_neighbours_from_the_base_are_one_span() -> None:
    assert one_span("Use a queue. [[b]] Keep jobs small. [[b]]\n\nLog each failure. [[b]]") == Span(
        0, len(BASE), "base", ("A",)
    )


def test_a_sentence_of_the_base_needs_no_marker() -> None:
    assert one_span("Keep jobs small.").source == "base"


def test_unknown_ids_are_dropped() -> None:
    assert one_span("Something quite new. [[c9]]").source == "added"
    assert one_span("Add a rollback script. [[c9,c1]]").claim_ids == ("c1",)


@pytest.mark.parametrize(
    ("sentence", "check"),
    [
        ("Add a rollback script. [[c1]]", False),
        ("Also add a rollback script for this. [[c1]]", False),
        ("Do not add a rollback script. [[c1]]", True),
        ("Never add a rollback script. [[c1]]", True),
        ("The moon is made of cheese. [[c1]]", True),
        ("Write down how to roll back. [[c1]]", True),
        ("Set the timeout to 30 s. [[c2]]", False),
        ("Set the timeout to 30 ms. [[c2]]", True),
        ("Set the timeout to 300 s. [[c2]]", True),
        ("Set the timeout to 5. [[c2]]", True),
        ("A cache may help with reads. [[c3]]", False),
        ("A cache helps with reads. [[c3]]", True),
        ("Call `drain_queue` before the deploy. [[c4]]", False),
        ("Call `drain_all` before the deploy. [[c4]]", True),
        ("Keep the jobs small. [[b]]", False),
        ("Do not keep jobs small. [[b]]", True),
    ],
)
def test_a_mismatch_with_the_source_is_marked_to_be_checked(sentence: str, check: bool) -> None:
    assert one_span(sentence).check is check


def test_a_marker_ends_a_sentence_where_nothing_else_does() -> None:
    text, spans = spans_of("use a queue [[b]] and add a rollback script [[c1]]. it is so. [[c2]]")
    assert [(text[span.start : span.end], span.source, span.claim_ids) for span in spans] == [
        ("use a queue", "base", ()),
        ("and add a rollback script.", "patch", ("c1",)),
        ("it is so.", "patch", ("c2",)),
    ]
    text, spans = spans_of("设置超时。[[c2]]使用队列。[[b]]添加脚本。")
    assert [(text[span.start : span.end], span.source) for span in spans] == [
        ("设置超时。", "patch"),
        ("使用队列。", "base"),
        ("添加脚本。", "added"),
    ]


def test_a_marker_within_a_word_or_a_code_block_cuts_neither() -> None:
    for marked in ("que[[b]]ue it", "```\na [[b]] b\n```"):
        text, spans = spans_of(marked)
        assert [text[span.start : span.end] for span in spans] == [text]


def test_a_code_block_is_one_piece() -> None:
    text, spans = spans_of("Run this:\n```sh\necho one. Two.\necho 3\n```\n[[c1]]\nDone now.")
    assert [text[span.start : span.end].split("\n")[0] for span in spans] == ["Run this:", "```sh", "Done now."]
    assert spans[1].claim_ids == ("c1",)


# --- the call ------------------------------------------------------------------------------------

ANSWERS = (given_answer("A", BASE), given_answer("B", "Add a rollback script. It helps."))
JUDGED = judgement(unique=(point("Add a rollback script.", "B", quote="Add a rollback script."),))


async def merge(
    writer: FakeProvider,
    judged: Judgement = JUDGED,
    controls: Controls | None = None,
    on_event: Callable[[Event], None] = lambda event: None,
    answers: Sequence[Answer] = (),
    **more: Any,
) -> tuple[Final | None, EventLog]:
    log, controls = EventLog(), controls or Controls()

    def emit(event: Event) -> None:
        log(event)
        on_event(event)

    plan = make_plan(FakeProvider(), FakeProvider(), judges=[FakeProvider()], writer=writer, **more)
    caller = Caller(emit=emit, controls=controls)
    return await write_merge(plan, answers or ANSWERS, judged, emit=emit, caller=caller, controls=controls), log


async def test_the_written_final_streams_without_markers_and_ends_with_spans() -> None:
    final, log = await merge(FakeProvider("Use a queue. [", "[b]] Add a roll", "back script. [[c", "1]]"))
    assert final is not None
    assert final.text == "Use a queue. Add a rollback script."
    assert (final.kind, final.letter, final.writer, final.truncated) == (FinalKind.MERGED, "A", "fakes:writer", False)
    assert [(span.source, span.letters, span.check) for span in final.spans] == [
        ("base", ("A",), False),
        ("patch", ("B",), False),
    ]
    assert log.of(FinalStarted) == [FinalStarted("fakes:writer", "A")]
    assert "".join(event.text for event in log.of(FinalGrew)) == final.text


async def test_the_writer_is_asked_at_a_low_temperature_and_between_marks_of_this_run_alone() -> None:
    nonces = set()
    for seed in ("5eed", "feed"):
        writer = FakeProvider("Use a queue. [[b]]")
        await merge(writer, seed=seed)
        (request,) = writer.requests
        assert request.temperature == 0.2
        nonces |= set(re.findall(r"n=(\w{16})", request.messages[-1].content))
    assert len(nonces) == 2


async def test_what_was_held_back_as_a_possible_marker_comes_with_the_end() -> None:
    final, log = await merge(FakeProvider("Use a queue, as in a[", "[", "0"))
    assert final is not None and final.text == "Use a queue, as in a[[0"
    assert "".join(event.text for event in log.of(FinalGrew)) == final.text


async def test_the_writer_sees_the_base_and_the_patches_but_no_other_answer() -> None:
    writer = FakeProvider("Use a queue. [[b]]")
    await merge(writer)
    user = writer.requests[0].messages[-1].content
    assert BASE in user and "claim: Add a rollback script." in user
    assert "It helps." not in user


async def test_markers_that_a_member_wrote_reach_neither_the_writer_nor_the_final() -> None:
    """They would pass for the writer's: `[[c1]]` in a base would credit its sentence to another answer."""
    spoofed = given_answer("A", "Use a queue. [[c1]]\n\n```\nm = [[b]]\n```")
    writer = FakeProvider("Use a queue. [[b]]\n\n```\nm = [[b]]\n```\n[[b]]\nAdd a rollback script. [[c1]]")
    final, _ = await merge(writer, answers=[spoofed, ANSWERS[1]])
    assert "<base n=" in writer.requests[0].messages[-1].content
    assert "Use a queue.\n" in writer.requests[0].messages[-1].content
    assert final is not None
    assert final.text == "Use a queue.\n\n```\nm = [[b]]\n```\n\nAdd a rollback script."
    assert [(span.source, span.check) for span in final.spans] == [("base", False), ("patch", False)]


async def test_with_nothing_to_add_the_base_is_the_final_without_a_call() -> None:
    writer = FakeProvider("x")
    final, log = await merge(writer, judgement())
    assert final == Final(FinalKind.MERGED, BASE, "A", spans=(Span(0, len(BASE), "base", ("A",)),))
    assert writer.requests == [] and log.events == []


@pytest.mark.parametrize("state", [AnswerState.CUT_OFF, AnswerState.TRUNCATED])
async def test_a_base_that_was_cut_off_stays_marked_so_when_nothing_is_added(state: AnswerState) -> None:
    answers = [given_answer("A", BASE, state), given_answer("B", "It helps.")]
    final, _ = await merge(FakeProvider("x"), judgement(), answers=answers)
    assert final is not None and final.text == BASE and final.truncated


@pytest.mark.parametrize(
    "reply",
    [
        Reply(error=ProviderOverloaded("busy")),
        Reply(("Use a ",), error=ProviderOverloaded("busy")),
        Reply(("Use a ",), finish=None),
        Reply(("Use a ",), finish=FinishReason.LENGTH),
        Reply(("No.",), finish=FinishReason.REFUSED),
        Reply((" [[b]]",)),
        Reply(("Use a ", "queue"), gap=10_000),
    ],
)
async def test_a_writer_that_fails_gives_no_final(reply: Reply) -> None:
    final, _ = await merge(FakeProvider(replies=[reply]))
    assert final is None


async def test_a_writer_that_is_overloaded_is_asked_once_more() -> None:
    writer = FakeProvider(replies=[Reply(error=ProviderOverloaded("busy")), Reply(("Use a queue. [[b]]",))])
    final, log = await merge(writer)
    assert final is not None and final.text == "Use a queue."
    assert [event.attempt for event in log.of(CallStarted)] == [1, 2]
    assert len(log.of(FinalStarted)) == 1


async def test_a_writer_that_broke_off_in_mid_text_is_not_asked_again() -> None:
    writer = FakeProvider("Use a ", error=ProviderOverloaded("busy"))
    final, _ = await merge(writer)
    assert final is None and len(writer.requests) == 1


async def test_a_stop_between_two_requests_to_the_writer_ends_the_wait_at_once() -> None:
    writer, controls = FakeProvider(error=ProviderRateLimited("slow down", retry_after_s=15)), Controls()
    loop = asyncio.get_running_loop()
    started = loop.time()
    loop.call_later(5, controls.stop_all)
    final, _ = await merge(writer, controls=controls)
    assert final is None and len(writer.requests) == 1
    assert loop.time() - started == pytest.approx(5, abs=0.01)


async def test_a_stop_keeps_what_was_written_marked_truncated() -> None:
    controls = Controls()

    def stop(event: Event) -> None:
        if isinstance(event, FinalGrew):
            controls.stop_all()

    writer = FakeProvider("Use a queue. [[", "b]] More.", gap=5)
    final, _ = await merge(writer, controls=controls, on_event=stop)
    assert final is not None and final.truncated
    assert final.text == "Use a queue."
    assert writer.open_streams == 0


async def test_a_stop_before_the_writer_starts_gives_no_final() -> None:
    controls = Controls()
    controls.stop_all()
    final, log = await merge(FakeProvider("x"), controls=controls)
    assert final is None and log.events == []


async def test_a_long_base_gets_room_beyond_the_usual_limit() -> None:
    writer = FakeProvider("Use a queue. [[b]]")
    await merge(writer, limits=Limits(writer_max_tokens=10))
    assert writer.requests[0].max_tokens > 1_000


async def test_without_a_writer_of_its_own_the_judge_that_was_obeyed_writes() -> None:
    judge = FakeProvider("Use a queue. [[b]]")
    log, controls = EventLog(), Controls()
    plan = make_plan(FakeProvider(), judges=[judge])
    caller = Caller(emit=log, controls=controls)
    final = await write_merge(plan, ANSWERS, JUDGED, emit=log, caller=caller, controls=controls)
    assert final is not None and final.writer == "fakes:judge-1"


def test_the_number_of_a_list_item_is_no_number_that_it_claims() -> None:
    assert facts_of("5. Keep 3 copies").numbers == {"3"}
