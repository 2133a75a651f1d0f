"""`manage.py edge …`: becomes `python -m nodes edge …`, so that the agent does not load Django."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from nodes.management.commands.master import become_agent


class Command(BaseCommand):
    help = "Run an Edge: an agent of a Master. Options: manage.py edge --help"

    def run_from_argv(self, argv: list[str]) -> None:
        become_agent("edge", argv[2:])

    def handle(self, *args: Any, **options: Any) -> None:
        become_agent("edge", list(args))
