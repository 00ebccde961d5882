"""The regions of a run's page: which value each shows, and the one fragment that renders it for page and push."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache, partial

from django.template import Template
from django.template.backends.django import Template as BackendTemplate
from django.template.context import Context
from django.template.loader import get_template
from django.utils.safestring import SafeString, mark_safe

from fusion.live.record import AnswerRecord, RunRecord
from fusion.web.deception import spelled_out
from fusion.web.shown import answers, debates, finals, glance, notices, receipts, rounds, stages, tabs, verdicts


@dataclass(frozen=True, slots=True)
class Region:
    """One element of the page. `pace` is a cheap key: while it stays the same the value is not even made.

    The fragment's root element has `element` as its id.
    """

    element: str
    template: str
    view: Callable[[RunRecord], object]
    pace: Callable[[RunRecord], Hashable] | None = None

    @property
    def name(self) -> str:
        """How templates call it."""
        return self.element.replace("-", "_")


def run_regions() -> tuple[Region, ...]:
    """The regions that every run has, in no particular order."""
    return (
        Region("run-state", "_run_state", stages.run_head),
        Region("run-clock", "_run_clock", stages.clock),
        Region("run-stages", "_run_stages", stages.stage_strip),
        Region("run-grace", "_run_grace", stages.grace),
        Region("run-steer", "_run_steer", stages.steer),
        Region("run-notices", "_run_notices", notices.notices),
        Region("run-tabs", "_run_tabs", answers.tab_bar),
        Region("final-tabs", "_final_tabs", tabs.final_tabs),
        Region("final-deeds", "_final_deeds", tabs.final_deeds),
        Region("final-head", "_final_head", finals.final_head),
        Region("final-glance", "_final_glance", glance.glance, glance.glance_pace),
        Region("final-wait", "_final_wait", finals.final_wait, _judging_pace),
        Region("run-why", "_run_why", verdicts.why),
        Region("run-receipt", "_run_receipt", receipts.receipt),
    )


def column_regions(letter: str) -> tuple[Region, Region, Region]:
    """Head, meter and note of one answer."""

    def column(record: RunRecord) -> AnswerRecord:
        return record.answers[letter]

    return (
        Region(f"head-{letter}", "_column_head", lambda record: answers.column_head(record, column(record))),
        Region(
            f"meter-{letter}",
            "_column_meter",
            lambda record: answers.meter(column(record), record.now_ms),
            lambda record: _meter_pace(column(record), record.now_ms),
        ),
        Region(f"note-{letter}", "_column_note", lambda record: answers.column_note(record, column(record))),
    )


def debate_regions(letters: Iterable[str]) -> Iterator[Region]:
    """The regions of a run that debates: one per member in each round that there may be."""
    yield Region("debate-head", "_debate_head", debates.debate_head)
    yield Region("debate-note", "_debate_note", debates.debate_note)
    yield Region("debate-disputes", "_debate_disputes", debates.disputes, _ledger_pace)
    yield Region("debate-ruling", "_debate_ruling", debates.ruling)
    for number in rounds.ROUNDS:
        yield Region(f"round-{number}", "_debate_round", partial(rounds.round_head, number=number))
        for letter in letters:
            yield _cell_region(number, letter)


def _cell_region(number: int, letter: str) -> Region:
    return Region(
        f"round-{number}-{letter}",
        "_debate_cell",
        partial(rounds.cell, number=number, letter=letter),
        partial(rounds.cell_pace, number=number, letter=letter),
    )


def _ledger_pace(record: RunRecord) -> Hashable:
    """The ledger only changes when a round ends, and when it is ruled on."""
    debate = record.debate
    ended = sum(one.ended for one in debate.rounds)
    return (bool(debate.disputes), ended, debate.reason, record.ruling.ruling is not None, record.is_final)


def _meter_pace(column: AnswerRecord, now_ms: int) -> Hashable:
    """Once a second while it runs: numbers that flicker cannot be read."""
    if column.state.is_final:
        return (column.attempt, column.state, column.total_ms)
    return (column.attempt, column.state, now_ms // 1000)


def _judging_pace(record: RunRecord) -> Hashable:
    """Reading an unfinished verdict costs milliseconds: at most four times a second."""
    judge, ruling, final = record.judge, record.ruling, record.final
    return (
        record.state,
        bool(record.debate.disputes),
        record.debate.reason,
        ruling.attempt,
        ruling.reask,
        len(ruling.failures),
        ruling.ruling is None,
        judge.attempt,
        judge.reask,
        judge.winner_only,
        judge.masked,
        len(judge.failures),
        judge.judgement is None,
        final.final is None and not final.text,
        record.now_ms // verdicts.READ_EVERY_MS if judge.text or ruling.text else None,
    )


def render_region(region: Region, view: object) -> SafeString:
    """The fragment as it stands in a page."""
    return mark_safe(spelled_out(_template(region.template).render(Context({"view": view})).strip()))


@cache
def _template(name: str) -> Template:
    backend = get_template(f"fusion/runs/{name}.html")
    assert isinstance(backend, BackendTemplate)
    return backend.template


def swapped(html: str, element: str) -> str:
    """The same fragment as a message that replaces the element of that id."""
    mark = f'id="{element}"'
    return html.replace(mark, f'{mark} hx-swap-oob="true"', 1)
