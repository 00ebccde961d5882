"""What a person may do about the final of an ended run: have the stored answers judged again, pick one, choose one."""

from __future__ import annotations

from collections.abc import Mapping

from django.db import IntegrityError, transaction
from django.db.models import Max

from fusion.catalogue.available import models_of
from fusion.engine.types import AnswerState, FinalKind
from fusion.errors import InvalidInput, RunStateConflict, TooManyRuns
from fusion.models import FinalAnswer, Run, RunExecution, User
from fusion.models.pool import RubricKey
from fusion.runs.briefs import Brief, mode_of, queue_execution
from fusion.runs.ending import pending_of
from fusion.runs.plan import HasText, can_be_judged
from fusion.runs.selectors import engine_answer
from fusion.teams.rights import require_runner


def rejudge_run(
    *,
    run: Run,
    person: User,
    mode: str = "",
    judge: str = "",
    rubric: str = "",
    letters: str = "",
    idempotency_key: str = "",
) -> None:
    """Judge the stored answers once more, asking no member again; a repeated key changes nothing.

    `judge`: a ref of a model that can be asked here; empty for the pool's judge with its fallbacks. `letters`: the
    answers to judge; empty for all that are complete, late or not, and if those are fewer than two also for what broke
    off. What stands, stands until there is a new final.
    Raises InvalidInput, PoolUnusable, RunStateConflict, NotAllowed, TooManyRuns.
    """
    require_runner(person, run.team)
    if _is_asked(run, idempotency_key):
        return
    run.refresh_from_db(fields=["state"])
    if run.is_in_flight:
        raise RunStateConflict("This run is still under way. Judge again once it has ended.")
    brief = Brief(
        kind=RunExecution.Kind.REJUDGE,
        letters=_letters_to_judge(run, letters),
        mode=mode_of(mode or run.mode),
        judge=_judge_of(run, judge),
        rubric=_rubric_of(rubric or run.pool_version.rubric),
        idempotency_key=idempotency_key,
    )
    try:
        queue_execution(run, person, brief)
    except (RunStateConflict, TooManyRuns, IntegrityError):
        if not _is_asked(run, idempotency_key):  # the same form was sent twice at once and the other request won
            raise


def _is_asked(run: Run, key: str) -> bool:
    return bool(key) and run.executions.filter(idempotency_key=key).exists()


def _judge_of(run: Run, ref: str) -> str:
    """The pool's own judge keeps its fallbacks; another one is asked alone."""
    if ref and (reason := models_of(run.team).why_not(ref)):
        raise InvalidInput(f"“{ref[:120]}” cannot be asked here. {reason} Choose one from the list.", field="judge")
    return "" if ref == run.pool_version.judge else ref


def _rubric_of(name: str) -> str:
    if name not in RubricKey.values:
        raise InvalidInput("Choose one of the rubrics.", field="rubric")
    return name


def _letters_to_judge(run: Run, letters: str) -> str:
    offered = judgeable_in(run)
    chosen = sorted(set(letters)) if letters else [letter for letter, by_default in offered.items() if by_default]
    unknown = [letter for letter in chosen if letter not in offered]
    if unknown:
        raise InvalidInput(f"There is no text of answer {unknown[0][:1]} to judge.", field="letters")
    if len(chosen) < 2:
        raise InvalidInput("A judge needs at least two answers to compare.", code="too_few_to_judge", field="letters")
    return "".join(chosen)


def judgeable_in(run: Run) -> dict[str, bool]:
    """`judgeable` of a run's current answers, as they are stored."""
    rows = run.answers.filter(is_current=True).order_by("letter")
    return judgeable({row.letter: engine_answer(row) for row in rows})


def judgeable(answers: Mapping[str, HasText]) -> dict[str, bool]:
    """The letters whose text can be judged, and whether they are unless somebody says otherwise.

    What broke off counts only where fewer than two answers are complete; refusals only where every member refused.
    """
    texts = {letter: answer for letter, answer in answers.items() if can_be_judged(answer)}
    if all(answer.state is AnswerState.REFUSED for answer in answers.values()):
        return dict.fromkeys(texts, True)
    texts = {letter: answer for letter, answer in texts.items() if answer.state is not AnswerState.REFUSED}
    whole = [letter for letter, answer in texts.items() if answer.state.is_usable]
    return {letter: letter in whole or len(whole) < 2 for letter in texts}


def judge_again(*, run: Run, person: User) -> None:
    """Judge what is there with the judge, mode and rubric that made the final, or the pool's where there is none.

    Raises what `rejudge_run` raises.
    """
    made_by = _maker(run)
    if made_by is None:
        rejudge_run(run=run, person=person)
    else:
        rejudge_run(run=run, person=person, mode=made_by.mode, judge=made_by.judge, rubric=made_by.rubric)


def _maker(run: Run) -> RunExecution | None:
    final = run.finals.filter(is_current=True, picked_by=None).first()
    return None if final is None else run.executions.filter(number=final.execution).first()


@transaction.atomic
def pick_final(*, run: Run, person: User, letter: str) -> None:
    """Make an answer the final as it stands, said to be picked by this person and not judged; calls nobody.

    Raises InvalidInput, RunStateConflict, NotAllowed. Picking what is picked already changes nothing.
    """
    require_runner(person, run.team)
    _hold_ended(run)
    answer = run.answers.filter(letter=letter[:2], is_current=True).first()
    if answer is None or not answer.text.strip():
        raise InvalidInput(f"There is no text of answer “{letter[:8]}” that could be the final.", field="letter")
    standing = run.finals.filter(is_current=True).first()
    known = _known_now(run, letter)
    if standing is not None and (standing.kind, standing.letter, standing.known) == (FinalKind.PICKED, letter, known):
        return
    last = pending_of(run)
    run.finals.filter(is_current=True).update(is_current=False)
    FinalAnswer.objects.create(
        run=run,
        number=1 + (run.finals.aggregate(last=Max("number"))["last"] or 0),
        execution=last.number,
        kind=FinalKind.PICKED,
        mode=last.mode,
        rubric=last.rubric,
        text=answer.text,
        letter=answer.letter,
        known=known,
        truncated=answer.state != AnswerState.DONE,
        picked_by=person,
    )
    _stand(run, Run.State.DONE)


def _known_now(run: Run, letter: str) -> dict[str, int]:
    rows = run.answers.filter(is_current=True)
    return {row.letter: row.attempt for row in rows if AnswerState(row.state).is_usable or row.letter == letter}


@transaction.atomic
def choose_final(*, run: Run, person: User, number: int) -> None:
    """Make another of the run's finals *the* final; the run then stands as the execution that made it ended."""
    require_runner(person, run.team)
    _hold_ended(run)
    final = run.finals.filter(number=number).first()
    if final is None:
        raise InvalidInput(f"This run has no final {number}.")
    if final.is_current:
        return
    run.finals.filter(is_current=True).update(is_current=False)
    run.finals.filter(pk=final.pk).update(is_current=True)
    made_by = None if final.picked_by_id else run.executions.filter(number=final.execution).first()
    if made_by is None or not made_by.state:
        _stand(run, Run.State.DONE)
    else:
        _stand(run, made_by.state, made_by.failure_code, made_by.failure_message)


def _hold_ended(run: Run) -> None:
    """Lock a run that nobody executes; in a transaction."""
    run.state = Run.objects.select_for_update().only("state").get(pk=run.pk).state
    if run.is_in_flight:
        raise RunStateConflict("This run is still under way. Choose a final once it has ended.")


def _stand(run: Run, state: str, code: str = "", message: str = "") -> None:
    run.state, run.failure_code, run.failure_message = state, code, message
    run.save(update_fields=["state", "failure_code", "failure_message"])
