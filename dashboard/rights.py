"""Roles and their rights, checked by each page, REST route, WebSocket message and admin page.

Roles are never cached beyond a request: `role_of` reads the database, so deactivating a user or removing a group takes
effect at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from functools import wraps
from typing import Concatenate, ParamSpec, TypeAlias

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser, User
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBase

from nodes.domain.commands import TaskSpec, is_free_command

P = ParamSpec("P")
View: TypeAlias = Callable[Concatenate[HttpRequest, P], HttpResponseBase]


class Role(StrEnum):
    """From lowest to highest; each includes the rights of the previous one. All but NOBODY are Django groups."""

    NOBODY = "nobody"
    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"


class Right(StrEnum):
    VIEW = "view"  # Pages, live state, logs, history.
    OPERATE = "operate"  # Pause, resume, cancel; run, retry and answer a project's named tasks.
    RUN_COMMANDS = "run-commands"  # Run, retry, answer and see commands, which can do anything on a node.
    MANAGE = "manage"  # Nodes, tokens, users: the admin pages.


RIGHTS: Mapping[Role, frozenset[Right]] = {
    Role.NOBODY: frozenset(),
    Role.VIEWER: frozenset({Right.VIEW}),
    Role.OPERATOR: frozenset({Right.VIEW, Right.OPERATE}),
    Role.ADMIN: frozenset(Right),
}

# Highest first: a user in several groups has the highest role.
GROUP_ROLES = (Role.ADMIN, Role.OPERATOR, Role.VIEWER)


def role_of(user: AbstractBaseUser | AnonymousUser) -> Role:
    """The user's role in the database; one query, none for anonymous users and superusers."""
    if not isinstance(user, User) or not user.is_active:
        return Role.NOBODY
    if user.is_superuser:
        return Role.ADMIN
    names = set(user.groups.filter(name__in=GROUP_ROLES).values_list("name", flat=True))
    return next((role for role in GROUP_ROLES if role in names), Role.NOBODY)


def may(role: Role, right: Right) -> bool:
    return right in RIGHTS[role]


def right_to_submit(spec: TaskSpec) -> Right:
    """The right to start this task: named tasks are defined by the node's owner, commands come from the user."""
    return Right.RUN_COMMANDS if is_free_command(spec) else Right.OPERATE


def request_role(request: HttpRequest) -> Role:
    """The role of the request's user, read once per request."""
    role = getattr(request, "_agentflow_role", None)
    if not isinstance(role, Role):
        role = role_of(request.user)
        request._agentflow_role = role  # type: ignore[attr-defined]  # Cached for one request.
    return role


def require_right(right: Right) -> Callable[[View[P]], View[P]]:
    """Protects a page: anonymous users are redirected to the login page, users without the right get the 403 page.

    For a fragment, htmx redirects the whole page.
    """

    def decorate(view: View[P]) -> View[P]:
        @wraps(view)
        def guarded(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
            if not request.user.is_authenticated:
                return _to_login(request)
            if not may(request_role(request), right):
                raise PermissionDenied
            return view(request, *args, **kwargs)

        # Other decorators copy it, as `functools.wraps` does.
        guarded.__dict__["right"] = right
        return guarded

    return decorate


def right_of(view: Callable[..., HttpResponseBase]) -> Right:
    """The right that `require_right` requires for this page."""
    return Right(view.__dict__["right"])


def _to_login(request: HttpRequest) -> HttpResponseBase:
    if getattr(request, "htmx", False):
        response = HttpResponse(status=401)
        response["HX-Refresh"] = "true"
        return response
    return redirect_to_login(request.get_full_path())
