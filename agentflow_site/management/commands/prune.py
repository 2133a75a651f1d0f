"""`manage.py prune`: runs the Leader's hourly retention now."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management import CommandError
from django.core.management.base import BaseCommand
from django.template.defaultfilters import filesizeformat

from agentflow_site.pruning import chat_retention, prune, retention_config
from nodes.errors import AgentFlowError, LeaderUnavailable


class Command(BaseCommand):
    help = "Delete output, history, conversations and other data over their limits of age or number (AGENTFLOW_KEEP_…)"

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--shrink",
            action="store_true",
            help="also rewrite the SQLite database without free space; needs a stopped Leader and room for a copy",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            kept = retention_config(settings.ENV), chat_retention(settings.ENV)
            pruned = prune(settings.DATA_DIR, settings.LEADER_GRPC, *kept, rewrites=options["shrink"])
        except LeaderUnavailable as exc:
            raise CommandError(f"{exc}; set AGENTFLOW_LEADER_GRPC to its address") from exc
        except AgentFlowError as exc:
            raise CommandError(str(exc)) from exc
        for kind, count in sorted(pruned.removed.items()):
            self.stdout.write(f"{count} {kind} deleted")
        if not pruned.removed:
            self.stdout.write("Nothing is over its limit of age or number.")
        freed = filesizeformat(pruned.freed_bytes).replace("\xa0", " ")  # For the page, it never breaks.
        self.stdout.write(f"{freed} given back to the disk")
