"""`manage.py master …`: becomes `python -m nodes master …`, so that the agent does not load Django."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any, NoReturn

from django.core.management.base import BaseCommand

ROOT = Path(__file__).resolve().parents[3]


def become_agent(role: str, arguments: list[str]) -> NoReturn:
    """Replaces this process: same pid, same signals, same standard streams."""
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH", ""))))
    command = [sys.executable, "-m", "nodes", role, *arguments]
    os.execve(sys.executable, command, {**os.environ, "PYTHONPATH": path})  # noqa: S606 - no shell on purpose


class Command(BaseCommand):
    help = "Run a Master: an agent of the Leader that runs tasks here. Options: manage.py master --help"

    def run_from_argv(self, argv: list[str]) -> None:
        become_agent("master", argv[2:])

    def handle(self, *args: Any, **options: Any) -> None:
        become_agent("master", list(args))
