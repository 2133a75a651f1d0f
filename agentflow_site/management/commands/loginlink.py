"""`manage.py loginlink`: prints a one-time link that logs a user in."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from agentflow_site.leader_lock import running_url
from dashboard.accounts.links import LINK_LIFE, create_login_link
from nodes.printed_secrets import close_to_others


class Command(BaseCommand):
    help = "Print a link that logs a user in, once, within 15 minutes; a missing user is created as administrator"

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--user", default="admin", help="user name (default: admin)")
        parser.add_argument(
            "--base-url",
            default="",
            help="such as https://flow.example; by default the address of the Leader that runs on this machine",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        base_url = options["base_url"] or running_url(settings.DATA_DIR)
        link = create_login_link(options["user"], base_url=base_url)
        minutes = int(LINK_LIFE.total_seconds() // 60)
        self.stderr.write(f"Logs in {options['user']} once, within {minutes} minutes:")
        close_to_others(self.stdout)
        self.stdout.write(link)
        if not base_url:
            self.stderr.write("Put the address of your pages before it, or give it with --base-url.")
