"""Several finals per run, each with the execution that made it.

Runs that exist get their executions from their stored events: each RunStarted began one. Their finals get numbers, and
what they knew of the answers from what is current, or, where they were out of date, from what was before.
"""

import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

USABLE = ("done", "cut_off", "truncated")


def tell_executions(apps, schema_editor):
    run_model = apps.get_model("fusion", "Run")
    for run in run_model.objects.select_related("pool_version").iterator(chunk_size=200):
        finals = _add_executions(apps.get_model("fusion", "RunExecution"), run)
        _number_finals(run, finals)


def _add_executions(execution_model, run):
    """Returns the number of the execution that made each final, oldest first."""
    number, finals = 0, []
    for event in run.events.filter(kind__in=("RunStarted", "FinalEnded")).order_by("seq"):
        if event.kind == "FinalEnded":
            finals.append(number)
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
    execution_model.objects.filter(run=run, number__in=finals, number__lt=number).update(state="done")
    return finals


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


def _number_finals(run, executions):
    answers = list(run.answers.filter(is_current=True))
    for number, final in enumerate(run.finals.order_by("pk"), start=1):
        older = 1 if final.out_of_date or not final.is_current else 0
        final.number, final.mode, final.rubric = number, run.mode, run.pool_version.rubric
        final.execution = executions[number - 1] if number <= len(executions) else 1
        final.known = {
            answer.letter: answer.attempt - older
            for answer in answers
            if answer.state in USABLE or answer.letter == final.letter
        }
        final.save()


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
