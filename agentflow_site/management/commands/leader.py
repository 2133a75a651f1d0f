"""`manage.py leader`: parses arguments, builds the configuration, runs the Leader."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import CommandError
from django.core.management.base import BaseCommand

from agentflow_site.leader import LeaderConfig, run_leader
from agentflow_site.pruning import chat_retention, retention_config
from nodes.errors import ConfigError


class Command(BaseCommand):
    help = "Run the Leader: nodes connect to --grpc, browsers to --http."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--http", default="127.0.0.1:8000", metavar="HOST:PORT", help="address of the web pages")
        parser.add_argument("--grpc", default="127.0.0.1:7946", metavar="HOST:PORT", help="where nodes connect")
        parser.add_argument("--no-web", action="store_true", help="do not serve web pages in this process")
        parser.add_argument("--name", default="leader", help="the Leader's node name")
        parser.add_argument("--tls-cert", type=Path, metavar="FILE", help="certificate chain, PEM")
        parser.add_argument("--tls-key", type=Path, metavar="FILE", help="private key, PEM")
        parser.add_argument("--insecure", action="store_true", help="allow plain text from other machines")
        parser.add_argument(
            "--heartbeat",
            type=float,
            default=None,
            metavar="SECONDS",
            help="5 to 60; default: AGENTFLOW_HEARTBEAT_SECONDS, or 30",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        heartbeat = settings.HEARTBEAT_SECONDS if options["heartbeat"] is None else options["heartbeat"]
        if not 5 <= heartbeat <= 60:
            raise CommandError(f"--heartbeat {heartbeat:g}: give 5 to 60 seconds", returncode=2)
        settings.HEARTBEAT_SECONDS = heartbeat  # Sockets use the same value.
        config = LeaderConfig(
            data_dir=settings.DATA_DIR,
            http="" if options["no_web"] else options["http"],
            grpc=options["grpc"],
            name=options["name"],
            heartbeat_seconds=heartbeat,
            tls_cert_file=options["tls_cert"],
            tls_key_file=options["tls_key"],
            is_insecure=options["insecure"],
            is_behind_https_proxy=settings.ENV.behind_https_proxy,
            retention=retention_config(settings.ENV),
            chat_retention=chat_retention(settings.ENV),
        )
        try:
            code = run_leader(config)
        except ConfigError as exc:
            raise CommandError(str(exc), returncode=2) from exc
        sys.exit(code)
