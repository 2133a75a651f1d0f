"""Keys and tickets of Edges. Rows of the version before have none: only an Edge's parent speaks for it."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("nodes", "0013_leader_term")]

    operations = [
        migrations.AddField(
            "node", "key", models.CharField(blank=True, default="", max_length=64), preserve_default=False
        ),
        migrations.AddField("node", "key_issued_at", models.BigIntegerField(default=0)),
        migrations.AddField("node", "ticket_counter", models.PositiveBigIntegerField(default=0)),
        migrations.AddField("journal", "is_signed", models.BooleanField(default=False)),
        migrations.AddField("journal", "signed_head", models.PositiveBigIntegerField(default=0)),
        migrations.AddField(
            "nodetoken", "public_key", models.CharField(blank=True, default="", max_length=64), preserve_default=False
        ),
    ]
