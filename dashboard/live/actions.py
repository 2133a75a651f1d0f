"""Handles clients' requests: checks rights, then calls `nodes.services` or `chat.services` on a thread.

Only the sender gets the answer that a request is stored. Its outcome is published as COMMAND and TASK_UPDATE.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from chat import services as chat_services
from dashboard.live.messages import Chat, ChatAnswer, ChatFix, ChatMessage, ChatStop, Control, Run
from dashboard.live.ports import Chats, Services
from dashboard.rights import Right, Role, may, right_to_submit
from nodes.database_threads import DatabaseThreads
from nodes.domain.phrases import Phrase
from nodes.errors import AgentFlowError, Conflict, NotFound, TaskRejected

logger = logging.getLogger(__name__)


class Refused(Exception):
    def __init__(
        self, code: str, text: str, parts: Sequence[Phrase] = (), details: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(code, text)
        self.parts = parts
        self.details = details or {}
        self.code = code
        self.text = text


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    task_id: str
    command_id: str = ""  # Empty for a new task and a retry, which send no command to a node.


async def act(
    request: Control | Run, *, role: Role, actor: str, services: Services, threads: DatabaseThreads
) -> Accepted:
    """Returns when the Leader has stored the request. Raises `Refused`.

    The Leader checks whether a control needs the right to run commands: only its store knows the task.
    """
    right = right_to_submit(request.spec) if isinstance(request, Run) else Right.OPERATE
    _require(role, right)
    with _refusals(actor):
        if isinstance(request, Run):
            return Accepted(task_id=await threads.act(services.submit_task, request.spec, actor=actor))
        command_id = await threads.act(
            services.control_task,
            request.task,
            request.action,
            actor=actor,
            ref=request.ref,
            input=request.input.encode(),
            close_input=request.close_input,
            reason=request.reason,
            may_run_commands=may(role, Right.RUN_COMMANDS),
            definition=request.definition,
            seen=request.seen,
        )
        return Accepted(task_id=request.task, command_id=command_id)


async def open_conversation(context: str, *, role: Role, actor: str, chats: Chats, threads: DatabaseThreads) -> str:
    """The id of the context's conversation. Raises `Refused`."""
    _require(role, Right.OPERATE)
    with _refusals(actor):
        return await threads.act(chats.open_conversation, context, actor=actor)


async def send_chat_request(
    request: ChatMessage, *, conversation_id: str, role: Role, actor: str, chats: Chats, threads: DatabaseThreads
) -> chat_services.Accepted:
    """`conversation_id`: where a CHAT message goes. Raises `Refused`.

    The Leader checks the right that an approved action itself needs.
    """
    _require(role, Right.OPERATE)
    with _refusals(actor):
        if isinstance(request, Chat):
            return await threads.act(chats.send_message, conversation_id, request.text, actor=actor)
        if isinstance(request, ChatAnswer):
            return await threads.act(
                chats.answer_approval,
                request.approval,
                is_yes=request.decision == "approve",
                actor=actor,
                seen=request.seen,
            )
        if isinstance(request, ChatFix):
            return await threads.act(chats.apply_fix, request.turn, request.number, actor=actor, seen=request.seen)
        if isinstance(request, ChatStop):
            return await threads.act(chats.stop_turn, request.turn, actor=actor)
        return await threads.act(chats.retry_turn, request.turn, actor=actor)


def _require(role: Role, right: Right) -> None:
    if not may(role, right):
        raise Refused("forbidden", "Your role does not allow this.")


@contextmanager
def _refusals(actor: str) -> Iterator[None]:
    """Translates errors of the fleet into answers to the client."""
    try:
        yield
    except TaskRejected as exc:
        raise Refused(exc.code, str(exc), exc.parts, exc.details) from exc
    except NotFound as exc:
        raise Refused("not-found", str(exc) or "There is nothing with this id.") from exc
    except Conflict as exc:
        raise Refused("conflict", str(exc) or "The task's current state does not allow this.") from exc
    except AgentFlowError as exc:
        # Usually the Leader is unreachable. The log has the reason; the user only sees that nothing happened.
        logger.warning("the Leader did not accept a request of %s: %s", actor, exc)
        raise Refused("unavailable", "The Leader did not accept the request; try again.") from exc
