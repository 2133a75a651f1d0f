"""`manage.py up`: a whole cluster on this machine."""

from __future__ import annotations

import asyncio
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management import CommandError
from django.core.management.base import BaseCommand

from agentflow_site.cluster import ClusterConfig, LocalCluster
from nodes.errors import ConfigError


class Command(BaseCommand):
    help = "Run a Leader with its web page, two Masters and an Edge on this machine; Ctrl-C stops them."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--http", default="127.0.0.1:8000", metavar="HOST:PORT", help="address of the web pages")
        parser.add_argument("--grpc", default="127.0.0.1:7946", metavar="HOST:PORT", help="where the Masters connect")
        parser.add_argument("--hub", default="127.0.0.1:7947", metavar="HOST:PORT", help="where the Edge connects")
        parser.add_argument(
            "--stop-tasks", action="store_true", help="Ctrl-C also cancels running tasks; by default they continue"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        settings.LEADER_GRPC = options["grpc"]
        config = ClusterConfig(
            http=options["http"], grpc=options["grpc"], hub=options["hub"], stop_tasks=options["stop_tasks"]
        )
        try:
            code = asyncio.run(LocalCluster(config, self._say).run())
        except ConfigError as exc:
            raise CommandError(str(exc), returncode=2) from exc
        if code:
            raise SystemExit(code)

    def _say(self, line: str) -> None:
        try:
            self.stdout.write(line)
        except OSError:
            pass  # The terminal or the reader of a pipe is gone; the cluster continues.
