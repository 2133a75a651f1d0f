"""Wires the chat into the Leader: its services, the dashboard's rights, and the listener that feeds it."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

from django.conf import settings
from django.contrib.auth.models import User

from chat.chat_service import ChatService
from chat.config import ChatConfig
from chat.effects import Effects
from chat.engines.choice import Engines
from chat.ports import ChatPort, Fleet, Publish, Writes
from chat.runner import Runner
from chat.stalls.fix_verifier import FixVerifier
from chat.stalls.service import Stalls
from chat.tool_executor import ToolExecutor
from chat.watch import Watch
from dashboard.rights import Right, may, role_of
from nodes.core.lifecycle import Service
from nodes.database_threads import DatabaseThreads
from nodes.domain.commands import TaskSpec
from nodes.domain.states import Action
from nodes.leader.projection.published import FanOut
from nodes.leader.scheduler.requests import ControlRequest
from nodes.leader.scheduler.scheduler import Scheduler
from nodes.services import LeaderLoop, in_time

Q = TypeVar("Q")
R = TypeVar("R")


class _Rights:
    """Implements `chat.ports.Rights`."""

    def may(self, actor: str, right: str) -> bool:
        user = User.objects.filter(username=actor).first()
        return user is not None and may(role_of(user), Right(right))


class ScheduledFleet:
    """Implements `chat.ports.Fleet`."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler

    async def submit(self, spec: TaskSpec, *, actor: str, task_id: str) -> None:
        await in_time(self._scheduler.submit(spec, actor=actor, task_id=task_id))

    async def control(
        self, task_id: str, action: Action, *, actor: str, input: bytes, command_id: str, may_run_commands: bool
    ) -> None:
        request = ControlRequest(
            task_id=task_id,
            action=action,
            actor=actor,
            input=input,
            command_id=command_id,
            may_run_commands=may_run_commands,
        )
        await in_time(self._scheduler.control(request))


class InProcessChat:
    """Implements `chat.ports.ChatGateway` within the Leader's process."""

    def __init__(self, chat: ChatPort, loop: LeaderLoop) -> None:
        self._chat = chat
        self._loop = loop

    def ask(self, request: Q, call: Callable[[ChatPort, Q], Coroutine[Any, Any, R]], /) -> R:
        return self._loop.wait(lambda: call(self._chat, request))


@dataclass(frozen=True, slots=True, kw_only=True)
class Chat:
    chat_service: ChatService  # Answers requests.
    runner: Runner  # Runs turns.
    stalls: Stalls  # Starts an analysis of stuck tasks.
    fix_verifier: FixVerifier  # Checks whether a fix helped.

    @property
    def services(self) -> tuple[Service, ...]:
        return (self.runner, self.stalls, self.fix_verifier)


def make_chat(config: ChatConfig, *, writes: Writes, fleet: Fleet, listeners: FanOut, publish: Publish) -> Chat:
    threads = DatabaseThreads("chat", size=2)
    watch = Watch()
    rights = _Rights()
    engines = Engines(config, writes=writes, threads=threads)
    executor = ToolExecutor(writes=writes, rights=rights, effects=Effects(fleet, watch, threads), threads=threads)
    runner = Runner(writes=writes, executor=executor, engines=engines, threads=threads, publish=publish)
    language = settings.LANGUAGE_CODE
    chat_service = ChatService(writes=writes, rights=rights, runner=runner, threads=threads, language=language)
    stalls = Stalls(chat_service.stall, threads, recovered=runner.recovered)
    fix_verifier = FixVerifier(writes, threads)
    listeners.add(watch, runner, stalls, fix_verifier)
    return Chat(chat_service=chat_service, runner=runner, stalls=stalls, fix_verifier=fix_verifier)
