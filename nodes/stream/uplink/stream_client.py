"""One stream to the parent: a reader, a writer and a watch around a `ChildSession`, until the first of them ends it.

Only the writer writes. Only the reader reads, in one task for the stream's whole life: cancelling a read and starting
another one leaks memory in the library.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

import grpc

from nodes.core.clock import Clock
from nodes.domain.states import Lane
from nodes.errors import ConfigError, WireError
from nodes.stream.journal.errors import JournalUnavailable
from nodes.stream.journal.journal import Journal
from nodes.stream.uplink.status import Ending, Retry, StreamEnded, judge
from nodes.stream.wire.child_session import ChildSession
from nodes.stream.wire.entry import Entry
from nodes.stream.wire.limits import TICKET_SECONDS
from nodes.stream.wire.session import (
    Acked,
    CommandReceived,
    EpochRaised,
    Event,
    GoAwayReceived,
    JournalBehind,
    Nacked,
    PeerSilent,
    StaleCommand,
    TokensRevoked,
    Welcomed,
)
from nodes.stream.wire.v1 import node_sync_pb2 as pb

logger = logging.getLogger(__name__)

Call = grpc.aio.StreamStreamCall[pb.NodeUpdate, pb.LeaderCommand]


@dataclass(frozen=True, slots=True, kw_only=True)
class Callbacks:
    """The uplink's callbacks for messages from the parent."""

    on_epoch: Callable[[int], None]
    on_welcome: Callable[[pb.Welcome], Sequence[pb.NodeUpdate]]  # Returns the snapshots.
    on_command: Callable[[pb.LeaderCommand, float], Awaitable[None]]
    on_revoked: Callable[[tuple[str, ...]], None]
    # For a node with a key: the entries with signatures, and a new ticket for the parent of this stream.
    sign: Callable[[Sequence[Entry]], Sequence[Entry]] | None = None
    new_ticket: Callable[[], pb.NodeUpdate] | None = None


class StreamClient:
    """`run` always raises `StreamEnded`; the caller cancels the call."""

    def __init__(
        self,
        call: Call,
        session: ChildSession,
        *,
        journals: Mapping[Lane, Journal],
        callbacks: Callbacks,
        clock: Clock,
        drain_seconds: float,
    ) -> None:
        self.session = session
        self.welcomed_mono: float | None = None
        self._call = call
        self._journals = journals
        self._callbacks = callbacks
        self._clock = clock
        self._drain_seconds = drain_seconds
        self._wake = asyncio.Event()  # There may be something to send.
        self._retimed = asyncio.Event()  # The next deadline may be sooner.
        self._heard = asyncio.Event()
        self._leaving = asyncio.Event()

    def wake(self) -> None:
        self._wake.set()

    def leave(self) -> None:
        """Requests a clean end: drains entries in flight, then says Goodbye. Returns at once, may be called twice."""
        self._leaving.set()

    async def run(self) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._read(), name="uplink-reader")
                group.create_task(self._write(), name="uplink-writer")
                group.create_task(self._watch(), name="uplink-watch")
                group.create_task(self._leave(), name="uplink-parting")
                if self._callbacks.new_ticket is not None:
                    group.create_task(self._renew_ticket(self._callbacks.new_ticket), name="uplink-ticket")
        except BaseExceptionGroup as group_error:
            # The first error ended the stream; errors from cancelling the other tasks add nothing.
            raise group_error.exceptions[0] from None

    # -- the four tasks

    async def _read(self) -> None:
        while True:
            message = await self._read_message()
            try:
                await self._handle(self.session.receive(message, self._clock.mono()))
            except WireError as exc:
                if isinstance(exc, StreamEnded):
                    raise
                raise StreamEnded(Ending(reason=f"the parent broke the protocol: {exc}", retry=Retry.SLOWLY)) from exc
            except (ConfigError, JournalUnavailable) as exc:
                # A full disk may have room again; a command in this message is sent again, too.
                raise StreamEnded(Ending(reason=f"cannot store the parent's message: {exc}")) from exc
            self._wake.set()
            self._heard.set()

    async def _read_message(self) -> pb.LeaderCommand:
        try:
            message = await self._call.read()
        except grpc.aio.AioRpcError as exc:
            raise StreamEnded(judge(exc.code(), exc.details() or "")) from exc
        except asyncio.CancelledError:
            if _is_cancelled():
                raise
            # The library raises this when the stream's status is CANCELLED.
            raise StreamEnded(judge(grpc.StatusCode.CANCELLED, "")) from None
        if not isinstance(message, pb.LeaderCommand):  # grpc.aio.EOF
            raise StreamEnded(judge(await self._call.code(), await self._call.details() or ""))
        return message

    async def _write(self) -> None:
        while True:
            # Cleared before checking, so that anything that arrives during the check wakes the writer again.
            self._wake.clear()
            await self._load()
            message = self.session.message_to_send(self._clock.mono())
            if message is None:
                await self._wake.wait()
                continue
            try:
                await self._call.write(message)
                if message.WhichOneof("payload") == "goodbye":
                    await self._call.done_writing()
                    return
            except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
                return  # The call is over; the reader finds out why.
            except asyncio.CancelledError:
                if _is_cancelled():
                    raise
                return  # As above, with status CANCELLED.

    async def _watch(self) -> None:
        while True:
            self._retimed.clear()
            try:
                async with asyncio.timeout(max(self.session.next_deadline() - self._clock.mono(), 0.0)):
                    await self._retimed.wait()
            except TimeoutError:
                for event in self.session.tick(self._clock.mono()):
                    if isinstance(event, PeerSilent):
                        reason = f"the parent has been silent for {event.silent_seconds:.0f} s"
                        raise StreamEnded(Ending(reason=reason)) from None
                self._wake.set()

    async def _renew_ticket(self, new_ticket: Callable[[], pb.NodeUpdate]) -> None:
        """The first ticket went ahead of the snapshot. Later ones end a disagreement about where this node is."""
        while True:
            await asyncio.sleep(TICKET_SECONDS)
            if self.session.is_live:
                try:
                    self.session.send_ephemeral("ticket", new_ticket())
                except ConfigError as exc:
                    raise StreamEnded(Ending(reason=f"cannot store the ticket's counter: {exc}")) from exc
                self._wake.set()

    async def _leave(self) -> None:
        await self._leaving.wait()
        if not self.session.is_welcomed:
            raise StreamEnded(Ending(reason="stopped"))  # No parent to send Goodbye to.
        try:
            async with asyncio.timeout(self._drain_seconds):
                while self.session.is_live and not self.session.is_drained:
                    self._heard.clear()
                    await self._heard.wait()
        except TimeoutError:
            pass  # The entries are in the journal: the next start sends them again.
        self.session.say_goodbye("stopped")
        self._wake.set()
        # The parent should end the stream, which the reader notices. Do not wait longer if it does not.
        await asyncio.sleep(1.0)
        raise StreamEnded(Ending(reason="stopped"))

    # -- internals

    async def _load(self) -> None:
        while (request := self.session.next_read()) is not None:
            try:
                entries = await self._journals[request.lane].read(
                    request.journal_id, request.after_seq, request.max_count, request.max_bytes
                )
            except JournalUnavailable as exc:
                raise StreamEnded(Ending(reason=str(exc))) from exc
            if not entries:
                # The journal was recreated meanwhile under another id: only a new Hello can announce that.
                raise StreamEnded(Ending(reason="a journal was recreated", retry=Retry.AT_ONCE))
            if self._callbacks.sign is not None:
                # At each sending: also entries of an earlier version, or of an earlier key, get a valid signature.
                entries = list(self._callbacks.sign(entries))
            self.session.load(request, entries)

    async def _handle(self, events: Sequence[Event]) -> None:
        # A journal that must be recreated invalidates the rest of a Welcome, so it is handled first.
        behind = [event for event in events if isinstance(event, JournalBehind)]
        if behind:
            for lost in behind:
                await self._renew(lost)
            raise StreamEnded(Ending(reason="a journal was recreated", retry=Retry.AT_ONCE))
        for event in events:
            await self._handle_one(event)

    async def _handle_one(self, event: Event) -> None:
        match event:
            case EpochRaised():
                self._callbacks.on_epoch(event.epoch)
            case Welcomed():
                self.welcomed_mono = self._clock.mono()
                self._note_acks({mark.journal_id: mark.seq for mark in event.welcome.marks})
                self.session.send_snapshots(self._callbacks.on_welcome(event.welcome))
                self._retimed.set()
            case Acked():
                self._note_acks(event.marks)
            case CommandReceived():
                await self._callbacks.on_command(event.command, event.received_mono)
            case TokensRevoked():
                self._callbacks.on_revoked(event.token_ids)
            case GoAwayReceived():
                raise StreamEnded(_ending_of(event.go_away))
            case Nacked():
                logger.warning(
                    "the parent quarantined entry %d of journal %s: %s: %s",
                    event.nack.seq,
                    event.nack.journal_id,
                    event.nack.code,
                    event.nack.message,
                )
            case StaleCommand():
                logger.warning(
                    "refused command %s of epoch %d: epoch %d is the highest seen",
                    event.command.command_id or event.command.WhichOneof("payload"),
                    event.command.epoch,
                    event.max_epoch,
                )
            case _:
                raise AssertionError(f"a child session has no event {event}")

    def _note_acks(self, marks: Mapping[str, int]) -> None:
        for journal in self._journals.values():
            for journal_id, seq in marks.items():
                journal.acked(journal_id, seq)  # Journal ids that it does not hold are ignored.

    async def _renew(self, event: JournalBehind) -> None:
        for journal in self._journals.values():
            if journal.journal_id == event.journal_id:
                logger.warning(
                    "the parent has entry %d of the journal of %s, which ends at %d: it was restored from a copy and"
                    " continues under a new id",
                    event.mark,
                    journal.lane,
                    journal.last_seq,
                )
                await journal.renew()


def _ending_of(go_away: pb.GoAway) -> Ending:
    delay, redirect = go_away.retry_after_seconds, go_away.redirect
    if go_away.reason in ("shutdown", "redirect"):
        return Ending(reason="the parent is stopping", min_delay_seconds=delay, redirect=redirect)
    return Ending(
        reason=f"disconnected by the parent: {go_away.reason}",
        retry=Retry.SLOWLY,
        min_delay_seconds=delay,
        redirect=redirect,
    )


def _is_cancelled() -> bool:
    """Whether the running task was really cancelled; the library also raises CancelledError by itself."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
