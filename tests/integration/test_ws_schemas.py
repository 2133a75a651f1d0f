"""docs/schemas match the real messages: a session over Daphne against the real projection and store."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import logout
from django.contrib.auth.models import AnonymousUser, User
from django.contrib.sessions.backends.db import SessionStore
from django.http import HttpRequest
from jsonschema import Draft202012Validator, ValidationError

from dashboard import tickets
from dashboard.live import messages, replies
from dashboard.live.consumer import LiveConsumer
from dashboard.live.outbox import Skipped
from dashboard.live.process import Live
from nodes import selectors, services
from nodes.domain.events import GpuMetrics, LogBatch, LogLine, Metrics, StallAlert, TaskStatus
from nodes.domain.states import LogLevel, LogStream, TaskHealth, TaskState
from nodes.leader.projection.epoch import Epoch
from nodes.leader.projection.published import Published
from nodes.leader.projection.trouble import Trouble, store_published
from nodes.leader.scheduler.scheduler import Scheduler
from nodes.services import InProcessGateway, LeaderLoop
from tests.support.access import make_people
from tests.support.eventually import eventually
from tests.support.leader_store import Recorder, Voice, read, running_projection
from tests.support.live import Client, DaphneThread, open_client
from tests.support.message_schemas import schema_of, types_in

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = (ROOT / "docs/websocket.md").read_text()
CLIENT, SERVER = schema_of("client"), schema_of("server")

pytestmark = pytest.mark.django_db(transaction=True)


class ToDaphne(Recorder):
    """The projection runs on the test's loop, the sockets on Daphne's; in the Leader they share one."""

    def __init__(self, daphne: DaphneThread, live: Live) -> None:
        super().__init__()
        self._daphne = daphne
        self._live = live

    def wants(self, topic: str) -> bool:
        return self._live.broadcaster.wants(topic)

    def publish(self, batch: Sequence[Published]) -> None:
        super().publish(batch)
        self._daphne.loop.call_soon_threadsafe(self._live.broadcaster.publish, batch)


class Leader:
    def __init__(self, daphne: DaphneThread, live: Live, tokens: dict[str, str], listener: ToDaphne) -> None:
        self.daphne = daphne
        self.live = live
        self.tokens = tokens
        self.listener = listener
        self.master: Voice

    def open(self, who: str = "admin", **options: Any) -> open_client:
        return open_client(self.daphne.url, self.tokens[who], is_checked=True, **options)


@pytest.fixture
async def leader(daphne: DaphneThread, tmp_path: Path) -> AsyncIterator[Leader]:
    people = await read(make_people)
    live = Live(feed=selectors, services=services, tickets=tickets)
    daphne.application = LiveConsumer.as_asgi(live=live)
    leader = Leader(daphne, live, dict(people.tokens), ToDaphne(daphne, live))
    async with running_projection(tmp_path, leader.listener) as projection:
        scheduler = Scheduler(projection, epoch=Epoch(tmp_path / "epoch"), send=lambda node, command: True)
        services.use_gateway(InProcessGateway(scheduler, LeaderLoop(asyncio.get_running_loop())))
        leader.master = Voice(projection, "master-1")
        await leader.master.arrive()
        yield leader
        services.use_gateway(None)
        await eventually(lambda: live.broadcaster.socket_count == 0)
    live.threads.close()


async def say_everything(master: Voice) -> None:
    await master.tell(TaskStatus(task_id="t1", state=TaskState.RUNNING, name="build", project="shop", progress=0.5))
    gpu = GpuMetrics(name="G", utilization_percent=3.0, memory_total_bytes=5)
    memory = {"memory_used_bytes": 1, "memory_total_bytes": 2**40, "disk_used_bytes": 0, "disk_total_bytes": 0}
    await master.say(Metrics(cpu_percent=5.5, load_1m=0.5, gpus=(gpu,), **memory))
    lines = (LogLine(1, LogLevel.ERROR, LogStream.STDERR, b"</script>\x1b[31m\xff"),)
    await master.tell(LogBatch(task_id="t1", attempt=1, first_line=1, lines=lines), lane="logs")
    await master.tell(LogBatch(task_id="t1", attempt=1, first_line=5, lines=lines), lane="logs")
    await master.tell(StallAlert(task_id="t1", verdict=TaskHealth.STALLED, reason="silent"))
    await master.tell(TaskStatus(task_id="t2", state=TaskState.RUNNING, name="test"))
    await master.tell(StallAlert(task_id="t2", verdict=TaskHealth.STALLED, reason="silent"))
    await master.tell(TaskStatus(task_id="t1", state=TaskState.FAILED, name="build", exit_code=-9))


async def test_every_message_of_a_real_session_fits_its_schema(leader: Leader) -> None:
    asked: list[dict[str, Any]] = [
        {"type": "SUBSCRIBE", "topics": ["nodes", "tasks", "alerts", "logs", "logs:master-1:ERROR", "task:t1"]},
        {"type": "RUN", "ref": "r1", "project": "shop", "namedTask": "build"},
        {"type": "CONTROL", "ref": "r2", "task": "t1", "action": "pause"},
        {"type": "CONTROL", "ref": "r3", "task": "none", "action": "pause"},
        {"type": "ACK", "cursor": "0", "heldMs": 1.5},
        {"type": "PING"},
        {"type": "CHAT", "text": "hello", "targetContext": "*:*"},
        {"type": "UNSUBSCRIBE", "topics": ["alerts"]},
    ]
    await leader.master.tell(TaskStatus(task_id="t1", state=TaskState.RUNNING, name="build"))
    seen: list[dict[str, Any]] = []

    async def receive(client: Client, *kinds: str) -> None:
        missing = set(kinds)
        while missing:
            seen.append(await client.receive())
            missing.discard(seen[-1]["type"])

    async with leader.open() as client:
        await client.send(**asked[0])
        await receive(client, "SNAPSHOT")
        for message in asked[1:7]:
            await client.send(**message)
        await receive(client, "ACCEPTED", "COMMAND", "ERROR", "PONG", "TASK_UPDATE")
        await say_everything(leader.master)
        await receive(client, "METRICS", "LOG", "GAP", "ALERT")
        await client.send(**asked[7])
    async with leader.open() as client:  # A base client, and a snapshot that is not empty.
        await receive(client, "AUTH_OK", "SNAPSHOT", "NODE_STATUS", "TASK_UPDATE", "ALERT")
    for message in asked:
        CLIENT.validate(message)
    for message in seen:
        SERVER.validate(message)
    SERVER.validate(seen)


@pytest.mark.parametrize(
    "message",
    [
        store_published(Trouble(reason="full", message="disk is full", since_ms=1)),
        store_published(None),
        replies.gap(Skipped(messages=1, lines=2, first_seq=3, last_seq=4)),
    ],
    ids=["failing", "stored again", "slow"],
)
def test_a_message_that_needs_a_broken_machine_fits_its_schema(message: Published) -> None:
    SERVER.validate(json.loads(message.text))


def test_every_declared_message_is_received_in_a_test_that_checks_it() -> None:
    """By a checked client or by `Recorder.messages`, which validate all that they return."""
    modules = [path.read_text() for path in Path(__file__).parent.glob("test_*.py")]
    tests = "\n".join(text for text in modules if "is_checked=True" in text or ".messages(" in text)

    assert {kind for kind in types_in(SERVER) if f'"{kind}"' not in tests} == set()


async def test_a_checked_client_refuses_a_message_that_is_not_as_declared(leader: Leader) -> None:
    async with leader.open() as client:
        await client.until("SNAPSHOT")
        undeclared = Published.of(0, ("tasks",), {"type": "TASK_UPDATE", "task": {}}, "metrics", "task:t1")
        leader.listener.publish([undeclared])

        with pytest.raises(ValidationError):
            await client.until("TASK_UPDATE")


def test_the_schemas_know_every_client_message() -> None:
    assert types_in(CLIENT) == set(messages.MESSAGES)
    Draft202012Validator.check_schema(CLIENT.schema)
    Draft202012Validator.check_schema(SERVER.schema)


@pytest.mark.parametrize(
    "message",
    [
        {"type": "NOPE"},
        {"type": "SUBSCRIBE", "topics": ["nope"]},
        {"type": "RUN", "argv": ["a"], "shellLine": "a"},
        {"type": "RUN", "argv": ["a"], "extra": 1},
        {"type": "CONTROL", "task": "t", "action": "explode"},
    ],
)
def test_schema_and_parser_refuse_the_same_messages(message: dict[str, Any]) -> None:
    assert not CLIENT.is_valid(message)
    with pytest.raises(messages.BadMessage):
        messages.parse(json.dumps(message))


def test_close_codes_are_documented() -> None:
    source = "".join(path.read_text() for path in (ROOT / "dashboard/live").glob("*.py"))
    codes = set(re.findall(r"\b(?:CLOSE_\w+|BAD_MESSAGE|OVERSIZE|TOO_FAST) = (\d{4})", source))

    assert codes >= {"4400", "4401", "4008", "4009", "4029", "4500", "4503"}
    assert {code for code in codes if code not in DOCUMENT} == set()


def test_the_example_session_fits_the_schemas() -> None:
    session = DOCUMENT.split("## A session")[1].split("```")[1]
    for line in session.strip().splitlines():
        text = re.sub(r"\[…\]", "[]", line[2:]).replace(',"at":…', "").replace(",…", "")
        message = json.loads(text)
        if line.startswith("→"):
            CLIENT.validate(message)
        else:
            assert message["type"] in types_in(SERVER)


# --- the real feed --------------------------------------------------------------------------------


async def test_a_reconnected_client_gets_exactly_what_was_pushed(leader: Leader) -> None:
    topics = ["nodes", "tasks", "alerts", "logs"]
    async with leader.open() as first:
        await first.send(type="SUBSCRIBE", topics=topics)
        snapshot = await first.until("SNAPSHOT")
        await say_everything(leader.master)
        pushed: list[dict[str, Any]] = []
        while not pushed or not (pushed[-1]["type"] == "TASK_UPDATE" and pushed[-1]["task"]["state"] == "failed"):
            message = await first.receive()
            if "seq" in message:
                pushed.append(message)
    async with leader.open() as second:
        await second.send(type="SUBSCRIBE", topics=topics, since={"store": snapshot["store"], "seq": snapshot["seq"]})
        await second.until("AUTH_OK")
        missed = []
        while (message := await second.receive())["type"] != "PONG":
            missed.append(message)

    assert [m for m in missed if int(m["seq"]) <= int(pushed[-1]["seq"])] == pushed
    assert {m["type"] for m in pushed} >= {"TASK_UPDATE", "LOG", "ALERT"}


async def test_a_level_topic_brings_that_level_and_above(leader: Leader) -> None:
    await leader.master.tell(TaskStatus(task_id="t1", state=TaskState.RUNNING, name="build"))
    async with leader.open() as client:
        await client.send(type="SUBSCRIBE", topics=["logs:master-1:WARNING"])
        await client.until("SNAPSHOT")
        lines = tuple(
            LogLine(number, level, LogStream.STDOUT, str(level).encode()) for number, level in enumerate(LogLevel, 1)
        )
        await leader.master.tell(LogBatch(task_id="t1", attempt=1, first_line=1, lines=lines), lane="logs")

        assert [line[5] for line in (await client.until("LOG"))["lines"]] == ["warning", "error"]


async def test_a_logout_closes_the_sockets_of_the_page(leader: Leader) -> None:
    def log_in() -> tuple[HttpRequest, str]:
        from django.contrib.auth import login

        request = HttpRequest()
        request.session = SessionStore()
        request.user = AnonymousUser()
        user = User.objects.get(username="user-viewer")
        login(request, user, backend="django.contrib.auth.backends.ModelBackend")
        request.session.save()
        request.user = user
        return request, tickets.issue_ticket(request)

    request, ticket = await read(log_in)
    async with (
        open_client(leader.daphne.url, ticket, origin=leader.daphne.origin) as page,
        leader.open("viewer") as program,
    ):
        assert (await page.receive())["user"] == "user-viewer"
        await program.until("AUTH_OK")
        await read(lambda: logout(request))

        assert await page.closed() == 4401
        await program.send(type="PING")
        await program.until("PONG")


@pytest.mark.parametrize(
    ("message", "allowed"),
    [
        ({"type": "SUBSCRIBE", "topics": ["tasks"]}, {"viewer", "operator", "admin"}),
        ({"type": "PING"}, {"viewer", "operator", "admin"}),
        ({"type": "CONTROL", "task": "none", "action": "cancel"}, {"operator", "admin"}),
        ({"type": "RUN", "project": "shop", "namedTask": "build"}, {"operator", "admin"}),
        ({"type": "RUN", "project": "shop", "namedTask": "build", "environment": {"A": "1"}}, {"admin"}),
        ({"type": "RUN", "node": "master-1", "argv": ["true"]}, {"admin"}),
        ({"type": "RUN", "node": "master-1", "shellLine": "true"}, {"admin"}),
    ],
    ids=lambda value: "-".join(value.get("argv", [value["type"]])) if isinstance(value, dict) else "",
)
async def test_every_message_and_role(leader: Leader, message: dict[str, Any], allowed: set[str]) -> None:
    for role in ("viewer", "operator", "admin"):
        async with leader.open(role) as client:
            await client.send(ref="r", **message)
            answer = await client.receive()
            while answer["type"] not in ("SNAPSHOT", "PONG", "ACCEPTED", "ERROR"):
                answer = await client.receive()

        assert (answer.get("code") != "forbidden") == (role in allowed), role
    async with leader.open("nobody") as client:
        assert await client.closed() == 4401
