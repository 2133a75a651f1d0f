"""A real Daphne on a real port for tests of `/ws/`, with a feed that the test fills."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, TypeVar

import websockets
from msgspec import UNSET, UnsetType
from websockets.asyncio.client import ClientConnection, connect

from dashboard.accounts.tokens import TooManyTokens
from dashboard.rights import Role
from dashboard.tickets import Viewer
from nodes.domain.commands import Seen, TaskSpec
from nodes.domain.states import Action
from nodes.leader.projection.published import Published
from tests.support.eventually import eventually_sync
from tests.support.message_schemas import schema_of

T = TypeVar("T")
Application = Callable[[Any, Any, Any], Awaitable[None]]


class DaphneThread:
    """One per test session: a Twisted reactor runs once in a process. `application` may be changed at any time."""

    def __init__(self) -> None:
        from daphne.server import Server, twisted_loop

        self.application: Application | None = None
        self.loop: asyncio.AbstractEventLoop = twisted_loop
        self._server = Server(
            application=self._dispatch,
            endpoints=["tcp:port=0:interface=127.0.0.1"],
            signal_handlers=False,
            websocket_timeout=-1,
        )
        self._thread = threading.Thread(target=self._run, name="daphne", daemon=True)

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self._server.run()

    async def _dispatch(self, scope: Any, receive: Any, send: Any) -> None:
        assert self.application is not None
        await self.application(scope, receive, send)

    def start(self) -> DaphneThread:
        self._thread.start()
        eventually_sync(lambda: self._server.listening_addresses, 10, "Daphne listens")
        return self

    def stop(self) -> None:
        from twisted.internet import reactor

        reactor.callFromThread(reactor.stop)  # type: ignore[attr-defined]
        self._thread.join(10)

    @property
    def port(self) -> int:
        return int(self._server.listening_addresses[0][1])

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/ws/"

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def call(self, function: Callable[[], T]) -> T:
        """Runs the function on the server's loop and waits for its result."""
        done: Future[T] = Future()

        def run() -> None:
            try:
                done.set_result(function())
            except BaseException as exc:  # noqa: BLE001 - handed to the caller
                done.set_exception(exc)

        self.loop.call_soon_threadsafe(run)
        return done.result(10)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(30)


@dataclass
class MemoryFeed:
    """An in-memory feed with the guarantees of `nodes.selectors`."""

    store: str = "store-1"
    seq: int = 0
    floor: int = 0  # Entries up to here are pruned.
    entries: list[Published] = field(default_factory=list)
    state: dict[str, dict[str, dict[str, Any]]] = field(default_factory=lambda: {"nodes": {}, "tasks": {}})
    snapshots: int = 0

    def position(self) -> tuple[str, int]:
        return self.store, self.seq

    def snapshot(self, topics: Sequence[str]) -> dict[str, Any]:
        self.snapshots += 1
        return {name: list(items.values()) for name, items in self.state.items() if name in topics}

    def feed_since(self, seq: int, topics: Sequence[str] | None, limit: int) -> list[Published] | None:
        if seq < self.floor:
            return None
        found = [
            entry
            for entry in list(self.entries)
            if entry.seq > seq and (topics is None or set(topics) & set(entry.topics))
        ]
        return found[:limit]

    # What the projection does.

    def node(self, node_id: str, **fields: Any) -> Published:
        node = {"id": node_id, **fields, "version": str(self.seq + 1)}
        self.state["nodes"][node_id] = node
        return self._entry("NODE_STATUS", ("nodes",), node=node)

    def task(self, task_id: str, **fields: Any) -> Published:
        task = {"id": task_id, **fields, "version": str(self.seq + 1)}
        self.state["tasks"][task_id] = task
        return self._entry("TASK_UPDATE", ("tasks", f"task:{task_id}"), task=task)

    def log(self, node: str, *texts: str) -> Published:
        lines = [[str(self.seq + 1 << 10 | i), i, 0, "info", "stdout", text] for i, text in enumerate(texts)]
        topics = ("logs", f"logs:{node}", "task:t1")
        return self._entry("LOG", topics, kind="logs", node=node, task="t1", attempt=1, lines=lines)

    def metrics(self, node: str, cpu: float) -> Published:
        body = {"type": "METRICS", "at": 0, "node": node, "cpu": cpu}
        return Published.of(0, ("nodes",), body, "metrics", f"node:{node}")

    def _entry(self, kind_: str, topics: tuple[str, ...], kind: Any = "state", **fields: Any) -> Published:
        seq = self.seq + 1
        body = {"type": kind_, "store": self.store, "seq": str(seq), "at": 0, **fields}
        entry = Published.of(seq, topics, body, kind, f"{kind_}:{seq}")
        self.entries.append(entry)
        self.seq = seq  # Last: a thread that reads the position finds everything up to there, as in the database.
        return entry


@dataclass
class RecordedServices:
    """Services that record their calls."""

    calls: list[tuple[Any, ...]] = field(default_factory=list)
    rights: list[bool] = field(default_factory=list)  # Of each control: the person may run commands.
    seen: list[Seen | UnsetType] = field(default_factory=list)
    error: Exception | None = None

    def submit_task(self, spec: TaskSpec, *, actor: str) -> str:
        self.calls.append(("submit", spec, actor))
        if self.error:
            raise self.error
        return "t-new"

    def control_task(
        self,
        task_id: str,
        action: Action,
        *,
        actor: str,
        ref: str = "",
        input: bytes = b"",
        close_input: bool = False,
        reason: str = "",
        may_run_commands: bool = False,
        definition: str = "",
        seen: Seen | UnsetType = UNSET,
    ) -> str:
        self.seen.append(seen)
        self.calls.append(("control", task_id, action, actor, ref, input))
        self.rights.append(may_run_commands)
        if self.error:
            raise self.error
        return "c-1"


@dataclass
class KnownTickets:
    """Tokens are "<role>" (an API token) and "page-<role>" (a page's ticket)."""

    roles: dict[str, Role] = field(default_factory=lambda: {str(role): role for role in Role})

    wait_seconds: float = 0.0  # Above 0, no token is checked.

    def authenticate(self, token: str, address: str) -> Viewer | None:
        if self.wait_seconds:
            raise TooManyTokens(self.wait_seconds)
        name = token.removeprefix("page-")
        role = self.roles.get(name, Role.NOBODY)
        if role is Role.NOBODY:
            return None
        if token.startswith("page-"):
            return Viewer(user_id=1, username=name, role=role, session_key=f"session-{name}")
        return Viewer(user_id=1, username=name, role=role, token_id=1)

    def recheck(self, viewer: Viewer) -> Role:
        return self.roles[viewer.username]


class Client:
    """A WebSocket client that speaks JSON, one message a frame or arrays.

    If it is checked, a message that the server's schema does not allow fails the test that receives it.
    """

    def __init__(self, socket: ClientConnection, *, is_checked: bool = False) -> None:
        self.socket = socket
        self.is_checked = is_checked
        self.waiting: list[dict[str, Any]] = []
        self.seen: list[dict[str, Any]] = []  # Everything received, in order.
        self.frames = 0

    async def send(self, **message: Any) -> None:
        await self.socket.send(json.dumps(message))

    async def receive(self, timeout: float = 5.0) -> dict[str, Any]:
        while not self.waiting:
            async with asyncio.timeout(timeout):
                value = json.loads(await self.socket.recv())
            self.frames += 1
            if self.is_checked:
                schema_of("server").validate(value)
            self.waiting += value if isinstance(value, list) else [value]
        self.seen.append(self.waiting.pop(0))
        return self.seen[-1]

    async def until(self, kind: str, timeout: float = 5.0) -> dict[str, Any]:
        async with asyncio.timeout(timeout):
            while (message := await self.receive(timeout))["type"] != kind:
                pass
        return message

    async def closed(self, timeout: float = 10.0) -> int | None:
        """Reads until the server closes; the close code."""
        try:
            async with asyncio.timeout(timeout):
                while True:
                    await self.socket.recv()
        except websockets.ConnectionClosed as exc:
            return exc.rcvd.code if exc.rcvd else None

    async def quiet(self, seconds: float = 0.3) -> bool:
        """Whether nothing arrives for `seconds`. Needs a real wait."""
        try:
            await self.receive(seconds)
        except TimeoutError:
            return True
        return False


class open_client:
    """`async with open_client(url, token) as client`: authenticated unless `token` is None."""

    def __init__(
        self, url: str, token: str | None = "admin", *, batch: bool = False, is_checked: bool = False, **options: Any
    ) -> None:
        # Unlimited: with a full queue the library stops reading, and even closing then waits for its timeout.
        self._connect = connect(url, max_size=None, max_queue=None, **options)
        self._token = token
        self._batch = batch
        self._is_checked = is_checked

    async def __aenter__(self) -> Client:
        client = Client(await self._connect.__aenter__(), is_checked=self._is_checked)
        if self._token is not None:
            await client.send(type="AUTH", token=self._token, batch=self._batch)
        return client

    async def __aexit__(self, *details: Any) -> None:
        await self._connect.__aexit__(*details)
