"""Several finals per run, each with the execution that made it.

Runs that exist get their executions from their stored events: each RunStarted began one. Their finals get numbers, the
time at which they were ready, and what they knew of the answers: what is current, without what was asked after them.
"""

import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

USABLE = ("done", "cut_off", "truncated")
ENDED_AS = {"single": "single", "anchor": "unjudged"}  # what else gave a final was done


def tell_executions(apps, schema_editor):
    run_model = apps.get_model("fusion", "Run")
    for run in run_model.objects.select_related("pool_version").iterator(chunk_size=200):
        made = _add_executions(apps.get_model("fusion", "RunExecution"), run)
        _number_finals(run, made)


def _add_executions(execution_model, run):
    """Returns the number of the execution that made each final with the event that says so, oldest first."""
    number, made = 0, []
    for event in run.events.filter(kind__in=("RunStarted", "FinalEnded")).order_by("seq"):
        if event.kind == "FinalEnded":
            made.append((number, event))
            state = ENDED_AS.get(event.data["kind"], "done")
            execution_model.objects.filter(run=run, number=number).update(state=state)
            continue
        number += 1
        keeps = event.data.pop("keeps_verdict", False)
        event.data |= {"execution": number, "continues": number - 1 if keeps and number > 1 else None}
        event.save(update_fields=["data"])
        _add_execution(execution_model, run, number, state="failed")
    pending = run.state in ("queued", "running")
    if number == 0 or (pending and run.state == "queued"):
        number += 1
        _add_execution(execution_model, run, number)
    kept = bool(run.retry_letters) and run.finished_at is not None
    execution_model.objects.filter(run=run, number=number).update(
        kind="answers" if kept else "complete",
        letters=run.retry_letters,
        keeps_final=kept,
        state_before="done" if kept else "",
        state="" if pending else run.state,
        failure_code=run.failure_code,
        failure_message=run.failure_message,
        ended_at=None if pending else run.finished_at,
    )
    return made


def _add_execution(execution_model, run, number, state=""):
    execution_model.objects.create(
        run=run,
        number=number,
        mode=run.mode,
        rubric=run.pool_version.rubric,
        person_id=run.author_id,
        state=state,
        created_at=run.created_at,
    )


def _number_finals(run, made):
    for number, final in enumerate(run.finals.order_by("pk"), start=1):
        final.number, final.mode, final.rubric = number, run.mode, run.pool_version.rubric
        if number <= len(made):
            final.execution, event = made[number - 1]
            final.ready_ms, final.known = event.at_ms, dict(_known(run, final, event.seq))
        final.save()


def _known(run, final, seq):
    """The letter and the attempt of each answer that was there when the event `seq` was stored."""
    attempts = {(answer.letter, answer.attempt): answer for answer in run.answers.all()}
    asked_later = [event.data["letter"] for event in run.events.filter(kind="AnswerAsked", seq__gt=seq)]
    for letter, attempt in run.answers.filter(is_current=True).values_list("letter", "attempt"):
        answer = attempts.get((letter, attempt - asked_later.count(letter)))
        if answer is not None and (answer.state in USABLE or letter == final.letter):
            yield letter, answer.attempt


class Migration(migrations.Migration):
    dependencies = [
        ("fusion", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="RunExecution",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("number", models.PositiveIntegerField()),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("complete", "Ask what is missing, then judge"),
                            ("answers", "Ask single answers anew"),
                            ("rejudge", "Judge the stored answers"),
                        ],
                        default="complete",
                        max_length=10,
                    ),
                ),
                ("letters", models.CharField(blank=True, max_length=8)),
                ("mode", models.CharField(choices=[("best-of", "Best-of"), ("merge", "Merge")], max_length=10)),
                ("judge", models.CharField(blank=True, max_length=255)),
                (
                    "rubric",
                    models.CharField(
                        choices=[
                            ("general", "General"),
                            ("code-review", "Code review"),
                            ("research", "Research"),
                            ("reasoning", "Reasoning"),
                            ("creative", "Creative brief"),
                        ],
                        max_length=20,
                    ),
                ),
                ("continues", models.PositiveIntegerField(blank=True, null=True)),
                ("keeps_final", models.BooleanField(default=False)),
                ("state_before", models.CharField(blank=True, max_length=12)),
                ("idempotency_key", models.CharField(blank=True, max_length=64)),
                (
                    "state",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("queued", "Queued"),
                            ("running", "Running"),
                            ("done", "Done"),
                            ("single", "Single answer"),
                            ("unjudged", "Not judged"),
                            ("short", "Too few answers"),
                            ("answered", "Answers only"),
                            ("failed", "Failed"),
                            ("cancelled", "Stopped"),
                            ("interrupted", "Interrupted"),
                        ],
                        max_length=12,
                    ),
                ),
                ("failure_code", models.CharField(blank=True, max_length=60)),
                ("failure_message", models.TextField(blank=True)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ("ended_at", models.DateTimeField(blank=True, editable=False, null=True)),
            ],
            options={
                "ordering": ("run", "number"),
            },
        ),
        migrations.AddField(
            model_name="finalanswer",
            name="execution",
            field=models.PositiveIntegerField(default=1),
        ),
        migrations.AddField(
            model_name="finalanswer",
            name="known",
            field=models.JSONField(blank=True, default=dict),
        ),
        migrations.AddField(
            model_name="finalanswer",
            name="mode",
            field=models.CharField(
                choices=[("best-of", "Best-of"), ("merge", "Merge")], default="best-of", max_length=10
            ),
        ),
        migrations.AddField(
            model_name="finalanswer",
            name="number",
            field=models.PositiveIntegerField(default=1),
        ),
        migrations.AddField(
            model_name="finalanswer",
            name="picked_by",
            field=models.ForeignKey(
                blank=True,
                editable=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="finalanswer",
            name="ready_ms",
            field=models.PositiveIntegerField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="finalanswer",
            name="rubric",
            field=models.CharField(
                choices=[
                    ("general", "General"),
                    ("code-review", "Code review"),
                    ("research", "Research"),
                    ("reasoning", "Reasoning"),
                    ("creative", "Creative brief"),
                ],
                default="general",
                max_length=20,
            ),
        ),
        migrations.AddField(
            model_name="runexecution",
            name="person",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
            ),
        ),
        migrations.AddField(
            model_name="runexecution",
            name="run",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="executions", to="fusion.run"
            ),
        ),
        migrations.AddConstraint(
            model_name="runexecution",
            constraint=models.UniqueConstraint(fields=("run", "number"), name="run_execution_number_once"),
        ),
        migrations.AddConstraint(
            model_name="runexecution",
            constraint=models.UniqueConstraint(
                condition=models.Q(("idempotency_key", ""), _negated=True),
                fields=("run", "idempotency_key"),
                name="run_execution_once_per_key",
            ),
        ),
        migrations.RunPython(tell_executions, migrations.RunPython.noop),
        migrations.AlterModelOptions(
            name="finalanswer",
            options={"ordering": ("run", "number")},
        ),
        migrations.RemoveField(
            model_name="finalanswer",
            name="out_of_date",
        ),
        migrations.RemoveField(
            model_name="run",
            name="degraded",
        ),
        migrations.RemoveField(
            model_name="run",
            name="retry_letters",
        ),
        migrations.AddConstraint(
            model_name="finalanswer",
            constraint=models.UniqueConstraint(fields=("run", "number"), name="final_number_once_per_run"),
        ),
    ]
