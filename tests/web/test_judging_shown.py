"""How the page speaks of judging that went otherwise than planned: unreadable, only a winner, steered."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from fusion.engine import events as ev
from fusion.engine.sentences import rechecked
from fusion.engine.types import Failure, Final, FinalKind, FinishReason, Judgement, Mode, Recheck, RunState
from fusion.engine.verdict import read_winner
from fusion.web.screen import Screen
from tests.web.run_events import JUDGE, LABELS, TEXTS, answered, judgement, new_record
from tests.web.test_screen import Show, inner, stored

UNREADABLE = Failure("judge_unreadable", "Judge did not return a verdict that can be read.")


def until_judged() -> Iterator[ev.Event]:
    yield ev.RunStarted(Mode.BEST_OF, ("A", "B", "C"))
    for letter in "ABC":
        yield ev.AnswerEnded(answered(letter, TEXTS[letter]))
    yield ev.PanelClosed(("A", "B", "C"), (), "all_ended")
    yield ev.JudgeStarted(JUDGE, 1, ("C", "A", "B"), LABELS)


def show_of(*events: ev.Event) -> Show:
    return Show(new_record(mode=Mode.BEST_OF)).play([*until_judged(), *events])


def winner_only(said: str) -> Judgement:
    verdict = read_winner(said, finish=FinishReason.STOP, labels=LABELS)
    assert verdict is not None
    chosen = verdict.winner or "A"
    standing = "close" if verdict.winner else "could_not_separate"
    return judgement(verdict=verdict, parse_path="winner_only", chosen=chosen, standing=standing, trims=())


def unreadable(raw: str) -> Show:
    return show_of(
        ev.JudgeFailed(JUDGE, 1, UNREADABLE, "reask", raw="The first try."),
        ev.JudgeFailed(JUDGE, 1, UNREADABLE, "winner_only", raw=raw),
        ev.JudgeFailed(JUDGE, 1, Failure("provider_timeout", "Judge timed out."), "none"),
        ev.RunEnded(RunState.UNJUDGED, Failure("no_verdict", "No judge gave a verdict.")),
    )


def test_when_no_judge_can_be_read_its_reply_is_there_to_look_at() -> None:
    show = unreadable("Well, Answer A is nice & <b>bold</b>.")
    text = show.page().visible()
    assert "No scores could be read from this." in text
    assert "Well, Answer A is nice & <b>bold</b>." in text
    assert "The first try." not in text
    assert "<b>bold</b>" not in inner(show.screen)
    assert "<details" in inner(show.screen)
    assert "Judge again" in text


def test_while_a_judge_can_still_come_no_raw_reply_is_shown() -> None:
    show = show_of(ev.JudgeFailed(JUDGE, 1, UNREADABLE, "reask", raw="Well, it is Answer A."))
    assert "it is Answer A" not in show.page().visible()


@pytest.mark.parametrize(
    ("started", "words"),
    [
        (ev.JudgeStarted(JUDGE, 1, ("A",), LABELS, reask=True), "asked to mend its reply"),
        (ev.JudgeStarted(JUDGE, 1, ("A",), LABELS, winner_only=True), "asked only for a winner"),
        (ev.JudgeStarted(JUDGE, 1, ("A",), LABELS, masked=("A",)), "judging again without text that tries to steer it"),
    ],
)
def test_what_the_judge_is_asked_for_is_said_while_it_works(started: ev.JudgeStarted, words: str) -> None:
    show = show_of(started)
    assert show.page().visible().count(words) == 2  # in the strip of stages, and where the final will stand
    judged = show_of(started, ev.JudgeEnded(judgement()))
    assert words not in judged.page().visible()
    assert (judged.record.judge.reask, judged.record.judge.winner_only, judged.record.judge.masked) == (
        False,
        False,
        (),
    )


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("{label}", "The judge named a winner but gave no readable analysis."),
        ("TIE", "The judge called it a tie but gave no readable analysis."),
    ],
)
def test_a_winner_without_analysis_is_called_that_and_shows_no_empty_table(said: str, words: str) -> None:
    judged = winner_only(said.replace("{label}", LABELS["A"]))
    show = show_of(
        ev.JudgeEnded(judged),
        ev.Degraded("analysis_missing", "Judge only named a winner: its analysis could not be read."),
        ev.FinalEnded(Final(FinalKind.VERBATIM, TEXTS["A"], "A")),
        ev.RunEnded(RunState.DONE),
    )
    text = show.page().visible()
    assert words in text
    assert "A was chosen" in text and "no analysis" in text and "A winner without an analysis" in text
    assert "confidence" not in text and "Consensus" not in text and "of 100" not in text


@pytest.mark.parametrize("result", ["held", "overturned", "unseen", "failed"])
def test_what_became_of_a_steering_answer_is_said_above_the_final_and_beside_the_verdict(result: str) -> None:
    recheck = Recheck("B" if result == "overturned" else "A", result)  # type: ignore[arg-type]
    judged = replace(judgement(), suspects=(recheck.letter,), recheck=recheck)
    code = "suspect_disqualified" if result == "overturned" else "suspect_winner"
    show = show_of(
        ev.JudgeEnded(judged),
        ev.Degraded(code, rechecked(recheck)),
        ev.FinalEnded(Final(FinalKind.VERBATIM, TEXTS["A"], "A")),
        ev.RunEnded(RunState.DONE),
    )
    text = show.page().visible()
    assert text.count(rechecked(recheck)) == 2
    title = "An answer was disqualified" if result == "overturned" else "The chosen answer speaks to judges"
    assert title in text
    assert ("contains text that tries to steer a judge" in final_flags(show)) == (result != "overturned")


def final_flags(show: Show) -> str:
    html = inner(show.screen)
    start = html.index('id="final-head"')
    return html[start : html.index('id="final-wait"')]


def test_a_page_of_such_a_run_that_is_loaded_later_is_the_same() -> None:
    for show in (unreadable("Hm."), show_of(ev.JudgeEnded(winner_only("TIE")), ev.RunEnded(RunState.CANCELLED))):
        assert inner(Screen(stored(show.record))) == inner(show.screen)
