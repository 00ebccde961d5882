"""Beside the final: how far to trust it, in a few lines."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from fusion.engine import events as ev
from fusion.engine.types import Final, FinalKind, Mode, RunState
from tests.web.run_events import TEXTS, answered, debate_run, judgement, merged, verdict, whole_run
from tests.web.run_events import new_record as fresh
from tests.web.test_debate_screen import part, played
from tests.web.test_screen import Show


def show_of(events: Iterable[ev.Event], mode: Mode = Mode.MERGE) -> Show:
    return Show(fresh(mode=mode)).play(list(events))


def glance_of(show: Show) -> str:
    return part(show.page(), "final-glance")


def test_it_says_who_ranks_where_why_and_what_asks_for_a_closer_look() -> None:
    said = glance_of(show_of(whole_run()))
    assert said.startswith("Close by")
    ranked = [said.index(f"Answer {letter}") for letter in "ABC"]
    assert ranked == sorted(ranked) and "88 of 100, chosen" in said and "25 of 100" in said
    assert "A explains it best. B adds numbers." in said
    for words in ("1 point of consensus", "1 contradiction, all resolved", "1 blind spot", "to read the verdict with"):
        assert words in said
    assert "The whole verdict" in said and "5 calls" in said


def test_while_the_final_is_being_written_nothing_stands_beside_it() -> None:
    show = Show(fresh())
    for event in whole_run():
        show.add(event)
        if isinstance(event, ev.FinalEnded):
            break
        assert glance_of(show) == ""
    assert glance_of(show).startswith("Close by") and "calls" not in glance_of(show)


def test_after_a_debate_it_tells_of_the_ruling_and_not_of_the_order_before() -> None:
    said = glance_of(played(debate_run()))
    assert said.startswith("Open by") and "B is closest to what was measured." in said
    assert "1 dispute decided" in said and "1 dispute left open" in said
    assert "The whole debate" in said and "of 100" not in said


def test_an_answer_that_nobody_judged_has_nothing_beside_it() -> None:
    only = Final(FinalKind.SINGLE, TEXTS["A"], "A")
    events: list[ev.Event] = [
        ev.RunStarted(Mode.BEST_OF, ("A", "B", "C")),
        ev.AnswerEnded(answered("A", TEXTS["A"])),
        ev.FinalEnded(only),
        ev.RunEnded(RunState.DONE),
    ]
    assert glance_of(show_of(events, Mode.BEST_OF)) == ""


def test_what_a_judge_wrote_cannot_break_out_of_it() -> None:
    evil = judgement(verdict=replace(verdict(), rationale="<img src=x onerror=1> *so*"))
    events: list[ev.Event] = [
        ev.RunStarted(Mode.MERGE, ("A", "B", "C")),
        *(ev.AnswerEnded(answered(letter, TEXTS[letter])) for letter in "ABC"),
        ev.JudgeEnded(evil),
        ev.FinalEnded(merged()),
        ev.RunEnded(RunState.DONE),
    ]
    page = show_of(events).page()
    assert "<img src=x onerror=1> so" in part(page, "final-glance")
    assert page.root.xpath("//*[@id='final-glance']//img") == []
