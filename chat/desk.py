"""What the Leader answers when something is asked of its conversations, from this process or over the inner door."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from chat import store
from chat.broker import current_version, right_of
from chat.contexts import Context
from chat.errors import ChatRejected
from chat.memory import files
from chat.memory.commands import plain_text
from chat.memory.files import Author
from chat.models import Approval
from chat.phrases import Phrase
from chat.ports import Rights, Writes
from chat.runner import Runner
from chat.states import ApprovalState
from chat.threads import Threads
from nodes.errors import NotFound
from nodes.leader.projection.unit import Unit

logger = logging.getLogger(__name__)

Answer = dict[str, Any]

_OPERATE = "operate"


class Desk:
    """Implements `ChatDesk` of `nodes.leader.gateway`. Rights are checked here once more: this is where they count."""

    def __init__(self, *, writes: Writes, rights: Rights, runner: Runner, threads: Threads, language: str) -> None:
        """`language`: of what AgentFlow says where nobody has spoken yet."""
        self._language = language
        self._writes = writes
        self._rights = rights
        self._runner = runner
        self._threads = threads
        self._calls: Mapping[str, Callable[[Mapping[str, Any]], Awaitable[Answer]]] = {
            "open": self._open,
            "say": self._say,
            "stop": self._stop,
            "retry": self._retry,
            "answer": self._answer,
            "fix": self._fix,
            "memory": self._memory,
        }

    async def ask(self, call: str, arguments: Mapping[str, Any]) -> Answer:
        """Raises `TaskRejected`, `NotFound`, `StoreError`."""
        do = self._calls.get(call)
        if do is None:
            raise ChatRejected("unknown-call", f"There is no call {call[:40]!r}.")
        return await do(arguments)

    async def stall(self, context: Context, said: Phrase, alert_id: int, others: Sequence[str]) -> str:
        """A turn that nobody asked for, about this alert, and `others`: tasks with the same trouble. Its id."""
        turn_id = await self._writes.write(
            lambda unit: store.begin_stall(
                unit, context, said, alert_id=alert_id, others=others, language=self._language
            )
        )
        self._runner.wake()
        return turn_id

    async def _open(self, arguments: Mapping[str, Any]) -> Answer:
        actor = await self._allowed(arguments, _OPERATE)
        context = Context.parse(_text(arguments, "context"))
        is_fresh = arguments.get("is_fresh") is True
        conversation_id = await self._writes.write(
            lambda unit: store.open_conversation(unit, context, actor=actor, is_fresh=is_fresh)
        )
        return {"conversation": conversation_id}

    async def _say(self, arguments: Mapping[str, Any]) -> Answer:
        actor = await self._allowed(arguments, _OPERATE)
        conversation_id, text = _text(arguments, "conversation"), _text(arguments, "text")
        turn_id = await self._writes.write(lambda unit: store.say(unit, conversation_id, text, actor=actor))
        self._runner.wake()
        return {"conversation": conversation_id, "turn": turn_id}

    async def _stop(self, arguments: Mapping[str, Any]) -> Answer:
        await self._allowed(arguments, _OPERATE)
        turn_id = _text(arguments, "turn")
        turn = await self._threads.read(lambda: store.turn_of(turn_id))
        await self._runner.stop_turn(turn_id)
        return {"conversation": turn.conversation_id, "turn": turn_id}

    async def _retry(self, arguments: Mapping[str, Any]) -> Answer:
        actor = await self._allowed(arguments, _OPERATE)
        turn_id = _text(arguments, "turn")
        new_id = await self._writes.write(lambda unit: store.retry(unit, turn_id, actor=actor))
        turn = await self._threads.read(lambda: store.turn_of(new_id))
        self._runner.wake()
        return {"conversation": turn.conversation_id, "turn": new_id}

    async def _answer(self, arguments: Mapping[str, Any]) -> Answer:
        approval_id, is_yes = _text(arguments, "approval"), arguments.get("is_yes")
        if not isinstance(is_yes, bool):
            raise ChatRejected("invalid", "Say yes or no.")
        right = await self._threads.read(lambda: _approval(approval_id).right)
        actor = await self._allowed(arguments, right)

        def settle(unit: Unit) -> Answer:
            approval = _approval(approval_id)
            call = store.call_of(approval.call_id)
            version = current_version(unit, call)
            state = store.answer(unit, approval, actor=actor, is_yes=is_yes, target_version=version)
            return {"conversation": call.turn.conversation_id, "turn": call.turn_id, "approval": str(state)}

        answer = await self._writes.write(settle)
        self._runner.wake()
        if is_yes and answer["approval"] != ApprovalState.APPROVED:
            code = answer["approval"]
            raise ChatRejected(code, "Nobody answered in time." if code == "expired" else "Its target has changed.")
        return answer

    async def _fix(self, arguments: Mapping[str, Any]) -> Answer:
        turn_id, number = _text(arguments, "turn"), _number(arguments, "fix")
        fix = await self._threads.read(lambda: store.fix_of(store.analysis_of(turn_id), number))
        actor = await self._allowed(arguments, right_of(fix["tool"], fix["arguments"]))
        turn = await self._writes.write(lambda unit: store.ask_fix(unit, turn_id, number, actor=actor))
        self._runner.wake()
        return {"conversation": turn.conversation_id, "turn": turn.id}

    async def _memory(self, arguments: Mapping[str, Any]) -> Answer:
        author = Author(actor=await self._allowed(arguments, _OPERATE), why=_text(arguments, "why"))
        file_id, version, to = (_number(arguments, name) for name in ("file", "version", "to"))
        action, text = _text(arguments, "action"), plain_text(_text(arguments, "text"))

        def change(unit: Unit) -> None:
            file = files.file_of(file_id)
            if file.deleted_at is not None and action != "revert":
                raise ChatRejected("deleted", "This file is deleted; go back to one of its revisions first.")
            if action == "edit":
                files.write(unit, file, text, author, version=version)
            elif action == "revert":
                files.revert(unit, file, author, version=version, to=to)
            elif action == "delete":
                files.remove(unit, file, author, version=version)
            elif action == "review":
                files.reviewed(unit, file, author, version=version)
            else:
                raise ChatRejected("invalid", "The action is edit, revert, delete or review.")

        await self._writes.write(change)
        return {}

    async def _allowed(self, arguments: Mapping[str, Any], right: str) -> str:
        actor = _text(arguments, "actor")
        if not await self._threads.read(lambda: self._rights.may(actor, right)):
            raise ChatRejected("forbidden", "Your role does not allow this.")
        return actor


def _approval(approval_id: str) -> Approval:
    found = Approval.objects.filter(id=approval_id).first()
    if found is None:
        raise NotFound(f"There is no approval {approval_id}.")
    return found


def _number(arguments: Mapping[str, Any], name: str) -> int:
    value = arguments.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 62:
        raise ChatRejected("invalid", f"{name} must be a whole number.")
    return value


def _text(arguments: Mapping[str, Any], name: str) -> str:
    value = arguments.get(name)
    if not isinstance(value, str):
        raise ChatRejected("invalid", f"{name} must be text.")
    return value
