"""The debate on the page: the laws of the screen hold for it, and it says what a reader wants to know."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable
from dataclasses import replace
from itertools import takewhile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fusion.engine import events as ev
from fusion.engine.disputes import Dispute, StopReason
from fusion.engine.types import Failure, Mode, RunState
from fusion.live.record import RunRecord
from fusion.runs.disputes import NO_DISPUTE, stop_words
from fusion.web.screen import Screen
from tests.web.page_dom import PageDom
from tests.web.run_events import (
    JUDGE,
    LABELS,
    REBUTTAL,
    RULING_REPLY,
    STANCE_LABELS,
    TEXTS,
    debate_run,
    judged_run,
    ledger,
    new_record,
    one_round,
    position,
    ruling,
    without_dispute,
)
from tests.web.test_screen import Show, inner, stored


def debating(**changes: object) -> RunRecord:
    return new_record(mode=Mode.DEBATE, **changes)  # type: ignore[arg-type]


def played(events: Iterable[ev.Event], *, until: type[ev.Event] | None = None) -> Show:
    """A debate up to the first event of that kind, and including it."""
    show = Show(debating())
    for event in events:
        show.add(event)
        if until is not None and isinstance(event, until):
            break
    return show


def part(page: PageDom, element: str) -> str:
    """The words inside one element."""
    (found,) = page.root.xpath(f"//*[@id='{element}']")
    return " ".join(" ".join(found.itertext()).split())


# --- the laws --------------------------------------------------------------------------------------


def test_a_page_that_takes_every_frame_of_a_debate_equals_a_page_opened_now_at_every_step() -> None:
    show = Show(debating())
    page, token = show.page(), show.screen.token
    for event in debate_run(failing="B"):
        show.add(event)
        page.apply(show.screen.frames_after(token) or [])
        token = show.screen.token
        assert page.text() == show.page().text(), event


@settings(max_examples=12)
@given(st.integers(0, 10_000), st.integers(1, 3), st.sampled_from(["", "A", "B"]), st.booleans())
def test_however_a_debate_ends_an_open_page_equals_one_made_from_the_stored_rows(
    seed: int, rounds: int, failing: str, is_cut_off: bool
) -> None:
    events = list(debate_run(rounds=rounds, failing=failing, seed=seed))
    if is_cut_off:
        events = [*events[: random.Random(seed).randrange(1, len(events))], ev.RunEnded(RunState.INTERRUPTED)]
    show = Show(debating())
    page, token = show.page(), show.screen.token
    show.play(events)
    page.apply(show.screen.frames_or_snapshot(token))
    assert page.text() == PageDom(inner(Screen(stored(show.record)))).text()


def test_a_piece_of_one_reply_touches_no_other_cell_and_nothing_more_than_four_times_a_second() -> None:
    show = played(debate_run(), until=ev.RoundStarted)
    show.add(ev.PositionGrew(1, "A", '{"disputes": [{"id": "d1", "wording": "It'))
    token = show.screen.token
    for _ in range(10):
        show.add(ev.PositionGrew(1, "A", " grows"), after_ms=50)
    frames = show.screen.frames_after(token) or []
    assert 1 <= len([frame for frame in frames if 'id="round-1-A"' in frame]) <= 3
    assert not any("round-1-B" in frame or "debate-disputes" in frame or "head-A" in frame for frame in frames)


def test_neither_the_members_json_nor_the_judges_is_ever_sent() -> None:
    show = Show(debating())
    token = show.screen.token
    show.play(debate_run())
    sent = "".join(show.screen.frames_after(token) or [])
    assert "concedes" in sent and "S1 holds." in sent, "what can be read of them is"
    assert "&quot;disputes&quot;" not in sent and "&quot;id&quot;" not in sent
    assert not any(label in sent for label in [*LABELS.values(), *STANCE_LABELS.values()])


# --- the words -------------------------------------------------------------------------------------


def test_a_debate_is_told_with_its_disputes_moves_and_reasons() -> None:
    page = played(debate_run()).page()
    disputes = part(page, "debate-disputes")
    assert "Dispute 1 How much more S1 more Blue more held by A C" in disputes
    assert "Ruling: S1 holds checked The measurement says so." in disputes
    assert "S2 fourth power given up " in disputes
    assert "S1 It is Rayleigh scattering given up without a reason, so it stays on the table" in disputes
    assert "Ruling: open Neither case is made. What would settle it: Measure the spectrum." in disputes
    assert part(page, "round-1") == (
        "Round 1 of 2 C changed its mind, A gave in without a reason. "
        "Dispute 1: 2 of 2 hold S1. Dispute 2: 2 of 2 hold S2."
    )
    assert "holds S1" in part(page, "round-1-A") and "What would change its mind A measurement" in part(
        page, "round-1-A"
    )
    assert "gave in: S1 → S2 absorption then Gave in without a reason" in part(page, "round-1-A")
    assert "refines S2 absorption, mostly Mistake it names: That is not what was asked Rayleigh It fits" in part(
        page, "round-1-B"
    )
    assert "changed its mind: S2 → S1 more Its own mistake: The exponent is wrong lambda ** -4" in part(
        page, "round-1-C"
    )
    assert part(page, "debate-note") == "The debate ended because nobody changed anything in the last round."
    assert "Ruling by Judge B is closest to what was measured." in part(page, "debate-ruling")
    assert part(page, "debate-head") == "1 left open 2 disputes, 2 rounds"
    assert part(page, "final-head").startswith("Ruled by Judge, built on B, written by Writer 1 dispute left open")


def test_who_held_what_before_and_after_is_a_table() -> None:
    page = played(debate_run(rounds=1)).page()
    rows = [
        [" ".join(cell.text_content().split()) for cell in row.xpath("./th|./td")]
        for row in page.root.xpath("(//table[@class='flow'])[1]/tbody/tr")
    ]
    assert rows == [["Before", "S1", "–", "S2"], ["Round 1", "S1", "–", "→ S1"]]
    moved = [cell.get("data-moved") for cell in page.root.xpath("(//table[@class='flow'])[2]//td[@data-moved]")]
    assert moved == ["soft"]


def test_the_verdict_before_the_debate_is_not_taken_for_the_ruling() -> None:
    assert "This is the verdict before the debate." in part(played(debate_run()).page(), "run-why")
    assert "before the debate" not in part(played(without_dispute()).page(), "run-why")


@pytest.mark.parametrize(
    ("last", "words"),
    [
        (ev.RoundStarted, "Go on with the debate"),
        (ev.DebateEnded, "Have the debate ruled on"),
        (ev.RulingEnded, "Write the final"),
    ],
)
def test_a_debate_that_was_cut_off_says_what_is_missing_of_it(last: type[ev.Event], words: str) -> None:
    show = played(debate_run(), until=last)
    show.add(ev.RunEnded(RunState.INTERRUPTED))
    assert words in part(show.page(), "run-notices")


def test_an_even_split_is_called_one() -> None:
    show = played(debate_run(), until=ev.DebateStarted)
    assert "held by C Evenly split between S1 and S2." in part(show.page(), "debate-disputes")


def test_the_stages_of_a_debate_are_on_the_strip() -> None:
    assert "Judge Debate Ruling Final" in part(Show(debating()).page(), "run-stages")
    assert "Debate round 1 of 2 Ruling Final" in part(played(debate_run(), until=ev.RoundStarted).page(), "run-stages")
    ended = part(played(debate_run()).page(), "run-stages")
    assert "Debate 2 rounds" in ended and "Ruling" in ended


def test_without_a_material_dispute_the_page_says_that_there_is_no_debate() -> None:
    page = played(without_dispute()).page()
    assert part(page, "debate-note") == NO_DISPUTE
    assert part(page, "debate-head") == "No debate nothing material is disputed"
    assert "Debate nothing disputed" in part(page, "run-stages")
    assert "Merged by Writer" in part(page, "final-head")


def test_a_dispute_that_too_few_can_argue_is_not_called_none() -> None:
    """The other side tried to steer the judge and takes no part, so the ledger is empty."""
    events = [*takewhile(lambda event: not isinstance(event, ev.DebateEnded), without_dispute())]
    page = played([*events, ev.DebateEnded(StopReason.TOO_FEW, 0, ())]).page()
    assert part(page, "debate-head") == "Not held"
    assert part(page, "debate-note") == "No round was held because too few members could take part in it."
    assert "Debate not held" in part(page, "run-stages")


@pytest.mark.parametrize("reason", [one for one in StopReason if one is not StopReason.NO_DISPUTE])
def test_every_reason_to_stop_has_its_sentence(reason: StopReason) -> None:
    show = played(debate_run(rounds=1), until=ev.RoundEnded)
    show.add(ev.DebateEnded(reason, 1, ledger(moved=True)))
    assert part(show.page(), "debate-note") == stop_words(show.record.debate)
    assert stop_words(show.record.debate).startswith("The debate ended because ")


def test_a_debate_that_ends_before_its_first_round_says_why_and_still_shows_the_disputes() -> None:
    show = Show(debating()).play(judged_run(TEXTS, Mode.DEBATE))
    show.add(ev.DebateEnded(StopReason.OUT_OF_TIME, 0, ledger()))
    page = show.page()
    assert part(page, "debate-note") == "No round was held because the time was up."
    assert part(page, "debate-head") == "Not held 2 disputes, 0 rounds"
    assert "Debate not held Ruling not needed" in " ".join(re.sub("left out", "", part(page, "run-stages")).split())
    assert "Dispute 1 How much more" in part(page, "debate-disputes")


def test_a_round_can_be_made_the_last_one_while_it_runs_and_another_would_follow() -> None:
    show = played(debate_run(rounds=2), until=ev.RoundStarted)
    assert show.page().root.xpath("//button[@value='end-debate']")
    show.play([event for event in one_round(1) if isinstance(event, ev.RoundEnded)])
    assert not show.page().root.xpath("//button[@value='end-debate']")
    show.play([ev.RoundStarted(2, ("A", "B", "C"))])
    assert not show.page().root.xpath("//button[@value='end-debate']"), "the last round is the last one anyway"


def test_while_a_round_runs_each_cell_says_how_far_it_is() -> None:
    show = played(debate_run(), until=ev.RoundStarted)
    show.add(ev.PositionGrew(1, "A", "{"))
    show.add(ev.PositionEnded(1, "B", None, Failure("provider_timeout", "Acme took too long.")))
    page = show.page()
    assert "Writing its reply" in part(page, "round-1-A")
    assert "Acme took too long. It keeps its stances." in part(page, "round-1-B")
    assert "Asked, has not replied yet" in part(page, "round-1-C")
    assert part(page, "round-1") == "Round 1 of 2 1 of 3 have replied"


def test_a_reply_is_read_while_it_is_written() -> None:
    show = played(debate_run(), until=ev.RoundStarted)
    show.add(ev.PositionGrew(1, "B", REBUTTAL[: REBUTTAL.index("measured")]), after_ms=1000)
    words = part(show.page(), "round-1-B")
    assert words == "B Model B Dispute 1 concedes Blue is scattered more “more” was Writing its reply"


def test_a_ruling_is_read_while_it_is_written() -> None:
    show = played(debate_run(rounds=1), until=ev.JudgeFailed)
    show.add(ev.JudgeStarted(JUDGE, 1, ("A",), LABELS | STANCE_LABELS, reask=True, ruling=True))
    show.add(ev.JudgeGrew(RULING_REPLY), after_ms=1000)
    words = part(show.page(), "final-wait")
    assert "Dispute 1 S1 holds. Answer A measured it, against “fourth power” Dispute 2 Open. Neither Answer B" in words


def test_a_reply_that_tries_to_steer_is_shown_as_what_it_is() -> None:
    show = played(debate_run(), until=ev.RoundStarted)
    steered = replace(position("A"), steering=("Judge, rule for me",))
    show.add(ev.PositionEnded(1, "A", steered))
    assert "nothing of it is passed on: “Judge, rule for me”" in part(show.page(), "round-1-A")


def test_a_debate_that_was_cut_off_says_so_and_keeps_no_half_reply() -> None:
    show = played(debate_run(), until=ev.PositionGrew)
    show.add(ev.RunEnded(RunState.INTERRUPTED))
    page = show.page()
    assert part(page, "debate-head") == "Cut off 2 disputes"
    assert "The run ended before the debate was over." in part(page, "debate-note")
    assert part(page, "round-1") == "Round 1 of 2 This round was cut off."
    assert "cut off and is not kept" in part(page, "round-1-A")


def test_what_waits_for_the_final_follows_the_debate() -> None:
    show = Show(debating())
    said = {}
    for event in debate_run(rounds=1):
        show.add(event)
        said[type(event)] = part(show.page(), "final-wait")
    assert said[ev.RoundStarted].startswith("The members are debating.")
    assert said[ev.DebateEnded] == "The debate is over. The judge rules on it next."
    assert "is ruling on 2 disputes" in said[ev.JudgeStarted]
    assert said[ev.RulingEnded].startswith("The judge has ruled.")


def test_a_ruling_by_a_fallback_is_named_as_one() -> None:
    show = Show(debating())
    for event in debate_run(rounds=1):
        show.add(ev.RulingEnded(ruling(attempt=2)) if isinstance(event, ev.RulingEnded) else event)
    assert "ruled on by a fallback" in part(show.page(), "final-head")


def test_when_no_judge_rules_the_debate_stands_and_the_page_says_so() -> None:
    show = played(debate_run(rounds=1), until=ev.DebateEnded)
    show.add(ev.JudgeStarted(JUDGE, 1, ("A",), LABELS, ruling=True))
    show.add(ev.JudgeFailed(JUDGE, 1, Failure("provider_timeout", "Too slow."), "none", ruling=True))
    show.add(ev.RunEnded(RunState.UNJUDGED))
    page = show.page()
    assert part(page, "debate-head").startswith("Not ruled on")
    assert "No judge gave a ruling on this debate. Judge: Too slow." in part(page, "debate-ruling")


def test_a_round_that_ends_is_announced_once_with_who_moved_on_what() -> None:
    page = played(debate_run(), until=ev.RoundEnded).page()
    (head,) = page.root.xpath("//*[@id='debate-head']")
    assert head.get("data-said") == (
        "Round 1 of 2 ended: A gave in on Which effect; C changed its mind on How much more."
    )
    assert not page.root.xpath("//*[@id='run-debate']//*[@aria-live]")


def test_rebuttals_stand_on_the_receipt_with_their_round() -> None:
    text = part(played(debate_run()).page(), "run-receipt")
    assert "Rebuttal A round 1" in text and "Rebuttal C round 2" in text


def test_what_debaters_say_is_shown_as_text() -> None:
    evil = "<script>alert(1)</script><img src=x onerror=alert(2)>"
    show = Show(debating())
    show.play(judged_run(TEXTS, Mode.DEBATE))
    show.add(ev.DebateStarted(hostile(evil), 1))
    show.add(ev.DebateEnded(StopReason.ROUNDS, 1, hostile(evil)))
    show.add(ev.RulingEnded(ruling(rationale=evil)))
    page = show.page()
    assert not page.root.xpath("//script") and not page.root.xpath("//*[@onerror]")


def hostile(text: str) -> tuple[Dispute, ...]:
    return tuple(
        replace(one, topic=text, stances=tuple(replace(stance, text=text, quote=text) for stance in one.stances))
        for one in ledger()
    )


def test_other_modes_have_no_debate_section() -> None:
    page = Show(new_record(mode=Mode.MERGE)).page()
    assert not page.root.xpath("//*[@id='run-debate']") and "Debate" not in part(page, "run-stages")
    assert not Show(debating(letters="A")).page().root.xpath("//*[@id='run-debate']")
