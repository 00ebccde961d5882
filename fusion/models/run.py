"""Runs and what they leave behind: answers, calls, verdicts, finals, stage events."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from django.db import models
from django.db.models import Q
from django.utils import timezone

from fusion.models.pool import Mode, RubricKey

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser

    from fusion.models.user import User


class BlindMembers(models.TextChoices):
    """What becomes of members that cannot see the images of a question."""

    TELL = "tell", "Ask them too, and tell them that there are images"
    LEAVE_OUT = "leave_out", "Leave them out"


class RunQuerySet(models.QuerySet["Run"]):
    def visible_to(self, user: User | AnonymousUser) -> RunQuerySet:
        """Runs of the person's teams that are not deleted; private ones only for their author."""
        if not user.is_authenticated:
            return self.none()
        return self.filter(
            Q(is_private=False) | Q(author=user),
            team__memberships__user=user,
            team__memberships__left_at=None,
            team__deleted_at=None,
            deleted_at=None,
        )

    def in_flight(self) -> RunQuerySet:
        return self.filter(state__in=(Run.State.QUEUED, Run.State.RUNNING))


class Run(models.Model):
    """One prompt through one pool version; the unit of cancelling.

    `mode` is what was asked for at first; a final says its own. `seed` (hex) decides labels and orders. `worker` is the
    process that executes it, as long as its lease is alive; what that is to do, the newest `RunExecution` says.
    """

    class State(models.TextChoices):
        QUEUED = "queued", "Queued"
        RUNNING = "running", "Running"
        DONE = "done", "Done"
        SINGLE = "single", "Single answer"
        UNJUDGED = "unjudged", "Not judged"
        SHORT = "short", "Too few answers"
        ANSWERED = "answered", "Answers only"
        FAILED = "failed", "Failed"
        CANCELLED = "cancelled", "Stopped"
        INTERRUPTED = "interrupted", "Interrupted"

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    team = models.ForeignKey("fusion.Team", on_delete=models.CASCADE, related_name="runs")
    author = models.ForeignKey("fusion.User", on_delete=models.PROTECT, related_name="runs")
    pool_version = models.ForeignKey("fusion.PoolVersion", on_delete=models.PROTECT, related_name="runs")
    mode = models.CharField(max_length=10, choices=Mode.choices)
    prompt = models.TextField()
    blind_members = models.CharField(max_length=10, choices=BlindMembers.choices, default=BlindMembers.TELL)
    is_private = models.BooleanField(default=False)
    idempotency_key = models.CharField(max_length=64)
    state = models.CharField(max_length=12, choices=State.choices, default=State.QUEUED)
    failure_code = models.CharField(max_length=60, blank=True)
    failure_message = models.TextField(blank=True)
    seed = models.CharField(max_length=64, editable=False)
    prompts_version = models.CharField(max_length=60, blank=True, editable=False)
    worker = models.ForeignKey(
        "fusion.WorkerLease", on_delete=models.SET_NULL, null=True, blank=True, related_name="runs", editable=False
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    started_at = models.DateTimeField(null=True, blank=True, editable=False)
    final_ready_at = models.DateTimeField(null=True, blank=True, editable=False)
    finished_at = models.DateTimeField(null=True, blank=True, editable=False)
    deleted_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects = RunQuerySet.as_manager()

    class Meta:
        ordering = ("-created_at", "-pk")
        constraints = [
            models.UniqueConstraint(fields=("author", "idempotency_key"), name="run_once_per_idempotency_key"),
        ]
        indexes = [
            models.Index(fields=("team", "-created_at"), name="run_team_recent"),
            models.Index(fields=("state",), name="run_state"),
        ]

    def __str__(self) -> str:
        """Without the question: in lists of the administration it would be read in passing."""
        return f"run {self.public_id} ({self.state})"

    @property
    def is_in_flight(self) -> bool:
        return self.state in (self.State.QUEUED, self.State.RUNNING)


class RunExecution(models.Model):
    """One execution of a run: what it was asked to do and how it ended. Numbered from 1, the newest is the pending one.

    `letters`: the answers to ask anew, or for a re-judge the ones to judge. `mode`, `judge` and `rubric` are those of a
    re-judge; an empty judge means the pool's with its fallbacks. `continues`: the execution that was cut off and is
    taken up here, with its verdict if it had one. `keeps_final`: a final stood when this was asked; unless a new one
    comes, it stays, and the run goes back to `state_before`. `state` is empty until the end.
    """

    class Kind(models.TextChoices):
        COMPLETE = "complete", "Ask what is missing, then judge"
        ANSWERS = "answers", "Ask single answers anew"
        REJUDGE = "rejudge", "Judge the stored answers"

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="executions")
    number = models.PositiveIntegerField()
    kind = models.CharField(max_length=10, choices=Kind.choices, default=Kind.COMPLETE)
    letters = models.CharField(max_length=8, blank=True)
    mode = models.CharField(max_length=10, choices=Mode.choices)
    judge = models.CharField(max_length=255, blank=True)
    rubric = models.CharField(max_length=20, choices=RubricKey.choices)
    continues = models.PositiveIntegerField(null=True, blank=True)
    keeps_final = models.BooleanField(default=False)
    state_before = models.CharField(max_length=12, blank=True)
    person = models.ForeignKey("fusion.User", on_delete=models.PROTECT, related_name="+")
    idempotency_key = models.CharField(max_length=64, blank=True)
    state = models.CharField(max_length=12, choices=Run.State.choices, blank=True)
    failure_code = models.CharField(max_length=60, blank=True)
    failure_message = models.TextField(blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    ended_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        ordering = ("run", "number")
        constraints = [
            models.UniqueConstraint(fields=("run", "number"), name="run_execution_number_once"),
            models.UniqueConstraint(
                fields=("run", "idempotency_key"),
                condition=~Q(idempotency_key=""),
                name="run_execution_once_per_key",
            ),
        ]

    def __str__(self) -> str:
        return f"execution {self.number} of run {self.run_id} ({self.kind})"


class Answer(models.Model):
    """One member's text in a run. `attempt` counts what was asked anew by a person; the highest is current.

    `state` is an engine AnswerState, `sight` how it got the images of the question. `endpoint` keeps what people saw
    then: {ref, model_id, name, provider, simulated}.
    """

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="answers")
    letter = models.CharField(max_length=1)
    attempt = models.PositiveSmallIntegerField(default=1)
    is_current = models.BooleanField(default=True)
    ref = models.CharField(max_length=255)
    endpoint = models.JSONField(default=dict)
    state = models.CharField(max_length=12, default="waiting")
    text = models.TextField(blank=True)
    reasoning_chars = models.PositiveIntegerField(default=0)
    late = models.BooleanField(default=False)
    sight = models.CharField(max_length=10, blank=True)
    failure_code = models.CharField(max_length=60, blank=True)
    failure_message = models.TextField(blank=True)
    input_tokens = models.PositiveBigIntegerField(null=True, blank=True)
    output_tokens = models.PositiveBigIntegerField(null=True, blank=True)
    reasoning_tokens = models.PositiveBigIntegerField(null=True, blank=True)
    usage_estimated = models.BooleanField(default=False)
    ttft_ms = models.PositiveIntegerField(null=True, blank=True)
    total_ms = models.PositiveIntegerField(null=True, blank=True)

    class Meta:
        ordering = ("run", "letter", "attempt")
        constraints = [
            models.UniqueConstraint(fields=("run", "letter", "attempt"), name="answer_attempt_once"),
            models.UniqueConstraint(
                fields=("run", "letter"), condition=Q(is_current=True), name="answer_one_current_per_letter"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.letter} of run {self.run_id} ({self.state})"


class Call(models.Model):
    """One upstream request with what it consumed; the unit of receipts. Never updated after it ended.

    `cost_nanos`: whole nano-dollars; None where no price is known (which is not zero).
    `cost_source`: `upstream` (the provider said so), `price` (tokens times price) or empty. `payer`: whose key it was,
    `team` or `site`; empty where nobody pays. `connection` is None for one that the environment names.
    """

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="calls")
    call_id = models.CharField(max_length=40)
    role = models.CharField(max_length=10)
    letter = models.CharField(max_length=1, blank=True)
    ref = models.CharField(max_length=255)
    endpoint = models.JSONField(default=dict)
    connection = models.ForeignKey(
        "fusion.Connection", on_delete=models.SET_NULL, null=True, blank=True, related_name="calls"
    )
    payer = models.CharField(max_length=4, blank=True)
    attempt = models.PositiveSmallIntegerField(default=1)
    status = models.CharField(max_length=12)
    input_tokens = models.PositiveBigIntegerField(null=True, blank=True)
    output_tokens = models.PositiveBigIntegerField(null=True, blank=True)
    cached_input_tokens = models.PositiveBigIntegerField(null=True, blank=True)
    reasoning_tokens = models.PositiveBigIntegerField(null=True, blank=True)
    usage_estimated = models.BooleanField(default=False)
    cost_nanos = models.BigIntegerField(null=True, blank=True)
    cost_source = models.CharField(max_length=10, blank=True)
    ttft_ms = models.PositiveIntegerField(null=True, blank=True)
    total_ms = models.PositiveIntegerField(default=0)
    failure_code = models.CharField(max_length=60, blank=True)
    failure_message = models.TextField(blank=True)
    upstream_model = models.CharField(max_length=255, blank=True)
    upstream_id = models.CharField(max_length=255, blank=True)
    ended_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ("run", "pk")
        constraints = [models.UniqueConstraint(fields=("run", "call_id"), name="call_id_once_per_run")]
        indexes = [models.Index(fields=("ref", "-ended_at"), name="call_ref_recent")]

    def __str__(self) -> str:
        return f"{self.role} call to {self.ref} ({self.status})"


class VerdictRecord(models.Model):
    """A judge's verdict as it was obeyed, with the labels and the order that the judge saw.

    `data` is the engine's Judgement as JSON, answers named by letter.
    """

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="verdicts")
    judge = models.CharField(max_length=255)
    endpoint = models.JSONField(default=dict)
    data = models.JSONField()
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ("run", "pk")

    def __str__(self) -> str:
        return f"verdict by {self.judge} on run {self.run_id}"


class FinalAnswer(models.Model):
    """One final of a run, numbered from 1 in the order in which they were made; the current one is *the* final.

    `kind` is an engine FinalKind. `execution`: the number of the execution that made it, whose stage events tell how;
    for one that `picked_by` picked, the last before it. `known`: {letter: attempt} of the answers as they stood then,
    so that a final whose answers have changed since is out of date. `ready_ms` counts from its execution's start.
    """

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="finals")
    number = models.PositiveIntegerField(default=1)
    execution = models.PositiveIntegerField(default=1)
    verdict = models.ForeignKey(VerdictRecord, on_delete=models.SET_NULL, null=True, blank=True, related_name="finals")
    kind = models.CharField(max_length=10)
    mode = models.CharField(max_length=10, choices=Mode.choices, default=Mode.BEST_OF)
    rubric = models.CharField(max_length=20, choices=RubricKey.choices, default=RubricKey.GENERAL)
    text = models.TextField()
    letter = models.CharField(max_length=1, blank=True)
    known = models.JSONField(default=dict, blank=True)
    spans = models.JSONField(default=list, blank=True)
    writer = models.CharField(max_length=255, blank=True)
    truncated = models.BooleanField(default=False)
    picked_by = models.ForeignKey(
        "fusion.User", on_delete=models.PROTECT, null=True, blank=True, related_name="+", editable=False
    )
    is_current = models.BooleanField(default=True)
    ready_ms = models.PositiveIntegerField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ("run", "number")
        constraints = [
            models.UniqueConstraint(fields=("run", "number"), name="final_number_once_per_run"),
            models.UniqueConstraint(fields=("run",), condition=Q(is_current=True), name="final_one_current_per_run"),
        ]

    def __str__(self) -> str:
        return f"final {self.number} ({self.kind}) of run {self.run_id}"


class RunEvent(models.Model):
    """One stage event of a run, in order; deltas are not stored. `at_ms` counts from the start of the execution."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="events")
    seq = models.PositiveIntegerField()
    at_ms = models.PositiveIntegerField()
    kind = models.CharField(max_length=40)
    data = models.JSONField(default=dict)

    class Meta:
        ordering = ("run", "seq")
        constraints = [models.UniqueConstraint(fields=("run", "seq"), name="run_event_seq_once")]

    def __str__(self) -> str:
        return f"{self.seq} {self.kind}"


class RunCommand(models.Model):
    """What a person asked of a run in flight (stop, judge now, …), for the process that executes it."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="commands")
    kind = models.CharField(max_length=20)
    letter = models.CharField(max_length=1, blank=True)
    person = models.ForeignKey("fusion.User", on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    handled_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("pk",)

    def __str__(self) -> str:
        return f"{self.kind} on run {self.run_id}"


class WorkerLease(models.Model):
    """A process that executes runs. Its runs are its own until `expires_at`; then others may recover them."""

    name = models.CharField(max_length=120)
    started_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField()

    class Meta:
        ordering = ("-started_at",)

    def __str__(self) -> str:
        return self.name
