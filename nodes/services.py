"""The front door for whoever acts: pages, sockets, programs. Sync, safe on any thread but the Leader's own loop.

The caller has checked the person's rights. A request is stored when a function returns; what becomes of it is pushed.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any, Protocol, TypeVar

from nodes.domain.commands import TaskSpec, check_input, check_spec
from nodes.domain.states import Action
from nodes.errors import LeaderUnavailable, StoreError
from nodes.leader.scheduler.requests import ControlRequest
from nodes.leader.scheduler.scheduler import Scheduler

__all__ = [
    "Gateway",
    "InProcessGateway",
    "LeaderLoop",
    "LeaderUnavailable",
    "acknowledge_alert",
    "ask_service",
    "control_task",
    "in_time",
    "submit_task",
    "use_gateway",
]

_ANSWER_SECONDS = 10.0
# More than the loop gives itself: for a loop that hangs.
_LOOP_SECONDS = _ANSWER_SECONDS + 1

T = TypeVar("T")


class Gateway(Protocol):
    """The way to the Leader; its methods block until it has stored the request."""

    def submit(self, spec: TaskSpec, actor: str, task_id: str = "") -> str: ...

    def control(self, request: ControlRequest) -> str: ...

    def acknowledge(self, alert_id: int, actor: str) -> None: ...

    def ask(self, service: str, body: bytes) -> bytes: ...


def submit_task(spec: TaskSpec, *, actor: str, task_id: str = "") -> str:
    """The new task's id. Raises `TaskRejected` with the reason in words, `LeaderUnavailable`.

    `task_id`: the caller's own, so that asking again never makes a second task.
    """
    check_spec(spec)
    return _current().submit(spec, actor, task_id)


def control_task(
    task_id: str,
    action: Action,
    *,
    actor: str,
    ref: str = "",
    input: bytes = b"",
    close_input: bool = False,
    reason: str = "",
    command_id: str = "",
) -> str:
    """The command's id; COMMAND messages carry it and `ref`.

    `command_id`: the caller's own, so that asking again never acts a second time.

    Raises `NotFound`, `TaskRejected` (code "finished" for a task that has ended), `LeaderUnavailable`.
    """
    check_input(input)
    return _current().control(
        ControlRequest(
            task_id=task_id,
            action=Action(action),
            actor=actor,
            ref=ref,
            input=input,
            close_input=close_input,
            reason=reason,
            command_id=command_id,
        )
    )


def acknowledge_alert(alert_id: int, *, actor: str) -> None:
    """It stays open but calls nobody any more. Raises `NotFound` when it is not open, `LeaderUnavailable`."""
    _current().acknowledge(alert_id, actor)


def ask_service(service: str, body: bytes) -> bytes:
    """From a web process of its own: what a part of the Leader answers that the site has registered as `service`.

    Raises `TaskRejected` with the reason, `NotFound`, `LeaderUnavailable`.
    """
    return _current().ask(service, body)


async def in_time(work: Coroutine[Any, Any, T]) -> T:
    """On the Leader's loop. Raises `LeaderUnavailable` when the work takes too long or cannot be stored."""
    try:
        async with asyncio.timeout(_ANSWER_SECONDS):
            return await work
    except TimeoutError as exc:
        raise LeaderUnavailable("The Leader did not answer in time.") from exc
    except StoreError as exc:
        if type(exc) is not StoreError:  # NotFound and the like are answers.
            raise
        raise LeaderUnavailable(f"The Leader cannot store anything now: {exc}") from exc


class LeaderLoop:
    """The Leader's loop as its other threads use it; made on the loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._thread = threading.get_ident()

    def wait(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Runs it on the loop and blocks this thread, like `in_time`."""
        if threading.get_ident() == self._thread:
            raise AssertionError("the Leader's loop would wait for itself; call the services on another thread")
        future = asyncio.run_coroutine_threadsafe(in_time(work()), self._loop)
        try:
            return future.result(_LOOP_SECONDS)
        except TimeoutError as exc:
            future.cancel()
            raise LeaderUnavailable("The Leader did not answer in time.") from exc


class InProcessGateway:
    """Within the Leader's process: hands the request to the scheduler's loop and waits on this thread."""

    def __init__(self, scheduler: Scheduler, loop: LeaderLoop) -> None:
        self._scheduler = scheduler
        self._loop = loop

    def submit(self, spec: TaskSpec, actor: str, task_id: str = "") -> str:
        return self._loop.wait(lambda: self._scheduler.submit(spec, actor=actor, task_id=task_id))

    def control(self, request: ControlRequest) -> str:
        return self._loop.wait(lambda: self._scheduler.control(request))

    def acknowledge(self, alert_id: int, actor: str) -> None:
        self._loop.wait(lambda: self._scheduler.acknowledge(alert_id, actor=actor))

    def ask(self, service: str, body: bytes) -> bytes:
        """Bytes are for other processes: within this one, the site gives the service's callers its object."""
        raise LeaderUnavailable(f"This Leader has no service {service}.")


_lock = threading.Lock()
# A global, because Django and Daphne create views and consumers without arguments of ours.
_gateway: Gateway | None = None


def use_gateway(gateway: Gateway | None) -> None:
    """Set by the Leader's process; None = ask the Leader over its gateway, as the settings say."""
    global _gateway
    with _lock:
        _gateway = gateway


def _current() -> Gateway:
    global _gateway
    with _lock:
        if _gateway is None:
            from django.conf import settings

            # Only a web process of its own needs gRPC.
            from nodes.leader.gateway.client import RemoteGateway

            _gateway = RemoteGateway.on_data_dir(settings.DATA_DIR, settings.LEADER_GRPC)
        return _gateway
