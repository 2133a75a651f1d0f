"""A command is for people who may run commands: who sees it, and who may answer and retry it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from importlib import import_module
from itertools import product
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import Group, User
from django.utils import timezone

from chat import memory_selectors
from chat import selectors as chat_selectors
from chat.config import ChatConfig
from chat.models import ToolCall, Turn
from nodes import migrations, selectors, services
from nodes.domain.commands import ResolvedCommand, StartTask, TaskSpec
from nodes.domain.events import CommandResult, Evidence, StallAlert, TaskStatus
from nodes.domain.phrases import phrase
from nodes.domain.states import Action, CommandState, TaskHealth, TaskState
from nodes.errors import TaskRejected
from nodes.leader.projection.projection import Projection
from nodes.models import Alert, Attempt, Task
from tests.integration.test_stalls import click
from tests.support.chat import chat_world
from tests.support.leader_store import Recorder, Voice, read, running_projection
from tests.support.messages_api import MessagesApi, Reply, text, tool_use
from tests.support.stalls import analysed, stick

pytestmark = pytest.mark.django_db(transaction=True)

# A word of the command line, of its environment and of its folder.
WORDS = ("hush-word", "hush-value", "hush-folder")
COMMAND = TaskSpec(
    node="master-1",
    argv=("/opt/hush-word/run", "--now"),
    environment={"MODE": "hush-value"},
    working_directory="/srv/hush-folder",
)
RESOLVED = ResolvedCommand(argv=COMMAND.argv, working_directory="/srv/hush-folder", environment={"MODE": "hush-value"})
PROCESSES = "7 parent=1 D io_wait cpu=0.10s /opt/hush-word/run --now"


def started(spec: TaskSpec = COMMAND, task_id: str = "t1", **fields: Any) -> TaskStatus:
    request = StartTask(task_id=task_id, attempt=1, spec=spec, resolved=RESOLVED)
    return TaskStatus(**{"task_id": task_id, "state": TaskState.RUNNING, "request": request, **fields})


@pytest.fixture
def recorder() -> Recorder:
    return Recorder("logs")


@pytest.fixture
async def projection(tmp_path: Path, recorder: Recorder) -> AsyncIterator[Projection]:
    async with running_projection(tmp_path, recorder) as running:
        yield running


@pytest.fixture
async def master(projection: Projection) -> Voice:
    voice = Voice(projection, "master-1")
    await voice.arrive()
    return voice


def told(what: Any) -> list[str]:
    text = json.dumps(what, ensure_ascii=False, default=str)
    return [word for word in WORDS if word in text]


def everything(*, sees_commands: bool) -> dict[str, Any]:
    """Each read of the fleet that depends on the reader's right, and those that never do."""
    alert = Alert.objects.first()
    return {
        "detail": selectors.task_detail("t1", sees_commands=sees_commands),
        "attempts": selectors.task_attempts("t1", sees_commands=sees_commands),
        "history": selectors.work_log(sees_commands=sees_commands),
        "alert": selectors.alert_detail(alert.pk, sees_commands=sees_commands) if alert else {},
        "snapshot": selectors.snapshot(["nodes", "tasks", "alerts", "task:t1"]),
        "list": selectors.task_list(),
        "alerts": selectors.alert_page(),
    }


async def test_a_command_is_in_no_message_and_only_in_answers_to_those_who_may_run_it(
    master: Voice, recorder: Recorder
) -> None:
    # An agent of an earlier version names a command by its line.
    await master.tell(started(name="/opt/hush-word/run"))
    evidence = {"processes": PROCESSES, "stacks": "Process 7: hush-word", "lines": "hello", "metrics": "1.0 output=1"}
    await master.tell(
        StallAlert(
            task_id="t1",
            verdict=TaskHealth.WAITING,
            reason="waiting for input: hush-word (7) is reading",
            reason_parts=(phrase("waiting", readers="hush-word (7)"),),
            evidence=tuple(Evidence(id=kind, kind=kind, text=text) for kind, text in evidence.items()),
        )
    )

    found = await read(lambda: everything(sees_commands=False))
    assert {name: told(part) for name, part in found.items()} == {name: [] for name in found}
    assert told(recorder.messages()) == []
    assert [item["kind"] for item in found["alert"]["evidence"]] == ["processes", "lines", "metrics"]
    assert found["alert"]["evidence"][0]["text"] == "7 parent=1 D io_wait cpu=0.10s …"
    assert found["alert"]["isPartial"]
    assert found["alert"]["message"] == "waiting for input: a process is reading the task's standard input"
    whole = await read(lambda: everything(sees_commands=True))
    assert told(whole["detail"]) == list(WORDS)
    assert whole["detail"]["attempts"][0]["resolved"]["argv"] == ["/opt/hush-word/run", "--now"]
    assert told(whole["alert"]["evidence"]) == ["hush-word"]


@pytest.mark.parametrize(
    "end",
    [
        phrase("no-command", command="/opt/hush-word/run"),
        phrase("no-folder", folder="/srv/hush-folder"),
        phrase("cannot-run", command="/opt/hush-word/run", error="Permission denied"),
        phrase("bad-variable", name="hush-value"),
        phrase("supervisor-said", said="hush-word crashed"),
    ],
    ids=lambda end: str(end["key"]),
)
async def test_the_end_of_a_command_does_not_name_it(master: Voice, recorder: Recorder, end: Any) -> None:
    await master.tell(started(state=TaskState.FAILED, message="at /srv/hush-folder: hush-word", message_parts=(end,)))

    assert told(recorder.messages()) == []
    assert told(await read(lambda: everything(sees_commands=False))) == []
    assert "…" in (await read(lambda: Attempt.objects.get(task="t1"))).message


async def test_a_search_finds_a_command_only_for_those_who_see_it(master: Voice) -> None:
    await master.tell(started())

    async def found(word: str, *, sees_commands: bool) -> int:
        return len((await read(lambda: selectors.work_log(text=word, sees_commands=sees_commands)))["results"])

    assert [await found("hush-word", sees_commands=sees) for sees in (False, True)] == [0, 1]
    # A variable's value is never searched.
    assert await found("hush-value", sees_commands=True) == 0


async def test_what_a_named_task_ran_is_for_everyone_who_sees_the_task(master: Voice) -> None:
    await master.tell(started(TaskSpec(project="shop", named_task="build")))

    detail = await read(lambda: selectors.task_detail("t1"))

    assert (detail["isCommand"], detail["command"]) == (False, "build")
    assert detail["attempts"][0]["resolved"]["workingDirectory"] == "/srv/hush-folder"


# --- answering and retrying -----------------------------------------------------------------------

NAMED = TaskSpec(project="shop", named_task="build")
SPECS = {
    "argv": TaskSpec(argv=("true",)),
    "shell": TaskSpec(shell_line="true"),
    "named with environment": TaskSpec(project="shop", named_task="build", environment={"PATH": "/tmp"}),
    "named elsewhere": TaskSpec(project="shop", named_task="build", working_directory="/tmp"),
    "unknown": None,
    "named": NAMED,
}


async def test_input_and_retry_need_the_right_that_starting_needs(tmp_path: Path) -> None:
    async def code(task_id: str, action: Action, *, may: bool) -> str:
        try:
            await asyncio.to_thread(
                services.control_task, task_id, action, actor="ann", input=b"y\n", may_run_commands=may
            )
        except TaskRejected as refused:
            return refused.code
        return ""

    met: dict[tuple[str, bool], list[str]] = {}
    async with chat_world(tmp_path) as world:
        world.master.answers = False
        for number, (name, may) in enumerate(product(SPECS, (False, True))):
            spec, task_id = SPECS[name], f"t{number}"
            fields = {"accepts_input": True, **({} if spec else {"request": None, "name": "x"})}
            await world.voice.tell(started(spec or COMMAND, task_id, **fields))
            live = [await code(task_id, action, may=may) for action in (Action.INPUT, Action.PAUSE, Action.CANCEL)]
            await world.voice.tell(TaskStatus(task_id=task_id, state=TaskState.FAILED))
            met[name, may] = [*live, await code(task_id, Action.RETRY, may=may)]

    assert met == {
        (name, may): ["", "", "", "no-request" if spec is None else ""]
        if may or spec is NAMED
        else ["forbidden", "", "", "forbidden"]
        for (name, spec), may in product(SPECS.items(), (False, True))
    }


async def test_a_sentence_about_a_command_waits_for_someone_who_may_run_it(tmp_path: Path) -> None:
    async with chat_world(tmp_path) as world:
        await world.voice.tell(started(TaskSpec(name="nightly job", argv=("true",))))
        await world.voice.tell(TaskStatus(task_id="t1", state=TaskState.FAILED))

        turn = await world.ask("retry nightly job", actor="ann")

        (step,) = turn["steps"]
        assert (turn["state"], step["approval"]["right"]) == ("waiting", "run-commands")
        with pytest.raises(TaskRejected, match="role"):
            await world.answer(step["approval"]["id"], actor="bob")
        await world.answer(step["approval"]["id"], actor="root")
        await world.settled(turn["id"], "done")
        assert (await read(lambda: Task.objects.get(id="t1"))).attempt == 2
        assert (await read(lambda: ToolCall.objects.get(turn=turn["id"]))).acting == "root"


async def test_an_administrators_own_sentence_retries_a_command(tmp_path: Path) -> None:
    async with chat_world(tmp_path) as world:
        await world.voice.tell(started(TaskSpec(name="nightly job", argv=("true",))))
        await world.voice.tell(TaskStatus(task_id="t1", state=TaskState.FAILED))

        turn = await world.ask("retry nightly job", actor="root")

        assert (turn["state"], turn["steps"][0]["approval"]) == ("done", None)
        assert (await read(lambda: Task.objects.get(id="t1"))).attempt == 2


async def test_a_right_that_is_lost_after_the_approval_ends_the_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with chat_world(tmp_path) as world:
        await world.voice.tell(started(TaskSpec(name="nightly job", argv=("true",))))
        await world.voice.tell(TaskStatus(task_id="t1", state=TaskState.FAILED))
        turn = await world.ask("retry nightly job", actor="ann")
        executor = world.runner._executor
        may = executor._may

        async def too_late(actor: str, right: str) -> bool:
            if actor == "root":
                await read(lambda: User.objects.get(username="root").groups.set([Group.objects.get(name="operator")]))
            return await may(actor, right)

        monkeypatch.setattr(executor, "_may", too_late)
        await world.answer(turn["steps"][0]["approval"]["id"], actor="root")

        ended = await world.settled(turn["id"], "done")
        assert ended["steps"][0]["state"] == "failed"
        assert (await read(lambda: Task.objects.get(id="t1"))).attempt == 1


async def test_a_fix_that_answers_a_command_is_for_those_who_may_run_it(tmp_path: Path) -> None:
    async with chat_world(tmp_path) as world:
        await world.voice.tell(started(accepts_input=True))
        await stick(world, processes=PROCESSES, stacks="Process 7: hush-word")
        turn = await analysed(world)
        fixes = {fix["number"]: fix["tool"] for fix in turn["analysis"]["fixes"]}
        assert (fixes[1], fixes[3]) == ("send_input", "cancel_task")
        assert told([world.recorder.messages(), turn]) == []

        with pytest.raises(TaskRejected) as refused:
            await click(world, turn["id"], 1, actor="ann")
        assert refused.value.code == "forbidden"
        assert (await click(world, turn["id"], 3, actor="ann"))["steps"][0]["approval"]["right"] == "operate"
        clicked = await click(world, turn["id"], 1, actor="root")
        approval = clicked["steps"][0]["approval"]
        assert approval["right"] == "run-commands"
        with pytest.raises(TaskRejected, match="role"):
            await world.answer(approval["id"], actor="bob")
        await world.answer(approval["id"], actor="root")
        await world.settled(clicked["id"], "done")
        assert ("input", "t1") in world.master.received


async def test_a_proposed_command_is_on_the_card_only_for_those_who_may_approve_it(tmp_path: Path) -> None:
    call = tool_use("run_command", {"node": "master-1", "command": ["hush-word", "--now"]})
    async with MessagesApi([Reply([call]), Reply([text("ok")])]) as api:
        config = ChatConfig(provider="anthropic", base_url=api.url, api_key="key-1")
        async with chat_world(tmp_path, config) as world:
            turn = await world.ask("do it")
            step = turn["steps"][0]
            conversation = await read(lambda: Turn.objects.get(id=turn["id"]).conversation_id)

            assert told(world.recorder.messages()) == []
            assert step["isWithheld"]
            assert (step["arguments"], step["summary"]) == ({"node": "master-1"}, "Run a command on master-1")

            def reads(*, sees: bool) -> list[Any]:
                return [
                    chat_selectors.conversation(conversation, sees_commands=sees),
                    chat_selectors.step(step["id"], sees_commands=sees),
                    chat_selectors.audit(sees_commands=sees),
                    memory_selectors.context_of(conversation, sees_commands=sees),
                ]

            assert told(await read(lambda: reads(sees=False))) == []
            assert [told(one) for one in await read(lambda: reads(sees=True))] == [["hush-word"]] * 4
            await world.answer(step["approval"]["id"], actor="root")
            await world.settled(turn["id"], "done")
            sent = await read(
                lambda: [memory_selectors.raw_request(row["id"]) for row in _sent(conversation) if row["isSent"]]
            )
            assert len(sent) == 2
            assert all(b"hush-word" not in body for body in sent)
            assert told(world.recorder.messages()) == []


def _sent(conversation: str) -> list[dict[str, Any]]:
    return memory_selectors.context_of(conversation)["requests"]


async def test_a_refused_start_says_no_more_than_its_end(tmp_path: Path) -> None:
    """The node repeats the reason in the result of the command that started it."""
    async with chat_world(tmp_path) as world:
        world.master.answers = False
        await asyncio.to_thread(services.submit_task, COMMAND, actor="root", task_id="t1")
        await world.sees(lambda: read(lambda: Task.objects.filter(id="t1", state="dispatched").exists()))
        end, said = phrase("no-command", command="/opt/hush-word/run"), "command not found: /opt/hush-word/run"
        await world.voice.tell(started(state=TaskState.FAILED, message=said, message_parts=(end,)))
        start = await read(lambda: Task.objects.get(id="t1").commands.get(kind="start"))
        await world.voice.tell(
            CommandResult(command_id=start.id, state=CommandState.FAILED, code="cannot-start", message=said)
        )

        assert told(world.recorder.messages()) == []
        assert world.recorder.messages("COMMAND")[-1]["command"]["message"] == "command not found: …"


async def test_the_upgrade_hides_the_commands_that_are_already_stored(master: Voice) -> None:
    await master.tell(started(message_parts=(phrase("no-command", command="x"),), message="x"))
    await master.tell(started(NAMED, "t2"))

    def upgrade() -> list[tuple[str, str]]:
        # As the previous version stored them.
        parts = [{"key": "no-folder", "values": {"folder": "/srv/hush-folder"}}]
        Task.objects.filter(id="t1").update(name="hush-word --now", message="at hush-folder", message_parts=parts)
        Alert.objects.create(
            level="error", kind="x", task_id="t1", task_name="hush-word --now", message="m", opened_at=timezone.now()
        )
        (module,) = (
            import_module(f"nodes.migrations.{one.name}")
            for one in iter_modules(migrations.__path__)
            if one.name.endswith("_resolved_commands")
        )
        for change in (module.rename_commands, module.hide_commands, module.empty_feed):
            change(apps, None)
        return list(Task.objects.order_by("id").values_list("name", "message"))

    assert await read(upgrade) == [("command t1", "working folder does not exist: …"), ("t2", "")]
    assert await read(lambda: Alert.objects.get().task_name) == "command t1"
    assert await read(lambda: selectors.feed_since(0, None, 10)) is None  # Readers take a snapshot.
