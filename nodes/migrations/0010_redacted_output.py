"""How many secrets were replaced in the output of tasks and attempts, and how many lines were withheld."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("nodes", "0009_node_retired")]

    operations = [
        migrations.AddField(model, name, models.PositiveBigIntegerField(default=0))
        for model in ("attempt", "task")
        for name in ("redacted", "withheld_lines")
    ]
