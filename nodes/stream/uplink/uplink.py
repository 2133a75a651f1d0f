"""The agent's API towards its parent: `send_update` reports what happens here, `on_command` receives commands.

Durable payloads are in the journal when `send_update` returns, connected or not; they are sent as soon as there is a
stream, and again until the parent has committed them.
"""

from __future__ import annotations

import asyncio
import logging
import random
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import grpc

from nodes.bearer import metadata_with
from nodes.core.clock import Clock, SystemClock
from nodes.domain.commands import Command
from nodes.domain.events import (
    CommandResult,
    Gap,
    JournalMark,
    LogBatch,
    Payload,
    Snapshot,
    StallAlert,
    TaskStatus,
    Update,
)
from nodes.domain.states import CommandState, Lane
from nodes.errors import ConfigError, ProtocolViolation
from nodes.stream.identity.edge_keys import is_issued_by
from nodes.stream.identity.signatures import new_ticket, sign_entries
from nodes.stream.journal.journal import Journal
from nodes.stream.uplink.config import UplinkConfig
from nodes.stream.uplink.log_batches import split_to_fit
from nodes.stream.uplink.node_file import NodeFile
from nodes.stream.uplink.status import Ending, Retry, StreamEnded, UplinkRefused
from nodes.stream.uplink.stream_client import Callbacks, StreamClient
from nodes.stream.uplink.token_choice import TokenChoice
from nodes.stream.wire.child_session import ChildSession
from nodes.stream.wire.codec import decode_command, encode_mark, encode_report, encode_update, target_of
from nodes.stream.wire.entry import Entry
from nodes.stream.wire.limits import MAX_MESSAGE_BYTES, PROTOCOL_VERSION
from nodes.stream.wire.transport import client_options
from nodes.stream.wire.v1 import node_sync_pb2 as pb
from nodes.stream.wire.v1.node_sync_pb2_grpc import NodeSyncStub
from nodes.waits import Backoff, wait_at_most

logger = logging.getLogger(__name__)


class Uplink:
    """A service. Its callbacks run on the loop and return at once.

    `snapshot` gives the node's current state; a state must be visible there before it is handed to `send_update`, so
    that a Snapshot is never older than the journal positions it names.
    """

    name = "uplink"

    def __init__(
        self,
        config: UplinkConfig,
        *,
        journals: Mapping[Lane, Journal],
        snapshot: Callable[[], Snapshot],
        on_command: Callable[[Command, float], None],
        clock: Clock | None = None,
        rng: random.Random | None = None,
    ) -> None:
        self._config = config
        self._journals = journals
        self._snapshot = snapshot
        self._on_command = on_command
        self._clock = clock or SystemClock()
        self._given: Mapping[str, int] = {}  # Own journal's id → the highest number of it that a parent can have.
        self._instance_id = uuid.uuid4().hex
        self._target = config.target
        self._tokens = TokenChoice(config.token, config.renewed_token_file, self._is_genuine)
        self._parent_id = ""  # As the parent's last Welcome said.
        self._stop = asyncio.Event()
        self._client: StreamClient | None = None
        self._backoff = Backoff(config.first_delay_seconds, config.cap_delay_seconds, rng)
        self._slow_backoff = Backoff(config.slow_delay_seconds, config.slow_delay_seconds, rng)
        # Set by a Master's relay: what it holds of its Edges, and where their commands go.
        self._relayed_snapshots: Callable[[], Sequence[pb.NodeUpdate]] = tuple
        self._on_relayed_command: Callable[[pb.LeaderCommand, float], None] | None = None
        self._on_revoked: Callable[[frozenset[str]], None] = lambda token_ids: None
        self.node_file = NodeFile(config.node_file)
        self.dropped_ephemeral = 0
        for journal in journals.values():
            journal.on_growth(self._journal_grew)

    # -- properties

    @property
    def node_id(self) -> str:
        return self._config.node_id

    @property
    def is_connected(self) -> bool:
        """True after the parent's Welcome, while the stream is open."""
        return self._client is not None and self._client.session.is_live

    @property
    def link_rtt_ms(self) -> float:
        """Round trip to the parent in milliseconds; 0 = unknown."""
        return self._client.session.rtt_seconds * 1000 if self._client is not None else 0.0

    # -- actions

    async def send_update(
        self, payload: Payload, *, cursor: tuple[str, int] | None = None, ephemeral: bool = False
    ) -> None:
        """For task states, stall alerts, command results and logs: returns once they and `cursor` are in the journal.

        Metrics and reports are ephemeral: the newest wins, and without a stream they are dropped, because the
        next stream starts with a Snapshot. `ephemeral=True` treats a task state the same way: progress between
        two states. Raises `EntryTooLarge`, `JournalUnavailable`, `JournalCorrupt`.
        """
        if isinstance(payload, LogBatch):
            batches = [self._encode(batch) for batch in split_to_fit(payload)]
            await self._journals[Lane.LOGS].append(batches, cursor=cursor)
        elif isinstance(payload, TaskStatus | StallAlert | CommandResult | Gap) and not ephemeral:
            if isinstance(payload, TaskStatus) and self._client is not None:
                # Pending progress is older than this state and must not be sent after it.
                self._client.session.forget_ephemeral(_key(self.node_id, payload))
            await self._journals[Lane.STATES].append([self._encode(payload)], cursor=cursor)
        else:
            self.send_ephemeral(_key(self.node_id, payload), self._encode(payload))

    def send_ephemeral(self, key: str, update: pb.NodeUpdate) -> None:
        """Sends the newest update per `key` as soon as there is room; an Edge's update keeps the Edge's node id."""
        if self._client is None:
            self.dropped_ephemeral += 1
            return
        self._client.session.send_ephemeral(key, update)
        self._client.wake()

    def relay(
        self,
        *,
        snapshots: Callable[[], Sequence[pb.NodeUpdate]],
        on_command: Callable[[pb.LeaderCommand, float], None],
        on_revoked: Callable[[frozenset[str]], None],
    ) -> None:
        """Makes this the uplink of a Master with Edges behind it; before `run`."""
        self._relayed_snapshots = snapshots
        self._on_relayed_command = on_command
        self._on_revoked = on_revoked

    # -- service

    def request_stop(self) -> None:
        self._stop.set()
        if self._client is not None:
            self._client.leave()

    async def run(self) -> None:
        while not self._stop.is_set():
            ending = await self._run_stream()
            if self._stop.is_set():
                break
            if ending.retry is Retry.NEVER:
                raise UplinkRefused(f"{self._target}: {ending.reason}")
            delay = self._delay(ending)
            logger.warning("no stream to %s: %s; next try in %.1f s", self._target, ending.reason, delay)
            # A redirect is used for one attempt: if that fails, try the configured parent again.
            self._target = ending.redirect or self._config.target
            await wait_at_most(self._stop, delay)
        self._client = None

    def _delay(self, ending: Ending) -> float:
        if ending.retry is Retry.AT_ONCE:
            return 0.1
        backoff = self._slow_backoff if ending.retry is Retry.SLOWLY else self._backoff
        return max(backoff.next_delay(), ending.min_delay_seconds)

    async def _run_stream(self) -> Ending:
        """Runs one stream from its opening to its end."""
        config = self._config
        channel = _channel(config, self._target)
        call = NodeSyncStub(channel).Connect(metadata=metadata_with(self._tokens.current))
        # The marks in Hello and the session's feeds are taken at the same moment; later appends reach the session.
        client = StreamClient(
            call,
            ChildSession(
                node_id=self.node_id,
                hello=self._hello(),
                now_mono=self._clock.mono(),
                given={
                    journal.journal_id: self._given.get(journal.journal_id, journal.opened_at_seq)
                    for journal in self._journals.values()
                },
            ),
            journals=self._journals,
            callbacks=Callbacks(
                on_epoch=self.node_file.raise_epoch,
                on_welcome=self._welcomed,
                on_command=self._command,
                on_revoked=self._revoked,
                sign=self._signed if config.key is not None else None,
                new_ticket=self._new_ticket if config.key is not None else None,
            ),
            clock=self._clock,
            drain_seconds=config.drain_seconds,
        )
        self._client = client
        if self._stop.is_set():
            client.leave()
        try:
            await client.run()
            raise AssertionError("a stream ends with StreamEnded")
        except StreamEnded as exc:
            ending = exc.ending
        finally:
            self._client = None
            self._given = client.session.given
            self.dropped_ephemeral += client.session.dropped_ephemeral
            call.cancel()  # An abandoned call is never garbage-collected.
            await channel.close()
        if ending.is_token_refused:
            self._tokens.refused()
        began = client.welcomed_mono
        if began is not None and self._clock.mono() - began >= config.healthy_seconds:
            self._backoff.reset()
        return ending

    # -- messages from the parent

    def _welcomed(self, welcome: pb.Welcome) -> Sequence[pb.NodeUpdate]:
        logger.info("connected to %s", self._target)
        self._parent_id = welcome.parent_id
        self.node_file.update_cluster(
            public_key=welcome.cluster_public_key, revoked_token_ids=welcome.revoked_token_ids
        )
        self._on_revoked(self.node_file.revoked_token_ids)
        # Positions first, then the state: a state added in between is then in both, never in neither.
        positions = tuple(_own_mark(journal) for journal in self._journals.values())
        own = self._encode(replace(self._snapshot(), positions=positions))
        ticket = [self._new_ticket()] if self._config.key is not None else []
        return [*ticket, _within_limit(own), *(_within_limit(update) for update in self._relayed_snapshots())]

    def _is_genuine(self, token: str) -> bool:
        """The cluster's key comes from the parent, too: it must be the one that signed this node's first token."""
        if self._config.key is None:
            return True  # Only the Leader itself renews such a token.
        cluster_key = self.node_file.cluster_public_key
        return is_issued_by(cluster_key, self._config.token) and is_issued_by(cluster_key, token)

    def _signed(self, entries: Sequence[Entry]) -> Sequence[Entry]:
        if self._config.key is None:
            raise AssertionError("only a node with a key signs")
        return sign_entries(self._config.key, entries)

    def _new_ticket(self) -> pb.NodeUpdate:
        """Raises `ConfigError` when its counter cannot be stored."""
        if self._config.key is None:
            raise AssertionError("only a node with a key has tickets")
        now_ms = self._clock.now_ms()
        ticket = new_ticket(
            self._config.key,
            self.node_id,
            parent=self._parent_id,
            counter=self.node_file.next_ticket_counter(now_ms),
            token=self._tokens.current,
            heads=[encode_mark(_own_mark(journal)) for journal in self._journals.values()],
        )
        return pb.NodeUpdate(node_id=self.node_id, timestamp=now_ms, ticket=ticket)

    async def _command(self, message: pb.LeaderCommand, received_mono: float) -> None:
        target = target_of(message)
        if target and target != self.node_id:
            if self._on_relayed_command is not None:
                self._on_relayed_command(message, received_mono)
            else:
                await self._refuse(message, "no-such-node", f"{target} is not an Edge of {self.node_id}")
            return
        if message.WhichOneof("payload") == "new_token":
            self._tokens.renew(message.new_token.token)
            return
        try:
            command = decode_command(message)
        except ProtocolViolation as exc:
            await self._refuse(message, "bad-value", str(exc))
            return
        self._on_command(command, received_mono)

    async def _refuse(self, message: pb.LeaderCommand, code: str, reason: str) -> None:
        logger.warning("refused command %s: %s", message.command_id, reason)
        if message.command_id:
            result = CommandResult(command_id=message.command_id, state=CommandState.FAILED, code=code, message=reason)
            await self.send_update(result)

    def _revoked(self, token_ids: tuple[str, ...]) -> None:
        self.node_file.add_revoked(token_ids)
        self._on_revoked(self.node_file.revoked_token_ids)

    # -- internals

    def _hello(self) -> pb.Hello:
        snapshot = self._snapshot()
        return pb.Hello(
            protocol_version=PROTOCOL_VERSION,
            name=self.node_id,
            role=str(self._config.role),
            instance_id=self._instance_id,
            journals=[encode_mark(mark) for journal in self._journals.values() for mark in journal.marks()],
            max_epoch_seen=self.node_file.max_epoch,
            report=encode_report(snapshot.report),
            running=[status.task_id for status in snapshot.tasks if status.state.is_live],
        )

    def _journal_grew(self, mark: JournalMark) -> None:
        if self._client is not None:
            self._client.session.journal_grew(journal_id=mark.journal_id, lane=mark.lane, last_seq=mark.seq)
            self._client.wake()

    def _encode(self, payload: Payload) -> pb.NodeUpdate:
        return encode_update(Update(node_id=self.node_id, payload=payload, timestamp_ms=self._clock.now_ms()))


def _key(node_id: str, payload: Payload) -> str:
    """Among updates with the same key, the newest wins."""
    task_id = payload.task_id if isinstance(payload, TaskStatus) else ""
    return f"{node_id}/{type(payload).__name__}/{task_id}"


def _own_mark(journal: Journal) -> JournalMark:
    return JournalMark(journal_id=journal.journal_id, seq=journal.last_seq, node_id=journal.node_id, lane=journal.lane)


def _within_limit(update: pb.NodeUpdate) -> pb.NodeUpdate:
    """Removes the requests from a snapshot that is too large for one message: they are in the journal, too."""
    if update.ByteSize() > MAX_MESSAGE_BYTES:
        for status in update.snapshot.tasks:
            status.ClearField("request")
    return update


def _channel(config: UplinkConfig, target: str) -> grpc.aio.Channel:
    options = client_options(config.heartbeat_seconds)
    if not (config.tls or config.ca_file):
        return grpc.aio.insecure_channel(target, options=options)
    if config.tls_server_name:
        options.append(("grpc.ssl_target_name_override", config.tls_server_name))
    try:
        roots = config.ca_file.read_bytes() if config.ca_file else None
    except OSError as exc:
        raise ConfigError(f"the CA file {config.ca_file} cannot be read: {exc.strerror}") from exc
    return grpc.aio.secure_channel(target, grpc.ssl_channel_credentials(roots), options=options)
