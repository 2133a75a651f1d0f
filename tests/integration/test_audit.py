"""One audit for everything: the chat's earlier table, logins, and refused attempts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from nodes import audit
from nodes.domain.access import AccessKind, AccessResult
from nodes.models import AuditEntry
from nodes.refusals import RefusalRecorder

NOW = datetime.now(UTC)


def refuse(address: str, times: int = 1, name: str = "") -> None:
    for _ in range(times):
        audit.note_refusal(AccessKind.LOGIN, address=address, result=AccessResult.REFUSED, name=name)


@pytest.mark.django_db(transaction=True)
def test_the_chats_entries_move_with_their_order_and_back() -> None:
    latest = MigrationExecutor(connection).loader.graph.leaf_nodes()
    before = MigrationExecutor(connection)
    before.migrate([("chat", "0007_phrases")])
    old = before.loader.project_state([("chat", "0007_phrases")]).apps.get_model("chat", "Audit")
    ids = {"conversation_id": "c1", "turn_id": "t1", "call_id": "s1"}
    old.objects.create(at=NOW, kind="proposed", actor="ada", tool="pause_task", detail={"summary": "x"}, **ids)
    old.objects.create(at=NOW, kind="effect", actor="ada", tool="pause_task", detail={"state": "done"}, **ids)

    MigrationExecutor(connection).migrate(latest)

    moved = AuditEntry.objects.order_by("id").values_list("kind", "result", "actor", "call_id", "at", "count")
    assert list(moved) == [("proposed", "", "ada", "s1", NOW, 1), ("effect", "done", "ada", "s1", NOW, 1)]
    MigrationExecutor(connection).migrate([("chat", "0007_phrases")])
    assert list(old.objects.order_by("id").values_list("kind", flat=True)) == ["proposed", "effect"]
    MigrationExecutor(connection).migrate(latest)


@pytest.mark.django_db
def test_attempts_of_one_source_and_minute_are_one_row_also_of_two_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    refuse("192.0.2.7", 3)
    audit.recorder.flush()
    monkeypatch.setattr(audit, "recorder", RefusalRecorder(audit.store_refusals, in_background=False))
    refuse("192.0.2.7", 2)
    refuse("192.0.2.8")
    audit.recorder.flush()

    rows = AuditEntry.objects.order_by("id").values_list("address", "count")
    assert list(rows) == [("192.0.2.7", 5), ("192.0.2.8", 1)]

    AuditEntry.objects.update(at=NOW - timedelta(minutes=2))
    refuse("192.0.2.7")
    audit.recorder.flush()
    assert AuditEntry.objects.count() == 3


@pytest.mark.django_db
def test_only_logins_from_there_make_an_address_known() -> None:
    audit.record(AccessKind.LOGIN, actor="ada", address="2001:db8:1:2::7")
    audit.record(AccessKind.LOGIN, actor="bob", address="192.0.2.7")
    refuse("198.51.100.1", name="ada")
    audit.recorder.flush()

    assert audit.is_known("ada", "2001:db8:1:2:ffff::1")
    assert not audit.is_known("ada", "192.0.2.7")
    assert not audit.is_known("ada", "198.51.100.1")
    AuditEntry.objects.update(at=NOW - timedelta(days=91))
    assert not audit.is_known("ada", "2001:db8:1:2::7")
