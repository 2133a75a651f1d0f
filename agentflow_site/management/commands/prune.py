"""`manage.py prune`: removes now what the Leader removes every hour."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management import CommandError
from django.core.management.base import BaseCommand

from agentflow_site.pruning import prune, retention_config
from nodes.errors import AgentFlowError, LeaderUnavailable


class Command(BaseCommand):
    help = "Remove output, history, feed and dead letters that are over the age or number of AGENTFLOW_KEEP_…"

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            removed = prune(settings.DATA_DIR, settings.LEADER_GRPC, retention_config(settings.ENV))
        except LeaderUnavailable as exc:
            raise CommandError(f"{exc}; AGENTFLOW_LEADER_GRPC says where it listens") from exc
        except AgentFlowError as exc:
            raise CommandError(str(exc)) from exc
        for kind, count in sorted(removed.items()):
            self.stdout.write(f"{count} {kind} removed")
        if not removed:
            self.stdout.write("Nothing is over its age or number.")
