"""`manage.py node-retire`: takes a node that is gone out of lists and choices."""

from __future__ import annotations

import getpass
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management import CommandError
from django.core.management.base import BaseCommand

from nodes.errors import AgentFlowError, LeaderUnavailable
from nodes.leader.gateway.client import RemoteGateway


class Command(BaseCommand):
    help = "Take a node that is gone out of lists and choices; its history stays, and it is back when it connects"

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="the node's name")

    def handle(self, *args: Any, **options: Any) -> None:
        name = options["name"]
        gateway = RemoteGateway.on_data_dir(settings.DATA_DIR, settings.LEADER_GRPC)
        try:
            is_new = gateway.retire(name, getpass.getuser())
        except LeaderUnavailable as exc:
            raise CommandError(f"{exc}; set AGENTFLOW_LEADER_GRPC to its address") from exc
        except AgentFlowError as exc:
            raise CommandError(str(exc)) from exc
        finally:
            gateway.close()
        self.stdout.write(f"{name} is retired." if is_new else f"{name} was already retired.")
