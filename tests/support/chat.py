"""The complete chat over a real projection, scheduler and store, with users and a fake node that obeys commands."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from django.contrib.auth.models import Group, User

from agentflow_site.chat import InProcessChat, ScheduledFleet, make_chat
from chat import selectors as chat_selectors
from chat import services as chat_services
from chat.chat_service import ChatService
from chat.config import ChatConfig
from chat.models import Turn
from chat.ports import Writes
from chat.runner import Runner
from chat.stalls.service import Stalls
from nodes import services
from nodes.core.lifecycle import Service
from nodes.domain.commands import StartTask, TaskSpec
from nodes.domain.events import CommandResult, LogBatch, LogLine, TaskStatus
from nodes.domain.states import CommandState, LogLevel, LogStream, TaskState
from nodes.leader.projection.epoch import Epoch
from nodes.leader.projection.projection import Projection
from nodes.leader.projection.published import FanOut
from nodes.leader.scheduler.scheduler import Scheduler
from nodes.stream.wire.v1 import node_sync_pb2 as pb
from tests.support.eventually import eventually
from tests.support.leader_store import Recorder, Voice, read, running_projection

T = TypeVar("T")

_RESULTING = {
    "ACTION_PAUSE": TaskState.PAUSED,
    "ACTION_RESUME": TaskState.RUNNING,
    "ACTION_CANCEL": TaskState.CANCELLED,
}


def make_people() -> None:
    """ann and bob are operators, root an administrator, vic a viewer."""
    for name, role in (("ann", "operator"), ("bob", "operator"), ("root", "admin"), ("vic", "viewer")):
        user, _ = User.objects.get_or_create(username=name)
        user.groups.set([Group.objects.get_or_create(name=role)[0]])


def named_request(task_id: str) -> StartTask:
    """A task that operators may answer and retry."""
    return StartTask(task_id=task_id, attempt=1, spec=TaskSpec(project="shop", named_task="build"))


@dataclass
class FakeMaster:
    """A node that obeys every command at once, and records what it received."""

    voice: Voice
    received: list[tuple[str, str]] = field(default_factory=list)  # action or "start", task id
    answers: bool = True
    others: dict[str, Voice] = field(default_factory=dict)  # Further nodes, which obey commands too.

    def take(self, node_id: str, command: pb.LeaderCommand) -> None:
        kind = command.WhichOneof("payload")
        if kind == "control":
            action = pb.ControlSignal.Action.Name(command.control.action)
            self.received.append((action.removeprefix("ACTION_").lower(), command.control.task_id))
            state, task_id = _RESULTING.get(action), command.control.task_id
        else:
            self.received.append(("start", command.task_request.task_id))
            self._attempts[command.task_request.task_id] = command.task_request.attempt
            state, task_id = TaskState.RUNNING, command.task_request.task_id
        if self.answers:
            self._tasks.add(
                task := asyncio.ensure_future(
                    self._answer(self.others.get(node_id, self.voice), command.command_id, task_id, state)
                )
            )
            task.add_done_callback(self._tasks.discard)

    _tasks: set[asyncio.Future[None]] = field(default_factory=set)
    _attempts: dict[str, int] = field(default_factory=dict)  # Of each task that it started.

    async def _answer(self, voice: Voice, command_id: str, task_id: str, state: TaskState | None) -> None:
        if state is not None:
            await voice.tell(TaskStatus(task_id=task_id, state=state, attempt=self._attempts.get(task_id, 1)))
        await voice.tell(CommandResult(command_id=command_id, state=CommandState.SUCCEEDED))


class ChatWorld:
    """A Leader with one Master and its conversations."""

    def __init__(
        self,
        projection: Projection,
        recorder: Recorder,
        master: FakeMaster,
        listeners: FanOut,
        scheduler: Scheduler,
        config: ChatConfig,
    ) -> None:
        self.projection = projection
        self.recorder = recorder
        self.master = master
        self.voice = master.voice
        self.config = config
        self.chat_service: ChatService
        self.runner: Runner
        self._listeners = listeners
        self._scheduler = scheduler
        self.stalls: Stalls
        self._services: tuple[Service, ...]
        self._running: list[asyncio.Task[None]]

    def start_chat(self, writes: Writes | None = None) -> None:
        """Like the Leader's start. `writes`: replaces the projection."""
        writes = writes or self.projection
        fleet = ScheduledFleet(self._scheduler)
        made = make_chat(
            self.config, writes=writes, fleet=fleet, listeners=self._listeners, publish=self.recorder.publish
        )
        self.chat_service, self.runner, self.stalls = made.chat_service, made.runner, made.stalls
        self._services = made.services
        loop = services.LeaderLoop(asyncio.get_running_loop())
        services.use_gateway(services.InProcessGateway(self._scheduler, loop))
        chat_services.use_gateway(InProcessChat(self.chat_service, loop))
        self._running = [asyncio.create_task(service.run(), name=service.name) for service in self._services]

    async def end_chat(self) -> None:
        for service, task in reversed(list(zip(self._services, self._running, strict=True))):
            service.request_stop()
            await task

    async def kill_chat(self) -> None:
        """Like a kill: nothing is written or sent any more."""
        asked = [
            task
            for task in asyncio.all_tasks()
            if getattr(task.get_coro(), "__qualname__", "").startswith(("ChatService.", "in_time"))
        ]
        for task in (*self._running, *asked):
            task.cancel()
        await asyncio.gather(*self._running, *asked, return_exceptions=True)

    async def task(self, task_id: str, name: str, *, state: TaskState = TaskState.RUNNING, project: str = "") -> None:
        await self.voice.tell(
            TaskStatus(task_id=task_id, state=state, name=name, project=project, request=named_request(task_id))
        )

    async def log(self, task_id: str, *lines: str) -> None:
        batch = tuple(
            LogLine(number, LogLevel.INFO, LogStream.STDOUT, line.encode()) for number, line in enumerate(lines)
        )
        await self.voice.tell(LogBatch(task_id=task_id, attempt=1, first_line=1, lines=batch), lane="logs")

    async def open(self, context: str = "*:*", *, actor: str = "ann") -> str:
        return await asyncio.to_thread(chat_services.open_conversation, context, actor=actor)

    async def say(self, text: str, *, context: str = "*:*", actor: str = "ann") -> str:
        """Returns the turn's id."""
        conversation_id = await self.open(context, actor=actor)
        accepted = await asyncio.to_thread(chat_services.send_message, conversation_id, text, actor=actor)
        return accepted.turn_id

    async def answer(self, approval_id: str, *, is_yes: bool = True, actor: str = "ann") -> None:
        await asyncio.to_thread(chat_services.answer_approval, approval_id, is_yes=is_yes, actor=actor)

    async def turn(self, turn_id: str) -> dict[str, Any]:
        def find() -> dict[str, Any]:
            conversation = chat_selectors.conversation(Turn.objects.get(id=turn_id).conversation_id)
            return next(turn for turn in conversation["turns"] if turn["id"] == turn_id)

        return await read(find)

    async def settled(self, turn_id: str, *states: str) -> dict[str, Any]:
        """The turn once it is in one of these states (by default: ended or waiting)."""
        wanted = states or ("done", "stopped", "failed", "interrupted", "waiting")
        last: dict[str, Any] = {}

        async def has_come() -> bool:
            nonlocal last
            last = await self.turn(turn_id)
            return last["state"] in wanted

        try:
            await self.sees(has_come)
        except AssertionError as exc:
            raise AssertionError(f"turn not {wanted}: {last}") from exc
        return last

    async def sees(self, look: Callable[[], Awaitable[T]], timeout: float = 30.0) -> T:
        """`eventually` for queries of the store, which are expensive: one per published message, and two a second."""
        published, looked_at = -1, 0.0

        async def check_again() -> T | None:
            nonlocal published, looked_at
            if len(self.recorder.published) == published and time.monotonic() - looked_at < 0.5:
                return None
            published, looked_at = len(self.recorder.published), time.monotonic()
            return await look()

        seen: T = await eventually(check_again, timeout)
        return seen

    async def ask(self, text: str, **more: Any) -> dict[str, Any]:
        """Sends the text and waits until the turn ends or needs an approval."""
        return await self.settled(await self.say(text, **more))


@asynccontextmanager
async def chat_world(
    folder: Path, config: ChatConfig | None = None, *, recorder: Recorder | None = None
) -> AsyncIterator[ChatWorld]:
    """The chat as the Leader wires it, over the test's database; master-1 is online and has project shop."""
    await read(make_people)
    recorder = recorder or Recorder()
    listeners = FanOut(recorder)
    async with running_projection(folder, listeners) as projection:
        master = FakeMaster(Voice(projection, "master-1"))

        def send(node_id: str, command: pb.LeaderCommand) -> bool:
            master.take(node_id, command)
            return True

        scheduler = Scheduler(projection, epoch=Epoch(folder / "epoch"), send=send)
        await master.voice.arrive()
        scheduling = asyncio.create_task(scheduler.run(), name="scheduler")
        world = ChatWorld(projection, recorder, master, listeners, scheduler, config or ChatConfig())
        world.start_chat()
        try:
            yield world
        finally:
            await world.end_chat()
            scheduler.request_stop()
            await scheduling
            services.use_gateway(None)
            chat_services.use_gateway(None)
