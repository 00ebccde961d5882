"""What a person may do with runs: start, steer, resume, retry, delete. One transaction each; doors translate errors."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from fusion.engine.prompts import PROMPTS_VERSION
from fusion.engine.types import AnswerState
from fusion.errors import InvalidInput, RunStateConflict
from fusion.live.runs import LIVE
from fusion.models import Answer, Pool, PoolVersion, PromptImage, Run, RunCommand, RunExecution, Team, User
from fusion.models.pool import Mode
from fusion.models.run import BlindMembers
from fusion.runs.briefs import Brief, brief_of, check_in_flight, mode_of, queue_execution
from fusion.runs.dispatch import deliver_command, dispatch_run
from fusion.runs.ending import end_queued, pending_of
from fusion.runs.images import check_number, give_images
from fusion.runs.plan import KEPT_WHEN_RESUMED, check_somebody_sees, check_usable, endpoint_facts, run_seed, todo_of
from fusion.runs.selectors import run_with_rows
from fusion.teams.audit import record_action
from fusion.teams.rights import Action, require, require_run_deleter, require_runner

RESUMABLE = frozenset(
    {
        Run.State.INTERRUPTED,
        Run.State.CANCELLED,
        Run.State.FAILED,
        Run.State.SHORT,
        Run.State.UNJUDGED,
        Run.State.ANSWERED,
    }
)
CUT_OFF = frozenset({Run.State.INTERRUPTED, Run.State.CANCELLED})
FINISHED = frozenset({Run.State.DONE, Run.State.SINGLE})


def start_run(
    *,
    author: User,
    pool: Pool,
    prompt: str,
    mode: str | None = None,
    idempotency_key: str,
    private: bool = False,
    images: Sequence[PromptImage] = (),
    blind_members: str = BlindMembers.TELL,
) -> Run:
    """Create a run and, once committed, dispatch it; a repeated key of the same author gives the run that exists.

    `images`: those that the author may use, from `find_images`; one of another run is copied.
    Raises InvalidInput (the prompt, the images), PoolUnusable, NotAllowed, TooManyRuns; then no run is left behind.
    """
    existing = _run_of_key(author, idempotency_key)
    if existing is not None:
        return existing
    check_prompt(prompt)
    check_number(len(images))
    require_runner(author, pool.team)
    version = _usable_version(pool)
    if images and blind_members == BlindMembers.LEAVE_OUT:
        check_somebody_sees(version)
    chosen = mode_of(mode or version.mode)
    try:
        return _create_run(
            author=author,
            version=version,
            prompt=prompt,
            mode=chosen,
            key=idempotency_key,
            private=private,
            images=images,
            blind_members=blind_members,
        )
    except IntegrityError:
        # The same form was sent twice at once and the other request won.
        existing = _run_of_key(author, idempotency_key)
        if existing is None:
            raise
        return existing


def _run_of_key(author: User, key: str) -> Run | None:
    if not key:
        raise InvalidInput("A run needs a key of its own, so that it is started once.", field="idempotency_key")
    return Run.objects.filter(author=author, idempotency_key=key).first()


def check_prompt(prompt: str) -> None:
    """Raises InvalidInput, saying what to change, unless the prompt can be sent as it is."""
    limit: int = settings.FUSION_PROMPT_MAX_CHARS
    if not prompt.strip():
        raise InvalidInput("Write a question first.", code="prompt_empty", field="prompt")
    if len(prompt) > limit:
        raise InvalidInput(
            f"The question has {len(prompt):,} characters; {limit:,} are allowed. "
            f"Shorten it by {len(prompt) - limit:,}.",
            code="prompt_too_long",
            field="prompt",
        )
    if "\0" in prompt:
        raise InvalidInput(
            "The question contains a NUL character, which no model accepts. Remove it: it comes from a binary file.",
            code="prompt_has_nul",
            field="prompt",
        )
    if any("\ud800" <= char <= "\udfff" for char in prompt):
        raise InvalidInput(
            "The question contains bytes that are not text in UTF-8. Convert it to UTF-8 first.",
            code="prompt_not_text",
            field="prompt",
        )


def _usable_version(pool: Pool) -> PoolVersion:
    if pool.current is None:
        raise InvalidInput("This pool has no members. Edit the pool and add at least one.", field="pool")
    check_usable(pool.current)
    return pool.current


@transaction.atomic
def _create_run(
    *,
    author: User,
    version: PoolVersion,
    prompt: str,
    mode: Mode,
    key: str,
    private: bool,
    images: Sequence[PromptImage] = (),
    blind_members: str = BlindMembers.TELL,
) -> Run:
    User.objects.select_for_update().get(pk=author.pk)  # two starts of one person count one after the other
    existing = _run_of_key(author, key)
    if existing is not None:
        return existing  # before it counts as one too many
    Team.objects.select_for_update().get(pk=version.pool.team_id)
    require_runner(author, version.pool.team)  # again: the team may have been deleted, or left, a moment ago
    check_usable(version)  # again: so may a connection
    check_in_flight(author)
    run = Run(
        team=version.pool.team,
        author=author,
        pool_version=version,
        mode=mode,
        prompt=prompt,
        is_private=private or version.pool.visibility == Pool.Visibility.PRIVATE,
        idempotency_key=key,
        prompts_version=PROMPTS_VERSION,
        blind_members=blind_members,
    )
    run.seed = run_seed(run.public_id)
    run.save(force_insert=True)
    give_images(run=run, images=images)
    facts = endpoint_facts(version)
    Answer.objects.bulk_create(
        Answer(run=run, letter=seat.letter, ref=seat.ref, endpoint=_as_json(facts[seat.ref]))
        for seat in version.members.all()
    )
    RunExecution.objects.create(run=run, number=1, mode=mode, rubric=version.rubric, person=author)
    transaction.on_commit(partial(dispatch_run, run.pk))
    return run


def _as_json(facts: object) -> dict[str, object]:
    return {name: getattr(facts, name) for name in ("ref", "model_id", "name", "provider", "simulated", "problem")}


# --- steering a run in flight ----------------------------------------------------------------------


def stop_run(*, run: Run, person: User) -> None:
    """End every upstream call of the run; what was answered is kept."""
    require_runner(person, run.team)
    if not _stop_queued(run.pk):
        _command(run, person, "stop")


@transaction.atomic
def _stop_queued(run_pk: int) -> bool:
    """End a run that nobody executes yet; False when it is not (or no longer) one."""
    run = Run.objects.select_for_update().defer("prompt").get(pk=run_pk)
    if run.state != Run.State.QUEUED or run.worker_id is not None:
        return False
    end_queued(run)
    return True


def stop_answer(*, run: Run, person: User, letter: str) -> None:
    """End one member's call; its partial text is kept, the others go on."""
    _command(run, person, "stop-answer", _known_letter(run, letter))


def judge_now(*, run: Run, person: User) -> None:
    """Judge the answers that are there, without waiting for the rest."""
    _command(run, person, "judge-now")


def wait_for_all(*, run: Run, person: User) -> None:
    """Wait for every member instead of judging after the grace period."""
    _command(run, person, "wait-for-all")


def end_debate(*, run: Run, person: User) -> None:
    """Let the round that is under way be the last one of the debate; the judge then rules."""
    require_runner(person, run.team)
    if pending_of(run).mode != Mode.DEBATE:
        raise InvalidInput("This run does not debate, so there is no round to stop after.")
    _command(run, person, "end-debate")


@transaction.atomic
def _command(run: Run, person: User, kind: str, letter: str = "") -> None:
    """Write down what is asked of a run in flight, while nobody can close it: a command never outlives the run."""
    require_runner(person, run.team)
    run.state = Run.objects.select_for_update().only("state").get(pk=run.pk).state
    if not run.is_in_flight:
        raise RunStateConflict("This run has already ended; there is nothing to stop or steer any more.")
    command = RunCommand.objects.create(run=run, kind=kind, letter=letter, person=person)
    transaction.on_commit(partial(deliver_command, command.pk, str(run.public_id), kind, letter))


def _known_letter(run: Run, letter: str) -> str:
    if len(letter) != 1 or not run.answers.filter(letter=letter).exists():
        raise InvalidInput(f"This run has no answer “{letter[:8]}”.")
    return letter


def stop_team_runs(*, team: Team, person: User) -> None:
    """Stop whatever is under way in a team, private runs too: for an owner who is about to delete it."""
    require(person, team, Action.DELETE_TEAM)
    for run in Run.objects.filter(team=team).in_flight():
        with contextlib.suppress(RunStateConflict):  # it has just ended by itself
            stop_run(run=run, person=person)


# --- another execution ------------------------------------------------------------------------------


def retry_answer(*, run: Run, person: User, letter: str) -> None:
    """Ask one member again. In flight: at once; after the end: that member alone, the final is marked out of date.

    Raises RunStateConflict in flight for one that has answered, is being asked and not silent, or cannot come into
    what is judged.
    """
    require_runner(person, run.team)
    letter = _known_letter(run, letter)
    run.refresh_from_db(fields=["state"])
    if run.answers.filter(letter=letter, is_current=True, state=AnswerState.LEFT_OUT).exists():
        raise RunStateConflict(
            f"{letter} cannot see the images, and such members are left out here. Edit and ask anew."
        )
    if run.is_in_flight:
        _check_can_be_asked_now(run, letter)
        _command(run, person, "retry", letter)
    else:
        _ask_anew(run, person, letter)


def _check_can_be_asked_now(run: Run, letter: str) -> None:
    """Raises RunStateConflict, with what to do instead, for an answer that cannot be asked anew in mid-run."""
    state, is_silent = _as_shown(run, letter)
    if state.is_usable:
        raise RunStateConflict(f"{letter} has answered. It can be asked again once this run has ended.")
    if not state.is_final and state is not AnswerState.WAITING and not is_silent:
        raise RunStateConflict(f"{letter} is being asked right now. Wait for its answer, or stop it first.")
    loaded, execution = run_with_rows(run.pk), pending_of(run)
    if execution.kind == RunExecution.Kind.REJUDGE or todo_of(loaded, execution).judgement is not None:
        raise RunStateConflict(f"The answers are being judged as they are. {letter} can be asked once this has ended.")


def _as_shown(run: Run, letter: str) -> tuple[AnswerState, bool]:
    """An answer's state and whether nothing has come for a while: as the page has it, when this process executes the
    run, since the row is written a moment later; else as it is stored."""
    live = LIVE.get(str(run.public_id))
    if live is not None:
        with live.lock:
            if not live.record.is_final:
                column = live.record.answers[letter]
                return column.state, column.silent is not None
    return AnswerState(run.answers.get(letter=letter, is_current=True).state), False


def resume_run(*, run: Run, person: User) -> None:
    """Ask only for what is missing; nothing that is finished is asked for again.

    A re-judge that was cut off is taken up again; in a run with a judged final, the members that gave nothing are
    asked. Raises RunStateConflict when nothing is missing.
    """
    require_runner(person, run.team)
    run.refresh_from_db(fields=["state"])
    last = pending_of(run)
    if last.kind == RunExecution.Kind.REJUDGE and last.state in CUT_OFF and not run.is_in_flight:
        queue_execution(run, person, replace(brief_of(last), continues=last.number))
    elif run.state in RESUMABLE:
        continues = last.number if last.kind == RunExecution.Kind.COMPLETE else None
        queue_execution(run, person, Brief(mode=run.mode, rubric=run.pool_version.rubric, continues=continues))
    elif run.state in FINISHED and (missing := missing_letters(run)):
        _ask_anew(run, person, missing)
    else:
        raise RunStateConflict("Nothing is missing in this run, or it is still running.")


def _ask_anew(run: Run, person: User, letters: str) -> None:
    """Beside a judged final the answers alone are asked; without one, they are what was missing to judge."""
    kind = RunExecution.Kind.ANSWERS if run.state == Run.State.DONE else RunExecution.Kind.COMPLETE
    queue_execution(run, person, Brief(kind=kind, letters=letters, mode=run.mode, rubric=run.pool_version.rubric))


def missing_letters(run: Run) -> str:
    """The members of an ended run that gave nothing, and did not refuse."""
    rows = run.answers.filter(is_current=True).order_by("letter").values_list("letter", "state")
    return "".join(letter for letter, state in rows if AnswerState(state) not in KEPT_WHEN_RESUMED)


# --- deleting --------------------------------------------------------------------------------------


@transaction.atomic
def delete_run(*, run: Run, person: User) -> None:
    """Take a run out of every list, and stop it if it is in flight. It can be restored."""
    require_run_deleter(person, run)
    if Run.objects.filter(pk=run.pk, deleted_at=None).update(deleted_at=timezone.now()):
        _record("run.delete", run, person)
    run.refresh_from_db(fields=["state"])  # only now: from here on nobody can start it again
    if run.is_in_flight:
        with contextlib.suppress(RunStateConflict):  # it has just ended by itself
            stop_run(run=run, person=person)


@transaction.atomic
def restore_run(*, run: Run, person: User) -> None:
    """Bring a deleted run back."""
    require_run_deleter(person, run)
    if Run.objects.filter(pk=run.pk).exclude(deleted_at=None).update(deleted_at=None):
        _record("run.restore", run, person)


def _record(action: str, run: Run, person: User) -> None:
    """Without the question: the log stays for ever, and a run may be private."""
    record_action(action, actor=person, team=run.team, target=f"run:{run.public_id}")
