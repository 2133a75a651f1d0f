"""Handles requests to the Leader's conversations, from this process or over the gateway."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from chat import store
from chat.contexts import Context
from chat.errors import ChatRejected
from chat.memory import files
from chat.memory.commands import plain_text
from chat.memory.files import Author
from chat.messages import fix_digest
from chat.models import Approval
from chat.phrases import Phrase
from chat.ports import (
    Accepted,
    AnswerApproval,
    ApplyFix,
    ChangeMemory,
    Done,
    OpenConversation,
    Opened,
    RetryTurn,
    Rights,
    SendMessage,
    StopTurn,
    Writes,
)
from chat.runner import Runner
from chat.states import ApprovalState
from chat.tool_executor import current_version, right_of
from nodes.database_threads import DatabaseThreads
from nodes.errors import NotFound
from nodes.leader.projection.unit_of_work import UnitOfWork

logger = logging.getLogger(__name__)

_OPERATE = "operate"
_MAX_NUMBER = 1 << 62


class ChatService:
    """Implements `chat.ports.ChatPort`. Checks rights itself, whatever the caller has checked."""

    def __init__(
        self, *, writes: Writes, rights: Rights, runner: Runner, threads: DatabaseThreads, language: str
    ) -> None:
        """`language`: of AgentFlow's own texts in a conversation without messages."""
        self._language = language
        self._writes = writes
        self._rights = rights
        self._runner = runner
        self._threads = threads

    async def stall(self, context: Context, text_phrase: Phrase, alert_id: int, others: Sequence[str]) -> str:
        """Queues an automatic turn about this alert and returns its id. `others`: tasks with the same problem."""
        turn_id = await self._writes.write(
            lambda unit: store.begin_stall(
                unit, context, text_phrase, alert_id=alert_id, others=others, language=self._language
            )
        )
        self._runner.wake()
        return turn_id

    async def open_conversation(self, request: OpenConversation) -> Opened:
        await self._require(request.actor, _OPERATE)
        context = Context.parse(request.context)
        conversation_id = await self._writes.write(
            lambda unit: store.open_conversation(unit, context, actor=request.actor, is_fresh=request.is_fresh)
        )
        return Opened(conversation_id=conversation_id)

    async def send_message(self, request: SendMessage) -> Accepted:
        await self._require(request.actor, _OPERATE)
        turn_id = await self._writes.write(
            lambda unit: store.queue_message(unit, request.conversation_id, request.text, actor=request.actor)
        )
        self._runner.wake()
        return Accepted(conversation_id=request.conversation_id, turn_id=turn_id)

    async def stop_turn(self, request: StopTurn) -> Accepted:
        await self._require(request.actor, _OPERATE)
        turn = await self._threads.read(lambda: store.turn_of(request.turn_id))
        await self._runner.stop_turn(request.turn_id)
        return Accepted(conversation_id=turn.conversation_id, turn_id=request.turn_id)

    async def retry_turn(self, request: RetryTurn) -> Accepted:
        await self._require(request.actor, _OPERATE)
        new_id = await self._writes.write(lambda unit: store.retry(unit, request.turn_id, actor=request.actor))
        turn = await self._threads.read(lambda: store.turn_of(new_id))
        self._runner.wake()
        return Accepted(conversation_id=turn.conversation_id, turn_id=new_id)

    async def answer_approval(self, request: AnswerApproval) -> Accepted:
        right = await self._threads.read(lambda: _approval(request.approval_id).right)
        await self._require(request.actor, right)

        def settle(unit: UnitOfWork) -> tuple[Accepted, ApprovalState]:
            approval = _approval(request.approval_id)
            if request.is_yes and request.seen not in ("", approval.digest):
                raise ChatRejected("stale", "This is not what you saw.")
            call = store.call_of(approval.call_id)
            version = current_version(unit, call)
            state = store.answer(unit, approval, actor=request.actor, is_yes=request.is_yes, target_version=version)
            return Accepted(conversation_id=call.turn.conversation_id, turn_id=call.turn_id), state

        accepted, state = await self._writes.write(settle)
        self._runner.wake()
        if request.is_yes and state is not ApprovalState.APPROVED:
            is_late = state is ApprovalState.EXPIRED
            raise ChatRejected(str(state), "The approval has expired." if is_late else "Its target has changed.")
        return accepted

    async def apply_fix(self, request: ApplyFix) -> Accepted:
        _check_numbers(fix=request.number)

        def look() -> tuple[str, str]:
            fix = store.fix_of(store.analysis_of(request.turn_id), request.number)
            return fix_digest(fix), right_of(fix["tool"], fix["arguments"])

        digest, right = await self._threads.read(look)
        if request.seen not in ("", digest):
            raise ChatRejected("stale", "This is not what you saw.")
        await self._require(request.actor, right)
        turn = await self._writes.write(
            lambda unit: store.ask_fix(unit, request.turn_id, request.number, actor=request.actor)
        )
        self._runner.wake()
        return Accepted(conversation_id=turn.conversation_id, turn_id=turn.id)

    async def change_memory(self, request: ChangeMemory) -> Done:
        await self._require(request.actor, _OPERATE)
        _check_numbers(file=request.file_id, version=request.version, to=request.to)
        author = Author(actor=request.actor, why=request.why)
        action, version, text = request.action, request.version, plain_text(request.text)

        def change(unit: UnitOfWork) -> None:
            file = files.file_of(request.file_id)
            if file.deleted_at is not None and action != "revert":
                raise ChatRejected("deleted", "This file is deleted; restore one of its revisions first.")
            if action == "edit":
                files.write(unit, file, text, author, version=version)
            elif action == "revert":
                files.revert(unit, file, author, version=version, to=request.to)
            elif action == "delete":
                files.remove(unit, file, author, version=version)
            elif action == "review":
                files.reviewed(unit, file, author, version=version)
            else:
                raise ChatRejected("invalid", "The action must be edit, revert, delete or review.")

        await self._writes.write(change)
        return Done()

    async def _require(self, actor: str, right: str) -> None:
        if not await self._threads.read(lambda: self._rights.may(actor, right)):
            raise ChatRejected("forbidden", "Your role does not allow this.")


def _approval(approval_id: str) -> Approval:
    found = Approval.objects.filter(id=approval_id).first()
    if found is None:
        raise NotFound(f"There is no approval {approval_id}.")
    return found


def _check_numbers(**numbers: int) -> None:
    """Rejects numbers that do not fit a database column."""
    for name, value in numbers.items():
        if not 0 <= value < _MAX_NUMBER:
            raise ChatRejected("invalid", f"{name} must be a whole number.")
