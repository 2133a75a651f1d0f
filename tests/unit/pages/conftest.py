"""A small cluster in the database, and users of each role."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from django.utils import timezone

from nodes.models import Alert, Attempt, LogLine, Node, Store, Task

PROJECT = {
    "name": "shop",
    "path": "/srv/shop",
    "types": ["python"],
    "tasks": [
        {"name": "test", "argv": ["make", "test"], "timeoutSeconds": 60, "stallAfterSeconds": 0, "description": ""}
    ],
}


@pytest.fixture
def as_role(db: None) -> Callable[[str], Client]:
    """A logged-in test client with this role; "nobody" has none."""

    def log_in(role: str) -> Client:
        user = User.objects.create_user(f"{role}-person")
        if role != "nobody":
            user.groups.add(Group.objects.get_or_create(name=role)[0])
        client = Client()
        client.force_login(user)
        return client

    return log_in


def add_node(name: str, *, role: str = "master", parent: str = "", state: str = "online") -> Node:
    now = timezone.now()
    return Node.objects.create(
        id=name,
        role=role,
        parent=parent,
        state=state,
        state_changed_at=now,
        last_seen_at=now,
        capabilities={"projects": [PROJECT], "slots": 2},
        slots=2,
        metrics={
            "cpu": 40.0,
            "memory": {"used": 1, "total": 2, "percent": 50.0},
            "disk": None,
            "load": 0.5,
            "gpus": [],
        },
    )


def add_task(
    task_id: str, *, state: str = "running", node: str | None = "master-1", lines: int = 0, **more: object
) -> Task:
    created = timezone.now() - timedelta(minutes=5)
    fields: dict[str, object] = {"project": "shop", "spec": {"argv": ["make"]}, **more}
    task = Task.objects.create(
        id=task_id,
        name=f"name of {task_id}",
        node_id=node,
        state=state,
        created_at=created,
        started_at=created,
        **fields,
    )
    Attempt.objects.create(
        task=task,
        number=task.attempt,
        node_id=node,
        state=state,
        created_at=created,
        started_at=created,
        last_line=lines,
    )
    first = LogLine.objects.count() + 1
    LogLine.objects.bulk_create(
        LogLine(
            id=(first + index) << 10,
            node_id=node or "",
            task_id=task_id,
            attempt=task.attempt,
            number=index + 1,
            at_ms=1_700_000_000_000 + index,
            level=20,
            stream=1,
            text=f"\x1b[31mline {index + 1}\x1b[0m",
        )
        for index in range(lines)
    )
    Store.objects.filter(id=1).update(feed_seq=first + lines)
    return task


def add_alert(**fields: Any) -> Alert:
    said = {"message": "silent since noon", "task_id": "t-1", "node_id": "master-1", **fields}
    return Alert.objects.create(level="error", kind="stalled", opened_at=timezone.now(), **said)


@pytest.fixture
def cluster(db: None) -> None:
    Store.objects.get_or_create(id=1)
    add_node("master-1")
    add_node("master-2", state="offline")
    add_node("edge-1", role="edge", parent="master-1")
    add_task("t-1", lines=3, progress=0.42, message="<b>linking</b>")
    add_task("t-2", state="failed", node="master-2", exit_code=2)
    add_task("t-3", state="pending", node=None, pending_reason="no free slot")
    Alert.objects.create(
        level="error", kind="offline", node_id="master-2", message="master-2 is gone", opened_at=timezone.now()
    )
