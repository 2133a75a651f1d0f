"""One dashboard's socket at `/ws/`: authenticates, subscribes its outbox to topics, and forwards. docs/websocket.md.

It knows nothing about nodes or tasks. PING and ACK are answered at once; requests that need a database are handled in
order by one task per socket. Only the writer writes to the socket.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from channels.consumer import AsyncConsumer  # type: ignore[import-untyped]  # It is untyped.
from channels.exceptions import StopConsumer  # type: ignore[import-untyped]  # As above.
from django.db import Error as DatabaseError

from dashboard.accesslog import log_socket
from dashboard.accounts.address import scope_address
from dashboard.accounts.tokens import TooManyTokens
from dashboard.live import origin, process, replies
from dashboard.live.actions import Refused, act, open_conversation, send_chat_request
from dashboard.live.flow import Flow
from dashboard.live.frames import Frame
from dashboard.live.messages import (
    MAX_MESSAGE_BYTES,
    Ack,
    Auth,
    BadMessage,
    Chat,
    ChatMessage,
    ClientMessage,
    Control,
    Ping,
    Run,
    Subscribe,
    Unsubscribe,
    parse,
)
from dashboard.live.outbox import Outbox
from dashboard.live.rate_guard import RateGuard, Violation
from dashboard.live.subscriptions import Subscriptions
from dashboard.live.topics import chat as chat_topic
from dashboard.live.transport import GONE, WriteBuffer
from dashboard.live.writer import SlowClient, Writer
from dashboard.rights import Right, Role, may
from dashboard.tickets import Viewer
from nodes import audit
from nodes.domain.access import AccessKind, AccessResult
from nodes.domain.phrases import Phrase

logger = logging.getLogger(__name__)

AUTH_SECONDS = 5.0
# Without a SUBSCRIBE within this time after AUTH, the socket gets the default topics.
DEFAULTS_AFTER_SECONDS = 0.5
_MAX_JOBS = 32
_ABORT_SECONDS = 3.0

# Daphne accepts only 1000 and 3000 to 4999.
CLOSE_ERROR = 4500
CLOSE_TRY_LATER = 4503
CLOSE_SLOW = 4008
CLOSE_UNAUTHORIZED = 4401

Job = Callable[[], Awaitable[None]]


class LiveConsumer(AsyncConsumer):  # type: ignore[misc]  # As above.
    """Gets messages from the broadcaster. A channel-layer group per client would cost several times as much."""

    def __init__(self, *, live: process.Live | None = None) -> None:
        self._live = live or process.current()
        self._tasks: asyncio.TaskGroup | None = None
        self._running: list[asyncio.Task[None]] = []
        self._is_closing = False
        self._is_open = False
        self._origin = origin.Verdict.FOREIGN
        self._viewer: Viewer | None = None
        self._role = Role.NOBODY
        self._has_asked_auth = False
        self._store = ""
        self._timers: list[asyncio.TimerHandle] = []
        self._jobs: asyncio.Queue[Job] = asyncio.Queue(_MAX_JOBS)
        self._guard = RateGuard(time.monotonic())
        self._outbox = Outbox()
        self._flow = Flow()
        self._subscriptions = Subscriptions(
            self._live, self._outbox, reply=self._reply, send_position=self._send_position
        )

    # --- life cycle -------------------------------------------------------------------------------------

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self._buffer = WriteBuffer(send)
        self._writer = Writer(
            send,
            self._outbox,
            self._flow,
            self._buffer,
            send_position=self._send_position,
            on_slow=lambda: self._close(CLOSE_SLOW),
        )
        try:
            async with asyncio.TaskGroup() as self._tasks:
                try:
                    # Replaces the base class's loop, which creates a task per message and needs a channel layer.
                    self.scope, self.base_send = scope, send
                    while True:
                        await self.dispatch(await receive())
                except StopConsumer:
                    pass  # Raised when the socket is closed.
                finally:
                    self._stop()
        finally:
            if self._is_open:
                log_socket(self.scope, "disconnected")
                self._live.broadcaster.remove(self._outbox)
                self._live.remove_stranger(self)
                self._live.roles.remove(self)
                await self._live.leave()

    async def dispatch(self, message: dict[str, Any]) -> None:
        """Calls the handler directly; the base class would switch to Django's single shared thread for each message."""
        kind = message["type"]
        if kind == "websocket.receive":
            self._received(message)
        elif kind == "websocket.connect":
            await self._connected()
        elif kind == "websocket.disconnect":
            raise StopConsumer

    async def _connected(self) -> None:
        self._origin, reason = origin.judge(
            self.scope["headers"],
            is_behind_https_proxy=self._live.is_behind_https_proxy,
            trusted=self._live.trusted_origins,
            is_secure=self._buffer.is_secure or self.scope.get("scheme") in ("https", "wss"),
        )
        if self._origin is origin.Verdict.FOREIGN:
            # Before accept: the browser gets a 403.
            address = scope_address(self.scope)
            audit.note_refusal(AccessKind.ORIGIN, address=address, result=AccessResult.REFUSED, reason=reason)
            log_socket(self.scope, "rejected")
            await self.base_send({"type": "websocket.close"})
            raise StopConsumer
        await self.base_send({"type": "websocket.accept"})
        if not self._live.has_room():
            # After accept: a browser hides the reason of a refused handshake from the page.
            text = f"This server has {process.MAX_SOCKETS} dashboards, which is its limit; try again later."
            await self.base_send(replies.error("server-full", text).event)
            await self.base_send({"type": "websocket.close", "code": CLOSE_TRY_LATER})
            raise StopConsumer
        self._is_open = True
        self._live.add_stranger(self, self._buffer.abort)
        log_socket(self.scope, "connected")
        self._start(self._write(), "live-writer")
        self._start(self._work(), "live-jobs")
        self._live.broadcaster.add(self._outbox)
        self._after(AUTH_SECONDS, self._check_auth)
        try:
            await self._live.enter()
        except TimeoutError:
            self._close(CLOSE_TRY_LATER)

    def _start(self, work: Any, name: str) -> None:
        if self._tasks is not None:
            self._running.append(self._tasks.create_task(work, name=name))

    def _after(self, seconds: float, call: Callable[[], object]) -> None:
        self._timers.append(asyncio.get_running_loop().call_later(seconds, call))

    def _stop(self) -> None:
        for timer in self._timers:
            timer.cancel()
        for task in self._running:
            task.cancel()

    def _close(self, code: int, last: Frame | None = None) -> None:
        """Closes the socket: drops waiting messages, sends nothing more but `last`, and aborts the connection if the
        client does not answer the close.
        """
        if self._is_closing:
            return
        self._is_closing = True
        self._stop()
        self._subscriptions.close()
        self._live.roles.remove(self)
        self._outbox.overflow()
        self._running = []
        self._start(self._send_close(code, last), "live-close")

    async def _send_close(self, code: int, last: Frame | None) -> None:
        try:
            async with asyncio.timeout(_ABORT_SECONDS):
                if last is not None:
                    await self.base_send(last.event)
                await self.base_send({"type": "websocket.close", "code": code})
        except (TimeoutError, *GONE):
            # Either its buffer stays full and the abort below closes it, or it has already disconnected.
            pass
        # Cancelled as soon as the client disconnects.
        await asyncio.sleep(_ABORT_SECONDS)
        self._buffer.abort()

    async def _write(self) -> None:
        try:
            await self._writer.run()
        except SlowClient:
            self._close(CLOSE_SLOW)
        except GONE:
            # The disconnect event follows; until then nothing is added to the outbox.
            self._outbox.overflow()
        except Exception:
            logger.exception("writing to a dashboard failed; closing its socket")
            self._close(CLOSE_ERROR)

    async def _work(self) -> None:
        """Handles requests that need the database or the Leader, in order."""
        while True:
            job = await self._jobs.get()
            try:
                await job()
            except (DatabaseError, TimeoutError) as exc:
                logger.warning("cannot serve a dashboard now: %s; its client reconnects later", exc)
                self._close(CLOSE_TRY_LATER)
            except Exception:
                logger.exception("a dashboard's request failed; closing its socket")
                self._close(CLOSE_ERROR)

    def _enqueue(self, job: Job, ref: str = "") -> bool:
        try:
            self._jobs.put_nowait(job)
        except asyncio.QueueFull:
            self._reply(replies.error("busy", "Too many requests are waiting.", ref))
            return False
        return True

    def _reply(self, frame: Frame) -> None:
        self._outbox.put(frame)
        self._outbox.wake()

    def _send_position(self) -> None:
        seq = self._subscriptions.position()
        if seq is not None and self._viewer is not None:
            self._reply(replies.pong(store=self._store, seq=seq, push_ms=self._flow.push_ms))

    # --- incoming messages ----------------------------------------------------------------------------

    def _received(self, event: dict[str, Any]) -> None:
        if self._is_closing:
            return
        now = time.monotonic()
        text = event.get("text")
        if text is None:
            self._violated(Violation.BAD_MESSAGE, "not-text", "Messages are text frames.", now)
        elif len(text) > MAX_MESSAGE_BYTES or len(text.encode()) > MAX_MESSAGE_BYTES:
            self._violated(Violation.OVERSIZE, "too-large", f"A message has at most {MAX_MESSAGE_BYTES} bytes.", now)
        else:
            # Check the rate before parsing, so that a flood stays cheap. Only a likely ACK uses the ACK rate.
            may_be_ack = len(text) < 256 and '"ACK"' in text
            if not self._guard.may_send(now, is_ack=may_be_ack):
                self._violated(Violation.TOO_FAST, "too-fast", "At most 20 messages a second.", now)
                return
            try:
                message = parse(text)
            except BadMessage as bad:
                self._violated(Violation.BAD_MESSAGE, bad.code, bad.text, now, bad.ref, bad.parts)
                return
            self._handle(message, now)

    def _violated(
        self, violation: Violation, code: str, text: str, now: float, ref: str = "", parts: Sequence[Phrase] = ()
    ) -> None:
        if self._guard.note_violation(now):
            self._close(violation.value)
        else:
            self._reply(replies.error(code, text, ref, parts))

    def _handle(self, message: ClientMessage, now: float) -> None:
        if isinstance(message, Auth):
            self._ask_auth(message)
        elif not self._has_asked_auth:
            self._close(CLOSE_UNAUTHORIZED)
        elif isinstance(message, Ping):
            self._send_position()
        elif isinstance(message, Ack):
            if self._flow.acked(message.seq, now=now, held_seconds=message.held_ms / 1000):
                self._writer.acked()
        elif isinstance(message, Subscribe):
            self._subscriptions.awaits()
            if not self._enqueue(lambda: self._subscriptions.subscribe(message), message.ref):
                self._subscriptions.answered()
        elif isinstance(message, Unsubscribe):
            self._enqueue(lambda: self._unsubscribe(message))
        elif isinstance(message, Control | Run):
            self._enqueue(lambda: self._act(message), message.ref)
        else:
            self._enqueue(lambda: self._chat(message), message.ref)

    # --- authentication ---------------------------------------------------------------------------

    def _check_auth(self) -> None:
        if not self._has_asked_auth:
            self._close(CLOSE_UNAUTHORIZED)

    def _ask_auth(self, message: Auth) -> None:
        if self._has_asked_auth:
            self._reply(replies.error("already-authenticated", "This socket is already authenticated."))
            return
        self._has_asked_auth = True
        self._enqueue(lambda: self._authenticate(message))

    async def _authenticate(self, message: Auth) -> None:
        live = self._live
        address = scope_address(self.scope)
        try:
            viewer, (self._store, seq) = await live.threads.read(
                lambda: (live.tickets.authenticate(message.token, address), live.feed.position())
            )
        except TooManyTokens:
            self._close(Violation.TOO_FAST.value)
            return
        if viewer is None or (self._origin is origin.Verdict.NONE and not viewer.is_program):
            self._close(CLOSE_UNAUTHORIZED)
            return
        if live.roles.count(viewer.user_id) >= process.MAX_SOCKETS_PER_USER:
            text = f"You have {process.MAX_SOCKETS_PER_USER} sockets open, which is the limit; close some."
            self._close(CLOSE_TRY_LATER, replies.error("too-many-sockets", text))
            return
        self._viewer = viewer
        live.remove_stranger(self)
        self._writer.is_batching = message.is_batching
        self._live.roles.add(self, viewer, self._set_role)
        self._set_role(viewer.role)
        self._reply(
            replies.auth_ok(
                user=viewer.username,
                role=viewer.role,
                store=self._store,
                seq=seq,
                heartbeat_seconds=self._live.heartbeat_seconds,
            )
        )
        self._subscriptions.begin()
        self._after(DEFAULTS_AFTER_SECONDS, self._subscribe_to_defaults)

    def _set_role(self, role: Role) -> None:
        self._role = role
        if not may(role, Right.VIEW):
            self._close(CLOSE_UNAUTHORIZED)

    def _subscribe_to_defaults(self) -> None:
        self._enqueue(lambda: self._subscriptions.subscribe_to_defaults(is_base=not self._writer.is_batching))

    async def _unsubscribe(self, message: Unsubscribe) -> None:
        self._subscriptions.unsubscribe(message)

    # --- conversations ----------------------------------------------------------------------------

    async def _chat(self, message: ChatMessage) -> None:
        if self._viewer is None:
            return
        actor, live = self._viewer.username, self._live
        try:
            if not self._viewer.may_converse:
                raise Refused("forbidden", "A token with a role of its own takes no part in conversations.")
            conversation_id = ""
            if isinstance(message, Chat):
                conversation_id = await open_conversation(
                    message.context, role=self._role, actor=actor, chats=live.chats, threads=live.threads
                )
                # Before sending, so that the sender gets the answer even without a SUBSCRIBE.
                await self._subscriptions.ensure(chat_topic(conversation_id))
            accepted = await send_chat_request(
                message,
                conversation_id=conversation_id,
                role=self._role,
                actor=actor,
                chats=live.chats,
                threads=live.threads,
            )
        except Refused as refused:
            self._reply(replies.error(refused.code, refused.text, message.ref))
        else:
            self._reply(
                replies.chat_accepted(
                    conversation_id=accepted.conversation_id, turn_id=accepted.turn_id, ref=message.ref
                )
            )

    # --- actions ----------------------------------------------------------------------------------

    async def _act(self, message: Control | Run) -> None:
        if self._viewer is None:
            return
        try:
            accepted = await act(
                message,
                role=self._role,
                actor=self._viewer.username,
                services=self._live.services,
                threads=self._live.threads,
            )
        except Refused as refused:
            self._reply(replies.error(refused.code, refused.text, message.ref, refused.parts, refused.details))
        else:
            self._reply(replies.accepted(task_id=accepted.task_id, command_id=accepted.command_id, ref=message.ref))
