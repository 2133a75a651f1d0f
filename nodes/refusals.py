"""Counts refused attempts (logins, tokens) per source and minute, so that a flood fills neither the log nor the store.

One log line per source and minute: the first attempt at once, the others as "N more". `store` gets counts, about once
a second while there are any. Above `_MAX_SOURCES` sources a minute, the rest counts as one.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from nodes.addresses import source_of

logger = logging.getLogger("agentflow.refused")

MINUTE_SECONDS = 60.0
_STORE_SECONDS = 1.0
# After a failure of the store; the counts wait and stay bounded.
_RETRY_SECONDS = 5.0
_MAX_SOURCES = 100
_MAX_NAMES = 10
_OTHERS = ""


@dataclass(slots=True, kw_only=True)
class RefusalCount:
    """Attempts of one kind with one result from one source, since the last call of `store`."""

    kind: str  # What was tried: "login", "api-token" …
    result: str  # "refused": it was wrong; "limited": there were too many, so it was not checked.
    address: str  # The first attempt's; empty = of many sources.
    source: str
    at: datetime
    count: int = 0
    names: list[str] = field(default_factory=list)  # Different ones, the first few.


@dataclass(slots=True, kw_only=True)
class _Minute:
    """What the log has not said yet about one source."""

    address: str  # The first attempt's. A /64 network has many; the counts of a minute name one, so they are one row.
    ends_mono: float
    more: int = 0


class RefusalRecorder:
    """`note` may be called on any thread and never waits. A thread runs only while there is something to report.

    A crash loses what was noted in the last second; `flush` loses nothing.
    """

    def __init__(
        self,
        store: Callable[[Sequence[RefusalCount]], None] = lambda counts: None,
        *,
        in_background: bool = True,
        mono: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._in_background = in_background
        self._mono = mono
        self._lock = threading.Lock()
        self._storing = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._minutes: dict[tuple[str, str], _Minute] = {}
        self._counts: dict[tuple[str, str, str], RefusalCount] = {}

    def note(self, kind: str, *, address: str, result: str, name: str = "", reason: str = "") -> None:
        source, now = source_of(address), self._mono()
        with self._lock:
            minute = self._minutes.get((kind, source))
            if minute is None and len(self._minutes) >= _MAX_SOURCES:
                source = address = _OTHERS
                minute = self._minutes.get((kind, source))
            is_first = minute is None
            if minute is None:
                minute = self._minutes[kind, source] = _Minute(address=address, ends_mono=now + MINUTE_SECONDS)
            else:
                minute.more += 1
            key = (kind, result, source)
            count = self._counts.get(key)
            if count is None:
                count = RefusalCount(
                    kind=kind, result=result, address=minute.address, source=source, at=datetime.now(UTC)
                )
                self._counts[key] = count
            count.count += 1
            if name and name not in count.names and len(count.names) < _MAX_NAMES:
                count.names.append(name[:150])
            self._ensure_thread()
        if is_first:
            logger.warning("%s refused (%s), from %s", kind, reason or result, address or "many addresses")

    def flush(self) -> bool:
        """Stores what is counted so far and logs what is due; False if the store failed, which keeps the counts."""
        self._log_due(self._mono())
        with self._storing:
            with self._lock:
                counts, self._counts = self._counts, {}
            if not counts:
                return True
            try:
                self._store(list(counts.values()))
            except Exception:
                # The thread's outermost loop: whatever the error, the counts wait here and the next round tries again.
                logger.exception("could not store %d refusals; trying again later", len(counts))
                self._put_back(counts)
                return False
            return True

    def close(self) -> None:
        """Ends the thread and stores the rest. Later notes start a new one."""
        thread = self._thread
        self._stop.set()
        if thread is not None:
            thread.join(_RETRY_SECONDS)
        self._stop.clear()
        self._log_due(float("inf"))
        self.flush()

    def _put_back(self, counts: dict[tuple[str, str, str], RefusalCount]) -> None:
        with self._lock:
            for key, count in counts.items():
                if (newer := self._counts.get(key)) is not None:
                    count.count += newer.count
                    count.names = list(dict.fromkeys((*count.names, *newer.names)))[:_MAX_NAMES]
                self._counts[key] = count
            # During a long outage new sources arrive every minute.
            while len(self._counts) > 4 * _MAX_SOURCES:
                self._counts.pop(next(iter(self._counts)))

    def _log_due(self, now: float) -> None:
        with self._lock:
            due = {key: minute for key, minute in self._minutes.items() if minute.ends_mono <= now}
            for key, minute in due.items():
                if minute.more:
                    self._minutes[key] = _Minute(address=minute.address, ends_mono=now + MINUTE_SECONDS)
                else:
                    del self._minutes[key]
            if now == float("inf"):
                self._minutes.clear()
        for (kind, source), minute in due.items():
            if minute.more:
                logger.warning("%s refused %d more times, from %s", kind, minute.more, source or "many addresses")

    def _ensure_thread(self) -> None:
        if self._in_background and self._thread is None:
            self._thread = threading.Thread(target=self._run, name="refusals", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        delay = _STORE_SECONDS
        while True:
            is_stopping = self._stop.wait(delay)
            delay = _STORE_SECONDS if self.flush() else _RETRY_SECONDS
            with self._lock:
                if is_stopping or not (self._minutes or self._counts):
                    self._thread = None
                    return
