"""Every tool's largest result is whole JSON within its limit, and says how much was left out."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import Any

import pytest

from chat.contexts import Context
from chat.tools.registry import TOOLS
from chat.tools.tool import Reading
from chat.untrusted import encoded
from nodes import selectors

NAME = '"\\' * 100  # Doubles when it is encoded.
TEXT = (NAME + "\n") * 500


def _task(number: int) -> dict[str, Any]:
    fields = {
        "id": f"t{number}",
        "name": NAME,
        "project": NAME,
        "node": "n" * 64,
        "state": "running",
        "createdBy": NAME,
    }
    many = {"attempts": [_row()] * 50, "commands": [{**_row(), "kind": "pause", "actor": NAME}] * 50}
    texts = {"message": TEXT, "command": TEXT, "pendingReason": TEXT}
    return {**defaultdict_of(), **fields, **many, **texts}


def _row() -> dict[str, Any]:
    return {**defaultdict_of(), "task": "t", "name": NAME, "createdBy": NAME, "state": "failed"}


def defaultdict_of() -> dict[str, Any]:
    names = (
        *("id", "task", "attempt", "name", "project", "node", "targetNode", "state", "health", "progress", "exitCode"),
        *("createdAt", "startedAt", "endedAt", "unknownSince", "acceptsInput", "createdBy", "kind", "actor"),
    )
    return dict.fromkeys(names)


def _node(number: int) -> dict[str, Any]:
    projects = [{"name": NAME, "tasks": [{"name": NAME}] * 50}] * 50
    known: dict[str, Any] = defaultdict(lambda: 1.5)
    known.update(id=f"n{number}", state="online", role="master", capabilities={"projects": projects, "os": NAME})
    return known


def _log(*_: Any, **more: Any) -> dict[str, Any]:
    lines = [[n, n, 0, "info", "stdout", NAME] for n in range(1, min(more.get("limit", 1), 5_000) + 1)]
    return {"attempt": 1, "lines": lines, "lastLine": 5_000, "missing": [[n, n] for n in range(99)]}


@pytest.fixture(autouse=True)
def _large_fleet(monkeypatch: pytest.MonkeyPatch) -> None:
    evidence = [{"id": f"e{n}", "kind": "lines", "text": TEXT} for n in range(9)]
    alert = {**dict.fromkeys(("kind", "level", "node", "task", "openedAt", "resolvedAt")), "id": 1, "message": TEXT}
    for name, answer in {
        "node_list": lambda: [_node(number) for number in range(1_000)],
        "task_list": lambda **_: {"results": [_task(n) for n in range(200)], "hasMore": True},
        "task_detail": lambda _: _task(1),
        "task_log": _log,
        "work_log": lambda **_: {"results": [_row() for _ in range(100)], "hasMore": True},
        "alert_detail": lambda _: {**alert, "evidence": evidence},
    }.items():
        monkeypatch.setattr(selectors, name, answer)


ARGUMENTS: dict[str, dict[str, Any]] = {
    "list_nodes": {},
    "inspect_node": {"node": "n1"},
    "list_tasks": {"limit": 200},
    "inspect_task": {"task": "t1"},
    "metrics": {},
    "read_log": {"task": "t1", "lines": 200},
    "search_logs": {"task": "t1", "text": '"'},
    "read_evidence": {"alert": 1},
    "query_history": {"limit": 100},
}


def test_the_list_of_reading_tools_is_complete() -> None:
    assert set(ARGUMENTS) == {name for name, tool in TOOLS.items() if tool.read is not None}


@pytest.mark.parametrize("name", ARGUMENTS)
def test_the_largest_result_is_whole_and_says_what_is_missing(name: str) -> None:
    tool = TOOLS[name]
    assert tool.read is not None
    found = tool.read(tool.check(ARGUMENTS[name]), Reading(context=Context()))

    text = encoded(found, tool.max_characters, source=name)

    assert len(text) <= tool.max_characters
    value = json.loads(text)
    assert (value["source"], value["trust"]) == (name, "untrusted")
    assert "LeftOut" in text or "left out …]" in text


def test_what_was_left_out_is_counted() -> None:
    tasks = [{"id": f"t{number}", "name": NAME} for number in range(50)]

    value = json.loads(encoded({"tasks": tasks}, 8_000))

    assert 0 < len(value["tasks"]) < 50
    assert len(value["tasks"]) + value["tasksLeftOut"] == 50
    assert value["tasks"] == tasks[: len(value["tasks"])]


def test_lines_are_left_out_whole() -> None:
    lines = [f"{number} {NAME}" for number in range(300)]
    output = {"source": "log", "trust": "untrusted", "text": "\n".join(lines)}

    shown = json.loads(encoded({"output": output}, 16_000))["output"]["text"].split("\n")

    (note,) = [line for line in shown if "left out" in line]
    kept = [line for line in shown if line != note]
    assert set(kept) <= set(lines)
    assert note == f"[… {300 - len(kept)} of 300 lines left out …]"


def test_the_results_of_many_actions_fit() -> None:
    results = [{"command": "succeeded", "task": {"id": str(n), "name": NAME, "project": NAME}} for n in range(50)]

    value = json.loads(encoded({"results": results}, 8_000))

    assert value["results"][0]["task"]["name"] == NAME
    assert len(value["results"]) + value["resultsLeftOut"] == 50
