"""Decides which alert is analysed next: few turns for many alerts, and none twice. Pure: times are passed in.

An alert waits a moment, so that a burst leads to one turn: 20 s for a stalled task, which took minutes to detect; 2 s
for a task that waits for a person, who may be watching. Alerts of one context keep that delay between them. Of tasks
with the same problem only one is analysed, and its turn names the others; those wait until a fix has helped the first
one, or 15 minutes. Turns are limited per minute and per hour; alerts above the limit wait, oldest first. A resolved
alert leaves the queue.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from chat.contexts import Context

MOMENT_SECONDS: Mapping[str, float] = {"waiting": 2.0, "stalled": 20.0}
COOLDOWN_SECONDS = 15 * 60.0
A_MINUTE, AN_HOUR = 6, 60
MOST_WAITING = 100
_REMEMBERED = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Stuck:
    """One open alert about a task."""

    alert_id: int
    task_id: str
    kind: str
    context: Context
    fingerprint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """A turn to start."""

    first: Stuck
    others: tuple[Stuck, ...]  # Alerts with the same problem.


@dataclass(slots=True, kw_only=True)
class _Entry:
    stuck: Stuck
    due: float
    covered_by: int = 0  # The alert whose analysis covers it; 0 = none.


class Queue:
    def __init__(self) -> None:
        self._entries: dict[int, _Entry] = {}  # Oldest first.
        self._begun: deque[float] = deque(maxlen=AN_HOUR)
        self._analysed: dict[tuple[str, str], float] = {}  # (task, fingerprint) → time.

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def is_full(self) -> bool:
        return len(self._entries) >= MOST_WAITING

    def __contains__(self, alert_id: int) -> bool:
        return alert_id in self._entries

    def add(self, stuck: Stuck, now: float) -> None:
        """Adds an alert; no effect if it is queued already. The caller checks `is_full` first."""
        if stuck.alert_id in self._entries:
            return
        due = now + MOMENT_SECONDS[stuck.kind]
        last = self._analysed.get((stuck.task_id, stuck.fingerprint))
        if last is not None:
            due = max(due, last + COOLDOWN_SECONDS)
        self._entries[stuck.alert_id] = _Entry(stuck=stuck, due=due)

    def retry(self, stuck: Stuck, now: float, *, after_seconds: float) -> None:
        """Queues the batch again: its turn could not start and does not count."""
        self._begun.pop()
        self._analysed.pop((stuck.task_id, stuck.fingerprint), None)
        self._entries[stuck.alert_id] = _Entry(stuck=stuck, due=now + after_seconds)

    def drop(self, alert_id: int) -> None:
        self._entries.pop(alert_id, None)

    def judged(self, alert_id: int, task_id: str, now: float, *, has_helped: bool) -> None:
        """A fix has a verdict. If it helped, tasks with the same problem become due, one by one. The task itself may be
        analysed again at once, because its next alert has another cause.
        """
        for key in [key for key in self._analysed if key[0] == task_id]:
            del self._analysed[key]
        for entry in self._entries.values():
            if entry.stuck.task_id == task_id:
                entry.due = min(entry.due, now + MOMENT_SECONDS[entry.stuck.kind])
            elif has_helped and entry.covered_by == alert_id:
                entry.due, entry.covered_by = now, 0

    def next(self, now: float) -> Batch | None:
        """The oldest batch that is due; its turn counts as started."""
        if self._budget_delay(now) > 0:
            return None
        first = next((entry.stuck for entry in self._entries.values() if entry.due <= now), None)
        if first is None:
            return None
        del self._entries[first.alert_id]
        others = []
        for entry in self._entries.values():
            if entry.stuck.fingerprint == first.fingerprint:
                others.append(entry.stuck)
                entry.due, entry.covered_by = now + COOLDOWN_SECONDS, first.alert_id
            elif entry.stuck.context == first.context:
                entry.due = max(entry.due, now + MOMENT_SECONDS[entry.stuck.kind])
        self._begun.append(now)
        self._analysed[first.task_id, first.fingerprint] = now
        while len(self._analysed) > _REMEMBERED:
            del self._analysed[next(iter(self._analysed))]
        return Batch(first=first, others=tuple(others))

    def delay(self, now: float) -> float | None:
        """Seconds until `next` may return a batch; None = not before something is added."""
        if not self._entries:
            return None
        due = min(entry.due for entry in self._entries.values())
        return max(0.0, due - now, self._budget_delay(now))

    def _budget_delay(self, now: float) -> float:
        in_minute = [at for at in self._begun if now - at < 60]
        delay = in_minute[-A_MINUTE] + 60 - now if len(in_minute) >= A_MINUTE else 0.0
        in_hour = [at for at in self._begun if now - at < 3600]
        return max(delay, in_hour[-AN_HOUR] + 3600 - now if len(in_hour) >= AN_HOUR else 0.0)
