"""The `Upstream` of a Master's own hub (docs/protocol.md, "Relay").

An Edge's entries are stored under the Edge's own journal id and numbers, and acknowledged after this Master's commit;
the uplink forwards them unchanged until the Leader has them. So an Edge that moves to another Master is never counted
twice.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence

from nodes.agent.relay.edge_state import EdgeState
from nodes.agent.relay.open_commands import OpenCommands
from nodes.core.clock import Clock, SystemClock
from nodes.domain.states import Lane, NodeState
from nodes.errors import NotReady
from nodes.stream.hub.config import HubConfig
from nodes.stream.hub.hub import Hub
from nodes.stream.hub.ports import Applied, Peer
from nodes.stream.identity.tokens import NodeIdentity, verify_token
from nodes.stream.journal.journal import Journal
from nodes.stream.uplink.node_file import NodeFile
from nodes.stream.uplink.uplink import Uplink
from nodes.stream.wire.codec import target_of
from nodes.stream.wire.limits import MAX_ENTRY_BYTES, MAX_SIGNATURE_BYTES
from nodes.stream.wire.v1 import node_sync_pb2 as pb

logger = logging.getLogger(__name__)


class Relay:
    """Connects a Master's hub and its uplink; call `attach` before either runs."""

    def __init__(self, *, uplink: Uplink, journals: Mapping[Lane, Journal], clock: Clock | None = None) -> None:
        self._uplink = uplink
        self._journals = journals
        self._clock = clock or SystemClock()
        self._edges: dict[str, EdgeState] = {}
        self._lanes: dict[str, Lane] = {}  # Journal id of an Edge → lane.
        self._commands = OpenCommands()
        self._send: Callable[[str, pb.LeaderCommand], bool] = lambda node_id, command: False

    def attach(self, hub: Hub) -> None:
        self._send = hub.send
        self._uplink.relay(snapshots=self._snapshots, on_command=self._pass_down, on_revoked=hub.revoke)

    # -- Upstream

    async def welcome(self, peer: Peer, hello: pb.Hello) -> pb.Welcome:
        node_file = self._uplink.node_file
        # The Edge may come from a Master that has seen a newer Leader.
        node_file.raise_epoch(hello.max_epoch_seen)
        self._edge(peer.node_id).greet(hello.report, has_key=bool(peer.public_key))
        marks = []
        for mark in hello.journals:
            if mark.node_id == peer.node_id and mark.lane in (Lane.STATES, Lane.LOGS):
                lane = self._lanes[mark.journal_id] = Lane(mark.lane)
                seq = self._journals[lane].mark(mark.journal_id)
                marks.append(pb.JournalMark(journal_id=mark.journal_id, seq=seq))
        return pb.Welcome(
            store_id=self._journals[Lane.STATES].journal_id,
            marks=marks,
            cluster_public_key=node_file.cluster_public_key,
            revoked_token_ids=sorted(node_file.revoked_token_ids),
            parent_id=self._uplink.node_id,
        )

    async def take_ticket(self, peer: Peer, update: pb.NodeUpdate) -> None:
        """The Leader decides which parent counts. The ticket goes up before anything else about the Edge."""
        self._pass_up(self._edge(peer.node_id), update)

    async def apply(self, peer: Peer, updates: Sequence[pb.NodeUpdate]) -> Applied:
        edge = self._edge(peer.node_id)
        entries: dict[str, list[pb.NodeUpdate]] = {}
        nacks: list[pb.Nack] = []
        for update in updates:
            if update.node_id != peer.node_id:
                words = f"{peer.node_id} may not write for {update.node_id!r}"
                logger.warning("update refused: %s", words)
                nacks.append(pb.Nack(journal_id=update.journal_id, seq=update.seq, code="foreign-node", message=words))
            elif update.seq:
                entries.setdefault(update.journal_id, []).append(update)
            else:
                self._pass_up(edge, update)
        marks: dict[str, int] = {}
        for journal_id, journal_entries in entries.items():
            marks[journal_id], refused = await self._store(peer, journal_id, journal_entries)
            nacks += refused
        return Applied(marks=marks, nacks=nacks)

    async def node_state(self, node_id: str, state: NodeState, *, link_rtt_ms: float) -> None:
        edge = self._edge(node_id)
        before = edge.link_state
        if edge.take_link(state, link_rtt_ms):
            if state != before:
                logger.info("edge %s is %s", node_id, state)
            self._uplink.send_ephemeral(f"{node_id}/report", edge.report(self._clock.now_ms()))

    async def ready(self, peer: Peer) -> Sequence[pb.LeaderCommand]:
        return list(self._commands.left(peer.node_id, self._clock.mono()))

    # -- up

    async def _store(self, peer: Peer, journal_id: str, entries: Sequence[pb.NodeUpdate]) -> tuple[int, list[pb.Nack]]:
        """The mark after the commit, and Nacks for entries that could not be stored unchanged."""
        journal = self._journals[self._lane_of(entries[0])]
        kept, nacks = _without_oversize(entries)
        mark = await journal.store(journal_id, peer.node_id, kept)
        for entry in kept:
            if entry.seq <= mark:
                self._edge(peer.node_id).take_entry(entry)
                if entry.HasField("command_result"):
                    self._commands.settle(peer.node_id, entry.command_result.command_id)
        if mark < entries[-1].seq:
            words = f"entry {mark + 1} is missing"
            nacks.append(pb.Nack(journal_id=journal_id, seq=mark + 1, code="hole", message=words))
        return mark, nacks

    def _pass_up(self, edge: EdgeState, update: pb.NodeUpdate) -> None:
        """Ephemeral: the newest wins. While there is no Leader, `edge` keeps what a new one needs."""
        kind = update.WhichOneof("payload")
        key = f"{update.node_id}/{kind}"
        if kind == "snapshot":
            # The Edge sends updates, so it is online; the hub reports that later, or never if nothing changed.
            edge.take_link(NodeState.ONLINE, 0.0)
            edge.take_snapshot(update.snapshot)
            update = edge.state(self._clock.now_ms())
        elif kind == "ticket":
            edge.take_ticket(update)
        elif kind == "report":
            edge.take_report(update.report)
            update = edge.report(self._clock.now_ms())
        elif kind == "metrics":
            edge.take_metrics(update.metrics)
        elif kind == "task_update":
            key = f"{key}/{update.task_update.task_id}"
        self._uplink.send_ephemeral(key, update)

    def _snapshots(self) -> list[pb.NodeUpdate]:
        now_ms = self._clock.now_ms()
        return [message for edge in self._edges.values() for message in edge.messages(now_ms)]

    # -- down

    def _pass_down(self, message: pb.LeaderCommand, received_mono: float) -> None:
        node_id = target_of(message)
        if not self._commands.add(node_id, message, received_mono):
            logger.warning("command %s not forwarded: too many open commands for %s", message.command_id, node_id)
            return
        # An offline Edge gets it when it reconnects, unless it has expired by then.
        self._send(node_id, message)

    # -- internals

    def _edge(self, node_id: str) -> EdgeState:
        edge = self._edges.get(node_id)
        if edge is None:
            edge = self._edges[node_id] = EdgeState(node_id, parent=self._uplink.node_id)
        return edge

    def _lane_of(self, entry: pb.NodeUpdate) -> Lane:
        return self._lanes.get(entry.journal_id) or (Lane.LOGS if entry.HasField("logs") else Lane.STATES)


def edge_hub(config: HubConfig, *, uplink: Uplink, journals: Mapping[Lane, Journal]) -> Hub:
    """A Master's hub for its Edges, wired to its uplink; call it before either runs."""
    relay = Relay(uplink=uplink, journals=journals)
    hub = Hub(
        config,
        upstream=relay,
        authenticate=_authenticator(uplink.node_file),
        epoch=lambda: uplink.node_file.max_epoch,
        on_duplicate=lambda node_id, address: logger.error("a second live edge named %s at %s", node_id, address),
    )
    relay.attach(hub)
    return hub


def _authenticator(node_file: NodeFile) -> Callable[[str], NodeIdentity]:
    """Checks Edges' tokens with the data of the Leader's Welcome, even while the Leader is unreachable."""

    def authenticate(token: str) -> NodeIdentity:
        if not node_file.cluster_public_key:
            raise NotReady("this master has not connected to its leader yet and cannot check tokens")
        return verify_token(node_file.cluster_public_key, token, revoked=node_file.revoked_token_ids)

    return authenticate


def _without_oversize(entries: Sequence[pb.NodeUpdate]) -> tuple[list[pb.NodeUpdate], list[pb.Nack]]:
    """Replaces an oversize entry, which cannot be forwarded, by a Gap. Our own agents refuse such entries at append."""
    kept: list[pb.NodeUpdate] = []
    nacks: list[pb.Nack] = []
    for entry in entries:
        size = entry.ByteSize()
        if size <= MAX_ENTRY_BYTES + MAX_SIGNATURE_BYTES:
            kept.append(entry)
            continue
        gap = pb.NodeUpdate(
            node_id=entry.node_id, timestamp=entry.timestamp, journal_id=entry.journal_id, seq=entry.seq
        )
        gap.gap.CopyFrom(pb.Gap(from_seq=entry.seq, to_seq=entry.seq, reason="oversize"))
        kept.append(gap)
        words = f"an entry of {size} bytes; {MAX_ENTRY_BYTES} are allowed"
        nacks.append(pb.Nack(journal_id=entry.journal_id, seq=entry.seq, code="oversize", message=words))
    return kept, nacks
