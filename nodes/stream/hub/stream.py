"""One node's stream at the hub: a reader, a writer, a watch and an applier per lane around a `ParentSession`.

States and logs are applied by separate tasks, so that a state never waits for the commit of logs. Only the writer
writes; acks are sent only after the store's commit.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

import grpc
from google.protobuf.message import DecodeError

from nodes.core.clock import Clock
from nodes.domain.states import Lane
from nodes.errors import ProtocolViolation, StoreError, WireError
from nodes.stream.hub.inbox import Inbox
from nodes.stream.hub.ports import Applied, Peer, TicketRefused, Upstream
from nodes.stream.identity.signatures import is_ticket_of
from nodes.stream.wire.limits import HANDSHAKE_SECONDS
from nodes.stream.wire.parent_session import ParentSession
from nodes.stream.wire.session import (
    BaseClientSeen,
    Event,
    GoodbyeReceived,
    HelloReceived,
    PeerSilent,
    RoundTripMeasured,
    UpdatesReceived,
)
from nodes.stream.wire.v1 import node_sync_pb2 as pb
from nodes.waits import Backoff

logger = logging.getLogger(__name__)

Context = grpc.aio.ServicerContext[pb.NodeUpdate, pb.LeaderCommand]


class StreamRefused(WireError):
    """How the stream ends, as a gRPC status. `OK` is a normal end."""

    def __init__(self, code: grpc.StatusCode, reason: str) -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason

    def __str__(self) -> str:
        return self.reason


class _NoTicket(StreamRefused):
    """The end of a stream on which no ticket arrives."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamHooks:
    """The hub's callbacks for a stream."""

    # Makes this the only stream of its node, or raises `StreamRefused`.
    admit: Callable[[Stream], Awaitable[None]]
    joined: Callable[[Stream], None]
    measured: Callable[[Stream], None]


class Stream:
    """`run` returns or raises `StreamRefused` when the stream is over."""

    def __init__(
        self,
        context: Context,
        peer: Peer,
        *,
        upstream: Upstream,
        hooks: StreamHooks,
        heartbeat_seconds: float,
        epoch: Callable[[], int],
        clock: Clock,
    ) -> None:
        self.peer = peer
        self.instance_id = ""
        self.said_goodbye = False
        self.address = context.peer()
        self.session = ParentSession(now_mono=clock.mono(), heartbeat_seconds=heartbeat_seconds, epoch=epoch)
        self._context = context
        self._upstream = upstream
        self._hooks = hooks
        self._clock = clock
        self._inboxes = {Lane.STATES: Inbox(), Lane.LOGS: Inbox()}
        self._log_journals: set[str] = set()
        self._wake = asyncio.Event()  # There may be something to send.
        self._retimed = asyncio.Event()  # The next deadline may be sooner.
        self._heard = asyncio.Event()
        self._is_reading = False
        self._end_at = math.inf
        self._end: StreamRefused | None = None
        self._parent_id = ""  # The node id of this hub's owner, as its Welcome says.
        self._awaits_ticket = False

    async def run(self) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                name = self.peer.node_id
                group.create_task(self._read(), name=f"hub-reader {name}")
                group.create_task(self._write(), name=f"hub-writer {name}")
                group.create_task(self._watch(), name=f"hub-watch {name}")
                for lane, inbox in self._inboxes.items():
                    group.create_task(self._apply(inbox), name=f"hub-{lane} {name}")
        except BaseExceptionGroup as group_error:
            # The first error ended the stream; errors from cancelling the other tasks add nothing.
            raise group_error.exceptions[0] from None

    # -- called by the hub

    def send(self, command: pb.LeaderCommand) -> bool:
        """Queues a command; False when the queue is full or the node is being disconnected."""
        is_taken = self.session.send_command(command)
        self._wake.set()
        return is_taken

    def revoked(self, token_ids: Sequence[str]) -> None:
        self.session.revoked(token_ids)
        self._wake.set()

    def send_away(
        self, code: grpc.StatusCode, reason: str, *, parting_seconds: float, retry_after_seconds: float = 0.0
    ) -> None:
        """Sends GoAway, gives the node time to disconnect by itself, then ends the stream."""
        self.session.send_away(reason=reason, retry_after_seconds=retry_after_seconds)
        # A base client does not understand GoAway, so there is nothing to wait for.
        self._end_at = self._clock.mono() + (0.0 if self.session.is_base else parting_seconds)
        self._end = StreamRefused(code, reason)
        self._wake.set()
        self._retimed.set()

    async def answers(self, timeout: float) -> bool:
        """Whether the node responds within `timeout` seconds."""
        self._heard.clear()
        self.session.ping()
        self._wake.set()
        try:
            async with asyncio.timeout(timeout):
                await self._heard.wait()
        except TimeoutError:
            return False
        return True

    # -- the tasks

    async def _read(self) -> None:
        while True:
            self._is_reading = True
            try:
                message = await self._context.read()
            except DecodeError as exc:
                raise StreamRefused(grpc.StatusCode.ABORTED, "the node sent bytes that are not a message") from exc
            except grpc.aio.InternalError as exc:
                raise _broken_off() from exc
            self._is_reading = False
            if not isinstance(message, pb.NodeUpdate):  # grpc.aio.EOF
                raise StreamRefused(grpc.StatusCode.OK, "the node closed its stream")
            try:
                events = self.session.receive(message, self._clock.mono())
            except ProtocolViolation as exc:
                raise StreamRefused(grpc.StatusCode.ABORTED, str(exc)) from exc
            except WireError as exc:
                raise StreamRefused(grpc.StatusCode.FAILED_PRECONDITION, str(exc)) from exc
            self._heard.set()
            for event in events:
                await self._handle(event)
            self._wake.set()

    async def _write(self) -> None:
        while True:
            # Cleared before checking, so that anything that arrives during the check wakes the writer again.
            self._wake.clear()
            message = self.session.message_to_send(self._clock.mono())
            if message is None:
                await self._wake.wait()
            else:
                try:
                    await self._context.write(message)
                except grpc.aio.InternalError as exc:
                    raise _broken_off() from exc

    async def _watch(self) -> None:
        while True:
            self._retimed.clear()
            deadline = min(self.session.next_deadline(), self._end_at)
            try:
                async with asyncio.timeout(max(deadline - self._clock.mono(), 0.0) if deadline < math.inf else None):
                    await self._retimed.wait()
            except TimeoutError:
                await self._on_deadline()

    async def _on_deadline(self) -> None:
        if self._end is not None and self._clock.mono() >= self._end_at:
            raise self._end
        if not self._is_reading:
            # The reader is not reading (the store is slow), so silence proves nothing. Check again soon.
            await asyncio.sleep(1.0)
            return
        for event in self.session.tick(self._clock.mono()):
            if isinstance(event, PeerSilent):
                reason = f"silent for {event.silent_seconds:.0f} s"
                raise StreamRefused(grpc.StatusCode.DEADLINE_EXCEEDED, reason)
        self._wake.set()

    async def _apply(self, inbox: Inbox) -> None:
        backoff = Backoff(0.2, 5.0)
        while True:
            updates = await inbox.take()
            while (applied := await self._try_apply(updates, backoff)) is None:
                pass
            self.session.acked(applied.marks)
            self.session.nacked(applied.nacks)
            self._wake.set()

    async def _try_apply(self, updates: Sequence[pb.NodeUpdate], backoff: Backoff) -> Applied | None:
        """None when the store failed: nothing is acked, the updates stay here, and the node's window slows it down."""
        try:
            applied = await self._upstream.apply(self.peer, updates)
        except StoreError as exc:
            delay = backoff.next_delay()
            logger.warning("updates of %s not stored, next try in %.1f s: %s", self.peer.node_id, delay, exc)
            await asyncio.sleep(delay)
            return None
        backoff.reset()
        return applied

    # -- events

    async def _handle(self, event: Event) -> None:
        match event:
            case HelloReceived():
                await self._welcome(event.hello)
            case BaseClientSeen() if self.peer.public_key:
                reason = "the token names a key, and a client that opens without Hello cannot use it"
                raise StreamRefused(grpc.StatusCode.PERMISSION_DENIED, reason)
            case BaseClientSeen():
                self.peer = replace(self.peer, is_base=True)
                await self._hooks.admit(self)
                await self._join()
            case UpdatesReceived():
                for update in event.updates:
                    await self._accept_update(update)
            case RoundTripMeasured():
                self._hooks.measured(self)
            case GoodbyeReceived():
                self.said_goodbye = True
            case _:
                raise AssertionError(f"a parent session has no event {event}")

    async def _welcome(self, hello: pb.Hello) -> None:
        peer = self.peer
        if hello.name != peer.node_id or hello.role != peer.role:
            claim = (
                f"the token is for {peer.role} {peer.node_id!r}, but the node claims to be {hello.role} {hello.name!r}"
            )
            raise StreamRefused(grpc.StatusCode.PERMISSION_DENIED, claim)
        self.instance_id = hello.instance_id
        self._log_journals.update(mark.journal_id for mark in hello.journals if mark.lane == Lane.LOGS)
        if not peer.public_key:
            await self._hooks.admit(self)
        try:
            async with asyncio.timeout(HANDSHAKE_SECONDS):
                welcome = await self._upstream.welcome(peer, hello)
        except (TimeoutError, StoreError) as exc:
            raise StreamRefused(grpc.StatusCode.UNAVAILABLE, "the store does not answer") from exc
        except WireError as exc:
            raise StreamRefused(grpc.StatusCode.FAILED_PRECONDITION, str(exc)) from exc
        self._parent_id = welcome.parent_id
        self._awaits_ticket = bool(peer.public_key)
        if self._awaits_ticket:
            self._end = _NoTicket(grpc.StatusCode.PERMISSION_DENIED, "the node has not shown its ticket in time")
            self._end_at = self._clock.mono() + HANDSHAKE_SECONDS
        self.session.welcome(welcome)
        self._wake.set()
        self._retimed.set()
        if not self._awaits_ticket:
            await self._join()

    async def _join(self) -> None:
        self._hooks.joined(self)
        try:
            commands = await self._upstream.ready(self.peer)
        except StoreError as exc:
            raise StreamRefused(grpc.StatusCode.UNAVAILABLE, "the store does not answer") from exc
        for command in commands:
            self.send(command)

    async def _accept_update(self, update: pb.NodeUpdate) -> None:
        """Whose rows the node may write is decided by the store: a refusal costs the entry, not the stream."""
        update.node_id = update.node_id or self.peer.node_id
        if self._awaits_ticket:
            await self._attach(update)
        if update.WhichOneof("payload") == "logs" and update.journal_id:
            self._log_journals.add(update.journal_id)
        # By journal, to keep the order within a journal: a Gap in the logs stays among the logs.
        lane = Lane.LOGS if update.journal_id in self._log_journals else Lane.STATES
        await self._inboxes[lane].put(update)

    async def _attach(self, update: pb.NodeUpdate) -> None:
        """The node's token has been read by its former parents; only its ticket shows that this is the node itself."""
        peer, ticket = self.peer, update.ticket
        is_own = update.node_id == peer.node_id and ticket.key.public_key == peer.public_key
        if not is_own or ticket.parent != self._parent_id or not is_ticket_of(peer.node_id, ticket):
            reason = "the token names a key: the node must first show a ticket that is signed with it"
            raise StreamRefused(grpc.StatusCode.PERMISSION_DENIED, reason)
        try:
            async with asyncio.timeout(HANDSHAKE_SECONDS):
                await self._upstream.take_ticket(peer, update)
        except TicketRefused as exc:
            raise StreamRefused(grpc.StatusCode.PERMISSION_DENIED, str(exc)) from exc
        except (TimeoutError, StoreError) as exc:
            raise StreamRefused(grpc.StatusCode.UNAVAILABLE, "the store does not answer") from exc
        await self._hooks.admit(self)
        self._awaits_ticket = False
        if isinstance(self._end, _NoTicket):
            self._end, self._end_at = None, math.inf
        await self._join()


def _broken_off() -> StreamRefused:
    """The library fails a pending read or write before it cancels the call. Nothing more can be sent."""
    return StreamRefused(grpc.StatusCode.OK, "the node broke the stream off")
