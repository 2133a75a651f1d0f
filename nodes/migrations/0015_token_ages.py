"""When nodes' tokens end and were last used."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("nodes", "0014_edge_keys")]

    operations = [
        migrations.AddField(
            "node", "key_proof", models.CharField(blank=True, default="", max_length=128), preserve_default=False
        ),
        migrations.AddField("node", "token_issued_at", models.BigIntegerField(default=0)),
        migrations.AddField("node", "token_expires_at", models.BigIntegerField(default=0)),
        migrations.AddField("nodetoken", "last_used_at", models.DateTimeField(null=True)),
    ]
