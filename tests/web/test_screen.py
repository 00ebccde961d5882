"""The law of the screen, and that nothing is rendered, sent or shown that should not be."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Iterator, Sequence

import pytest
from django.template.loader import render_to_string
from hypothesis import given, settings
from hypothesis import strategies as st

from fusion.engine import events as ev
from fusion.engine.types import (
    AnswerState,
    Failure,
    Final,
    FinalKind,
    Mode,
    RunState,
)
from fusion.live.folding import apply
from fusion.live.record import RunRecord
from fusion.web import screen as screen_module
from fusion.web.screen import Screen
from fusion.web.watch import still
from tests.web.markdown_samples import documents
from tests.web.page_dom import PageDom
from tests.web.run_events import (
    FINAL,
    JUDGE,
    LABELS,
    TEXTS,
    answered,
    finish,
    judgement,
    merged,
    new_record,
    whole_run,
)


class Show:
    """A run and its screen, fed event by event; 130 ms pass between two of them."""

    def __init__(self, record: RunRecord | None = None) -> None:
        self.record = record or new_record()
        self.screen = Screen(still(self.record))
        self.seq = 0

    def add(self, event: ev.Event, *, after_ms: int = 130) -> None:
        apply(self.record, event, at_ms=self.record.now_ms + after_ms)
        if isinstance(event, ev.RunEnded):
            finish(self.record)
        self.seq += 1
        self.screen.update(still(self.record), self.seq)

    def play(self, events: Sequence[ev.Event] | Iterator[ev.Event]) -> Show:
        for event in events:
            self.add(event)
        return self

    def page(self) -> PageDom:
        return PageDom(inner(self.screen))


def inner(screen: Screen) -> str:
    """The inside of a fresh page: what the page's template puts into #run, in one string."""
    return render_to_string("fusion/runs/_run.html", screen.context())


def stored(record: RunRecord) -> RunRecord:
    """The record as rows keep it: without what only an execution knows."""
    kept = still(record)
    for letter, column in kept.answers.items():
        kept.answers[letter] = dataclasses.replace(column, asked_at_ms=None, first_text_at_ms=None, retry=None)
    kept.judge = dataclasses.replace(kept.judge, text="", started_at_ms=None, ended_at_ms=None)
    kept.ruling = dataclasses.replace(kept.ruling, text="", started_at_ms=None, ended_at_ms=None)
    kept.final = dataclasses.replace(kept.final, started_at_ms=None, ready_at_ms=None)
    kept.calls = dict(reversed(kept.calls.items()))
    kept.now_ms += 7
    return kept


def test_a_page_that_takes_every_frame_equals_a_page_opened_now_at_every_step() -> None:
    show = Show()
    page = show.page()
    token = show.screen.token
    for event in whole_run():
        show.add(event)
        frames = show.screen.frames_after(token)
        assert frames is not None
        page.apply(frames)
        token = show.screen.token
        assert page.text() == show.page().text(), event


def test_a_page_that_joins_late_and_misses_frames_ends_like_the_others() -> None:
    rng = random.Random(4)
    show = Show()
    pages: list[tuple[PageDom, str]] = []
    for event in whole_run(seed=3):
        show.add(event)
        if rng.random() < 0.1:
            pages.append((show.page(), show.screen.token))
    for page, token in pages:
        page.apply(show.screen.frames_after(token) or [])
        assert page.text() == show.page().text()


@settings(max_examples=25)
@given(documents, documents, st.integers(0, 99))
def test_after_the_run_an_open_page_equals_one_made_from_the_stored_rows(first: str, second: str, seed: int) -> None:
    texts = {"A": first, "B": second, "C": TEXTS["C"]}
    show = Show()
    page, token = show.page(), show.screen.token
    show.play(whole_run(texts, final=Final(FinalKind.VERBATIM, first, "A"), seed=seed))
    page.apply(show.screen.frames_or_snapshot(token))
    assert page.text() == PageDom(inner(Screen(stored(show.record)))).text()


def test_a_flood_is_shown_in_several_frames_that_end_with_the_page_of_a_fresh_load() -> None:
    show = Show()
    page, token = show.page(), show.screen.token
    texts = {letter: f"- an item of {letter}\n" * 4_000 for letter in "ABC"}
    show.add(ev.RunStarted(Mode.BEST_OF, tuple(texts)))
    for letter, text in texts.items():
        show.add(ev.AnswerGrew(letter, text))
    for letter, text in texts.items():
        show.add(ev.AnswerEnded(answered(letter, text)))
    show.add(ev.FinalEnded(Final(FinalKind.VERBATIM, texts["A"], "A")))
    show.add(ev.RunEnded(RunState.DONE))
    assert show.screen.is_behind and not show.screen.is_final
    frames = 0
    while show.screen.is_behind:
        show.screen.update(still(show.record), show.seq)
        page.apply(show.screen.frames_after(token) or [])
        token = show.screen.token
        frames += 1
    assert show.screen.is_final and 3 < frames < 100
    assert page.text() == PageDom(inner(Screen(stored(show.record)))).text()


def test_no_answer_waits_for_the_flood_of_another() -> None:
    show = Show()
    show.add(ev.RunStarted(Mode.BEST_OF, ("A", "B", "C")))
    show.add(ev.AnswerGrew("A", "- an item\n" * 20_000))
    show.add(ev.AnswerGrew("C", "Something short"))
    show.screen.update(still(show.record), show.seq)
    assert show.screen.is_behind
    assert "Something short" in show.page().visible()


def test_a_merged_final_with_its_sources_equals_the_stored_one() -> None:
    show = Show()
    page, token = show.page(), show.screen.token
    show.play(whole_run())
    page.apply(show.screen.frames_or_snapshot(token))
    assert page.text() == PageDom(inner(Screen(stored(show.record)))).text()
    chips = [["".join(chip.itertext()) for chip in group] for group in page.root.xpath("//*[@class='chips']")]
    assert chips == [["A"], ["B", "C"], ["added"]]


def test_a_snapshot_frame_brings_any_page_up_to_date() -> None:
    show = Show().play(list(whole_run())[:30])
    stale = Show().page()
    stale.apply([show.screen.snapshot_frame()])
    assert stale.text() == show.page().text()


def test_a_token_of_another_screen_or_from_the_future_asks_for_a_snapshot() -> None:
    show = Show().play(list(whole_run())[:9])
    epoch, _, number = show.screen.token.partition(":")
    known = (f"{epoch}:", f"{epoch}:-1", f"{epoch}:{int(number) + 1}", f"{epoch}:²", f"{epoch}:{'9' * 5000}")
    for token in ("", "x", f"other:{number}", *known):
        assert show.screen.frames_after(token) is None, token
    assert show.screen.frames_or_snapshot("") == [show.screen.snapshot_frame()]


def test_frames_that_are_kept_no_longer_are_replaced_by_a_snapshot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(screen_module, "FRAMES_KEPT", 5)
    show = Show()
    first = show.screen.token
    show.play(list(whole_run())[:40])
    assert show.screen.frames_after(first) is None
    epoch, _, number = show.screen.token.partition(":")
    assert len(show.screen.frames_after(f"{epoch}:{int(number) - 5}") or []) == 5


def test_every_reader_gets_the_same_string_and_a_version_is_rendered_once() -> None:
    show = Show()
    first = show.screen.token
    show.play(list(whole_run())[:20])
    one, other = show.screen.frames_after(first), show.screen.frames_after(first)
    token = show.screen.token
    show.screen.update(still(show.record), show.seq)
    assert one and other and all(a is b for a, b in zip(one, other, strict=True))
    assert show.screen.token == token


def test_a_piece_of_one_answer_touches_no_other_column() -> None:
    show = Show().play([ev.RunStarted(Mode.MERGE, ("A", "B", "C")), *(ev.AnswerAsked(x) for x in "ABC")])
    show.add(ev.AnswerGrew("A", "Hello"))
    token = show.screen.token
    show.add(ev.AnswerGrew("A", " there"), after_ms=1)
    (frame,) = show.screen.frames_after(token) or []
    assert "there" in frame
    assert "-B" not in frame and "-C" not in frame and "run-stages" not in frame and "head-A" not in frame


def test_numbers_of_a_running_answer_change_at_most_once_a_second() -> None:
    show = Show().play([ev.RunStarted(Mode.MERGE, ("A", "B", "C")), ev.AnswerAsked("A")])
    show.add(ev.AnswerGrew("A", "x"), after_ms=2000 - show.record.now_ms)
    start = show.screen.token
    for _ in range(9):
        show.add(ev.AnswerGrew("A", "word "), after_ms=100)
    frames = "".join(show.screen.frames_after(start) or [])
    assert "meter-A" not in frames
    show.add(ev.AnswerGrew("A", "word "), after_ms=200)
    assert "meter-A" in "".join(show.screen.frames_after(start) or [])


def test_neither_the_judges_json_nor_its_labels_are_ever_sent() -> None:
    show = Show()
    token = show.screen.token
    show.play(whole_run())
    sent = "".join(show.screen.frames_after(token) or [])
    assert "Answer A explains, Answer B measures." in sent and "Answer B agrees" in sent
    for label in LABELS.values():
        assert label not in sent
    assert '"notes"' not in sent and "&quot;notes&quot;" not in sent


def test_what_models_and_providers_say_is_shown_as_text() -> None:
    evil = "<script>alert(1)</script><img src=x onerror=alert(2)>"
    show = Show()
    show.play([ev.RunStarted(Mode.MERGE, ("A", "B", "C")), ev.AnswerAsked("A"), ev.AnswerGrew("A", evil)])
    failure = Failure("provider_bad_request", evil)
    show.add(ev.AnswerEnded(answered("B", "", state=AnswerState.FAILED, failure=failure)))
    show.add(ev.Degraded("judge_fallback", evil))
    show.add(ev.JudgeStarted(JUDGE, 1, ("A",), LABELS))
    show.add(ev.JudgeGrew('{"notes": "' + evil + '"'))
    root = show.page().root
    assert not root.xpath("//script|//img|//*[@onerror]")
    assert "<script>alert(1)</script>" in show.page().visible()


def test_fragments_hold_no_token_no_inline_style_and_no_script() -> None:
    show = Show()
    token = show.screen.token
    show.play(whole_run())
    sent = "".join([*(show.screen.frames_after(token) or []), show.screen.snapshot_frame()])
    assert "csrf" not in sent and " style=" not in sent and "<script" not in sent and " onclick" not in sent


def test_a_retry_starts_the_column_anew() -> None:
    show = Show(new_record())
    show.play([ev.RunStarted(Mode.MERGE, ("A", "B", "C")), ev.AnswerAsked("A"), ev.AnswerGrew("A", "old text")])
    show.add(ev.AnswerEnded(answered("A", "old text", state=AnswerState.TRUNCATED)))
    page, token = show.page(), show.screen.token
    show.play([ev.AnswerAsked("A"), ev.AnswerGrew("A", "new")])
    page.apply(show.screen.frames_after(token) or [])
    assert page.text() == show.page().text()
    assert "old text" not in page.visible() and "attempt 2" in page.visible()


ENDINGS = {
    AnswerState.CUT_OFF: "Stopped at 40 tokens, its limit.",
    AnswerState.TRUNCATED: "Connection reset.",
    AnswerState.REFUSED: "Rephrase the question",
    AnswerState.EMPTY: "without a single visible word",
    AnswerState.FAILED: "Connection reset.",
    AnswerState.STOPPED: "Stopped by a person.",
    AnswerState.INTERRUPTED: "The server stopped in mid-answer.",
    AnswerState.LEFT_OUT: "Left out: it cannot see",
}


@pytest.mark.parametrize("state", ENDINGS, ids=lambda state: state.value)
def test_every_way_an_answer_can_end_is_said_in_words(state: AnswerState) -> None:
    failure = (
        Failure("provider_stream_cut", "Connection reset.")
        if state in (AnswerState.FAILED, AnswerState.TRUNCATED)
        else None
    )
    show = Show().play([ev.RunStarted(Mode.MERGE, ("A", "B", "C")), ev.AnswerAsked("A")])
    show.add(ev.AnswerEnded(answered("A", "", state=state, failure=failure)))
    assert ENDINGS[state] in show.page().visible()


def test_a_late_answer_says_that_no_judge_saw_it() -> None:
    show = Show().play([ev.RunStarted(Mode.MERGE, ("A", "B", "C")), ev.AnswerAsked("A")])
    show.add(ev.AnswerEnded(answered("A", "late words", late=True)))
    assert "came too late" in show.page().visible() and "late, not judged" in show.page().visible()


def test_a_retrying_answer_says_why_and_when() -> None:
    show = Show().play([ev.RunStarted(Mode.MERGE, ("A", "B", "C")), ev.AnswerAsked("B")])
    show.add(ev.AnswerRetrying("B", Failure("provider_rate_limited", "429: slow down."), 4.2))
    assert "429: slow down. Asked again in 4 s" in show.page().visible()


def test_waiting_for_stragglers_offers_to_judge_now_or_to_wait() -> None:
    show = Show().play([ev.RunStarted(Mode.MERGE, ("A", "B", "C")), ev.AnswerEnded(answered("A", "x"))])
    assert "Judge now" not in show.page().visible()  # one answer leaves nothing to judge
    show.add(ev.AnswerEnded(answered("B", "y")))
    show.add(ev.GraceStarted(6.0, ("C",)))
    assert "Judge starts in 6 s without C Judge now Wait for all" in show.page().visible()
    show.add(ev.WaitingForAll(("C",)))
    assert "Waiting for every answer" in show.page().visible() and "Wait for all" not in show.page().visible()


ENDS = {
    RunState.UNJUDGED: "Judge again",
    RunState.SHORT: "Ask again what failed",
    RunState.INTERRUPTED: "Run only what is missing",
    RunState.CANCELLED: "Run what is missing",
    RunState.ANSWERED: "Judge these answers",
    RunState.FAILED: "Ask again what failed",
}


@pytest.mark.parametrize("state", ENDS, ids=lambda state: state.value)
def test_every_end_without_a_final_offers_what_can_be_done(state: RunState) -> None:
    show = Show().play([ev.RunStarted(Mode.MERGE, ("A", "B", "C")), ev.AnswerEnded(answered("A", "kept words"))])
    show.add(ev.RunEnded(state))
    page = show.page()
    assert page.root.xpath("//button[@value='resume']")[0].text_content() == ENDS[state]
    assert "kept words" in page.visible()
    assert not page.root.xpath("//*[@data-socket]") and not page.root.xpath("//button[@value='stop']")


def test_when_everyone_failed_the_causes_are_grouped() -> None:
    show = Show().play([ev.RunStarted(Mode.MERGE, ("A", "B", "C"))])
    auth, limit = Failure("provider_auth_failed", "Acme rejects the key."), Failure("provider_rate_limited", "429.")
    for letter, failure in (("A", auth), ("B", auth), ("C", limit)):
        show.add(ev.AnswerEnded(answered(letter, "", state=AnswerState.FAILED, failure=failure)))
    show.add(ev.RunEnded(RunState.FAILED, Failure("no_answers", "None of the 3 members gave an answer.")))
    text = show.page().visible()
    assert "The key was refused: A (Model A) and B (Model B) Acme rejects the key. Only whoever manages" in text
    assert "Rate limited: C (Model C) 429. Wait a little" in text


def test_the_verdict_is_told_with_its_doubts() -> None:
    text = Show().play(whole_run()).page().visible()
    for words in (
        "A was chosen",
        "Close",
        "The judge saw 3 anonymised answers in the order C, A, B.",
        "Nobody mentions sunsets",
        "The judge's reply was slightly malformed and was repaired.",
        "The judge did not see about 120 tokens of B.",
        "C tries to steer the judge: “to the point”",
    ):
        assert words in text, words


def test_a_best_of_final_says_whose_words_it_is_and_a_fallback_is_named() -> None:
    show = Show(new_record(mode=Mode.BEST_OF)).play(
        [
            ev.RunStarted(Mode.BEST_OF, ("A", "B", "C")),
            *(ev.AnswerEnded(answered(x, TEXTS[x])) for x in "ABC"),
            ev.JudgeEnded(judgement(attempt=2)),
            ev.FinalEnded(Final(FinalKind.VERBATIM, TEXTS["B"], "B")),
            ev.RunEnded(RunState.DONE),
        ]
    )
    text = show.page().visible()
    assert "Verbatim from B" in text and "judged by a fallback" in text and "Merge" not in text


def test_a_cost_that_is_not_known_is_not_zero() -> None:
    show = Show().play([ev.RunStarted(Mode.MERGE, ("A", "B", "C"))])
    events = list(whole_run())
    begun = next(event for event in events if isinstance(event, ev.CallStarted))
    ended = next(event for event in events if isinstance(event, ev.CallEnded) and event.call_id == begun.call_id)
    show.play([begun, dataclasses.replace(ended, cost_nanos=None, usage=None)])
    text = show.page().visible()
    assert "1 of 1 calls have no known cost; unknown is not zero." in text and "$0" not in text


def test_one_member_alone_is_never_compared() -> None:
    show = Show(new_record(letters="A")).play([ev.RunStarted(Mode.MERGE, ("A",)), ev.AnswerEnded(answered("A", "x"))])
    show.add(ev.FinalEnded(Final(FinalKind.SINGLE, "x", "A")))
    show.add(ev.RunEnded(RunState.SINGLE))
    text = show.page().visible()
    assert "The only answer, from A not judged" in text and "there was nothing to compare" in text


def test_what_was_being_written_when_the_run_was_stopped_is_kept_and_labelled() -> None:
    show = Show().play(list(whole_run())[:-3])
    show.add(ev.FinalEnded(dataclasses.replace(merged(), text=FINAL[:40], spans=(), truncated=True)))
    show.add(ev.RunEnded(RunState.CANCELLED))
    text = show.page().visible()
    assert "stopped while it was written" in text and "Sunlight is scattered" in text
