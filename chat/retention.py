"""Deletes old conversations and deleted memory files.

These are steps of the Leader's retention, in small batches. A closed conversation is deleted by age. An open one loses
its oldest turns above a limit, but never turns that are still sent to a model: a new epoch starts first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from django.db.models import F, OuterRef, QuerySet, Subquery

from chat import store
from chat.models import Conversation, MemoryFile, Message, Turn
from chat.states import OPEN_TURNS
from nodes.leader.projection.unit_of_work import UnitOfWork

# Turns deleted in one transaction, with their messages, calls, approvals and requests.
_TURN_BATCH = 10
# Each file has up to a hundred revisions.
_FILE_BATCH = 10
# Today's cost is computed from turns, so newer ones must stay.
_YOUNGEST = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatRetention:
    closed_age: timedelta = timedelta(days=90)
    open_turns: int = 1_000


def steps(config: ChatRetention) -> Mapping[str, Callable[[UnitOfWork], int | None]]:
    """For `nodes.leader.projection.retention`: each step returns the number of deleted rows, or None when nothing is
    left to delete.
    """
    return {
        "old conversations": partial(_prune_closed, config),
        "turns": partial(_prune_open, config),
        "deleted memory files": partial(_prune_files, config),
    }


def _prune_closed(config: ChatRetention, unit: UnitOfWork) -> int | None:
    """Closed conversations are idle: only an idle one can be closed, and it accepts no more messages."""
    before = unit.now - config.closed_age
    oldest = Conversation.objects.filter(closed_at__lt=before).order_by("closed_at").first()
    if oldest is None:
        return None
    turns = Turn.objects.filter(conversation=oldest).order_by("number")
    if _delete_turns(unit, turns):
        return 0
    unit.changes += 1
    oldest.delete()
    return 1


def _prune_open(config: ChatRetention, unit: UnitOfWork) -> int | None:
    turns = Turn.objects.filter(conversation=OuterRef("pk"))
    over = Conversation.objects.filter(closed_at=None).annotate(
        first=Subquery(turns.order_by("number").values("number")[:1]),
        last=Subquery(turns.order_by("-number").values("number")[:1]),
    )
    for conversation in over.filter(last__gte=F("first") + config.open_turns).order_by():
        last = conversation.last - config.open_turns
        old = Turn.objects.filter(
            conversation=conversation, number__lte=last, created_at__lt=unit.now - _YOUNGEST
        ).order_by("number")
        if _may_cut(unit, conversation, old) and (count := _delete_turns(unit, old)):
            return count
    return None


def _may_cut(unit: UnitOfWork, conversation: Conversation, old: QuerySet[Turn]) -> bool:
    """False while a turn is active. Moves turns that are still sent to a model to an earlier epoch first."""
    if Turn.objects.filter(conversation=conversation, state__in=OPEN_TURNS).exists():
        return False
    sent = Message.objects.filter(conversation=conversation, epoch=conversation.epoch)
    if sent.filter(turn__in=old).exists():
        store.end_epoch(unit, conversation)
    return True


def _delete_turns(unit: UnitOfWork, turns: QuerySet[Turn]) -> int:
    ids = list(turns.values_list("id", flat=True)[:_TURN_BATCH])
    return _delete(unit, Turn.objects.filter(id__in=ids)) if ids else 0


def _prune_files(config: ChatRetention, unit: UnitOfWork) -> int | None:
    old = MemoryFile.objects.filter(deleted_at__lt=unit.now - config.closed_age).order_by("deleted_at")
    ids = list(old.values_list("id", flat=True)[:_FILE_BATCH])
    return _delete(unit, MemoryFile.objects.filter(id__in=ids)) if ids else None


def _delete(unit: UnitOfWork, rows: QuerySet[Turn] | QuerySet[MemoryFile]) -> int:
    """Deletes these rows and returns their number, without cascaded rows."""
    unit.changes += 1
    _, by_model = rows.delete()
    return by_model.get(rows.model._meta.label, 0)
