"""Access rules of the site, and the users to check them with.

A rule is a method and a route with the expected status for each kind of user. `make_people` creates the users, each
(except the anonymous one) with an API token.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.contrib.auth.models import Group, User
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils import timezone

from chat.models import (
    Analysis,
    Approval,
    ContextSnapshot,
    Conversation,
    MemoryFile,
    MemoryRevision,
    Message,
    ToolCall,
    Turn,
)
from dashboard.accounts import tokens
from dashboard.rights import Role
from nodes.domain.commands import TaskSpec
from nodes.errors import LeaderUnavailable
from nodes.leader.scheduler.requests import ControlRequest, check_right
from nodes.models import Alert, Attempt, AuditEntry, Command, DeadLetter, Event, Journal, LogLine, Node, NodeToken, Task

ANONYMOUS = "anonymous"
# In the order of the `expected` columns of a rule. "nobody" is logged in but has no role.
PEOPLE = (ANONYMOUS, *(str(role) for role in Role))


@dataclass(frozen=True, kw_only=True)
class AccessRule:
    method: str
    route: str  # As spelled by the URL resolver.
    path: str  # A concrete path of this route.
    expected: tuple[int, ...]  # One status for each of PEOPLE.
    body: Any = None  # Form fields for pages, JSON for the API.

    def __str__(self) -> str:
        return f"{self.method} {self.route or '/'}"

    def status_for(self, person: str) -> int:
        return self.expected[PEOPLE.index(person)]


class NoLeader:
    """Stands for a Leader that is not running: a request that reaches it has passed the access checks."""

    def submit(self, spec: TaskSpec, actor: str, task_id: str = "") -> str:
        raise LeaderUnavailable("no Leader runs here")

    def control(self, request: ControlRequest) -> str:
        # The one access check that is the Leader's.
        if (task := Task.objects.filter(id=request.task_id).first()) is not None:
            check_right(task, request)
        raise LeaderUnavailable("no Leader runs here")

    def acknowledge(self, alert_id: int, actor: str, seen: str = "") -> None:
        raise LeaderUnavailable("no Leader runs here")

    def retire(self, node_id: str, actor: str) -> bool:
        raise LeaderUnavailable("no Leader runs here")

    def ask(self, service: str, body: bytes) -> bytes:
        raise LeaderUnavailable("no Leader runs here")


@dataclass(frozen=True, kw_only=True)
class People:
    users: Mapping[str, User]
    tokens: Mapping[str, str] = field(repr=False)

    sessions: dict[str, str] = field(default_factory=dict, repr=False)

    def browser(self, person: str, *, enforce_csrf_checks: bool = False) -> Client:
        """A browser in which this user has logged in; each of a user's browsers has the same session."""
        client = Client(raise_request_exception=False, enforce_csrf_checks=enforce_csrf_checks)
        name = settings.SESSION_COOKIE_NAME
        if person in self.sessions:
            client.cookies[name] = self.sessions[person]
        elif person != ANONYMOUS:
            client.force_login(self.users[person])
            self.sessions[person] = client.cookies[name].value
        return client

    def headers(self, person: str) -> dict[str, str]:
        """What this user's program sends."""
        return {} if person == ANONYMOUS else {"Authorization": f"Bearer {self.tokens[person]}"}


def make_people() -> People:
    users, made_tokens = {}, {}
    for role in Role:
        users[str(role)], is_new = User.objects.get_or_create(username=f"user-{role}")
        if is_new and role is not Role.NOBODY:
            users[str(role)].groups.add(Group.objects.get_or_create(name=str(role))[0])
        made_tokens[str(role)] = tokens.issue(users[str(role)], name="access")[1]
    return People(users=users, tokens=made_tokens)


def make_history() -> None:
    """One row of everything, so that each page has something to show. The texts are what an attacker would print."""
    now = timezone.now()
    hostile = "<script>alert(1)</script>\x1b[31m'\"&"
    node = Node.objects.create(id="master-1", role="master", state="online", capabilities={}, slots=2)
    task = Task.objects.create(
        id="task-1", name=hostile, project="demo", node=node, state="succeeded", spec={"argv": ["true"]}, created_at=now
    )
    Task.objects.create(
        id="task-2", name="build", project="demo", spec={"project": "demo", "named_task": "build"}, created_at=now
    )
    Attempt.objects.create(task=task, number=1, node=node, state="succeeded", message=hostile, created_at=now)
    Command.objects.create(
        id="command-1", kind="start", task=task, node="master-1", created_at=now, expires_at=now, changed_at=now
    )
    Journal.objects.create(id="journal-1", node_id="master-1", lane="states", seq=7)
    Event.objects.create(journal_id="journal-1", seq=7, node_id="master-1", kind="task", received_at=now)
    LogLine.objects.create(
        id=1 << 10, node_id="master-1", task_id="task-1", attempt=1, number=1, at_ms=0, level=20, stream=1, text=hostile
    )
    Alert.objects.create(id=1, level="error", kind="stall", message=hostile, opened_at=now)
    DeadLetter.objects.create(node_id="master-1", code="bad-value", message=hostile, body=b"\0\xff", received_at=now)
    _make_conversation(hostile)
    NodeToken.objects.create(token_id="token-1", node_id="master-1", role="master", issued_at=now)


def _make_conversation(hostile: str) -> None:
    now = timezone.now()
    conversation = Conversation.objects.create(id="c1", project="*", node="*", created_at=now, last_at=now)
    turn = Turn.objects.create(id="turn-1", conversation=conversation, number=1, text=hostile, created_at=now)
    said = Message.objects.create(
        conversation=conversation,
        turn=turn,
        epoch=1,
        role="assistant",
        content=[{"type": "text", "text": hostile}],
        created_at=now,
    )
    call = ToolCall.objects.create(
        id="call-1",
        turn=turn,
        message=said,
        tool_use_id="u1",
        position=0,
        name="pause_task",
        summary=hostile,
        created_at=now,
    )
    Approval.objects.create(id="approval-1", call=call, right="operate", created_at=now, expires_at=now)
    Analysis.objects.create(
        id="analysis-1",
        turn=turn,
        alert_id=1,
        task_id="task-1",
        kind="stalled",
        cause=hostile,
        confidence="low",
        evidence=[{"id": "lines", "kind": "lines", "quote": hostile}],
        created_at=now,
    )
    AuditEntry.objects.create(at=now, kind="proposed", conversation_id="c1", turn_id=turn.id, detail={"text": hostile})
    file = MemoryFile.objects.create(
        id=1, scope="global", path="/memories/notes.md", content=hostile, created_at=now, changed_at=now
    )
    MemoryRevision.objects.create(file=file, version=1, action="create", path=file.path, content=hostile, at=now)
    ContextSnapshot.objects.create(id=1, conversation=conversation, turn=turn, request=1, body=b"{}", at=now)


def all_routes(within: URLResolver | None = None, before: str = "") -> Iterator[str]:
    """Every route of the site, spelled as its concatenated patterns."""
    for entry in (within or get_resolver()).url_patterns:
        route = before + str(entry.pattern)
        if isinstance(entry, URLPattern):
            yield route
        else:
            yield from all_routes(entry, route)
