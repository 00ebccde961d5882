"""Memberships get a name for addresses."""

from __future__ import annotations

import uuid
from typing import Any

from django.db import migrations, models


def give_ids(apps: Any, schema_editor: Any) -> None:
    memberships = apps.get_model("fusion", "Membership").objects.all()
    for membership in memberships.iterator():
        membership.public_id = uuid.uuid4()
        membership.save(update_fields=["public_id"])


class Migration(migrations.Migration):
    dependencies = [("fusion", "0004_teams_connections_catalogue")]

    operations = [
        migrations.AddField("membership", "public_id", models.UUIDField(null=True, editable=False)),
        migrations.RunPython(give_ids, migrations.RunPython.noop),
        migrations.AlterField(
            "membership", "public_id", models.UUIDField(default=uuid.uuid4, editable=False, unique=True)
        ),
    ]
