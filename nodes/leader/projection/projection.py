"""The Leader's end of every stream: stores what nodes report, and publishes it to dashboards."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

from django.db import DataError, IntegrityError

from nodes.domain.events import Metrics, NodeReport
from nodes.domain.phrases import phrase
from nodes.domain.states import Lane, NodeState, Role
from nodes.errors import ProtocolViolation, StaleTerm, StoreError, WireError
from nodes.leader.projection import presence, topics
from nodes.leader.projection.authority import FOREIGN_ALERT, Authority, Standing, open_foreign_alert
from nodes.leader.projection.commands import commands_for_stream
from nodes.leader.projection.entries import Origin, Outcome, apply_entry, quarantine_entry
from nodes.leader.projection.epoch import Epoch
from nodes.leader.projection.node_messages import metrics_fields, metrics_message
from nodes.leader.projection.node_tokens import UsedToken, note_end, note_use
from nodes.leader.projection.published import Listener, Published
from nodes.leader.projection.refusal import EntryRefused
from nodes.leader.projection.snapshots import AwaitedReplays
from nodes.leader.projection.state_cache import StateCache
from nodes.leader.projection.term import Term
from nodes.leader.projection.unit_of_work import UnitOfWork
from nodes.leader.projection.writer import FunctionJob, Writer
from nodes.outages import is_outage
from nodes.stream.hub.ports import Applied, Peer, TicketRefused
from nodes.stream.wire.codec import decode_update
from nodes.stream.wire.v1 import node_sync_pb2 as pb

logger = logging.getLogger(__name__)

T = TypeVar("T")

# After a Leader's start, nodes have this long to connect before they count as offline.
GRACE_SECONDS = 300.0
# Live metrics are pushed at once; the newest are stored at this interval, for snapshots only.
METRICS_STORE_SECONDS = 1.0


class _Entries:
    """One stream's batch. After a failure, each entry gets its own transaction and bad ones are quarantined."""

    is_retried = True

    def __init__(
        self, origin: Origin, updates: Sequence[pb.NodeUpdate], awaited: AwaitedReplays, *, log_bytes: int = 0
    ) -> None:
        self.log_bytes = log_bytes
        self._origin = origin
        self._updates = updates
        self._awaited = awaited

    def run(self, unit: UnitOfWork) -> Applied:
        outcome = Outcome()
        self._origin.authority.note_heads(unit, self._origin.peer, self._updates)
        for update in self._updates:
            apply_entry(unit, self._origin, update, outcome, self._awaited)
        return outcome.applied()

    def run_apart(self, transact: Callable[[Callable[[UnitOfWork], Any]], Any]) -> Applied:
        outcome = Outcome()
        for update in self._updates:
            self._apply_apart(update, outcome, transact)
        return outcome.applied()

    def _apply_apart(
        self, update: pb.NodeUpdate, outcome: Outcome, transact: Callable[[Callable[[UnitOfWork], Any]], Any]
    ) -> None:
        tried = Outcome()
        try:
            transact(lambda unit: apply_entry(unit, self._origin, update, tried, self._awaited))
        except Exception as exc:
            if is_outage(exc):
                raise
            # A value that the database refuses is the node's fault; anything else is a bug here, so log the traceback.
            is_value = isinstance(exc, (DataError, IntegrityError, OverflowError, ValueError))
            logger.warning("entry %s of journal %s quarantined", update.seq, update.journal_id, exc_info=not is_value)
            tried = Outcome()
            failure = exc
            transact(lambda unit: quarantine_entry(unit, self._origin.peer, update, failure, tried))
        outcome.marks.update(tried.marks)
        outcome.nacks.extend(tried.nacks)


class Projection:
    """Implements `nodes.stream.hub.ports.Upstream`. All methods are called on the loop that `start` ran on."""

    def __init__(
        self,
        listener: Listener,
        *,
        term: Term,
        epoch: Epoch,
        public_key: bytes,
        leader_id: str,
        revoked: Callable[[], set[str]],
        on_lost: Callable[[StaleTerm], None] = lambda lost: None,
    ) -> None:
        self._listener = listener
        self._epoch = epoch
        self._public_key = public_key
        self._authority = Authority(cluster_key=public_key, leader_id=leader_id, revoked=revoked)
        self._leader_id = leader_id
        self._revoked = revoked
        self._on_wake: Callable[[], None] = lambda: None
        self._writer = Writer(listener, self._wake, epoch.feed_reached, term=term, on_lost=on_lost)
        self._awaited: AwaitedReplays = {}
        self._log_journals: set[str] = set()
        self._metrics: dict[str, Metrics] = {}
        self._clocks: dict[str, float] = {}  # Node id → seconds that its clock is ahead of the Leader's.
        self._metrics_timer: asyncio.TimerHandle | None = None
        self._grace_timer: asyncio.TimerHandle | None = None
        self._background: set[asyncio.Task[None]] = set()

    @property
    def cache(self) -> StateCache:
        """The current state, read-only; may be slightly behind the writer."""
        return self._writer.cache

    @property
    def is_in_trouble(self) -> bool:
        """Whether the last write failed because of the database."""
        return self._writer.is_in_trouble

    def on_wake(self, callback: Callable[[], None]) -> None:
        """Calls `callback` on the loop whenever a waiting task may be able to start."""
        self._on_wake = callback

    def _wake(self) -> None:
        self._on_wake()

    async def start(self) -> None:
        await self._writer.start()
        began_at = datetime.now(UTC)
        await self.write(lambda unit: presence.begin_term(unit, leader_id=self._leader_id, epoch=self._epoch))
        self._grace_timer = asyncio.get_running_loop().call_later(
            GRACE_SECONDS, self._in_background, lambda unit: presence.end_grace(unit, began_at=began_at)
        )

    async def stop(self) -> None:
        """Commits everything received, then stops the writer."""
        if self._grace_timer is not None:
            self._grace_timer.cancel()
        if self._metrics_timer is not None:
            self._metrics_timer.cancel()
            self._store_metrics()
        await asyncio.gather(*self._background, return_exceptions=True)
        await self._writer.stop()
        self._epoch.close()

    async def write(self, function: Callable[[UnitOfWork], T]) -> T:
        """Runs `function` in a transaction on the writer's thread; returns after the commit.

        Raises what `function` raises, or `StoreError` when the database does not respond.
        """
        result: T = await self._writer.submit(FunctionJob(function))
        return result

    async def register_leader(self, report: NodeReport) -> None:
        """Adds the Leader itself to the nodes."""
        await self.write(lambda unit: presence.register_leader(unit, self._leader_id, report))

    async def take_own_metrics(self, metrics: Metrics) -> None:
        """Takes the Leader's own metrics."""
        self._push_metrics(self._leader_id, metrics, link_rtt_ms=0.0)

    def report_duplicate(self, node_id: str, address: str) -> None:
        """Opens an alert for two live nodes with the same name: a person must rename one of them."""
        said = phrase(presence.DUPLICATE_NODE, node=node_id, address=address)
        self._in_background(
            lambda unit: unit.open_alert(presence.DUPLICATE_NODE, level="warning", parts=[said], node_id=node_id)
        )

    # --- Upstream ---------------------------------------------------------------------------------

    async def welcome(self, peer: Peer, hello: pb.Hello) -> pb.Welcome:
        self._log_journals.update(mark.journal_id for mark in hello.journals if mark.lane == Lane.LOGS)

        def register(unit: UnitOfWork) -> pb.Welcome:
            self._authority.check_opening(unit.cache, peer)
            if unit.cache.store.epoch != self._epoch.rise_above(hello.max_epoch_seen):
                unit.change(unit.cache.store, epoch=self._epoch.value)
            note_use(
                unit,
                UsedToken(
                    node_id=peer.node_id,
                    role=peer.role,
                    token_id=peer.token_id,
                    public_key=peer.public_key.hex(),
                    issued_at=peer.token_issued_at,
                    expires_at=peer.token_expires_at,
                ),
            )
            if not peer.public_key:  # One with a key has not yet shown that it is the node of its token.
                self._greet(unit, peer)
            marks = presence.open_journals(
                unit,
                peer,
                hello.journals,
                lambda owner: self._authority.standing(unit.cache, peer, owner) is Standing.MAY,
            )
            return pb.Welcome(
                store_id=unit.cache.store.store_id,
                marks=marks,
                cluster_public_key=self._public_key,
                revoked_token_ids=sorted(self._revoked()),
                parent_id=self._leader_id,
            )

        try:
            return await self._write_for_node(register)
        except StoreError as exc:
            raise WireError(f"{peer.node_id} cannot be registered: {exc}") from exc

    async def take_ticket(self, peer: Peer, update: pb.NodeUpdate) -> None:
        def take(unit: UnitOfWork) -> Exception | None:
            try:
                self._authority.take_ticket(unit, peer, peer.node_id, update.ticket)
            except TicketRefused as exc:
                return exc
            except EntryRefused as exc:
                open_foreign_alert(unit, peer, peer.node_id)
                return exc
            self._greet(unit, peer)
            return None

        # Returned, not raised: an error would undo the alert.
        refused = await self._write_for_node(take)
        if refused is not None:
            raise TicketRefused(str(refused)) from refused

    def _greet(self, unit: UnitOfWork, peer: Peer) -> None:
        """The peer has shown that it is the node of its token."""
        node = presence.register(unit, peer, peer.node_id)
        note_end(unit, node, issued_at=peer.token_issued_at, expires_at=peer.token_expires_at)
        presence.forget_reports_of(unit.cache, peer.node_id)
        for kind in (presence.DUPLICATE_NODE, FOREIGN_ALERT):
            unit.resolve_alert(kind, node_id=peer.node_id)

    async def apply(self, peer: Peer, updates: Sequence[pb.NodeUpdate]) -> Applied:
        states: list[pb.NodeUpdate] = []
        logs: list[pb.NodeUpdate] = []
        log_bytes = 0
        for update in updates:
            payload = update.WhichOneof("payload")
            if payload == "logs" or (payload == "gap" and update.journal_id in self._log_journals):
                self._log_journals.add(update.journal_id)
                logs.append(update)
                log_bytes += update.ByteSize()
            elif not (payload == "metrics" and self._take_metrics(peer, update)):
                states.append(update)
        origin = Origin(peer=peer, authority=self._authority)
        jobs = []
        if states:
            jobs.append(_Entries(origin, states, self._awaited))
        if logs:
            jobs.append(_Entries(origin, logs, self._awaited, log_bytes=log_bytes))
        if not jobs:
            return Applied()
        results: list[Applied] = await asyncio.gather(*(self._writer.submit(job) for job in jobs))
        if len(results) == 1:
            return results[0]
        return Applied(
            marks={journal: seq for applied in results for journal, seq in applied.marks.items()},
            nacks=[nack for applied in results for nack in applied.nacks],
        )

    async def node_state(self, node_id: str, state: NodeState, *, link_rtt_ms: float) -> None:
        def change(unit: UnitOfWork) -> None:
            node = unit.cache.nodes.get(node_id)
            # A base client is only registered by its first update. An Edge may have moved on to a Master.
            if node is not None and not (node.role == Role.EDGE and node.parent):
                presence.set_state(unit, node, state, link_rtt_ms=link_rtt_ms)

        await self._write_for_node(change)

    async def ready(self, peer: Peer) -> Sequence[pb.LeaderCommand]:
        return await self._write_for_node(lambda unit: commands_for_stream(unit, peer.node_id, epoch=self._epoch.value))

    # --- metrics ----------------------------------------------------------------------------------

    def _take_metrics(self, peer: Peer, update: pb.NodeUpdate) -> bool:
        """Pushes metrics at once; False if the writer must handle them: a new node, a foreign node, or bad values."""
        node_id = update.node_id or peer.node_id
        node = self.cache.nodes.get(node_id)
        if node is None or self._authority.standing(self.cache, peer, node_id) is not Standing.MAY:
            return False
        try:
            metrics = decode_update(update).payload
        except ProtocolViolation:
            return False
        if not isinstance(metrics, Metrics):
            raise AssertionError("the payload was checked before")
        self._clocks[node_id] = update.timestamp / 1000 - time.time()
        self._push_metrics(node_id, metrics, link_rtt_ms=node.link_rtt_ms)
        return True

    def _push_metrics(self, node_id: str, metrics: Metrics, *, link_rtt_ms: float) -> None:
        message = metrics_message(node_id, metrics_fields(metrics), link_rtt_ms=link_rtt_ms)
        self._listener.publish([Published.of(0, (topics.NODES,), message, "metrics", f"node:{node_id}")])
        self._metrics[node_id] = metrics
        if self._metrics_timer is None:
            loop = asyncio.get_running_loop()
            self._metrics_timer = loop.call_later(METRICS_STORE_SECONDS, self._store_metrics)

    def _store_metrics(self) -> None:
        self._metrics_timer = None
        newest, self._metrics = self._metrics, {}
        clocks, self._clocks = self._clocks, {}

        def store(unit: UnitOfWork) -> None:
            # A node may have been retired since.
            for node_id, metrics in newest.items():
                if (node := unit.cache.nodes.get(node_id)) is not None:
                    presence.apply_metrics(unit, node, metrics)
            for node_id, ahead_seconds in clocks.items():
                if (node := unit.cache.nodes.get(node_id)) is not None:
                    presence.check_clock(unit, node, ahead_seconds)

        self._in_background(store)

    # --- own writes -------------------------------------------------------------------------------

    async def _write_for_node(self, function: Callable[[UnitOfWork], T]) -> T:
        """Like `write`, but for updates from nodes: waits until the database responds."""
        result: T = await self._writer.submit(FunctionJob(function, is_retried=True))
        return result

    def _in_background(self, function: Callable[[UnitOfWork], None]) -> None:
        async def run() -> None:
            try:
                await self.write(function)
            except StoreError as exc:
                logger.warning("not stored: %s", exc)

        task = asyncio.get_running_loop().create_task(run(), name="projection-write")
        self._background.add(task)
        task.add_done_callback(self._background.discard)
