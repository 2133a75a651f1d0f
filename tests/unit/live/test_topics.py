from __future__ import annotations

import pytest

from dashboard.live.topics import chat, is_topic, logs, task


@pytest.mark.parametrize(
    "name", ["nodes", "tasks", "alerts", "logs", logs("m-1"), logs("m-1", "warning"), task("t"), chat("c")]
)
def test_topics(name: str) -> None:
    assert is_topic(name)


@pytest.mark.parametrize(
    "name", ["", "node", "nodes:", "logs:", "logs::ERROR", "logs:m:error", "task:", "task:a b", "x:y"]
)
def test_no_topics(name: str) -> None:
    assert not is_topic(name)
