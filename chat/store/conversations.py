"""At most one open conversation for each context."""

from __future__ import annotations

import secrets

from chat.contexts import Context
from chat.errors import ChatRejected
from chat.models import Conversation, Turn
from chat.states import OPEN_TURNS
from chat.store.rows import change, publish_conversation
from nodes.leader.projection.unit_of_work import UnitOfWork


def open_conversation(unit: UnitOfWork, context: Context, *, actor: str, is_fresh: bool = False) -> str:
    """The id of the context's open conversation, created if needed. `is_fresh`: closes the current one first."""
    found = Conversation.objects.filter(project=context.project, node=context.node, closed_at=None).first()
    if found is not None and not is_fresh:
        return found.id
    _check_context(unit, context)
    if found is not None:
        if Turn.objects.filter(conversation=found, state__in=OPEN_TURNS).exists():
            raise ChatRejected("busy", "The conversation is busy: wait, or stop it first.")
        change(unit, found, closed_at=unit.now)
        publish_conversation(unit, found)
    conversation = Conversation(
        id=secrets.token_hex(8),
        project=context.project,
        node=context.node,
        created_by=actor[:150],
        created_at=unit.now,
        last_at=unit.now,
    )
    unit.insert(conversation)
    publish_conversation(unit, conversation)
    return conversation.id


def _check_context(unit: UnitOfWork, context: Context) -> None:
    nodes = unit.cache.nodes
    if context.node != "*" and context.node not in nodes:
        raise ChatRejected("no-such-context", f"There is no node {context.node}.")
    if context.project == "*":
        return
    chosen = nodes.values() if context.node == "*" else [nodes[context.node]]
    projects = {project["name"] for node in chosen for project in node.capabilities.get("projects", ())}
    if context.project not in projects:
        raise ChatRejected("no-such-context", f"There is no project {context.project} there.")
