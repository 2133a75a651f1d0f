"""`manage.py apitoken new|list|revoke`: API tokens for programs."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from dashboard.accounts import tokens
from dashboard.models import ApiToken
from dashboard.rights import Role, role_of
from nodes.domain.unseen import visible
from nodes.printed_secrets import close_to_others


class Command(BaseCommand):
    help = "Create, list or revoke API tokens; a token has at most the rights of its user"

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        new = actions.add_parser("new", help="print a new token; it is shown only once")
        new.add_argument("--user", required=True, help="the user whose rights it has")
        new.add_argument("--name", default="", help="its purpose")
        new.add_argument(
            "--role", choices=[role for role in Role if role is not Role.NOBODY], help="a lower role than the user's"
        )
        new.add_argument(
            "--expires",
            type=int,
            default=tokens.DEFAULT_DAYS,
            metavar="DAYS",
            help=f"days until it expires (default: {tokens.DEFAULT_DAYS})",
        )
        shown = actions.add_parser("list", help="tokens, newest first")
        shown.add_argument("--user", default="", help="only this user's")
        revoke = actions.add_parser("revoke", help="revoke a token at once")
        revoke.add_argument("prefix", help="its first characters, as shown by `list`")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["action"] == "new":
            self._new(options["user"], options["name"], options["role"], options["expires"])
        elif options["action"] == "list":
            self._list(options["user"])
        else:
            self._revoke(options["prefix"])

    def _new(self, username: str, name: str, limit: str | None, days: int) -> None:
        if not 1 <= days <= 36_500:
            raise CommandError(f"--expires {days}: must be 1 to 36500 days")
        user = User.objects.filter(username=username, is_active=True).first()
        if user is None:
            raise CommandError(
                f"there is no active user {username}; create one with: manage.py loginlink --user {username}"
            )
        role = role_of(user)
        if role is Role.NOBODY:
            self.stderr.write(f"{username} has no role yet, so the token has no rights until the user is in a group")
        row, token = tokens.issue(
            user, name=name or f"made {timezone.now():%Y-%m-%d}", role=Role(limit) if limit else None, days=days
        )
        self.stderr.write(f"API token of {username} ({tokens.role_with(row)}), {days} days; it is not shown again:")
        close_to_others(self.stdout)
        self.stdout.write(token)

    def _list(self, username: str) -> None:
        rows = ApiToken.objects.select_related("user")
        for row in rows.filter(user__username=username) if username else rows:
            used = f"last used {row.last_used_at:%Y-%m-%d %H:%M}" if row.last_used_at else "never used"
            state = f"revoked {row.revoked_at:%Y-%m-%d}" if row.revoked_at else _end(row)
            line = (
                f"{row.prefix}…  {row.user.username}  {row.role or 'as its user'}  {row.name}"
                f"  created {row.created_at:%Y-%m-%d}  {used}  {state}"
            )
            self.stdout.write(visible(line))

    def _revoke(self, prefix: str) -> None:
        found = list(ApiToken.objects.filter(prefix__startswith=prefix.rstrip("…")[: tokens.SHOWN_CHARACTERS]))
        if not prefix.startswith(tokens.TOKEN_PREFIX) or len(prefix) <= len(tokens.TOKEN_PREFIX) or not found:
            raise CommandError(f"no API token starts with {prefix}; see: manage.py apitoken list")
        if len(found) > 1:
            raise CommandError(f"{len(found)} API tokens start with {prefix}; give more characters")
        row = found[0]
        self.stdout.write(f"{row.prefix}… {'revoked' if tokens.revoke(row) else 'was already revoked'}")


def _end(row: ApiToken) -> str:
    if row.expires_at is None:
        return "never expires"
    return f"{'expired' if row.expires_at <= timezone.now() else 'until'} {row.expires_at:%Y-%m-%d}"
