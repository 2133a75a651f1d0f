"""Requests to the fleet, for pages, sockets and programs. Synchronous; safe on any thread but the Leader's own loop.

The caller has checked the person's rights. When a function returns, the request is stored; its outcome is pushed.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any, Protocol, TypeVar

from msgspec import UNSET, UnsetType

from nodes.domain.commands import Seen, TaskSpec, check_input, check_spec
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
    "retire_node",
    "submit_task",
    "use_gateway",
]

_ANSWER_SECONDS = 10.0
# Longer than `in_time` allows, so that it expires only if the loop hangs.
_LOOP_SECONDS = _ANSWER_SECONDS + 1

T = TypeVar("T")


class Gateway(Protocol):
    """Sends requests to the Leader. Its methods block until the Leader has stored the request."""

    def submit(self, spec: TaskSpec, actor: str, task_id: str = "") -> str: ...

    def control(self, request: ControlRequest) -> str: ...

    def acknowledge(self, alert_id: int, actor: str, seen: str = "") -> None: ...

    def retire(self, node_id: str, actor: str) -> bool: ...

    def ask(self, service: str, body: bytes) -> bytes: ...


def submit_task(spec: TaskSpec, *, actor: str, task_id: str = "") -> str:
    """Creates a task and returns its id. Raises `TaskRejected`, `LeaderUnavailable`.

    `task_id`: chosen by the caller, so that repeating the request creates one task.
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
    may_run_commands: bool = False,
    definition: str = "",
    seen: Seen | UnsetType = UNSET,
) -> str:
    """Requests an action and returns the command's id; COMMAND messages carry it and `ref`.

    `command_id`: chosen by the caller, so that repeating the request acts once. `may_run_commands`: the person's right,
    which input and retry of a free command need. `definition`: for a retry, the changed definition that they accept.
    `seen`: what the person saw.

    Raises `NotFound`, `TaskRejected` (codes "finished" for a task that has ended, "stale" for one that has changed
    since it was seen, "forbidden", "definition-changed" with the change in `details`), `LeaderUnavailable`.
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
            may_run_commands=may_run_commands,
            definition=definition,
            seen=seen,
        )
    )


def acknowledge_alert(alert_id: int, *, actor: str, seen: str = "") -> None:
    """The alert stays open but no longer notifies. `seen`: the digest of the alert that the person saw.

    Raises `NotFound` if it is not open, `TaskRejected` (code "stale") if it has changed, `LeaderUnavailable`.
    """
    _current().acknowledge(alert_id, actor, seen)


def retire_node(node_id: str, *, actor: str) -> bool:
    """Takes a node that is gone out of lists and choices; False if it was retired before.

    Its alerts close, tasks that wait for it end, and it is back when it connects with a valid token.

    Raises `NotFound`, `TaskRejected` (codes "node-online", "node-is-leader"), `LeaderUnavailable`.
    """
    return _current().retire(node_id, actor)


def ask_service(service: str, body: bytes) -> bytes:
    """Calls, from a separate web process, the part of the Leader that the site has registered as `service`.

    Raises `TaskRejected`, `NotFound`, `LeaderUnavailable`.
    """
    return _current().ask(service, body)


async def in_time(work: Coroutine[Any, Any, T]) -> T:
    """Runs on the Leader's loop. Raises `LeaderUnavailable` when the work takes over 10 s or cannot be stored."""
    try:
        async with asyncio.timeout(_ANSWER_SECONDS):
            return await work
    except TimeoutError as exc:
        raise LeaderUnavailable("The Leader did not answer in time.") from exc
    except StoreError as exc:
        if type(exc) is not StoreError:  # NotFound and Conflict are answers, not outages.
            raise
        raise LeaderUnavailable(f"The Leader cannot store anything now: {exc}") from exc


class LeaderLoop:
    """Lets other threads of the Leader run work on its loop. Create it on the loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._thread = threading.get_ident()

    def wait(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Runs the work on the loop and blocks this thread until it is done; raises like `in_time`."""
        if threading.get_ident() == self._thread:
            raise AssertionError("the Leader's loop would wait for itself; call the services on another thread")
        future = asyncio.run_coroutine_threadsafe(in_time(work()), self._loop)
        try:
            return future.result(_LOOP_SECONDS)
        except TimeoutError as exc:
            future.cancel()
            raise LeaderUnavailable("The Leader did not answer in time.") from exc


class InProcessGateway:
    """The gateway within the Leader's process: runs the request on the scheduler's loop and waits on this thread."""

    def __init__(self, scheduler: Scheduler, loop: LeaderLoop) -> None:
        self._scheduler = scheduler
        self._loop = loop

    def submit(self, spec: TaskSpec, actor: str, task_id: str = "") -> str:
        return self._loop.wait(lambda: self._scheduler.submit(spec, actor=actor, task_id=task_id))

    def control(self, request: ControlRequest) -> str:
        return self._loop.wait(lambda: self._scheduler.control(request))

    def acknowledge(self, alert_id: int, actor: str, seen: str = "") -> None:
        self._loop.wait(lambda: self._scheduler.acknowledge(alert_id, actor=actor, seen=seen))

    def retire(self, node_id: str, actor: str) -> bool:
        return self._loop.wait(lambda: self._scheduler.retire(node_id, actor=actor))

    def ask(self, service: str, body: bytes) -> bytes:
        """Never used in this process: the site gives callers the service's object instead of bytes."""
        raise LeaderUnavailable(f"This Leader has no service {service}.")


_lock = threading.Lock()
# A global, because Django and Daphne create views and consumers without arguments of ours.
_gateway: Gateway | None = None


def use_gateway(gateway: Gateway | None) -> None:
    """Sets this process's gateway; the Leader sets its own. None = use the Leader's gRPC gateway, as configured."""
    global _gateway
    with _lock:
        _gateway = gateway


def _current() -> Gateway:
    global _gateway
    with _lock:
        if _gateway is None:
            from django.conf import settings

            # Imported here: only a separate web process needs gRPC.
            from nodes.leader.gateway.client import RemoteGateway

            _gateway = RemoteGateway.on_data_dir(settings.DATA_DIR, settings.LEADER_GRPC)
        return _gateway
