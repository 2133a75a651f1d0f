"""One transaction of the writer: collects what jobs change, record and publish, and writes it in few statements.

A job changes rows only through a `UnitOfWork`. It must decide before it changes anything: an error raised before the
first change is the job's result; one raised later rolls the whole transaction back.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from django.db import connection
from django.db.models import Model

from nodes.domain.events import Gap
from nodes.domain.phrases import Phrase, english
from nodes.domain.states import OCCUPYING
from nodes.domain.storable import storable
from nodes.errors import NotFound, TaskRejected
from nodes.leader.projection import topics
from nodes.leader.projection.alert_messages import alert_fields
from nodes.leader.projection.log_lines import LOG_COLUMNS, LogRows
from nodes.leader.projection.log_messages import gap_fields
from nodes.leader.projection.message_base import state_message
from nodes.leader.projection.node_messages import node_info
from nodes.leader.projection.published import Published
from nodes.leader.projection.rows import insert_rows, update_rows
from nodes.leader.projection.state_cache import OPEN_COMMANDS, AttemptKey, StateCache
from nodes.leader.projection.task_messages import command_info, task_info
from nodes.models import Alert, Attempt, Command, Event, FeedEntry, LogLine, Node, Store, Task

_EVENT_COLUMNS = ("journal_id", "seq", "node_id", "kind", "task_id", "origin_ms", "received_at", "detail")
_FEED_COLUMNS = ("id", "topics", "text", "created_at")


class UnitOfWork:
    """Lives for one transaction, on the writer's thread."""

    def __init__(self, cache: StateCache) -> None:
        self.cache = cache
        self.now = datetime.now(UTC)
        self.mono = time.monotonic()
        # The same time as a database value, for plain statements.
        self._stored_now = connection.ops.adapt_datetimefield_value(self.now)
        # Number of changes that jobs have made so far: distinguishes a refusal from a failure half-way.
        self.changes = 0
        self.published: list[Published] = []
        self.logs: list[LogRows] = []
        # Called on the loop after the commit, in order, after the listener.
        self.after_commit: list[Callable[[], None]] = []
        # Something changed that may let a waiting task start, or a command needs a timer.
        self.wakes_scheduler = False
        self._events: list[tuple[Any, ...]] = []
        self._dirty: dict[tuple[type[Model], Any], Model] = {}
        self._nodes_to_publish: dict[str, Node] = {}

    # --- changes ----------------------------------------------------------------------------------

    def insert(self, row: Model) -> None:
        """Inserts a row at once: such rows are few, and some need the key that the database assigns."""
        self.changes += 1
        row.save(force_insert=True)

    def change(self, row: Model, **values: Any) -> None:
        """Sets fields. The row is written once, before the commit."""
        self.changes += 1
        for name, value in values.items():
            setattr(row, name, value)
        self._dirty[type(row), row.pk] = row

    def change_task(self, task: Task, **values: Any) -> None:
        self.change(task, **values)
        self.cache.note_task(task)

    def change_attempt(self, attempt: Attempt, **values: Any) -> None:
        """Also updates and publishes the node's number of occupied slots."""
        key: AttemptKey = (attempt.task_id, attempt.number)
        before = attempt.node_id if attempt.state in OCCUPYING else None
        if attempt.node_id:
            self.cache.occupying[attempt.node_id].discard(key)
        self.change(attempt, **values)
        self.cache.note_attempt(attempt)
        after = attempt.node_id if attempt.state in OCCUPYING else None
        if before != after:
            self.wakes_scheduler = True
            for node_id in (before, after):
                if node_id is not None and (node := self.cache.nodes.get(node_id)) is not None:
                    self.publish_node(node)

    def change_command(self, command: Command, **values: Any) -> None:
        self.change(command, changed_at=self.now, **values)
        if command.state in OPEN_COMMANDS:
            self.cache.commands[command.id] = command
        else:
            self.cache.commands.pop(command.id, None)
            self.cache.deadlines.pop(command.id, None)

    def seconds_left(self, command: Command) -> float:
        """The rest of an open command's time to live; 0 or less = expired. Changes of the wall clock have no effect."""
        return self.cache.deadlines[command.id] - self.mono

    def record(
        self, kind: str, *, node_id: str, journal_id: str, seq: int, origin_ms: int, task_id: str = "", **detail: Any
    ) -> None:
        """Adds to the history: one row per journaled entry, whether or not it was applied."""
        self.changes += 1
        body = json.dumps(detail, ensure_ascii=False)
        if "\\u0000" in body:
            body = json.dumps(storable(detail), ensure_ascii=False)
        self._events.append((journal_id, seq, node_id, kind, task_id, origin_ms, self._stored_now, body))

    # --- messages ---------------------------------------------------------------------------------

    def next_seq(self) -> int:
        self.changes += 1
        self.cache.store.feed_seq += 1
        return self.cache.store.feed_seq

    def publish_task(self, task: Task) -> None:
        """TASK_UPDATE with the task's current values."""
        seq = self.next_seq()
        self.change_task(task, version=seq)
        node = self.cache.nodes.get(task.node_id) if task.node_id else None
        self._publish(seq, "TASK_UPDATE", _topics_of_task(task.id), f"task:{task.id}", task=task_info(task, node=node))

    def publish_node(self, node: Node) -> None:
        """NODE_STATUS, once per transaction, with the node's final values."""
        self._nodes_to_publish[node.id] = node

    def publish_command(self, command: Command) -> None:
        where = _topics_of_task(command.task_id or "")
        self._publish(self.next_seq(), "COMMAND", where, f"command:{command.id}", command=command_info(command))

    def publish_alert(self, alert: Alert) -> None:
        # With a key: a waiting approval of a fix closes when its alert changes.
        self._publish(self.next_seq(), "ALERT", (topics.ALERTS,), f"alert:{alert.pk}", **alert_fields(alert))

    def publish_gap(self, node_id: str, lane: str, gap: Gap, *, attempt: int = 0, first_line: int = 0) -> None:
        """GAP: entries that the node dropped or no longer holds, or lines of one attempt that are lost."""
        where = [topics.NODES, topics.logs(node_id)]
        if gap.task_id:
            where.append(topics.task(gap.task_id))
        fields = gap_fields(gap, node=node_id, lane=lane, attempt=attempt, first_line=first_line)
        self.publish("GAP", tuple(where), **fields)

    def publish(self, kind: str, where: tuple[str, ...], /, **fields: Any) -> None:
        """A message of the feed; of two about the same thing the later has the higher `seq`."""
        self._publish(self.next_seq(), kind, where, **fields)

    def _publish(self, seq: int, kind: str, where: tuple[str, ...], key: str = "", /, **fields: Any) -> None:
        message = state_message(kind, store=self.cache.store.store_id, seq=seq, **fields)
        self.published.append(Published.of(seq, where, message, "state", key))

    # --- alerts -----------------------------------------------------------------------------------

    def open_alert(
        self,
        kind: str,
        *,
        level: str,
        parts: Sequence[Phrase] = (),
        message: str = "",
        node_id: str = "",
        task: Task | None = None,
        evidence: list[dict[str, str]] | None = None,
    ) -> None:
        """Opens the alert, or renews the open one of this kind for this node and task.

        Use `message` for a text that does not exist as data.
        """
        message, stored = message or english(parts), list(parts) or None
        task_id = task.id if task is not None else ""
        key = (kind, node_id, task_id)
        alert = self.cache.alerts.get(key)
        if alert is None:
            alert = Alert(
                level=level,
                kind=kind,
                node_id=node_id,
                task_id=task_id,
                task_name=task.name if task is not None else "",
                attempt=task.attempt if task is not None else 0,
                message=message,
                message_parts=stored,
                evidence=evidence or [],
                opened_at=self.now,
            )
            self.insert(alert)
            self.cache.alerts[key] = alert
        elif (alert.level, alert.message, alert.message_parts) == (level, message, stored):
            return  # Unchanged.
        else:
            self.change(alert, level=level, message=message, message_parts=stored, evidence=evidence or [])
        self.publish_alert(alert)

    def acknowledge_alert(self, alert_id: int, *, actor: str, seen: str = "") -> None:
        """Only the first acknowledgement is stored. Raises `NotFound` if the alert is not open, `TaskRejected` if it
        is not the one that was seen.
        """
        alert = self.open_alert_of(alert_id)
        if alert is None:
            raise NotFound(f"There is no open alert {alert_id}.")
        if seen and seen != alert.digest:
            raise TaskRejected("stale", "The alert has changed since.")
        if alert.acknowledged_at is None:
            self.change(alert, acknowledged_at=self.now, acknowledged_by=actor[:150])
            self.publish_alert(alert)

    def open_alert_of(self, alert_id: int) -> Alert | None:
        return next((alert for alert in self.cache.alerts.values() if alert.pk == alert_id), None)

    def resolve_alert(self, kind: str, *, node_id: str = "", task_id: str = "") -> None:
        alert = self.cache.alerts.pop((kind, node_id, task_id), None)
        if alert is not None:
            self.change(alert, resolved_at=self.now)
            self.publish_alert(alert)

    def resolve_task_alerts(self, task: Task) -> None:
        for kind, node_id, task_id in [key for key in self.cache.alerts if key[2] == task.id]:
            self.resolve_alert(kind, node_id=node_id, task_id=task_id)

    # --- the end of the transaction ---------------------------------------------------------------

    def flush(self) -> None:
        """Writes everything; call it just before the commit."""
        for node in self._nodes_to_publish.values():
            self._flush_node(node)
        self._write_dirty()
        insert_rows(Event, _EVENT_COLUMNS, self._events, once=True)
        for logs in self.logs:
            insert_rows(LogLine, LOG_COLUMNS, logs.rows)
        feed = [(p.seq, " ".join(p.topics), p.text, self._stored_now) for p in self.published if p.seq]
        insert_rows(FeedEntry, _FEED_COLUMNS, feed)
        if self.changes:
            update_rows(Store, [self.cache.store])

    def _flush_node(self, node: Node) -> None:
        seq = self.next_seq()
        self.change(node, version=seq)
        info = node_info(node, running=len(self.cache.occupying[node.id]))
        self._publish(seq, "NODE_STATUS", (topics.NODES,), node=info)

    def _write_dirty(self) -> None:
        by_model: dict[type[Model], list[Model]] = {}
        for (model, _), row in self._dirty.items():
            by_model.setdefault(model, []).append(row)
        for model, rows in by_model.items():
            update_rows(model, rows)


def _topics_of_task(task_id: str) -> tuple[str, ...]:
    return (topics.TASKS, topics.task(task_id)) if task_id else (topics.TASKS,)
