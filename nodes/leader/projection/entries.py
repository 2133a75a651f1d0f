"""Applies one update of a node: its position in the journal, its content, and what happens if it cannot be applied.

The mark moves only over a contiguous prefix, in the transaction that applies the entry (docs/protocol.md, "Durable
lanes").
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace

from nodes.domain.events import (
    CommandResult,
    Gap,
    Goodbye,
    Metrics,
    NodeReport,
    Payload,
    Snapshot,
    StallAlert,
    TaskStatus,
)
from nodes.domain.phrases import phrase
from nodes.domain.states import Lane, TaskState
from nodes.errors import ProtocolViolation
from nodes.leader.projection import presence, refusal
from nodes.leader.projection.authority import Authority, Standing, open_foreign_alert
from nodes.leader.projection.commands import apply_result, complete_base_commands
from nodes.leader.projection.history import describe
from nodes.leader.projection.log_lines import LINES_PER_SEQ, log_rows
from nodes.leader.projection.refusal import EntryRefused, SpeakerRefused
from nodes.leader.projection.snapshots import AwaitedReplays, apply_snapshot, settle_lost
from nodes.leader.projection.tasks import apply_progress, apply_stall, apply_status, placeholder, stored_text
from nodes.leader.projection.unit_of_work import UnitOfWork
from nodes.models import DeadLetter, Journal, Node
from nodes.stream.hub.ports import Applied, Peer, TicketRefused
from nodes.stream.wire.codec import decode_update
from nodes.stream.wire.entry import first_covered
from nodes.stream.wire.v1 import node_sync_pb2 as pb

logger = logging.getLogger(__name__)

# Twice the limit of our own agents: a later version may allow larger entries.
MAX_ENTRY_BYTES = 512 * 1024
_MAX_SEQ = (1 << 63) - 1


@dataclass(slots=True)
class Outcome:
    """The reply to one batch."""

    marks: dict[str, int] = field(default_factory=dict)
    nacks: list[pb.Nack] = field(default_factory=list)

    def applied(self) -> Applied:
        return Applied(marks=self.marks, nacks=self.nacks)


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a batch comes from, and the rules for what its peer may say."""

    peer: Peer
    authority: Authority


def apply_entry(
    unit: UnitOfWork, origin: Origin, update: pb.NodeUpdate, outcome: Outcome, awaited: AwaitedReplays
) -> None:
    """Applies one update, whatever it contains. Raises only errors of the database or of this code."""
    peer, authority = origin.peer, origin.authority
    node_id = update.node_id or peer.node_id
    try:
        if update.HasField("ticket"):
            authority.take_ticket(unit, peer, node_id, update.ticket)
            return
        if authority.judge(unit, peer, node_id, update) is Standing.OUTDATED:
            return
        node = presence.register(unit, peer, node_id)
        if update.seq == 0:
            _apply_unjournaled(unit, peer, node, update, awaited)
            return
        journal = _journal(unit, node_id, update)
    except TicketRefused as exc:
        logger.info("ticket ignored: %s", exc)
        return
    except (EntryRefused, ProtocolViolation) as exc:
        reason = _as_refusal(exc)
        _refuse(unit, node_id, update, reason, outcome)
        if isinstance(reason, SpeakerRefused):
            open_foreign_alert(unit, peer, node_id)
        held = unit.cache.journals.get(update.journal_id)
        if held is None or held.node_id != node_id or not held.seq < update.seq <= _MAX_SEQ:
            return
        if first_covered(update) == held.seq + 1 and authority.may_skip(unit.cache, peer, held, update.seq, reason):
            _record(unit, held, update, "dead", code=reason.code)
            _move_mark(unit, held, update.seq, outcome)
        return
    _apply_journaled(unit, journal, update, outcome, awaited)
    if update.seq <= journal.seq:
        authority.note_signed(unit, journal, update)


def _journal(unit: UnitOfWork, node_id: str, update: pb.NodeUpdate) -> Journal:
    if update.seq > _MAX_SEQ:
        raise EntryRefused(refusal.BAD_VALUE, "a position beyond 63 bits")
    journal = unit.cache.journals.get(update.journal_id)
    if journal is None:
        if not update.journal_id:
            raise EntryRefused(refusal.BAD_VALUE, "a position without a journal")
        lane = Lane.LOGS if update.WhichOneof("payload") == "logs" else Lane.STATES
        return presence.new_journal(unit, update.journal_id, node_id, lane)
    if journal.node_id != node_id:
        raise SpeakerRefused(f"journal {journal.id} is {journal.node_id}'s")
    return journal


def _apply_journaled(
    unit: UnitOfWork, journal: Journal, update: pb.NodeUpdate, outcome: Outcome, awaited: AwaitedReplays
) -> None:
    if update.seq <= journal.seq:
        outcome.marks[journal.id] = journal.seq  # Repeated because an ack was lost.
        return
    if first_covered(update) > journal.seq + 1:
        if not any(nack.journal_id == journal.id and nack.code == refusal.HOLE for nack in outcome.nacks):
            outcome.nacks.append(
                pb.Nack(
                    journal_id=journal.id,
                    seq=journal.seq + 1,
                    code=refusal.HOLE,
                    message=f"expected {journal.seq + 1}, got {update.seq}",
                )
            )
        return
    try:
        _apply_payload(unit, journal, update)
        kind, task_id, detail = describe(update)
        _record(unit, journal, update, kind, task_id, **detail)
    except (EntryRefused, ProtocolViolation) as exc:
        reason = _as_refusal(exc)
        _refuse(unit, journal.node_id, update, reason, outcome)
        _record(unit, journal, update, "dead", code=reason.code)
    _move_mark(unit, journal, update.seq, outcome)
    settle_lost(unit, journal.node_id, awaited)


def _move_mark(unit: UnitOfWork, journal: Journal, seq: int, outcome: Outcome) -> None:
    unit.change(journal, seq=max(journal.seq, seq))
    outcome.marks[journal.id] = journal.seq


def _apply_payload(unit: UnitOfWork, journal: Journal, update: pb.NodeUpdate) -> None:
    if update.ByteSize() > MAX_ENTRY_BYTES:
        raise EntryRefused(refusal.OVERSIZE, f"an entry of {update.ByteSize()} bytes; the limit is {MAX_ENTRY_BYTES}")
    if update.WhichOneof("payload") == "logs":
        _apply_logs(unit, journal.node_id, update.logs)
        return
    match decode_update(update).payload:
        case TaskStatus() as status:
            apply_status(unit, journal.node_id, status, journal_id=journal.id, seq=update.seq)
        case StallAlert() as alert:
            apply_stall(unit, journal.node_id, alert)
        case CommandResult() as result:
            apply_result(unit, journal.node_id, result, journal.id)
        case Gap() as gap:
            unit.publish_gap(journal.node_id, journal.lane, gap)
        case other:
            raise EntryRefused(refusal.BAD_VALUE, f"{type(other).__name__} does not belong in a journal")


def _apply_logs(unit: UnitOfWork, node_id: str, batch: pb.LogBatch) -> None:
    attempt = placeholder(unit, node_id, batch.task_id, batch.attempt or 1, phrase("only-output"))
    first_line = batch.first_line or attempt.last_line + 1
    count = len(batch.lines)
    start = max(0, attempt.last_line + 1 - first_line)  # Skip lines that are already stored.
    missing = first_line - attempt.last_line - 1
    if missing > 0:
        gap = Gap(from_seq=0, to_seq=0, reason="missing", task_id=attempt.task_id, lines=missing)
        unit.publish_gap(node_id, Lane.LOGS, gap, attempt=attempt.number, first_line=attempt.last_line + 1)
    while start < count:
        stop = min(start + LINES_PER_SEQ, count)
        rows = log_rows(
            batch,
            seq=unit.next_seq(),
            node_id=node_id,
            attempt=attempt.number,
            first_line=first_line,
            start=start,
            stop=stop,
        )
        unit.logs.append(rows)
        start = stop
    if first_line + count - 1 > attempt.last_line:
        unit.change(attempt, last_line=first_line + count - 1)


def _apply_unjournaled(
    unit: UnitOfWork, peer: Peer, node: Node, update: pb.NodeUpdate, awaited: AwaitedReplays
) -> None:
    node_id = node.id
    payload: Payload = decode_update(update).payload
    match payload:
        case TaskStatus() if peer.is_base:
            _apply_base_status(unit, node_id, payload)
        case TaskStatus():
            apply_progress(unit, node_id, payload)
        case StallAlert():
            if peer.is_base and unit.cache.task(payload.task_id) is None:
                _apply_base_status(unit, node_id, TaskStatus(task_id=payload.task_id, state=TaskState.RUNNING))
            apply_stall(unit, node_id, payload)
        case Metrics():
            presence.apply_metrics(unit, node, payload)
        case NodeReport():
            presence.apply_report(unit, peer, node_id, payload)
        case Snapshot():
            if not presence.apply_report(unit, peer, node_id, payload.report, payload.positions):
                return
            if payload.metrics is not None:
                presence.apply_metrics(unit, node, payload.metrics)
            apply_snapshot(unit, node_id, payload, awaited)
        case Goodbye():
            pass  # The hub reports the change of the link.
        case _:
            raise EntryRefused(refusal.BAD_VALUE, f"{type(payload).__name__} without a position in a journal")


def _apply_base_status(unit: UnitOfWork, node_id: str, status: TaskStatus) -> None:
    """The state of a base client's task. What a base client cannot say follows from it."""
    # It reports neither whether a task reads its input nor its projects.
    status = replace(status, accepts_input=status.state.is_live)
    apply_status(unit, node_id, status, is_latest_attempt=True)
    complete_base_commands(unit, node_id, status.task_id, status.state)
    task = unit.cache.task(status.task_id)
    if task is not None and task.project:
        presence.learn_project(unit, unit.cache.nodes[node_id], task.project)


def _record(
    unit: UnitOfWork, journal: Journal, update: pb.NodeUpdate, kind: str, task_id: str = "", **detail: object
) -> None:
    unit.record(
        kind,
        node_id=journal.node_id,
        journal_id=journal.id,
        seq=update.seq,
        origin_ms=update.timestamp,
        task_id=task_id,
        **detail,
    )


def _as_refusal(exc: EntryRefused | ProtocolViolation) -> EntryRefused:
    return exc if isinstance(exc, EntryRefused) else EntryRefused(refusal.BAD_VALUE, str(exc))


def _refuse(unit: UnitOfWork, node_id: str, update: pb.NodeUpdate, reason: EntryRefused, outcome: Outcome) -> None:
    """Quarantines the entry with its bytes, and answers with a Nack."""
    journal_id, seq = update.journal_id[:64].replace("\x00", ""), min(update.seq, _MAX_SEQ)
    logger.warning("entry refused: %s", reason.message, extra={"node_id": node_id, "code": reason.code})
    unit.insert(
        DeadLetter(
            node_id=stored_text(node_id, 64),
            journal_id=journal_id,
            seq=seq,
            code=reason.code,
            message=stored_text(reason.message),
            body=update.SerializeToString()[:MAX_ENTRY_BYTES],
            received_at=unit.now,
        )
    )
    outcome.nacks.append(
        pb.Nack(journal_id=update.journal_id, seq=update.seq, code=reason.code, message=reason.message)
    )


def quarantine_entry(unit: UnitOfWork, peer: Peer, update: pb.NodeUpdate, exc: Exception, outcome: Outcome) -> None:
    """Quarantines an entry that the database or this code could not process, like a refused one; the mark moves on."""
    node_id = update.node_id or peer.node_id
    _refuse(
        unit, node_id, update, EntryRefused(refusal.BAD_VALUE, f"could not be stored: {type(exc).__name__}"), outcome
    )
    journal = unit.cache.journals.get(update.journal_id)
    if journal is not None and journal.node_id == node_id and update.seq == journal.seq + 1:
        _record(unit, journal, update, "dead", code=refusal.BAD_VALUE)
        _move_mark(unit, journal, update.seq, outcome)
