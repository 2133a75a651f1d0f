"""The state of a dashboard, built from `/ws/` messages by the rules of docs/websocket.md. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

Message = dict[str, Any]
Line = tuple[str, int, int, str]
"""(task, attempt, number, text)"""


@dataclass
class View:
    """All messages up to `seq` have been applied, in order and once."""

    store: str = ""
    seq: int = 0
    nodes: dict[str, Message] = field(default_factory=dict)
    tasks: dict[str, Message] = field(default_factory=dict)
    alerts: dict[str, Message] = field(default_factory=dict)
    commands: dict[str, Message] = field(default_factory=dict)
    lines: dict[int, Line] = field(default_factory=dict)
    lines_from: int = 0  # Lines with lower ids were not sent: they are older than the last snapshot.
    skipped: int = 0  # Lines that GAP messages cover, since the last snapshot.
    gaps: list[Message] = field(default_factory=list)  # What nodes dropped or could not send again.
    store_states: list[str] = field(default_factory=list)  # "failing", "ok" … as sent by the Leader.
    snapshots: int = 0
    messages: int = 0

    def fold(self, message: Message) -> None:
        """Applies one message; applying it again changes nothing."""
        self.messages += 1
        kind = message["type"]
        if kind == "SNAPSHOT":
            self._replace(message)
        elif kind == "PONG":
            if message["store"] == self.store:
                self.seq = max(self.seq, int(message["seq"]))
        elif kind == "STORE":
            self.store_states.append(message["state"])
        elif kind == "GAP" and "seq" not in message:
            self.skipped += message["skipped"]
        elif "seq" in message and message["store"] == self.store and int(message["seq"]) > self.seq:
            self.seq = int(message["seq"])
            self._apply(message)

    def copy(self) -> View:
        """A shallow copy: nodes and tasks are replaced as a whole, never modified."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        return View(**{name: dict(value) if isinstance(value, dict) else value for name, value in values.items()})

    @property
    def cursor(self) -> Message | None:
        return {"store": self.store, "seq": str(self.seq)} if self.store else None

    def _replace(self, message: Message) -> None:
        self.store, self.seq = message["store"], int(message["seq"])
        self.nodes = {node["id"]: node for node in message.get("nodes", ())}
        self.tasks = {task["id"]: task for task in message.get("tasks", ())}
        self.alerts = {alert["id"]: alert for alert in message.get("alerts", ())}
        self.commands, self.lines, self.skipped = {}, {}, 0
        for logs in message.get("logs", ()):
            self._add_lines(logs)
        self.lines_from = min(self.lines, default=(self.seq + 1) << 10)
        self.snapshots += 1

    def _apply(self, message: Message) -> None:
        match message["type"]:
            case "NODE_STATUS":
                self._newer(self.nodes, message["node"])
            case "TASK_UPDATE":
                self._newer(self.tasks, message["task"])
            case "COMMAND":
                self.commands[message["command"]["id"]] = message["command"]
            case "LOG":
                self._add_lines(message)
            case "GAP":
                self.gaps.append(message)
            case "ALERT" if message["resolvedAt"] is None:
                self.alerts[message["id"]] = message
            case "ALERT":
                self.alerts.pop(message["id"], None)

    @staticmethod
    def _newer(known: dict[str, Message], item: Message) -> None:
        before = known.get(item["id"])
        if before is None or int(item["version"]) >= int(before["version"]):
            known[item["id"]] = item

    def _add_lines(self, message: Message) -> None:
        for line_id, number, _at, _level, _stream, text in message["lines"]:
            self.lines[int(line_id)] = (message["task"], message["attempt"], number, text)
