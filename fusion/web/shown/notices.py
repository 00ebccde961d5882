"""What went otherwise than planned, said once and calmly, each with what can be done about it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from fusion.engine.types import AnswerState, Failure, RunState
from fusion.live.record import AnswerRecord, RunRecord
from fusion.runs.report import attempted_words
from fusion.web.shown.words import advice, cause, listed, plural


@dataclass(frozen=True, slots=True)
class Notice:
    """`lines`: one sentence per member, where there are several. `retry`: letters to ask again from here."""

    tone: str
    title: str
    text: str = ""
    hint: str = ""
    lines: tuple[str, ...] = ()
    retry: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Notices:
    """`resume`: the words of the button that runs what is missing; empty for none.

    `elsewhere`: offers to ask another pool; `discard`: offers to delete the run.
    """

    run_id: str
    notices: tuple[Notice, ...]
    resume: str
    elsewhere: bool
    discard: bool


_DEGRADED_TITLES = {
    "single_answer": "Single answer, not judged",
    "quorum_missed": "Fewer answers than this pool wants",
    "judged_early": "Judged early",
    "late_answers_left_out": "Judged without late answers",
    "judge_fallback": "Judged by a fallback",
    "analysis_missing": "A winner without an analysis",
    "suspect_winner": "The chosen answer speaks to judges",
    "suspect_disqualified": "An answer was disqualified",
    "ruling_fallback": "Ruled on by a fallback",
    "ruling_failed": "Not ruled on",
    "writer_failed": "Not merged",
    "final_truncated": "The final is not complete",
}
_ELSEWHERE = frozenset({RunState.FAILED, RunState.UNJUDGED, RunState.SHORT})
_MISSING = frozenset({AnswerState.FAILED, AnswerState.EMPTY, AnswerState.REFUSED})
RETRIED_FROM_NOTICE = frozenset({AnswerState.FAILED, AnswerState.EMPTY})
# Notes of the engine that tell who is missing already.
_TELL_OF_MISSING = frozenset({"quorum_missed", "single_answer"})


def notices(record: RunRecord) -> Notices:
    about_finals = [*_under_way(record), *_attempted(record)]
    found = [*_queued(record), *about_finals, *_ending(record), *_partial(record), *_degraded(record)]
    shows_now = not record.elsewhere and not record.is_looked_back_at
    return Notices(
        run_id=record.public_id,
        notices=tuple(found),
        resume=_resume(record) if shows_now else "",
        elsewhere=shows_now and record.state in _ELSEWHERE,
        discard=shows_now and record.state is RunState.CANCELLED,
    )


# --- several finals ----------------------------------------------------------------------------------


def _under_way(record: RunRecord) -> Iterator[Notice]:
    if record.elsewhere:
        text = "This page shows an earlier final and does not change. The tab “being made” shows what happens."
        yield Notice("info", "This run is under way", text)


def _attempted(record: RunRecord) -> Iterator[Notice]:
    """A final stands although something was done to have another one."""
    attempted = record.attempted
    if attempted is None:
        return
    reason = f"{attempted.failure.message} " if attempted.failure is not None else ""
    hint = "" if attempted.state in _CUT_OFF else "Judge again with another judge, or leave it as it is."
    yield Notice("warn", attempted_words(attempted), f"{reason}The final stands as before.", hint)


_CUT_OFF = (RunState.CANCELLED, RunState.INTERRUPTED)


# --- before and while it runs ----------------------------------------------------------------------


def _queued(record: RunRecord) -> Iterator[Notice]:
    """Only where it takes long enough to be wondered about."""
    ahead = record.queue_ahead
    if ahead is None or record.state is not RunState.QUEUED:
        return
    place = f"{plural(ahead, 'run is', 'runs are')} before it." if ahead else "It is the next one."
    yield Notice(
        "info",
        "Queued",
        f"No server process has taken this run up yet. {place}",
        "It starts by itself, also when this page is closed. Until then it costs nothing and can be cancelled.",
    )


def _partial(record: RunRecord) -> Iterator[Notice]:
    """Somebody is missing, and yet there was enough to judge."""
    if record.panel_closed is None or any(note.code in _TELL_OF_MISSING for note in record.degraded):
        return
    if record.is_final and record.state is not RunState.DONE:
        return
    missing = [column for column in record.answers.values() if column.state in _MISSING]
    usable = sum(column.state.is_usable for column in record.answers.values())
    if not missing or usable < 2:
        return
    can_ask = record.is_final and not record.elsewhere
    again = tuple(column.letter for column in missing if column.state in RETRIED_FROM_NOTICE) if can_ask else ()
    yield Notice(
        "info",
        f"{usable} of {len(record.answers)} answered, which is enough",
        lines=tuple(_member_line(column) for column in missing),
        hint="The others are compared." if not record.is_final else "",
        retry=again,
    )


def _member_line(column: AnswerRecord) -> str:
    reason = column.failure.message if column.failure is not None else _WITHOUT_A_REASON[column.state]
    return f"{column.letter}: {reason}"


_WITHOUT_A_REASON = {
    AnswerState.FAILED: "This call failed.",
    AnswerState.EMPTY: "It ended without a single visible word.",
    AnswerState.REFUSED: "The provider's filter declined this question.",
}


def _degraded(record: RunRecord) -> Iterator[Notice]:
    said = {record.failure.message} if record.failure is not None else set()
    for note in record.degraded:
        is_ending = record.state is RunState.SHORT and note.code == "quorum_missed"
        if note.message not in said and not is_ending:
            yield Notice("warn", _DEGRADED_TITLES.get(note.code, "Note"), note.message)


# --- why there is no ordinary final ------------------------------------------------------------------


def _ending(record: RunRecord) -> Iterator[Notice]:
    if record.state is RunState.FAILED and not any(column.text for column in record.answers.values()):
        yield from _all_failed(record)
        return
    title, tone = _ENDINGS.get(record.state, ("", ""))
    failure = record.failure
    if record.state is RunState.UNJUDGED and failure is not None:
        title, tone = _UNJUDGED.get(failure.code, (title, tone))
    if title:
        if failure is None or record.state is RunState.INTERRUPTED:
            text = _ending_text(record)  # says more than the failure of a run that was interrupted
        else:
            text = failure.message
        yield Notice(tone, title, text, advice(failure) or _HINTS.get(record.state, ""))


_ENDINGS = {
    RunState.FAILED: ("This run failed", "bad"),
    RunState.SHORT: ("Too few answers to judge", "warn"),
    RunState.UNJUDGED: ("No verdict", "warn"),
    RunState.CANCELLED: ("Stopped", "info"),
    RunState.INTERRUPTED: ("Interrupted", "warn"),
    RunState.ANSWERED: ("Answers only", "info"),
}
_UNJUDGED = {
    "none_acceptable": ("The judge finds no answer good enough", "warn"),
    "cannot_judge": ("The judge could not decide", "warn"),
}
_HINTS = {
    RunState.SHORT: "Nothing is judged yet.",
    RunState.UNJUDGED: "The answers are kept as they are.",
}


def _ending_text(record: RunRecord) -> str:
    match record.state:
        case RunState.SHORT:
            return _short(record)
        case RunState.CANCELLED:
            return _stopped(record)
        case RunState.INTERRUPTED:
            return f"The server stopped in mid-run. {_kept(record)} Nothing finished is asked again."
        case RunState.ANSWERED:
            return "The members have answered; no judge was asked."
    return _kept(record)


def _short(record: RunRecord) -> str:
    said = next((note.message for note in record.degraded if note.code == "quorum_missed"), "")
    usable = sum(column.state.is_usable for column in record.answers.values())
    return said or f"{usable} of {len(record.answers)} members answered, and this pool asks before it judges fewer."


def _stopped(record: RunRecord) -> str:
    if record.final.final is not None:
        return "A person stopped this run while the final was written. What was written is kept; it is not complete."
    if record.judge.endpoint is not None and record.judge.judgement is None:
        return f"A person stopped this run while the judge was at work. {_kept(record)}"
    return f"A person stopped this run. {_kept(record)}"


def _kept(record: RunRecord) -> str:
    """How much of the panel is there."""
    columns = record.answers.values()
    usable = sum(column.state.is_usable for column in columns)
    begun = sum(bool(column.text) and not column.state.is_usable for column in columns)
    complete = f"{usable} of {len(columns)} answers {'is' if usable == 1 else 'are'} complete" if usable else ""
    also = f"{begun} that {'was' if begun == 1 else 'were'} begun {'is' if begun == 1 else 'are'} kept"
    if complete and begun:
        return f"{complete}, and {also} too."
    if complete:
        return f"{complete} and kept."
    return f"No answer is complete, but {also}." if begun else "No answer had come by then."


def _all_failed(record: RunRecord) -> Iterator[Notice]:
    """One notice per cause: whom it hit, what each was told, and who can do something about it."""
    by_cause: dict[str, list[AnswerRecord]] = defaultdict(list)
    for column in record.answers.values():
        if column.state is not AnswerState.WAITING:
            by_cause[column.failure.code if column.failure is not None else ""].append(column)
    if not by_cause:
        failure = record.failure
        text = failure.message if failure is not None else "It could not be started."
        yield Notice("bad", "This run failed", text, advice(failure))
    for code, columns in by_cause.items():
        yield _cause_notice(code, columns)


def _cause_notice(code: str, columns: list[AnswerRecord]) -> Notice:
    messages = dict.fromkeys(column.failure.message if column.failure else "No answer came." for column in columns)
    members = listed([f"{column.letter} ({column.endpoint.name})" for column in columns])
    told = tuple(_member_line(column) if column.failure else f"{column.letter}: no answer" for column in columns)
    return Notice(
        "info" if all(column.state is AnswerState.REFUSED for column in columns) else "bad",
        f"{cause(code)}: {members}",
        text=next(iter(messages)) if len(messages) == 1 else "",
        lines=told if len(messages) > 1 else (),
        hint=advice(Failure(code, "")),
    )


# --- what can be run ---------------------------------------------------------------------------------


_RESUME = {
    RunState.INTERRUPTED: "Run only what is missing",
    RunState.CANCELLED: "Run what is missing",
    RunState.FAILED: "Ask again what failed",
    RunState.SHORT: "Ask again what failed",
    RunState.UNJUDGED: "Judge again",
    RunState.ANSWERED: "Judge these answers",
}


def _resume(record: RunRecord) -> str:
    """Said as what it will do: where every answer is there, only judging or writing is missing."""
    attempted = record.attempted
    if attempted is not None and attempted.rejudged and attempted.state in _CUT_OFF:
        return "Go on judging"
    if record.state not in (RunState.CANCELLED, RunState.INTERRUPTED):
        return _RESUME.get(record.state, "")
    if record.debate.ledger and record.ruling.ruling is None:
        return "Go on with the debate" if record.debate.reason is None else "Have the debate ruled on"
    judgement = record.judge.judgement
    if judgement is not None and judgement.chosen is not None:
        return "Write the final anew" if record.final.final is not None else "Write the final"
    if len(record.answers) > 1 and all(column.state.is_usable for column in record.answers.values()):
        return "Judge these answers"
    return _RESUME[record.state]
