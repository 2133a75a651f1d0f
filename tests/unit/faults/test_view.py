"""docs/websocket.md, "Positions": what a dashboard shows after the messages it got."""

from __future__ import annotations

from typing import Any

from tests.faults.view import View


def node(version: int, **fields: Any) -> dict[str, Any]:
    return {"id": "n", "version": str(version), **fields}


def message(kind: str, seq: int, store: str = "s", **fields: Any) -> dict[str, Any]:
    return {"type": kind, "store": store, "seq": str(seq), **fields}


def log(seq: int, *texts: str) -> dict[str, Any]:
    lines = [[str(seq << 10 | i), i + 1, 0, "info", "stdout", text] for i, text in enumerate(texts)]
    return message("LOG", seq, node="n", task="t", attempt=1, lines=lines)


def view() -> View:
    made = View()
    made.fold(message("SNAPSHOT", 5, nodes=[node(3, state="online")], tasks=[], alerts=[], logs=[log(4, "a")]))
    return made


def test_a_snapshot_replaces_everything() -> None:
    known = view()
    known.fold(message("COMMAND", 6, command={"id": "c", "state": "sent"}))
    known.fold(message("SNAPSHOT", 2, store="new", nodes=[], tasks=[], alerts=[], logs=[]))

    assert (known.cursor, known.nodes, known.commands, known.lines) == ({"store": "new", "seq": "2"}, {}, {}, {})
    assert known.lines_from == 3 << 10


def test_an_older_message_changes_nothing() -> None:
    known = view()
    known.fold(message("NODE_STATUS", 6, node=node(6, state="suspect")))
    known.fold(message("NODE_STATUS", 5, node=node(9, state="offline")))

    assert (known.nodes["n"]["state"], known.seq) == ("suspect", 6)


def test_a_newer_version_wins_over_a_later_message() -> None:
    known = view()
    known.fold(message("NODE_STATUS", 6, node=node(2, state="offline")))

    assert known.nodes["n"]["state"] == "online"


def test_another_stores_numbers_are_not_compared() -> None:
    known = view()
    known.fold(message("NODE_STATUS", 99, store="other", node=node(99, state="offline")))
    known.fold(message("PONG", 99, store="other"))

    assert (known.seq, known.nodes["n"]["state"]) == (5, "online")


def test_lines_come_once_and_gaps_are_counted() -> None:
    known = view()
    known.fold(log(6, "b", "c"))
    known.fold(log(6, "b", "c"))
    known.fold({"type": "GAP", "skipped": 7})

    assert [text for *_, text in known.lines.values()] == ["a", "b", "c"]
    assert (known.skipped, known.lines_from) == (7, 4 << 10)


def test_a_resolved_alert_leaves_the_queue() -> None:
    known = view()
    known.fold(message("ALERT", 6, id="1", resolvedAt=None))
    assert set(known.alerts) == {"1"}

    known.fold(message("ALERT", 7, id="1", resolvedAt=1))
    assert known.alerts == {}
