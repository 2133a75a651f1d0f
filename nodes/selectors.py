"""Reads for pages, sockets and programs: short, indexed, limited everywhere, and in the very dictionaries of `/ws/`.

Sync; safe on any thread. Nothing here writes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby, pairwise
from typing import Any

from django.db.models import Count, Q, QuerySet

from nodes.domain.events import Gap
from nodes.domain.states import CommandState, LogLevel
from nodes.errors import NotFound
from nodes.models import Alert, Attempt, Command, DeadLetter, Event, FeedEntry, Journal, LogLine, Node, Store, Task
from nodes.projection import topics as topic_names
from nodes.projection.image import OCCUPYING, OPEN_TASKS
from nodes.projection.log_lines import ID_SHIFT, LEVEL_NUMBERS, LOG_COLUMNS, LogRows, line_fields, published_logs
from nodes.projection.messages import (
    Message,
    alert_fields,
    attempt_info,
    command_info,
    gap_fields,
    log_message,
    milliseconds,
    node_info,
    task_info,
    without_secrets,
)
from nodes.projection.published import Published

SNAPSHOT_OPEN_TASKS = 1_000
SNAPSHOT_ENDED_TASKS = 200
SNAPSHOT_ALERTS = 200
SNAPSHOT_LINES = 300
SNAPSHOT_COMMANDS = 200
# For so long it is worth telling beside the task how a command went.
COMMAND_NEWS = timedelta(minutes=10)
_OPEN_COMMANDS = tuple(state for state in CommandState if not state.is_final)
_SETTLED_COMMANDS = tuple(state for state in CommandState if state not in _OPEN_COMMANDS)
PAGE_ROWS = 50
MAX_ROWS = 500
MAX_LINES = 5_000
# More than this behind, a snapshot costs less.
_FEED_ROWS_READ = 20_000
_LINES_READ = 50_000
# Of each of a node's latest attempts, when its newest lines are wanted.
_LATEST_ATTEMPTS = 10
_LINES_SEARCHED = 2_000


# --- the feed -------------------------------------------------------------------------------------


def position() -> tuple[str, int]:
    """Store id and the newest committed feed number; ("", 0) before a Leader has ever run here."""
    found = Store.objects.filter(id=1).values_list("store_id", "feed_seq").first()
    return found or ("", 0)


def snapshot(topics: Sequence[str]) -> Message:
    """The state of these topics now. Read `position` first: what is committed in between comes again."""
    found: Message = {}
    task_ids = [topic.removeprefix("task:") for topic in topics if topic.startswith("task:")]
    if topic_names.NODES in topics:
        found["nodes"] = node_list()
    if topic_names.TASKS in topics:
        found["tasks"] = _current_tasks()
    elif task_ids:
        found["tasks"] = _task_infos(Task.objects.filter(id__in=task_ids))
    if topic_names.TASKS in topics or task_ids:
        found["commands"] = recent_commands(() if topic_names.TASKS in topics else task_ids)
    if topic_names.ALERTS in topics:
        found["alerts"] = alert_list()
    logs = [topic for topic in topics if topic == topic_names.LOGS or topic.startswith("logs:")]
    if logs or task_ids:
        found["logs"] = [
            *(message for topic in logs for message in _recent_of_topic(topic)),
            *(message for task_id in task_ids for message in recent_logs(task=task_id)),
        ]
    return found


def feed_since(seq: int, topics: Collection[str] | None, limit: int) -> list[Published] | None:
    """The first `limit` messages after `seq` on these topics (None = all), in order.

    None when that cannot be told any more, or is so much that a snapshot costs less.
    """
    store = Store.objects.filter(id=1).first()
    if store is None:
        return None
    wanted = _Wanted(topics)
    if store.feed_floor > seq or (wanted.wants_logs and store.logs_floor > seq):
        return None
    states = _states_between(seq, store.feed_seq, wanted, limit)
    logs = _logs_between(seq, store, wanted, limit) if wanted.wants_logs else []
    if states is None or logs is None:
        return None
    return sorted([*states, *logs], key=lambda message: message.seq)[:limit]


class _Wanted:
    """Topics of a reader, in the place of a `Listener`'s."""

    def __init__(self, topics: Collection[str] | None) -> None:
        self._topics = None if topics is None else frozenset(topics)
        self.task_ids = [t.removeprefix("task:") for t in topics or () if t.startswith("task:")]
        self.node_ids = [t.split(":")[1] for t in topics or () if t.startswith("logs:")]
        self.wants_all_logs = topics is None or topic_names.LOGS in topics
        self.wants_logs = self.wants_all_logs or bool(self.task_ids or self.node_ids)

    def wants(self, topic: str) -> bool:
        # For a reader of everything the whole batches do; its parts by level are the same lines again.
        return topic == topic_names.LOGS if self._topics is None else topic in self._topics

    def wants_any(self, topics: Iterable[str]) -> bool:
        return self._topics is None or not self._topics.isdisjoint(topics)

    def publish(self, batch: Sequence[Published]) -> None:
        raise AssertionError("a reader is not published to")


def _states_between(seq: int, last: int, wanted: _Wanted, limit: int) -> list[Published] | None:
    rows = FeedEntry.objects.filter(id__gt=seq, id__lte=last).order_by("id").values_list("id", "topics", "text")
    found: list[Published] = []
    for count, (entry_id, topics, text) in enumerate(rows[: _FEED_ROWS_READ + 1].iterator(chunk_size=500)):
        if count == _FEED_ROWS_READ:
            return None
        where = tuple(topics.split())
        if wanted.wants_any(where):
            found.append(Published(entry_id, where, text, "state", where[-1]))
            if len(found) == limit:
                break
    return found


def _logs_between(seq: int, store: Store, wanted: _Wanted, limit: int) -> list[Published] | None:
    rows = LogLine.objects.filter(id__gte=(seq + 1) << ID_SHIFT, id__lt=(store.feed_seq + 1) << ID_SHIFT)
    if not wanted.wants_all_logs:
        rows = rows.filter(Q(task_id__in=wanted.task_ids) | Q(node_id__in=wanted.node_ids))
    ordered = rows.order_by("id").values_list(*LOG_COLUMNS)[: _LINES_READ + 1]
    found: list[Published] = []
    count = 0
    for logs in _batches(ordered.iterator(chunk_size=1000)):
        count += len(logs.rows)
        if count > _LINES_READ:
            return None
        found.extend(published_logs(logs, store=store.store_id, listener=wanted))
        if len(found) >= limit:
            break
    return found


def _batches(rows: Iterable[tuple[Any, ...]]) -> Iterator[LogRows]:
    """Rows as `LOG_COLUMNS` says, in the order of their ids, by feed number."""
    for seq, group in groupby(rows, key=lambda row: int(row[0]) >> ID_SHIFT):
        lines = list(group)
        _, node_id, task_id, attempt = lines[0][:4]
        yield LogRows(seq, node_id, task_id, attempt, lines)


# --- nodes, tasks, alerts -------------------------------------------------------------------------


def node_list() -> list[Message]:
    """Every node, by name."""
    running = Counter(
        dict(
            Attempt.objects.filter(state__in=OCCUPYING, node__isnull=False)
            .values_list("node_id")
            .annotate(count=Count("id"))
            .order_by()
        )
    )
    return [node_info(node, running=running[node.id]) for node in Node.objects.order_by("id")]


def counts() -> Message:
    """How many nodes and tasks there are in each state, how many alerts are open, how many entries are set aside."""
    return {
        "nodes": dict(Node.objects.values_list("state").annotate(count=Count("id")).order_by()),
        "tasks": dict(Task.objects.values_list("state").annotate(count=Count("id")).order_by()),
        "alerts": Alert.objects.filter(resolved_at=None).count(),
        "deadLetters": DeadLetter.objects.count(),
    }


def dead_letters(*, node: str) -> int:
    """How many entries of this node could not be applied and are kept aside."""
    return DeadLetter.objects.filter(node_id=node).count()


def alert_list() -> list[Message]:
    """Open alerts, newest first."""
    return [alert_fields(alert) for alert in Alert.objects.filter(resolved_at=None)[:SNAPSHOT_ALERTS]]


def alert_page(*, node: str = "", task: str = "", open: bool = False, limit: int = 100, page: int = 1) -> Message:
    """Alerts, newest first, resolved ones too unless `open`."""
    alerts = Alert.objects.order_by("-opened_at", "-id")
    if open:
        alerts = alerts.filter(resolved_at=None)
    if node:
        alerts = alerts.filter(node_id=node)
    if task:
        alerts = alerts.filter(task_id=task)
    rows, has_more = _page(alerts, page, min(max(limit, 1), MAX_ROWS))
    return {"results": [alert_fields(alert) for alert in rows], "page": page, "hasMore": has_more}


def alert_detail(alert_id: int) -> Message:
    """An alert with its evidence in full: `id`, `kind`, `text` (hostile) of each piece. Raises `NotFound`."""
    alert = Alert.objects.filter(pk=alert_id).first()
    if alert is None:
        raise NotFound(f"There is no alert {alert_id}.")
    return {**alert_fields(alert), "evidence": alert.evidence}


def task_list(
    *,
    state: Collection[str] = (),
    node: str = "",
    project: str = "",
    text: str = "",
    limit: int = 100,
    page: int = 1,
) -> Message:
    """Tasks, newest first. `state`: any of these; `text`: in the name or the last message."""
    tasks = Task.objects.order_by("-created_at", "-id")
    if state:
        tasks = tasks.filter(state__in=sorted(state))
    if node:
        tasks = tasks.filter(node=node)
    if project:
        tasks = tasks.filter(project=project)
    if text:
        tasks = tasks.filter(Q(name__icontains=text) | Q(message__icontains=text) | Q(id=text))
    rows, has_more = _page(tasks.select_related("node"), page, min(max(limit, 1), MAX_ROWS))
    return {"results": [task_info(task, node=task.node) for task in rows], "page": page, "hasMore": has_more}


def task_detail(task_id: str) -> Message:
    """TaskInfo, its request without secrets, its attempts and its latest commands. Raises `NotFound`."""
    task = Task.objects.filter(id=task_id).select_related("node").first()
    if task is None:
        raise NotFound(f"There is no task {task_id}.")
    commands = Command.objects.filter(task=task_id).order_by("-created_at", "-id")[:PAGE_ROWS]
    return {
        **task_info(task, node=task.node),
        "spec": without_secrets(task.spec),
        "attempts": task_attempts(task_id),
        "commands": [command_info(command) for command in commands],
    }


def recent_commands(task_ids: Collection[str] = ()) -> list[Message]:
    """What is on its way, and what was settled lately, newest first; of these tasks, or of all."""
    commands = Command.objects.filter(task__in=task_ids) if task_ids else Command.objects.all()
    lately = datetime.now(UTC) - COMMAND_NEWS
    # Two reads, each along the index by state.
    found = [
        *commands.filter(state__in=_OPEN_COMMANDS).order_by("-changed_at")[:SNAPSHOT_COMMANDS],
        *commands.filter(state__in=_SETTLED_COMMANDS, changed_at__gte=lately).order_by("-changed_at")[
            :SNAPSHOT_COMMANDS
        ],
    ]
    found.sort(key=lambda command: (command.created_at, command.id), reverse=True)
    return [command_info(command) for command in found]


def task_attempts(task_id: str) -> list[Message]:
    """Every attempt of the task, newest first. Raises `NotFound`."""
    attempts = Attempt.objects.filter(task=task_id).select_related("task").order_by("-number")[:MAX_ROWS]
    found = [attempt_info(attempt, attempt.task) for attempt in attempts]
    if not found:
        raise NotFound(f"There is no task {task_id}.")
    return found


def work_log(
    *,
    node: str = "",
    state: str = "",
    project: str = "",
    text: str = "",
    since: datetime | None = None,
    until: datetime | None = None,
    page: int = 1,
    limit: int = PAGE_ROWS,
) -> Message:
    """Attempts of all tasks, newest first. `text`: in the name, the message or the command."""
    attempts = Attempt.objects.select_related("task").order_by("-created_at", "-id")
    if node:
        attempts = attempts.filter(node=node)
    if state:
        attempts = attempts.filter(state=state)
    if project:
        attempts = attempts.filter(task__project=project)
    if since:
        attempts = attempts.filter(created_at__gte=since)
    if until:
        attempts = attempts.filter(created_at__lt=until)
    if text:
        attempts = attempts.filter(
            # Not in the whole request: a search must not find out what an environment holds.
            Q(task__name__icontains=text)
            | Q(message__icontains=text)
            | Q(task__spec__shell_line__icontains=text)
            | Q(task__spec__argv__icontains=text)
            | Q(task__spec__named_task__icontains=text)
        )
    rows, has_more = _page(attempts, page, min(max(limit, 1), MAX_ROWS))
    return {"results": [attempt_info(attempt, attempt.task) for attempt in rows], "page": page, "hasMore": has_more}


def _current_tasks() -> list[Message]:
    """What is open, and the newest of what has ended."""
    tasks = Task.objects.filter(state__in=OPEN_TASKS)[:SNAPSHOT_OPEN_TASKS]
    ended = Task.objects.exclude(state__in=OPEN_TASKS)[:SNAPSHOT_ENDED_TASKS]
    return [*_task_infos(tasks), *_task_infos(ended)]


def _task_infos(tasks: QuerySet[Task]) -> list[Message]:
    return [task_info(task, node=task.node) for task in tasks.select_related("node")]


def _page(rows: QuerySet[Any], page: int, limit: int) -> tuple[list[Any], bool]:
    start = (max(page, 1) - 1) * limit
    found = list(rows[start : start + limit + 1])
    return found[:limit], len(found) > limit


def gaps(*, node: str, limit: int = PAGE_ROWS) -> list[Message]:
    """Entries that this node dropped or could not send again, newest first; as GAP, with `at` (its arrival here)."""
    rows = Event.objects.filter(node_id=node, kind="gap").order_by("-id")[: min(max(limit, 1), MAX_ROWS)]
    lanes = dict(Journal.objects.filter(node_id=node).values_list("id", "lane"))
    return [
        {
            "at": milliseconds(row.received_at),
            **gap_fields(
                Gap(
                    from_seq=row.detail["from_seq"],
                    to_seq=row.detail["to_seq"],
                    reason=row.detail["reason"],
                    task_id=row.task_id,
                    lines=row.detail["lines"],
                ),
                node=node,
                lane=lanes.get(row.journal_id, ""),
            ),
        }
        for row in rows
    ]


# --- output ---------------------------------------------------------------------------------------


def task_log(
    task_id: str, attempt: int | None = None, after: int = 0, limit: int = 1_000, level: str | None = None
) -> Message:
    """Lines of one attempt (None = the latest) after line number `after`. Raises `NotFound`.

    `lines` as in LOG; `next` is the `after` of the next page, or None at the end of what there is now. `missing`:
    ranges of line numbers, both ends inclusive, that nobody has (any more); empty when only some levels are wanted.
    """
    task = Task.objects.filter(id=task_id).first()
    if task is None:
        raise NotFound(f"There is no task {task_id}.")
    number = attempt or task.attempt
    lines = LogLine.objects.filter(task_id=task_id, attempt=number, number__gt=after)
    if level:
        lines = lines.filter(level__gte=LEVEL_NUMBERS[LogLevel(level)])
    limit = min(max(limit, 1), MAX_LINES)
    # Within an attempt ids and numbers grow together; the index is by id.
    rows = list(lines.order_by("id").values_list(*LOG_COLUMNS)[: limit + 1])
    has_more = len(rows) > limit
    rows = rows[:limit]
    last = Attempt.objects.filter(task=task_id, number=number).values_list("last_line", flat=True).first() or 0
    end = rows[-1][4] if has_more else last
    return {
        "task": task_id,
        "attempt": number,
        "lines": [line_fields(row) for row in rows],
        "missing": [] if level else _missing([after, *(row[4] for row in rows), end + 1]),
        "lastLine": last,
        "next": rows[-1][4] if has_more else None,
    }


def _missing(numbers: Sequence[int]) -> list[list[int]]:
    """The holes between numbers that grow."""
    return [[before + 1, number - 1] for before, number in pairwise(numbers) if number > before + 1]


def recent_logs(*, node: str = "", task: str = "", level: str = "", limit: int = SNAPSHOT_LINES) -> list[Message]:
    """The newest lines as LOG messages, oldest first: of everything, of one node's latest attempts, or of one task."""
    lowest = LEVEL_NUMBERS[LogLevel(level.lower())] if level else 0
    if task:
        number = Task.objects.filter(id=task).values_list("attempt", flat=True).first()
        rows = _newest(LogLine.objects.filter(task_id=task, attempt=number), lowest, limit) if number else []
    elif node:
        attempts = Attempt.objects.filter(node=node).order_by("-created_at").values_list("task_id", "number")
        rows = [
            row
            for task_id, number in attempts[:_LATEST_ATTEMPTS]
            for row in _newest(LogLine.objects.filter(task_id=task_id, attempt=number), lowest, limit)
        ]
        rows = sorted(rows)[-limit:]
    else:
        rows = _newest(LogLine.objects.all(), lowest, limit)
    store, _ = position()
    return [
        log_message(
            store=store,
            seq=batch.seq,
            node=batch.node_id,
            task=batch.task_id,
            attempt=batch.attempt,
            lines=[line_fields(row) for row in batch.rows],
        )
        for batch in _batches(rows)
    ]


def _newest(lines: QuerySet[LogLine], lowest: int, limit: int) -> list[tuple[Any, ...]]:
    """In the order of ids. A level is looked for among the newest lines only: rare ones must not cost a whole log."""
    rows = lines.order_by("-id").values_list(*LOG_COLUMNS)
    if not lowest:
        return list(rows[:limit])[::-1]
    return [row for row in rows[:_LINES_SEARCHED] if row[6] >= lowest][:limit][::-1]


def _recent_of_topic(topic: str) -> list[Message]:
    _, _, rest = topic.partition(":")
    node, _, level = rest.partition(":")
    return recent_logs(node=node, level=level)
