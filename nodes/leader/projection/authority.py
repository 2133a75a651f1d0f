"""Who may speak for a node: a node for itself, and a Master for the Edges that are attached to it.

An Edge with a key decides itself. Its journaled entries count by its signature, whichever Master brings them, because
that Master has acknowledged them; everything else counts only from the parent that the Edge's newest ticket names. For
an Edge of the version before, without a key, only its parent speaks, and it changes parents only while it is offline.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from enum import Enum, auto

from nodes.domain.ids import is_node_id
from nodes.domain.phrases import phrase
from nodes.domain.states import Lane, NodeState, Role
from nodes.leader.projection.node_tokens import UsedToken, note_end, note_use
from nodes.leader.projection.presence import bring_back, new_journal
from nodes.leader.projection.refusal import EntryRefused, SpeakerRefused
from nodes.leader.projection.state_cache import StateCache
from nodes.leader.projection.unit_of_work import UnitOfWork
from nodes.models import Journal, Node, NodeToken
from nodes.stream.hub.ports import Peer, TicketRefused
from nodes.stream.identity.edge_keys import is_vouched_for, revoked_key
from nodes.stream.identity.signatures import is_signed, is_ticket_of
from nodes.stream.wire.v1 import node_sync_pb2 as pb

FOREIGN_ALERT = "foreign-node"
_MAX_NUMBER = (1 << 63) - 1
_MAX_TIME = 32_503_680_000  # The year 3000.
_MAX_HEADS = 8  # An Edge has two journals.


class Standing(Enum):
    """What an update of this peer about this node is worth."""

    MAY = auto()
    CLAIM = auto()  # A Master reports an Edge without a key that still has another parent.
    OUTDATED = auto()  # The Edge has left this parent, which may not know it yet: ignored without an alert.
    REFUSED = auto()


class RevokedSignature(SpeakerRefused):
    """The Edge's own entry, but its key was revoked. The mark moves past it."""


class Authority:
    """`revoked` contains token ids and keys. Writes only in the writer's jobs; `standing` also serves single reads."""

    def __init__(self, *, cluster_key: bytes, leader_id: str, revoked: Callable[[], Collection[str]]) -> None:
        self._cluster_key = cluster_key
        self._leader_id = leader_id
        self._revoked = revoked
        # Edge and a parent whose ticket was valid once. In memory only: such a Master shows its ticket again.
        self._former: set[tuple[str, str]] = set()

    def standing(self, cache: StateCache, peer: Peer, node_id: str) -> Standing:
        """For what carries no signature: states between entries, metrics, reports, snapshots."""
        node = cache.known_node(node_id)
        if node_id == peer.node_id:
            return self._own_standing(node, peer)
        if peer.role is not Role.MASTER or not node_id:
            return Standing.REFUSED
        if node is None:
            return Standing.REFUSED if _is_promised(node_id) else Standing.MAY
        if node.role != Role.EDGE:
            return Standing.REFUSED
        if node.parent == peer.node_id:
            return Standing.MAY
        if node.key:
            return Standing.OUTDATED if (node_id, peer.node_id) in self._former else Standing.REFUSED
        return Standing.CLAIM

    def _own_standing(self, node: Node | None, peer: Peer) -> Standing:
        if node is None or not (node.key or peer.public_key):
            is_elsewhere = node is not None and node.parent and node.state != NodeState.OFFLINE
            return Standing.REFUSED if is_elsewhere else Standing.MAY
        if not peer.public_key:
            return Standing.REFUSED  # A token of a version without keys, which former Masters of the Edge have read.
        return Standing.MAY if not node.parent else Standing.OUTDATED

    def check_opening(self, cache: StateCache, peer: Peer) -> None:
        """Raises `SpeakerRefused` for an Edge's token without a key, when it does not show that this is the Edge."""
        node = cache.known_node(peer.node_id)
        if node is None or node.role != Role.EDGE or peer.role is not Role.EDGE or peer.public_key:
            return
        if node.key:
            raise SpeakerRefused("an earlier token of this node had a key; create a new one with: manage.py token new")
        if node.parent and node.state != NodeState.OFFLINE:
            raise SpeakerRefused(f"its token has no key, and it is not offline at {node.parent}")

    def judge(self, unit: UnitOfWork, peer: Peer, node_id: str, update: pb.NodeUpdate) -> Standing:
        """Raises `EntryRefused` instead of returning `REFUSED`; journaled entries get `MAY` or a refusal."""
        if update.seq and update.HasField("signature"):
            self._check_signature(unit, peer, node_id, update)
            return Standing.MAY
        standing = self.standing(unit.cache, peer, node_id)
        is_report = update.WhichOneof("payload") in ("report", "snapshot")
        if standing is Standing.REFUSED or (standing is Standing.CLAIM and not is_report):
            raise _foreign(peer, node_id)
        if update.seq:
            if standing is not Standing.MAY:
                raise _foreign(peer, node_id)
            self._check_unsigned(unit, peer, node_id, update)
        return standing

    def _check_unsigned(self, unit: UnitOfWork, peer: Peer, node_id: str, update: pb.NodeUpdate) -> None:
        """Of an Edge with a key, only what its journal held before it had one, and a Gap that its Master puts in place
        of trimmed entries: of numbers that the Edge has assigned.
        """
        node = unit.cache.known_node(node_id)
        journal = unit.cache.journals.get(update.journal_id)
        if node is None or not node.key or (journal is not None and not journal.is_signed):
            return
        if journal is None or not (update.HasField("gap") and update.seq <= journal.signed_head):
            raise SpeakerRefused(f"{peer.node_id} brought an entry of {node_id} without its signature")

    def _check_signature(self, unit: UnitOfWork, peer: Peer, node_id: str, update: pb.NodeUpdate) -> None:
        key = update.signature.key
        journal = unit.cache.journals.get(update.journal_id)
        if node_id != peer.node_id and peer.role is not Role.MASTER:
            raise _foreign(peer, node_id)
        if journal is not None and journal.node_id == node_id and update.seq <= journal.seq:
            return  # Already here: only acknowledged again.
        if not is_node_id(node_id) or not is_vouched_for(self._cluster_key, node_id, key) or not is_signed(update):
            raise SpeakerRefused(f"{peer.node_id} brought an entry that {node_id[:64]!r} has not signed")
        if revoked_key(key.public_key) in self._revoked():
            raise RevokedSignature(f"the key with which {node_id} signed was revoked")

    def note_signed(self, unit: UnitOfWork, journal: Journal, update: pb.NodeUpdate) -> None:
        """Called for an accepted entry; from the first signed one on, node and journal must stay signed."""
        if not update.HasField("signature"):
            return
        if not journal.is_signed or update.seq > journal.signed_head:
            unit.change(journal, is_signed=True, signed_head=max(update.seq, journal.signed_head))
        node, key = unit.cache.known_node(journal.node_id), update.signature.key
        if node is not None and not node.key:
            unit.change(node, key=key.public_key.hex(), key_issued_at=key.issued_at)

    def note_heads(self, unit: UnitOfWork, peer: Peer, updates: Collection[pb.NodeUpdate]) -> None:
        """A Gap of trimmed entries comes ahead of signed ones, whose numbers prove that its own were assigned."""
        gaps = {update.journal_id for update in updates if update.HasField("gap") and not update.HasField("signature")}
        for update in updates if gaps else ():
            journal = unit.cache.journals.get(update.journal_id)
            if journal is None or not update.HasField("signature") or update.journal_id not in gaps:
                continue
            gaps.discard(update.journal_id)
            try:
                self._check_signature(unit, peer, journal.node_id, update)
            except EntryRefused:
                continue  # It is refused in its place.
            if update.node_id == journal.node_id and update.seq > journal.signed_head:
                unit.change(journal, signed_head=update.seq)

    def may_skip(self, cache: StateCache, peer: Peer, journal: Journal, seq: int, refused: EntryRefused) -> bool:
        """Whether the mark moves past an entry that was refused: else the next one would be taken for a hole.

        Only for numbers that the Edge has assigned, so that nobody can make its future entries look like repeats.
        """
        if journal.node_id == peer.node_id or isinstance(refused, RevokedSignature):
            return True
        return seq <= journal.signed_head and self.standing(cache, peer, journal.node_id) is Standing.MAY

    def take_ticket(self, unit: UnitOfWork, peer: Peer, node_id: str, ticket: pb.Ticket) -> None:
        """Makes the ticket's parent the only one that speaks for the Edge, unless a newer ticket has been seen.

        Raises `EntryRefused` for a ticket that is not valid, `TicketRefused` for an older one.
        """
        parent = self._parent_of(peer, node_id, ticket)
        key = ticket.key
        if ticket.counter > _MAX_NUMBER:
            raise SpeakerRefused(f"the counter of a ticket of {node_id[:64]!r} is beyond 63 bits")
        is_revoked = revoked_key(key.public_key) in self._revoked()
        if not is_vouched_for(self._cluster_key, node_id, key) or not is_ticket_of(node_id, ticket) or is_revoked:
            raise SpeakerRefused(f"{peer.node_id} brought a ticket that {node_id[:64]!r} has not signed")
        node = unit.cache.known_node(node_id)
        if node is not None and node.role != Role.EDGE and node.state != NodeState.OFFLINE:
            raise SpeakerRefused(f"{node_id} is the name of another node")
        rank = (key.issued_at, ticket.counter)
        if node is not None and node.key and revoked_key(bytes.fromhex(node.key)) not in self._revoked():
            held = (node.key_issued_at, node.ticket_counter)
            if rank == held and node.parent == parent:
                return
            if rank <= held:
                self._former.add((node_id, peer.node_id))
                raise TicketRefused(f"{node_id} has shown a newer ticket than the one for {ticket.parent}")
        if node is None:
            node = Node(id=node_id, role=Role.EDGE, parent=parent, state=NodeState.OFFLINE)
            node.state_changed_at = node.last_seen_at = unit.now
            unit.insert(node)
            unit.cache.nodes[node_id] = node
        if node.parent != parent or node.role != Role.EDGE:
            self._former.add((node_id, node.parent))
            unit.cache.returned.add(node_id)  # Open commands must be sent again, over the new parent.
            unit.wakes_scheduler = True
        unit.change(
            node,
            role=Role.EDGE,
            parent=parent,
            is_base_client=False,
            key=key.public_key.hex(),
            key_issued_at=key.issued_at,
            key_proof=key.proof.hex(),
            ticket_counter=ticket.counter,
        )
        unit.publish_node(node)
        bring_back(unit, node)
        unit.cache.holders.pop(node_id, None)
        self._note_token(unit, node, ticket)
        for mark in ticket.heads[:_MAX_HEADS]:
            self._take_head(unit, node_id, mark)

    def _note_token(self, unit: UnitOfWork, node: Node, ticket: pb.Ticket) -> None:
        """The Edge's word about its token, which the Leader does not see: for the list, and for renewing it."""
        issued_at, expires_at = (
            value if 0 <= value <= _MAX_TIME else 0 for value in (ticket.token_issued_at, ticket.token_expires_at)
        )
        used = UsedToken(
            node_id=node.id,
            role=Role.EDGE,
            token_id=ticket.token_id.replace("\x00", ""),
            public_key=node.key,
            issued_at=issued_at,
            expires_at=expires_at,
        )
        note_use(unit, used)
        note_end(unit, node, issued_at=issued_at, expires_at=expires_at)

    def _parent_of(self, peer: Peer, node_id: str, ticket: pb.Ticket) -> str:
        """The parent as stored: empty for the Leader itself."""
        if peer.node_id == node_id and ticket.parent == self._leader_id:
            return ""
        if peer.role is Role.MASTER and ticket.parent == peer.node_id and is_node_id(node_id):
            return peer.node_id
        raise SpeakerRefused(f"{peer.node_id} brought a ticket of {node_id[:64]!r} for {ticket.parent[:64]!r}")

    def _take_head(self, unit: UnitOfWork, node_id: str, mark: pb.JournalMark) -> None:
        journal = unit.cache.journals.get(mark.journal_id)
        if journal is None and 1 <= len(mark.journal_id) <= 64 and "\x00" not in mark.journal_id:
            lane = Lane.LOGS if mark.lane == Lane.LOGS else Lane.STATES
            journal = new_journal(unit, mark.journal_id, node_id, lane)
        if journal is not None and journal.node_id == node_id and mark.seq > journal.signed_head:
            unit.change(journal, signed_head=min(mark.seq, _MAX_NUMBER))


def open_foreign_alert(unit: UnitOfWork, peer: Peer, node_id: str) -> None:
    """One per peer, until it connects again: the first refusal names the node, later ones are dead letters."""
    if (FOREIGN_ALERT, peer.node_id, "") not in unit.cache.alerts:
        said = phrase("foreign-node", peer=peer.node_id, node=node_id[:64].replace("\x00", ""))
        unit.open_alert(FOREIGN_ALERT, level="error", parts=[said], node_id=peer.node_id)


def _is_promised(node_id: str) -> bool:
    """Whether this name, which has never connected, was issued a token that a Master's word cannot stand in for."""
    issued = NodeToken.objects.filter(node_id=node_id[:64].replace("\x00", ""), revoked_at=None)
    return any(token.role != Role.EDGE or token.public_key for token in issued)


def _foreign(peer: Peer, node_id: str) -> SpeakerRefused:
    return SpeakerRefused(f"{peer.node_id} may not write for {node_id[:64]!r}")
