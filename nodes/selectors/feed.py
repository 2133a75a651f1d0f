"""Reads of the feed: its current position, and the messages after a position."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any

from django.db.models import Q

from nodes.leader.projection import topics as topic_names
from nodes.leader.projection.log_lines import ID_SHIFT, LOG_COLUMNS, LogRows, published_logs
from nodes.leader.projection.published import Published
from nodes.models import FeedEntry, LogLine, Store

# A reader that is further behind than this gets a snapshot, which is cheaper.
_FEED_ROWS_READ = 20_000
_LINES_READ = 50_000


def position() -> tuple[str, int]:
    """The store id and the newest committed feed number; ("", 0) if no Leader has run here yet."""
    found = Store.objects.filter(id=1).values_list("store_id", "feed_seq").first()
    return found or ("", 0)


def feed_since(seq: int, topics: Collection[str] | None, limit: int) -> list[Published] | None:
    """The first `limit` messages after `seq` on these topics (None = all), in order.

    None when they have been pruned, or when there are so many that a snapshot is cheaper.
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
    """The topics of a reader, with the interface of a `Listener`."""

    def __init__(self, topics: Collection[str] | None) -> None:
        self._topics = None if topics is None else frozenset(topics)
        self.task_ids = [t.removeprefix("task:") for t in topics or () if t.startswith("task:")]
        self.node_ids = [t.split(":")[1] for t in topics or () if t.startswith("logs:")]
        self.wants_all_logs = topics is None or topic_names.LOGS in topics
        self.wants_logs = self.wants_all_logs or bool(self.task_ids or self.node_ids)

    def wants(self, topic: str) -> bool:
        # A reader of everything gets the whole batches; their parts by level repeat the same lines.
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
            found.append(Published(entry_id, where, text, "state"))
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
    for logs in batches(ordered.iterator(chunk_size=1000)):
        count += len(logs.rows)
        if count > _LINES_READ:
            return None
        found.extend(published_logs(logs, store=store.store_id, listener=wanted))
        if len(found) >= limit:
            break
    return found


def batches(rows: Iterable[tuple[Any, ...]]) -> Iterator[LogRows]:
    """Groups rows (columns as in `LOG_COLUMNS`, ordered by id) by feed number."""
    for seq, group in groupby(rows, key=lambda row: int(row[0]) >> ID_SHIFT):
        lines = list(group)
        _, node_id, task_id, attempt = lines[0][:4]
        yield LogRows(seq, node_id, task_id, attempt, lines)
