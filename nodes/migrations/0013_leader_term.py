"""The record that says which process may write this database."""

from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    dependencies = [("nodes", "0012_audit")]

    operations = [
        migrations.CreateModel(
            name="LeaderTerm",
            fields=[
                ("id", models.PositiveSmallIntegerField(default=1, editable=False, primary_key=True, serialize=False)),
                ("term", models.PositiveBigIntegerField(default=0)),
                ("holder", models.CharField(blank=True, max_length=32)),
                ("address", models.CharField(blank=True, max_length=255)),
                ("beat", models.PositiveBigIntegerField(default=0)),
            ],
            options={"constraints": [models.CheckConstraint(condition=Q(id=1), name="one_leader_term")]},
        ),
    ]
