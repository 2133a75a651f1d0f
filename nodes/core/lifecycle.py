"""The lifecycle of a process: services start in order and stop in reverse order, and every exit is noticed.

A service that ends before a stop was requested is a fault, whether it returned or raised.
Restarting is the supervisor's job.
"""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol, TypeVar

logger = logging.getLogger(__name__)

T = TypeVar("T")

EXIT_OK = 0
EXIT_FAULT = 1


class Service(Protocol):
    """A long-lived part. It runs once, is cheap to create, owns everything it starts, and leaves nothing running."""

    @property
    def name(self) -> str:
        """Shown in log messages."""

    async def run(self) -> None:
        """Returns only when nothing of its own is left running."""

    def request_stop(self) -> None:
        """Asks `run` to end. Returns at once; may be called more than once, and before `run`."""


async def finish(awaitable: Awaitable[T]) -> T:
    """Completes a write that must not be interrupted, even if the caller is cancelled meanwhile; then re-raises."""
    inner = asyncio.ensure_future(awaitable)
    try:
        return await asyncio.shield(inner)
    except asyncio.CancelledError:
        # The caller (or the inner task) was cancelled: wait until the inner task ends, then pass the cancellation on.
        # A second cancellation while waiting does interrupt it: the second signal means "stop now".
        await asyncio.wait([inner])
        if not inner.cancelled() and inner.exception() is not None:
            # The caller only sees its cancellation, so the failure must be logged here.
            logger.error("a write failed while its caller was being cancelled", exc_info=inner.exception())  # noqa: TRY400
        raise


async def run_services(
    services: Sequence[Service],
    *,
    stop_deadline_seconds: float = 15.0,
    handle_signals: bool = True,
    on_hang_up: Callable[[], None] | None = None,
) -> int:
    """Runs all services until a stop signal or the first fault; returns the exit code of the process.

    Services stop in reverse start order, each one ending before the next is asked, so that producers drain before
    their consumers stop. All share one deadline; what still runs then, or at the second signal, is cancelled.
    SIGHUP calls `on_hang_up` and never ends the process.
    """
    stop = asyncio.Event()
    hurry = asyncio.Event()

    def on_signal() -> None:
        (hurry if stop.is_set() else stop).set()

    with _signals(on_signal if handle_signals else None, on_hang_up or (lambda: None)):
        tasks = [asyncio.create_task(service.run(), name=service.name) for service in services]
        try:
            fault = await _first_end(tasks, stop)
            stop.set()
            await _stop_in_order(list(zip(services, tasks, strict=True)), stop_deadline_seconds, hurry)
        finally:
            for task in tasks:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
    for service, result in zip(services, results, strict=True):
        if isinstance(result, Exception):
            fault = True
            logger.error("service %s failed", service.name, exc_info=result)
    return EXIT_FAULT if fault else EXIT_OK


async def _first_end(tasks: Sequence[asyncio.Task[None]], stop: asyncio.Event) -> bool:
    """Waits for a stop request or for the first service to end; True when a service ended without a stop request."""
    stopped = asyncio.create_task(stop.wait(), name="stop-signal")
    try:
        await asyncio.wait([stopped, *tasks], return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopped.cancel()
    if stop.is_set():
        return False
    for task in tasks:
        if task.done():
            logger.error("service %s ended before a stop was requested", task.get_name())
    return True


async def _stop_in_order(
    running: Sequence[tuple[Service, asyncio.Task[None]]], deadline_seconds: float, hurry: asyncio.Event
) -> None:
    hurried = asyncio.create_task(hurry.wait(), name="second-signal")
    try:
        async with asyncio.timeout(deadline_seconds):
            for service, task in reversed(running):
                service.request_stop()
                await asyncio.wait([task, hurried], return_when=asyncio.FIRST_COMPLETED)
                if hurry.is_set():
                    logger.warning("second signal: cancelling all running services")
                    return
    except TimeoutError:
        late = [service.name for service, task in running if not task.done()]
        logger.warning("not stopped within %s s, cancelling: %s", deadline_seconds, ", ".join(late))
    finally:
        hurried.cancel()


def ignore_hang_up() -> None:
    """For a process that continues without its terminal, before and after `run_services`."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)


@contextmanager
def _signals(handler: Callable[[], None] | None, on_hang_up: Callable[[], None]) -> Iterator[None]:
    """SIGTERM and SIGINT call `handler` on the loop; None leaves signal handling unchanged."""
    if handler is None:
        yield
        return
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, handler)
    loop.add_signal_handler(signal.SIGHUP, on_hang_up)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGHUP)
        ignore_hang_up()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
