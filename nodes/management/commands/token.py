"""`manage.py token`: manages node tokens, signed with the cluster key in the data folder."""

from __future__ import annotations

import getpass
from argparse import ArgumentParser
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings
from django.core.management import CommandError
from django.core.management.base import BaseCommand
from django.db import OperationalError, ProgrammingError
from django.db.models import Q

from nodes.errors import ConfigError
from nodes.models import NodeToken
from nodes.printed_secrets import close_to_others
from nodes.stream.identity import ClusterKey, TokenRole, issue_credentials, verify_token
from nodes.stream.identity.edge_keys import revoked_key
from nodes.stream.identity.revoked_file import RevokedFile
from nodes.stream.identity.tokens import LIFE

_ISSUED_ROLES = (TokenRole.MASTER, TokenRole.EDGE, TokenRole.WEB)


class Command(BaseCommand):
    help = "Issue, list and revoke the tokens with which nodes and web processes authenticate."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        new = actions.add_parser("new", help="print a new token file (and nothing else) to standard output")
        new.add_argument("--role", choices=[str(role) for role in _ISSUED_ROLES], required=True)
        new.add_argument("--name", required=True, help="the node's name; unique in the cluster")
        new.add_argument(
            "--expires",
            type=int,
            metavar="DAYS",
            help="days until the token expires (default: 90, renewed over the stream; a web token: never)",
        )
        actions.add_parser("list", help="list tokens that were issued or used here")
        revoke = actions.add_parser("revoke", help="revoke tokens; a running Leader ends their streams within 10 s")
        which = revoke.add_mutually_exclusive_group(required=True)
        which.add_argument("id", nargs="?", default="", help="token id as shown by the list command")
        which.add_argument("--name", default="", help="revoke every token of this node")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            {"new": self._new, "list": self._list, "revoke": self._revoke}[options["action"]](options)
        except ConfigError as exc:
            raise CommandError(str(exc)) from exc
        except (OperationalError, ProgrammingError) as exc:
            raise CommandError(f"cannot use the database ({exc}). If it is not set up, run: manage.py migrate") from exc

    def _new(self, options: dict[str, Any]) -> None:
        now = datetime.now(UTC)
        days = options["expires"]
        if days is not None and not 1 <= days <= 36_500:
            raise CommandError(f"--expires {days}: must be 1 to 36500 days")
        life = LIFE if options["role"] != TokenRole.WEB else None
        if days is not None:
            life = timedelta(days=days)
        expires_at = None if life is None else now + life
        key = ClusterKey.load_or_create(settings.DATA_DIR)
        issued = issue_credentials(key, node_id=options["name"], role=options["role"], expires_at=expires_at)
        NodeToken.objects.create(
            token_id=verify_token(key.public_key, issued.token, revoked=()).token_id,
            node_id=options["name"],
            role=options["role"],
            issued_at=now,
            expires_at=expires_at,
            public_key=issued.public_key.hex(),
        )
        close_to_others(self.stdout)
        self.stdout.write(issued.file_text)

    def _list(self, options: dict[str, Any]) -> None:
        now = datetime.now(UTC)
        revoked = RevokedFile(settings.DATA_DIR).read()
        for token in NodeToken.objects.all():
            if token.revoked_at:
                state = f"revoked {token.revoked_at:%Y-%m-%d %H:%M}"
            elif not revoked.isdisjoint(_marks(token)):
                state = "revoked"  # In a database that was lost or restored since.
            elif token.expires_at:
                state = f"{'expired' if token.expires_at < now else 'until'} {token.expires_at:%Y-%m-%d %H:%M}"
            else:
                state = "never expires"
            if token.last_used_at:
                used = f"last used {token.last_used_at:%Y-%m-%d %H:%M}"
            elif token.role == TokenRole.EDGE and not token.public_key:
                used = "use unknown"  # Without a key, only the Edge's Master sees the token.
            else:
                used = "never used"
            self.stdout.write(
                f"{token.token_id}  {token.role:<6}  {token.node_id:<24}  {token.issued_at:%Y-%m-%d %H:%M}"
                f"  {used:<26}  {state}"
            )

    def _revoke(self, options: dict[str, Any]) -> None:
        which = Q(node_id=options["name"]) if options["name"] else Q(token_id=options["id"])
        found = NodeToken.objects.filter(which)
        if not found.exists():
            raise CommandError(
                f"No token {options['id']}." if options["id"] else f"No tokens for node {options['name']}."
            )
        RevokedFile(settings.DATA_DIR).add({mark for token in found for mark in _marks(token)})
        count = found.filter(revoked_at=None).update(revoked_at=datetime.now(UTC), revoked_by=getpass.getuser()[:150])
        self.stdout.write(f"{count} revoked" if count else "already revoked")
        for node_id in sorted(set(found.exclude(role=TokenRole.WEB).values_list("node_id", flat=True))):
            self.stderr.write(f"If {node_id} is gone for good: manage.py node-retire {node_id}")


def _marks(token: NodeToken) -> set[str]:
    """How the token stands among the revoked ones."""
    key = {revoked_key(bytes.fromhex(token.public_key))} if token.public_key else set()
    return {token.token_id, *key}
