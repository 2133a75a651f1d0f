"""Nodes: registration, link state, and reports."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from nodes.domain.events import Capabilities, JournalMark, Metrics, NodeReport, Project
from nodes.domain.ids import NODE_ID_RULE, is_node_id
from nodes.domain.phrases import phrase
from nodes.domain.states import Lane, NodeState, Role
from nodes.leader.projection.epoch import Epoch
from nodes.leader.projection.node_messages import capabilities_fields, metrics_fields
from nodes.leader.projection.refusal import BAD_VALUE, FOREIGN_NODE, EntryRefused, SpeakerRefused
from nodes.leader.projection.state_cache import StateCache
from nodes.leader.projection.tasks import stored_parts, stored_text
from nodes.leader.projection.unit_of_work import UnitOfWork
from nodes.models import Journal, Node, new_store_id
from nodes.stream.hub.ports import Peer
from nodes.stream.wire.v1 import node_sync_pb2 as pb

NODE_OFFLINE = "node-offline"
NODE_DISK = "node-disk"
NODE_MEMORY = "node-memory"
NODE_CLOCK = "node-clock"
NODE_CONFIG = "node-config"
_FULL_PERCENT = 95.0
_FREE_PERCENT = 92.0  # The value must fall below this, so that an alert does not flap.
# Longer than a message can be in transit on a stream that still counts as alive (heartbeat + 10 s, 40 s).
_CLOCK_SECONDS = 60.0
_CLOCK_GOOD_SECONDS = 30.0
DUPLICATE_NODE = "duplicate-node"
_MAX_LEARNED_PROJECTS = 100


def register(unit: UnitOfWork, peer: Peer, node_id: str) -> Node:
    """The row of the peer, or of an Edge for which it writes; created if the node is new.

    A retired node that connects is back in use. What its Master still holds of a retired Edge leaves it retired.
    """
    is_peer = node_id == peer.node_id
    node = unit.cache.known_node(node_id)
    if node is not None and node.role == Role.LEADER:
        raise EntryRefused(FOREIGN_NODE, f"{node_id} is the Leader's own name")
    if node is None:
        if not is_node_id(node_id):
            raise EntryRefused(BAD_VALUE, f"{node_id[:64]!r} is not a valid node id: {NODE_ID_RULE}")
        node = Node(
            id=node_id,
            role=peer.role if is_peer else Role.EDGE,
            parent="" if is_peer else peer.node_id,
            # A base client sends no Hello: it is online with its first update.
            state=NodeState.ONLINE if is_peer and peer.is_base else NodeState.OFFLINE,
            state_changed_at=unit.now,
            last_seen_at=unit.now,
            is_base_client=is_peer and peer.is_base,
        )
        unit.insert(node)
        unit.cache.nodes[node_id] = node
        unit.publish_node(node)
        return node
    is_new = (node.role, node.parent, node.is_base_client) != (peer.role, "", peer.is_base)
    if is_peer and is_new and not peer.public_key:  # With a key, its ticket decides.
        unit.change(node, role=peer.role, parent="", is_base_client=peer.is_base)
        unit.publish_node(node)
    if is_peer:
        bring_back(unit, node)
    return node


def bring_back(unit: UnitOfWork, node: Node) -> None:
    """Puts a retired node back in use."""
    if node.retired_at is not None:
        unit.change(node, retired_at=None)
        unit.cache.nodes[node.id] = unit.cache.retired.pop(node.id)
        unit.publish_node(node)
        unit.wakes_scheduler = True


def register_leader(unit: UnitOfWork, leader_id: str, report: NodeReport) -> None:
    """Creates or updates the Leader's own row; removes the row of a Leader with another name."""
    for other in [n for n in unit.cache.nodes.values() if n.role == Role.LEADER and n.id != leader_id]:
        set_state(unit, other, NodeState.OFFLINE, is_own=False)
    node = unit.cache.known_node(leader_id)
    if node is None:
        node = Node(id=leader_id, role=Role.LEADER)
        unit.insert(node)
        unit.cache.nodes[leader_id] = node
    bring_back(unit, node)
    unit.change(
        node,
        role=Role.LEADER,
        parent="",
        capabilities=capabilities_fields(report.capabilities),
        address=stored_text(report.address, 255),
        state_changed_at=unit.now,
        last_seen_at=unit.now,
        state=NodeState.ONLINE,
    )
    unit.publish_node(node)


def open_journals(
    unit: UnitOfWork, peer: Peer, marks: Iterable[pb.JournalMark], may_speak: Callable[[str], bool]
) -> list[pb.JournalMark]:
    """The Leader's marks for the peer's journals. The peer sends a Gap for entries that its journal no longer holds.

    A journal of an Edge with a key is created by what that Edge has signed, never by the word of its Master.
    """
    answers = []
    for mark in marks:
        owner = mark.node_id or peer.node_id
        journal = unit.cache.journals.get(mark.journal_id)
        if journal is None and mark.journal_id and may_speak(owner):
            node = unit.cache.nodes.get(owner)
            if node is None or not node.key:
                journal = new_journal(unit, mark.journal_id, owner, mark.lane or Lane.STATES)
        if journal is None or journal.node_id != owner:
            continue
        answers.append(
            pb.JournalMark(journal_id=journal.id, seq=journal.seq, node_id=journal.node_id, lane=journal.lane)
        )
    return answers


def new_journal(unit: UnitOfWork, journal_id: str, node_id: str, lane: str) -> Journal:
    if len(journal_id) > 64 or "\x00" in journal_id:
        raise EntryRefused(BAD_VALUE, "a journal id must have 1 to 64 characters")
    if not is_node_id(node_id):
        raise EntryRefused(BAD_VALUE, f"{node_id[:64]!r} is not a valid node id: {NODE_ID_RULE}")
    journal = Journal(id=journal_id, node_id=node_id, lane=Lane.LOGS if lane == Lane.LOGS else Lane.STATES, seq=0)
    unit.insert(journal)
    unit.cache.journals[journal_id] = journal
    return journal


def apply_report(
    unit: UnitOfWork, peer: Peer, node_id: str, report: NodeReport, positions: Sequence[JournalMark] = ()
) -> bool:
    """Applies a node's report; from a Master, also its Edge's link state. `positions` belong to the enclosing snapshot.

    False if it does not count: for an Edge without a key, while another Master is its parent.
    """
    is_own = node_id == peer.node_id
    if not is_own and report.role is not Role.EDGE:
        raise SpeakerRefused(f"{peer.node_id} may not write for {node_id} with role {report.role}")
    node = register(unit, peer, node_id)
    if not is_own and not node.key and not _counts(unit, peer, node, report.state, positions):
        return False
    if report.state is NodeState.ONLINE:
        bring_back(unit, node)
    fields = {
        "capabilities": capabilities_fields(report.capabilities),
        "slots": report.capabilities.slots,
        "link_rtt_ms": report.link_rtt_ms or node.link_rtt_ms,
        "address": stored_text(report.address, 255),
        "parent": "" if is_own else peer.node_id,
    }
    changed = {name: value for name, value in fields.items() if getattr(node, name) != value}
    if changed:
        unit.change(node, **changed)
        unit.publish_node(node)
        unit.wakes_scheduler = True
    if report.config_trouble:
        parts = stored_parts(report.config_trouble) or ()
        unit.open_alert(NODE_CONFIG, level="error", parts=parts, node_id=node.id)
    else:
        unit.resolve_alert(NODE_CONFIG, node_id=node.id)
    if not is_own:
        set_state(unit, node, report.state)
    return True


def learn_project(unit: UnitOfWork, node: Node, name: str) -> None:
    """Adds a project to those of a base client, which reports none; the number is limited."""
    known = node.capabilities.get("projects", [])
    if any(project["name"] == name for project in known) or len(known) >= _MAX_LEARNED_PROJECTS:
        return
    own = capabilities_fields(Capabilities(projects=(Project(name=name, path=""),)))["projects"]
    projects = sorted([*known, *own], key=lambda project: str(project["name"]))
    unit.change(node, capabilities={**node.capabilities, "projects": projects})
    unit.publish_node(node)


def _counts(unit: UnitOfWork, peer: Peer, edge: Node, state: NodeState, positions: Sequence[JournalMark]) -> bool:
    """Whether this Master speaks for an Edge without a key: it is the parent, or the Edge is offline at its parent.

    A Master that has not noticed that its link to the Edge is dead still reports "online": its position is then behind
    what has arrived through the other Master. One that must wait is remembered until the parent withdraws its report.
    """
    holders = unit.cache.holders[edge.id]
    is_parent = edge.parent == peer.node_id
    if state is NodeState.ONLINE:
        is_free = is_parent or edge.state == NodeState.OFFLINE
        if not is_parent and _is_behind(unit.cache, edge.id, positions):
            return False
        holders.add(peer.node_id)
        return is_free
    holders.discard(peer.node_id)
    return is_parent and not (state is NodeState.OFFLINE and _reassign(unit, edge))


def _reassign(unit: UnitOfWork, edge: Node) -> bool:
    """Assigns the Edge to another Master that reports it as online; False if there is none."""
    holders = sorted(unit.cache.holders[edge.id])
    holder = next((name for name in holders if unit.cache.nodes[name].state == NodeState.ONLINE), None)
    if holder is None:
        return False
    unit.change(edge, parent=holder)
    unit.publish_node(edge)
    unit.wakes_scheduler = True
    set_state(unit, edge, NodeState.ONLINE)
    return True


def _is_behind(cache: StateCache, node_id: str, positions: Sequence[JournalMark]) -> bool:
    """Whether entries have been committed here that are newer than these positions."""
    return any(
        journal.seq > mark.seq
        for mark in positions
        if mark.node_id in ("", node_id) and (journal := cache.journals.get(mark.journal_id)) is not None
    )


def forget_reports_of(cache: StateCache, node_id: str) -> None:
    """Forgets a Master's reports about its Edges: its stream ended, and the next one starts with current reports."""
    for holders in cache.holders.values():
        holders.discard(node_id)


def apply_metrics(unit: UnitOfWork, node: Node, metrics: Metrics) -> None:
    """Stores metrics for snapshots; live metrics are pushed without a feed number."""
    unit.change(node, metrics=metrics_fields(metrics), last_seen_at=unit.now)
    for kind, used, total in (
        (NODE_DISK, metrics.disk_used_bytes, metrics.disk_total_bytes),
        (NODE_MEMORY, metrics.memory_used_bytes, metrics.memory_total_bytes),
    ):
        percent = 100 * used / total if total else 0.0
        if percent >= _FULL_PERCENT:
            # Without the current value, which the node's tile shows: an alert is published once.
            said = phrase(kind, node=node.id, percent=f"{_FULL_PERCENT:g}")
            unit.open_alert(kind, level="error", parts=[said], node_id=node.id)
        elif percent < _FREE_PERCENT:
            unit.resolve_alert(kind, node_id=node.id)


def check_clock(unit: UnitOfWork, node: Node, ahead_seconds: float) -> None:
    """Opens an alert for a wrong clock: it affects no decision, but the times that the node reports are wrong."""
    off = abs(ahead_seconds)
    if off >= _CLOCK_SECONDS:
        minutes = round(off / 60)
        side = "ahead" if ahead_seconds > 0 else "behind"
        if minutes < 120:
            said = phrase(f"clock-{side}", node=node.id, minutes=str(minutes))
        else:
            said = phrase(f"clock-hours-{side}", node=node.id, hours=str(round(off / 3600)))
        unit.open_alert(NODE_CLOCK, level="warning", parts=[said], node_id=node.id)
    elif off < _CLOCK_GOOD_SECONDS:
        unit.resolve_alert(NODE_CLOCK, node_id=node.id)


def set_state(
    unit: UnitOfWork,
    node: Node,
    state: NodeState,
    *,
    link_rtt_ms: float = 0.0,
    is_own: bool = True,
    since: datetime | None = None,
) -> None:
    """Sets the node's link state, with all consequences: its tasks, an alert, the Edges behind it.

    `is_own` is false for an Edge that is unreachable because its Master is: one alert is enough. `since` None = now.
    """
    if link_rtt_ms:
        unit.change(node, link_rtt_ms=link_rtt_ms)
    if state is NodeState.ONLINE:
        unit.change(node, last_seen_at=unit.now)
    if node.state == state:
        return
    # From suspect to offline, the node was unreachable all the time, so `state_changed_at` stays.
    is_new = NodeState.ONLINE in (node.state, state) or node.state_changed_at is None
    unit.change(node, state=state, state_changed_at=(since or unit.now) if is_new else node.state_changed_at)
    unit.publish_node(node)
    unit.wakes_scheduler = True
    for task_id, _ in sorted(unit.cache.occupying[node.id]):
        task = unit.cache.task(task_id)
        if task is not None and task.node_id == node.id:
            unit.publish_task(task)  # It is shown as "unknown since", or as reachable again.
    if state is NodeState.ONLINE:
        unit.resolve_alert(NODE_OFFLINE, node_id=node.id)
        if node.parent:
            unit.cache.returned.add(node.id)
        return
    if state is NodeState.OFFLINE and is_own:
        unit.open_alert(NODE_OFFLINE, level="error", parts=[phrase(NODE_OFFLINE, node=node.id)], node_id=node.id)
    forget_reports_of(unit.cache, node.id)
    # The state of its Edges is unknown until their Master reconnects and reports it.
    for edge in unit.cache.nodes.values():
        if edge.parent != node.id or edge.state == NodeState.OFFLINE:
            continue
        # Without a key, an Edge changes its Master only when it is offline there.
        if not (state is NodeState.OFFLINE and _reassign(unit, edge)):
            set_state(unit, edge, state, is_own=False, since=since)


def begin_term(unit: UnitOfWork, *, leader_id: str, epoch: Epoch) -> None:
    """Called when a Leader starts: nodes that were online for the previous Leader become suspect.

    They count as unreachable since the last stored update of any node, including the Leader: nothing was watching after
    that. A database that the previous Leader did not use last (such as a backup) gets a new identity, because its feed
    numbers have already been used with another meaning. A crash in between only costs dashboards a snapshot.
    """
    store = unit.cache.store
    is_last_used = store.epoch == epoch.found and store.feed_seq >= epoch.found_feed_seq
    unit.change(store, epoch=epoch.value, store_id=store.store_id if is_last_used else new_store_id())
    updates = [node.last_seen_at for node in unit.cache.nodes.values() if node.last_seen_at is not None]
    last_update = min(max(updates, default=unit.now), unit.now)  # The Leader's clock may have been set back.
    for node in unit.cache.nodes.values():
        if node.id != leader_id and node.state == NodeState.ONLINE:
            set_state(unit, node, NodeState.SUSPECT, is_own=False, since=last_update)


def end_grace(unit: UnitOfWork, *, began_at: datetime) -> None:
    """Marks nodes as offline that have not connected to this Leader by now. The hub tracks those that have."""
    for node in list(unit.cache.nodes.values()):
        is_unseen = node.last_seen_at is None or node.last_seen_at < began_at
        if node.state == NodeState.SUSPECT and is_unseen:
            set_state(unit, node, NodeState.OFFLINE)
