"""What a model said is kept exactly, also on PostgreSQL."""

from django.db import migrations

import chat.exact_json


class Migration(migrations.Migration):
    dependencies = [("chat", "0011_endpoint_error")]

    operations = [
        migrations.AlterField("message", "content", chat.exact_json.ExactJSONField()),
        migrations.AlterField("toolcall", "arguments", chat.exact_json.ExactJSONField(default=dict)),
    ]
