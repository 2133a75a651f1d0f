"""Django's `migrate`, without a time limit on the statements of a migration."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

from django.core.management.commands import migrate
from django.db import connections


class Command(migrate.Command):
    def handle(self, *args: Any, **options: Any) -> None:
        # Only PostgreSQL's connections have limits: agentflow_site.postgresql.
        with getattr(connections[options["database"]], "unlimited", nullcontext)():
            super().handle(*args, **options)
