"""The finals of a run side by side, and what a person may do about the one that is shown, or about there being none."""

from __future__ import annotations

from dataclasses import dataclass

from fusion.engine.rubrics import RUBRICS
from fusion.engine.types import FinalKind, RunState
from fusion.live.record import FinalMark, RunRecord
from fusion.runs.finals import judgeable
from fusion.runs.plan import KEPT_WHEN_RESUMED, can_be_judged
from fusion.web.shown.notices import RETRIED_FROM_NOTICE
from fusion.web.shown.words import listed, plural


@dataclass(frozen=True, slots=True)
class FinalTab:
    """One final; `number` None for the one that is being made. `is_the_final`: no other one is."""

    number: int | None
    words: str
    is_shown: bool
    is_the_final: bool
    out_of_date: bool


@dataclass(frozen=True, slots=True)
class FinalTabs:
    """Nothing is shown while there is only one."""

    run_id: str
    tabs: tuple[FinalTab, ...]


@dataclass(frozen=True, slots=True)
class FinalDeeds:
    """What can be done about the final of an ended run; empty words stand for no such action.

    `choose`: the number of the shown final when it is not *the* final. `judge`: judges at once, with the settings of
    before; `rejudge`: opens the choice of judge, mode and rubric; `ask`: asks the members that gave nothing; `pick`:
    the letters that can be made the final.
    """

    run_id: str
    note: str = ""
    choose: int | None = None
    judge: str = ""
    rejudge: str = ""
    ask: str = ""
    pick: tuple[str, ...] = ()


def final_tabs(record: RunRecord) -> FinalTabs:
    tabs = [_tab(record, mark) for mark in record.finals]
    in_flight = not record.is_final or record.elsewhere
    if tabs and in_flight and (record.elsewhere or record.final.number is None):
        shown = record.final.number is None
        tabs.append(FinalTab(None, "being made", is_shown=shown, is_the_final=False, out_of_date=False))
    return FinalTabs(record.public_id, tuple(tabs) if len(tabs) > 1 else ())


def _tab(record: RunRecord, mark: FinalMark) -> FinalTab:
    shown = mark.number == record.final.number
    return FinalTab(mark.number, final_name(mark), shown, mark.is_current, mark.out_of_date)


def final_name(mark: FinalMark) -> str:
    """`Merge · Judge X · Code review`, or how else it came about."""
    if mark.kind is FinalKind.PICKED:
        return f"{mark.letter}, picked by {mark.picked_by}"
    if mark.kind is FinalKind.SINGLE:
        return f"Only answer, {mark.letter}"
    if mark.kind is FinalKind.ANCHOR:
        return f"Anchor’s answer, {mark.letter}"
    rubric = RUBRICS[mark.rubric].title if mark.rubric in RUBRICS else mark.rubric
    judge = mark.judge.name if mark.judge is not None else "no judge"
    return " · ".join((mark.mode.value.capitalize(), judge, rubric))


# --- what can be done ----------------------------------------------------------------------------------


def final_deeds(record: RunRecord) -> FinalDeeds:
    if not record.is_final or record.elsewhere:
        return FinalDeeds(record.public_id)
    shown = next((mark for mark in record.finals if mark.number == record.final.number), None)
    if shown is not None and not shown.is_current:
        note = "Another one is the final of this run; this one is kept beside it."
        return FinalDeeds(record.public_id, note=note, choose=shown.number)
    offered = judgeable(record.answers)
    rejudge = "Re-judge…" if len(offered) > 1 else ""
    if shown is not None:
        note, judge = _about_change(record, shown) if rejudge else ("", "")
        return FinalDeeds(record.public_id, note=note, judge=judge, rejudge=rejudge, ask=_ask_missing(record))
    return _without_final(record, offered, rejudge)


def _ask_missing(record: RunRecord) -> str:
    """With a final the members that gave nothing can be asked once more; a judging that was cut off comes first."""
    if record.state not in (RunState.DONE, RunState.SINGLE):
        return ""
    attempted = record.attempted
    if attempted is not None and attempted.state in (RunState.CANCELLED, RunState.INTERRUPTED):
        return ""
    missing = [column for column in record.answers.values() if column.state not in KEPT_WHEN_RESUMED]
    is_offered = len(missing) == 1 and missing[0].state in RETRIED_FROM_NOTICE and record.state is RunState.DONE
    return "" if is_offered or not missing else f"Ask {listed([column.letter for column in missing])} again"


def _about_change(record: RunRecord, shown: FinalMark) -> tuple[str, str]:
    """Why the final might be made anew, and the words of the button that does so."""
    if shown.out_of_date:
        return "An answer was asked anew after this final was made.", "Judge the new answers"
    late = [x for x, column in record.answers.items() if record.is_unjudged(x) and column.state.is_usable]
    if not late:
        return "", ""
    came = f"{listed(late)} came too late for this final."
    return came, f"Judge again with {listed(late)}"


_AT_ONCE = {
    RunState.SHORT: "Judge anyway",
    RunState.CANCELLED: "Judge what we have",
    RunState.INTERRUPTED: "Judge what we have",
    RunState.FAILED: "Judge what we have",
}


def _without_final(record: RunRecord, offered: dict[str, bool], rejudge: str) -> FinalDeeds:
    pick = tuple(x for x, column in record.answers.items() if can_be_judged(column))
    taken = [letter for letter, by_default in offered.items() if by_default]
    is_all = all(column.state.is_usable for column in record.answers.values())  # then nothing else is missing
    at_once = _AT_ONCE.get(record.state, "") if len(taken) > 1 and not is_all else ""
    partial = [letter for letter in taken if not record.answers[letter].state.is_usable]
    note = f"{listed(partial)} broke off and would be judged as far as {'it goes' if len(partial) == 1 else 'they go'}."
    return FinalDeeds(
        record.public_id,
        note=note if at_once and partial else "",
        judge=f"{at_once} ({plural(len(taken), 'answer')})" if at_once else "",
        rejudge=rejudge,
        pick=pick if len(record.answers) > 1 else (),
    )
