"""API tokens expire and may have a lower role than their user. Those of an earlier version stay as they are."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("dashboard", "0002_groups")]

    operations = [
        migrations.AddField(
            "apitoken", "role", models.CharField("role", blank=True, default="", max_length=8), preserve_default=False
        ),
        migrations.AddField("apitoken", "expires_at", models.DateTimeField("expires", blank=True, null=True)),
    ]
