"""Creates the groups for the roles of `dashboard.rights`."""

from __future__ import annotations

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

GROUPS = ("viewer", "operator", "admin")


def create_groups(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    group = apps.get_model("auth", "Group")
    for name in GROUPS:
        group.objects.get_or_create(name=name)


class Migration(migrations.Migration):
    dependencies = [("dashboard", "0001_login_tokens"), ("auth", "0012_alter_user_first_name_max_length")]

    # When reversed, the groups stay: people may have added users to them.
    operations = [migrations.RunPython(create_groups, migrations.RunPython.noop)]
