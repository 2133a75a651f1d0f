"""A published message carries what it encodes, so that no listener in the process decodes its text."""

from __future__ import annotations

import json

from nodes.leader.projection.published import Published
from nodes.leader.projection.trouble import store_published


def test_a_message_has_type_body_and_text() -> None:
    body = {"type": "TASK_UPDATE", "seq": "7", "task": {"id": "t1", "name": "构建"}}

    published = Published.of(7, ("tasks",), body, "state", "task:t1")

    assert (published.type, published.body) == ("TASK_UPDATE", body)
    assert json.loads(published.text) == body
    assert store_published(None).type == "STORE"


def test_a_message_read_from_the_feed_has_only_text() -> None:
    assert Published(7, ("tasks",), '{"type":"TASK_UPDATE"}', "state", "task:t1").type == ""
