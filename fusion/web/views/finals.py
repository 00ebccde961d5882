"""Judging a run once more, and reading what its members answered before."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.safestring import SafeString, mark_safe
from django.views.decorators.cache import never_cache

from fusion.catalogue.available import models_of
from fusion.engine.types import AnswerState, Role
from fusion.errors import FusionError, NotAllowed, RunStateConflict
from fusion.live.record import AnswerRecord, RunRecord
from fusion.models import Run
from fusion.runs.costs import sum_cost_nanos
from fusion.runs.finals import judgeable, rejudge_run
from fusion.runs.selectors import attempts_of, load_record
from fusion.teams.rights import require_runner
from fusion.web.document import document_html
from fusion.web.forms.models import model_choices
from fusion.web.forms.rejudge import RejudgeForm
from fusion.web.forms.runs import new_key
from fusion.web.shown.answers import column_note
from fusion.web.shown.words import ANSWER_WORDS, Word
from fusion.web.views.entry import allow, read_only, signed_in
from fusion.web.views.refusals import refusal
from fusion.web.views.runs import person_of, status_of, visible_run


@signed_in
@never_cache
@allow("GET", "HEAD", "POST")
def run_rejudge(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """The form that chooses how to judge again, as a page or, for a script, by itself; sent, it starts that."""
    user = person_of(request)
    run = visible_run(user, public_id)
    try:
        require_runner(user, run.team)
        _require_ended(run, request)
    except FusionError as failure:
        return refusal(request, failure.message, status=status_of(failure))
    record = load_record(run)
    form = _form(request, run, record)
    if request.method != "POST":
        return _form_page(request, run, record, form)
    status = 422
    if form.is_valid():
        try:
            rejudge_run(run=run, person=user, **form.wishes())
        except (NotAllowed, RunStateConflict) as failure:
            return refusal(request, failure.message, status=status_of(failure))
        except FusionError as failure:
            form.add_failure(failure)
            status = status_of(failure)
        else:
            return _to_run(request, run)
    return _form_page(request, run, record, form, status=status)


def _require_ended(run: Run, request: HttpRequest) -> None:
    """A form that is sent may be one that was sent already: the service knows."""
    if run.is_in_flight and request.method != "POST":
        raise RunStateConflict("This run is still under way. Judge again once it has ended.")


def _form(request: HttpRequest, run: Run, record: RunRecord) -> RejudgeForm:
    """As the final that stands was made, or as the pool says."""
    offered = judgeable(record.answers)
    models = models_of(run.team)
    words = {letter: _letter_words(record.answers[letter]) for letter in offered}
    if request.method == "POST":
        return RejudgeForm(request.POST, models=models, offered=words)
    judge = record.judge_refs[0] if record.judge_refs else ""
    initial = {
        "judge": "" if judge == run.pool_version.judge else judge,
        "mode": record.mode.value,
        "rubric": record.rubric,
        "letters": [letter for letter, by_default in offered.items() if by_default],
        "idempotency_key": new_key(),
    }
    return RejudgeForm(models=models, offered=words, initial=initial)


def _blank_judge(run: Run, record: RunRecord) -> str:
    version = run.pool_version
    if not version.judge:
        return "No judge in this pool: choose one"
    fallbacks = ", with its fallbacks" if version.fallback_judges else ""
    return f"The pool’s judge: {record.facts(version.judge).name}{fallbacks}"


def _letter_words(column: AnswerRecord) -> str:
    facts = [column.letter, column.endpoint.name]
    if column.late:
        facts.append("late")
    if column.state is not AnswerState.DONE:
        facts.append(ANSWER_WORDS[column.state].label.lower())
    return " · ".join(facts)


def _form_page(
    request: HttpRequest, run: Run, record: RunRecord, form: RejudgeForm, *, status: int = 200
) -> HttpResponse:
    spent = [call for call in record.calls.values() if call.started.role in (Role.JUDGE, Role.WRITER)]
    context = {
        "run_id": record.public_id,
        "prompt": record.prompt,
        "form": form,
        "models": model_choices(models_of(run.team), run.team),
        "judge_blank": _blank_judge(run, record),
        "spent_nanos": sum_cost_nanos(spent),
        "can_judge": len(judgeable(record.answers)) > 1,
    }
    alone = request.headers.get("HX-Request") == "true"
    name = "fusion/runs/_rejudge.html" if alone else "fusion/runs/rejudge.html"
    return render(request, name, context, status=status)


def _to_run(request: HttpRequest, run: Run) -> HttpResponse:
    if request.headers.get("HX-Request") != "true":
        return redirect("run-detail", run.public_id)
    return HttpResponse(status=204, headers={"HX-Redirect": reverse("run-detail", args=[run.public_id])})


# --- what was answered before ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ShownAttempt:
    """One earlier attempt: how it ended, its text as the page shows texts, and why there is a later one."""

    column: AnswerRecord
    word: Word
    html: SafeString
    note: str
    replaced: str


@signed_in
@never_cache
@read_only
def run_attempts(request: HttpRequest, public_id: UUID, letter: str) -> HttpResponse:
    """The earlier attempts of one answer, newest first; 404 where there are none."""
    run = visible_run(person_of(request), public_id)
    earlier = attempts_of(run).get(letter, [])
    if not earlier:
        raise Http404("This answer has no earlier attempts.")
    record = load_record(run)
    context = {
        "run_id": record.public_id,
        "prompt": record.prompt,
        "letter": letter,
        "name": record.answers[letter].endpoint.name,
        "attempts": [_shown(record, column) for column in reversed(earlier)],
    }
    alone = request.headers.get("HX-Request") == "true"
    return render(request, "fusion/runs/_attempts.html" if alone else "fusion/runs/attempts.html", context)


def _shown(record: RunRecord, column: AnswerRecord) -> ShownAttempt:
    return ShownAttempt(
        column=column,
        word=ANSWER_WORDS[column.state],
        html=mark_safe(document_html(f"older-{column.letter}{column.attempt}", column.text)),
        note=column_note(record, column).text,
        replaced=replaced_because(column),
    )


def replaced_because(column: AnswerRecord) -> str:
    """Why the member was asked once more."""
    if column.state is AnswerState.INTERRUPTED:
        return "The run was taken up again after the interruption, and this member was asked anew."
    if column.state.is_usable:
        return "A person asked this member again; the newer attempt is the one that counts."
    return "It gave no whole answer, so this member was asked again."
