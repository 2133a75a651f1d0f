"""The audit: one table for what people, programs and nodes did or tried. This module creates its rows.

What succeeded is a row of its own, written in the transaction of what it is about. Refused attempts to get in are
counted per source and minute (`nodes.refusals`), so that a flood of them cannot fill the store.
"""

from __future__ import annotations

import atexit
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from django.contrib.auth.models import User
from django.db import connection
from django.db.models import F

from nodes.addresses import source_of
from nodes.domain.access import AccessKind, AccessResult
from nodes.models import AuditEntry
from nodes.refusals import MINUTE_SECONDS, RefusalCount, RefusalRecorder

# A user's address counts as known for this long after a login from there.
KNOWN_FOR = timedelta(days=90)
_LOGINS_READ = 50


def entry(
    kind: str,
    *,
    at: datetime | None = None,
    actor: str = "",
    address: str = "",
    result: str = "",
    count: int = 1,
    detail: dict[str, Any] | None = None,
    **conversation: str,
) -> AuditEntry:
    """An unsaved row. `conversation`: its ids and the tool, for what happens in one."""
    return AuditEntry(
        at=at or datetime.now(UTC),
        kind=kind,
        actor=actor[:150],
        address=address[:64],
        result=result,
        count=count,
        detail=detail or {},
        **conversation,
    )


def record(kind: AccessKind, *, actor: str, address: str) -> None:
    """Someone got in. Raises the database's error if the row cannot be stored."""
    entry(kind, actor=actor, address=address, result=AccessResult.OK).save(force_insert=True)


def note_refusal(kind: AccessKind, *, address: str, result: AccessResult, name: str = "", reason: str = "") -> None:
    """An attempt was refused. On any thread; never waits for the database. `reason` goes into the log only."""
    recorder.note(kind, address=address, result=result, name=name, reason=reason)


def is_known(username: str, address: str) -> bool:
    """Whether this user has logged in from this address (or its /64 network) lately."""
    logins = AuditEntry.objects.filter(
        actor=username,
        kind__in=(AccessKind.LOGIN, AccessKind.LOGIN_LINK),
        result=AccessResult.OK,
        at__gt=datetime.now(UTC) - KNOWN_FOR,
    )
    known = logins.order_by("-id").values_list("address", flat=True)[:_LOGINS_READ]
    return source_of(address) in {source_of(before) for before in known}


def store_refusals(counts: Sequence[RefusalCount]) -> None:
    """Adds to the row of the same minute, also to one of another process, or creates it."""
    try:
        # Only names of users: people type passwords into the wrong field.
        names = {name for count in counts for name in count.names}
        users = set(User.objects.filter(username__in=names).values_list("username", flat=True)) if names else set()
        for count in counts:
            _store(count, [name for name in count.names if name in users])
    finally:
        # The recorder's thread ends soon. Within a caller's transaction, the connection is the caller's.
        if not connection.in_atomic_block:
            connection.close()


def _store(count: RefusalCount, users: list[str]) -> None:
    same = {"kind": count.kind, "result": count.result, "address": count.address}
    since = count.at - timedelta(seconds=MINUTE_SECONDS)
    row = AuditEntry.objects.filter(**same, at__gt=since).order_by("-id").first()
    if row is None:
        detail = {"users": users} if len(users) > 1 else {}
        actor = users[0] if len(users) == 1 else ""
        entry(**same, at=count.at, actor=actor, count=count.count, detail=detail).save(force_insert=True)
        return
    known = [*row.detail.get("users", []), row.actor, *users]
    users = [name for name in dict.fromkeys(known) if name][:10]
    AuditEntry.objects.filter(pk=row.pk).update(
        count=F("count") + count.count,
        actor=users[0] if len(users) == 1 else "",
        detail={"users": users} if len(users) > 1 else {},
    )


recorder = RefusalRecorder(store_refusals)
# At the end of the process, whichever it is: the Leader, a web process, a command.
atexit.register(recorder.close)
