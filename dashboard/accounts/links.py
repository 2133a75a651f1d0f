"""One-time login links. The first administrator logs in with one, because no password is preset.

The token is in the query, which access logs leave out. Opening the link only shows a button, because mail scanners and
browsers prefetch links; pressing the button uses up the link.
"""

from __future__ import annotations

import secrets
from datetime import timedelta

from django.contrib.auth.models import Group, User
from django.db import transaction
from django.db.models import Q, QuerySet
from django.urls import reverse
from django.utils import timezone

from dashboard.accounts.tokens import digest
from dashboard.models import LoginLink
from dashboard.rights import Role

LINK_LIFE = timedelta(minutes=15)


def create_login_link(username: str, *, base_url: str = "") -> str:
    """A new link for this user: a path, or a URL if `base_url` is given.

    A missing user is created as an administrator without a usable password.
    """
    now = timezone.now()
    token = secrets.token_urlsafe(32)
    with transaction.atomic():
        user, is_new = User.objects.get_or_create(username=username)
        if is_new:
            user.set_unusable_password()
            user.save(update_fields=["password"])
            user.groups.add(Group.objects.get_or_create(name=Role.ADMIN)[0])
        # Expired links are deleted here.
        LoginLink.objects.filter(Q(expires_at__lt=now) | Q(used_at__isnull=False)).delete()
        LoginLink.objects.create(user=user, digest=digest(token), expires_at=now + LINK_LIFE)
    return f"{base_url.rstrip('/')}{reverse('dashboard:login-link')}?token={token}"


def user_of(token: str) -> User | None:
    """The user whom this link would log in, if it still works; does not use it up."""
    link = _usable(token).select_related("user").first()
    return link.user if link is not None else None


def consume(token: str) -> User | None:
    """The user whom this link logs in. A single statement checks the link and uses it up, so it works only once."""
    if _usable(token).update(used_at=timezone.now()) != 1:
        return None
    return LoginLink.objects.select_related("user").get(digest=_digest(token)).user


def _usable(token: str) -> QuerySet[LoginLink]:
    return LoginLink.objects.filter(
        digest=_digest(token), used_at=None, expires_at__gt=timezone.now(), user__is_active=True
    )


def _digest(token: str) -> str:
    return digest(token[:200].encode(errors="replace").decode())
