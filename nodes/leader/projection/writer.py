"""The only thread that writes the hot tables: it takes queued jobs, commits once, and only then notifies others.

Two queues: states and commands go before output, so that a flood of lines delays a state by at most one batch. A
transaction that fails half-way is repeated job by job, so that one bad job affects nothing else. When the database
itself does not respond, jobs from nodes wait and are retried; requests from people fail at once.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Protocol, TypeVar

from django.db import DatabaseError, connection, transaction

from nodes.errors import AgentFlowError, StaleTerm, StoreError
from nodes.leader.projection.log_lines import published_logs
from nodes.leader.projection.message_base import now_ms
from nodes.leader.projection.published import Listener, Published
from nodes.leader.projection.state_cache import StateCache
from nodes.leader.projection.term import BEAT_SECONDS, Term
from nodes.leader.projection.trouble import Trouble, first_line, reason_of, store_published
from nodes.leader.projection.unit_of_work import UnitOfWork
from nodes.outages import is_outage

logger = logging.getLogger(__name__)

T = TypeVar("T")

MAX_JOBS = 500
# Less for output: a state that arrives meanwhile waits for at most this much.
MAX_LOG_BYTES = 512 * 1024
# Limit of queued jobs; above it, `submit` waits. Streams are already limited by their windows.
MAX_QUEUED = 20_000
_RETRY_SECONDS = (0.1, 0.5, 2.0, 5.0)


class Job(Protocol):
    """Something to do within a transaction."""

    # Size of its output in bytes; 0 = goes before all output.
    log_bytes: int
    # True for jobs from nodes: they wait for the database as long as necessary.
    is_retried: bool

    def run(self, unit: UnitOfWork) -> Any:
        """To refuse, raises an `AgentFlowError` before its first change."""

    def run_apart(self, transact: Callable[[Callable[[UnitOfWork], Any]], Any]) -> Any:
        """Runs again, alone, after its transaction failed; may use several transactions."""


class FunctionJob:
    """One function, one transaction."""

    log_bytes = 0

    def __init__(self, function: Callable[[UnitOfWork], Any], *, is_retried: bool = False) -> None:
        self._function = function
        self.is_retried = is_retried

    def run(self, unit: UnitOfWork) -> Any:
        return self._function(unit)

    def run_apart(self, transact: Callable[[Callable[[UnitOfWork], Any]], Any]) -> Any:
        return transact(self._function)


def _beat(unit: UnitOfWork) -> None:
    """Nothing but the term's renewal, which is a write: it also shows whether the database accepts one."""


class _Failed(Exception):
    """A job raised an error after it had changed something: the transaction must be rolled back."""


class _Ticket:
    """A queued job and the future of its caller."""

    __slots__ = ("error", "future", "job", "result")

    def __init__(self, job: Job, future: asyncio.Future[Any] | None) -> None:
        self.job = job
        self.future = future
        self.result: Any = None
        self.error: BaseException | None = None


class Writer:
    """Started and stopped by the projection; `submit` is called on the loop."""

    def __init__(
        self,
        listener: Listener,
        on_wake: Callable[[], None],
        on_commit: Callable[[int], None] = lambda feed_seq: None,
        *,
        term: Term,
        on_lost: Callable[[StaleTerm], None] = lambda lost: None,
    ) -> None:
        self._listener = listener
        self._term = term
        self._on_lost = on_lost  # On the writer's thread, before anything else follows from the loss.
        self._lost: StaleTerm | None = None
        self._on_wake = on_wake
        self._on_commit = on_commit  # On the writer's thread.
        self._loop: asyncio.AbstractEventLoop | None = None
        self._room: asyncio.Semaphore | None = None
        self._condition = threading.Condition()
        self._urgent: deque[_Ticket] = deque()
        self._bulk: deque[_Ticket] = deque()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="projection-writer", daemon=True)
        self._cache: StateCache | None = None
        self._deadlines: dict[str, float] = {}
        self._failures = 0  # Consecutive failures of the database.
        self._trouble: Trouble | None = None

    @property
    def cache(self) -> StateCache:
        """For the writer's jobs, and for single reads elsewhere that may be slightly stale."""
        if self._cache is None:
            raise StoreError("the state of the fleet is not loaded from the database yet")
        return self._cache

    @property
    def is_in_trouble(self) -> bool:
        """Whether the database failed at the last write. For other threads: a single read."""
        return self._trouble is not None

    async def start(self) -> None:
        """Returns when the cache is loaded. Raises the database's error if that fails."""
        self._loop = asyncio.get_running_loop()
        self._room = asyncio.Semaphore(MAX_QUEUED)
        loaded = self._loop.create_future()
        self._urgent.append(_Ticket(FunctionJob(lambda unit: None), loaded))
        self._thread.start()
        await loaded

    async def stop(self) -> None:
        """Commits queued jobs, then ends the thread."""
        self._stopping.set()
        with self._condition:
            self._condition.notify()
        await asyncio.get_running_loop().run_in_executor(None, self._thread.join)

    async def submit(self, job: Job) -> Any:
        """The job's result, after the commit and after its messages were published."""
        if self._room is None or self._loop is None or self._stopping.is_set():
            raise self._lost or StoreError("the Leader is stopping")
        async with self._room:
            done = self._loop.create_future()
            ticket = _Ticket(job, done)
            with self._condition:
                (self._bulk if job.log_bytes else self._urgent).append(ticket)
                self._condition.notify()
            return await done

    # --- on the writer's thread -------------------------------------------------------------------

    def _run(self) -> None:
        try:
            while tickets := self._take():
                self._settle(tickets)
            if self._lost is None:
                self._give_up_term()
        finally:
            connection.close()

    def _give_up_term(self) -> None:
        try:
            self._term.give_up()
        except DatabaseError as exc:
            logger.warning("the term was not given up (%s); the next Leader waits until it lapses", first_line(exc))

    def _take(self) -> list[_Ticket]:
        with self._condition:
            while not (self._urgent or self._bulk):
                if self._stopping.is_set():
                    return []
                if not self._condition.wait(BEAT_SECONDS):
                    return [_Ticket(FunctionJob(_beat), None)]
            taken = [self._urgent.popleft() for _ in range(min(len(self._urgent), MAX_JOBS))]
            size = 0
            while self._bulk and size < MAX_LOG_BYTES and len(taken) < MAX_JOBS:
                taken.append(self._bulk.popleft())
                size += taken[-1].job.log_bytes
            return taken

    def _settle(self, tickets: list[_Ticket]) -> None:
        """Finishes every ticket: committed, refused or failed."""
        try:
            unit = self._together(tickets)
        except StaleTerm as exc:
            self._lose(tickets, exc)
        except Exception as exc:
            if is_outage(exc):
                self._requeue(tickets, exc)
                return
            # Whatever the error, it must not affect the other jobs of the batch.
            if not isinstance(exc, _Failed):
                logger.debug("transaction failed, running its jobs one by one", exc_info=True)
            self._cache = None
            for ticket in tickets:
                self._settle_apart(ticket)
        else:
            self._publish(unit, tickets)

    def _together(self, tickets: Sequence[_Ticket]) -> UnitOfWork:
        with transaction.atomic():
            self._term.renew()
            unit = UnitOfWork(self._loaded_cache())
            for ticket in tickets:
                ticket.result, ticket.error = self._attempt(ticket.job, unit)
            unit.flush()
        self._recovered()
        return unit

    def _attempt(self, job: Job, unit: UnitOfWork) -> tuple[Any, AgentFlowError | None]:
        before = unit.changes
        try:
            return job.run(unit), None
        except AgentFlowError as exc:
            if unit.changes != before:
                raise _Failed from exc
            return None, exc

    def _settle_apart(self, ticket: _Ticket) -> None:
        def transact(function: Callable[[UnitOfWork], T]) -> T:
            try:
                with transaction.atomic():
                    self._term.renew()
                    unit = UnitOfWork(self._loaded_cache())
                    result = function(unit)
                    unit.flush()
            except BaseException:
                self._cache = None
                raise
            self._recovered()
            self._publish(unit, ())
            return result

        ticket.error = None
        try:
            ticket.result = ticket.job.run_apart(transact)
        except StaleTerm as exc:
            self._lose([ticket], exc)
            return
        except Exception as exc:
            if is_outage(exc):
                self._requeue([ticket], exc)
                return
            if not isinstance(exc, AgentFlowError):
                logger.exception("a write failed and is dropped; other writes are not affected")
            ticket.error = exc
        self._publish(None, [ticket])

    def _requeue(self, tickets: list[_Ticket], exc: Exception) -> None:
        """The database does not respond: jobs from nodes go back into the queue until it does."""
        self._cache = None
        connection.close()
        reason = first_line(exc)
        self._failed(Trouble(reason=reason_of(exc), message=reason, since_ms=now_ms()))
        keeps_trying = not self._stopping.is_set()
        retried = [ticket for ticket in tickets if ticket.job.is_retried and keeps_trying]
        given_up = [ticket for ticket in tickets if not ticket.job.is_retried or not keeps_trying]
        for ticket in given_up:
            ticket.error = StoreError("the database does not answer")  # The reason is in the log.
        self._publish(None, given_up)
        if not retried:
            return
        with self._condition:
            for ticket in reversed(retried):
                (self._bulk if ticket.job.log_bytes else self._urgent).appendleft(ticket)
        delay = _RETRY_SECONDS[min(self._failures, len(_RETRY_SECONDS) - 1)]
        self._failures += 1
        logger.debug("the database does not answer (%s); next try in %s s", reason, delay)
        self._stopping.wait(delay)

    def _lose(self, tickets: Sequence[_Ticket], exc: StaleTerm) -> None:
        """Nothing is written or acknowledged any more: all that wait are refused."""
        self._on_lost(exc)
        self._lost = exc
        self._stopping.set()
        with self._condition:
            waiting = [*tickets, *self._urgent, *self._bulk]
            self._urgent.clear()
            self._bulk.clear()
        for ticket in waiting:
            ticket.error = exc
        self._publish(None, waiting)

    def _failed(self, trouble: Trouble) -> None:
        if self._trouble is not None:
            trouble = replace(trouble, since_ms=self._trouble.since_ms)
        if trouble != self._trouble:
            logger.warning("the database does not answer (%s); nothing is acknowledged until it does", trouble.message)
            self._trouble = trouble
            self._on_loop(self._listener.publish, [store_published(trouble)])

    def _recovered(self) -> None:
        self._failures = 0
        if self._trouble is not None:
            logger.info("the database answers again")
            self._trouble = None
            self._on_loop(self._listener.publish, [store_published(None)])

    def _loaded_cache(self) -> StateCache:
        if self._cache is None:
            self._cache = StateCache(self._deadlines, mono=time.monotonic())
        return self._cache

    def _publish(self, unit: UnitOfWork | None, tickets: Sequence[_Ticket]) -> None:
        """After the commit: encodes messages that have subscribers, and passes all to the loop in one wake-up."""
        published: list[Published] = []
        if unit is not None:
            self._on_commit(unit.cache.store.feed_seq)
            published = unit.published
            store = unit.cache.store.store_id
            if unit.logs:
                for logs in unit.logs:
                    published.extend(published_logs(logs, store=store, listener=self._listener))
                published.sort(key=lambda message: message.seq)
            unit.cache.forget_ended()
        self._on_loop(self._deliver, published, unit, tickets)

    def _on_loop(self, callback: Callable[..., None], *arguments: Any) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(callback, *arguments)

    # --- on the loop ------------------------------------------------------------------------------

    def _deliver(self, published: list[Published], unit: UnitOfWork | None, tickets: Sequence[_Ticket]) -> None:
        if published:
            try:
                self._listener.publish(published)
            except Exception:
                logger.exception("the listener failed; dashboards catch up from the feed")
        for ticket in tickets:
            if ticket.future is None or ticket.future.done():
                continue  # A probe, or a job whose caller was cancelled; the write is committed.
            if ticket.error is not None:
                ticket.future.set_exception(ticket.error)
            else:
                ticket.future.set_result(ticket.result)
        if unit is not None:
            for callback in unit.after_commit:
                try:
                    callback()
                except Exception:
                    logger.exception("an action after a commit failed; the commit is not affected")
            if unit.wakes_scheduler:
                self._on_wake()
