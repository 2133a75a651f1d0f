"""The memory's pages without scripts: reading, filtering, and requests to the Leader for a change."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from chat import services
from chat.errors import MemoryRefused
from chat.models import Conversation, MemoryFile, MemoryRevision

AsRole = Callable[[str], Client]


@pytest.fixture
def file(cluster: None) -> MemoryFile:
    now = timezone.now()
    common = {"path": "/memories/project/shop/a.md", "content": "build needs <b>4 GB</b>\n"}
    made = MemoryFile.objects.create(
        scope="project/shop", size_bytes=24, version=2, needs_review=True, created_at=now, changed_at=now, **common
    )
    MemoryRevision.objects.create(file=made, version=1, action="create", path=made.path, content="old\n", at=now)
    MemoryRevision.objects.create(
        file=made,
        version=2,
        action="edit",
        actor="ann",
        engine="claude",
        is_tainted=True,
        why="asked",
        at=now,
        **common,
    )
    return made


def test_files_are_listed_and_filtered(file: MemoryFile, as_role: AsRole) -> None:
    browser = as_role("viewer")

    assert file.path in browser.get("/memory/").content.decode()
    assert file.path in browser.get("/memory/?text=4+GB&scope=project/shop").content.decode()
    assert file.path not in browser.get("/memory/?text=nothing").content.decode()
    assert file.path not in browser.get("/memory/?deleted=1").content.decode()
    assert "<html" not in browser.get("/memory/", headers={"hx-request": "true"}).content.decode()


def test_count_of_conversations_says_when_there_are_more(cluster: None, as_role: AsRole) -> None:
    now = timezone.now()
    for number in range(21):
        Conversation.objects.create(id=f"c{number}", project="*", node=f"n{number}", created_at=now, last_at=now)

    assert '<span class="count">20+</span>' in as_role("viewer").get("/memory/").content.decode()


def test_a_file_is_read_with_its_revisions_and_cannot_inject(file: MemoryFile, as_role: AsRole) -> None:
    text = as_role("viewer").get(f"/memory/{file.pk}/").content.decode()

    assert "&lt;b&gt;4 GB" in text
    assert "<b>4 GB" not in text
    assert "-old" in text
    assert "ann" in text
    assert "<textarea" not in text


def test_chinese_distinguishes_memory_files_from_ram(file: MemoryFile, as_role: AsRole) -> None:
    client = as_role("operator")
    chinese = {"headers": {"accept-language": "zh-hans"}}

    for path in ("/memory/", f"/memory/{file.id}/"):
        page = client.get(path, **chinese).content.decode()
        assert "<h1>记忆</h1>" in page
        assert "内存" not in page.partition('id="script-settings"')[0]
    nodes = client.get("/nodes/", **chinese).content.decode()
    assert '<th scope="col">内存</th>' in nodes
    assert 'data-command="记忆"' in nodes


def test_a_viewer_changes_nothing(file: MemoryFile, as_role: AsRole) -> None:
    assert as_role("viewer").post(f"/memory/{file.pk}/change", {"action": "delete"}).status_code == 403


def test_an_operators_change_goes_to_the_leader(
    file: MemoryFile, as_role: AsRole, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(services, "change_memory", lambda *place, **fields: asked.append((place, fields)))
    fields = {"action": "edit", "version": "2", "text": "new\r\n", "why": "wrong"}

    response = as_role("operator").post(f"/memory/{file.pk}/change", fields)

    assert response.status_code == 302
    wanted = {"version": 2, "to": 0, "text": "new\n", "why": "wrong", "actor": "operator-person"}
    assert asked == [((file.pk, "edit"), wanted)]


def test_typed_text_is_kept_when_it_is_refused(
    file: MemoryFile, as_role: AsRole, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_place: object, **_fields: object) -> None:
        raise MemoryRefused("stale", "It has been changed meanwhile.")

    monkeypatch.setattr(services, "change_memory", refuse)

    operator = as_role("operator")

    def save(language: str) -> str:
        form = {"action": "edit", "text": "my words"}
        response = operator.post(f"/memory/{file.pk}/change", form, headers={"Accept-Language": language})
        assert response.status_code == 409
        return str(response.content.decode())

    assert "my words" in save("en")
    assert "It has changed in the meantime" in save("en")
    assert "内容已被更改" in save("zh-hans")


@pytest.mark.parametrize("path", ["/memory/99/", "/memory/context/none/", "/memory/request/99.json"])
def test_missing_objects_are_404(cluster: None, as_role: AsRole, path: str) -> None:
    assert as_role("viewer").get(path).status_code == 404
