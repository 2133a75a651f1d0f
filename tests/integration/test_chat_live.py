"""Conversations on `/ws/` and over REST: real Daphne, real projection; every message fits its schema."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import pytest
from django.contrib.auth.models import User

from chat import remote as chat_remote
from chat import services as chat_services
from dashboard import tickets
from dashboard.accounts import tokens
from dashboard.live.consumer import LiveConsumer
from dashboard.live.process import FleetAndChats, Live
from dashboard.rights import Role
from nodes import services
from nodes.errors import LeaderUnavailable, NotFound, TaskRejected
from nodes.leader.gateway.client import RemoteGateway
from nodes.leader.gateway.server import GatewayServer
from nodes.leader.projection.epoch import Epoch
from nodes.leader.projection.published import Published
from nodes.leader.projection.retention import Pruned
from nodes.leader.scheduler.scheduler import Scheduler
from nodes.stream.identity import ClusterKey, issue_token, verify_token
from tests.support.chat import ChatWorld, chat_world
from tests.support.eventually import eventually
from tests.support.leader_store import Recorder, read
from tests.support.live import Client, DaphneThread, open_client

pytestmark = pytest.mark.django_db(transaction=True)


class ToDaphne(Recorder):
    """The conversation runs on the test's loop, the sockets on Daphne's; in the Leader they share one."""

    def __init__(self, daphne: DaphneThread, live: Live) -> None:
        super().__init__()
        self._daphne = daphne
        self._live = live

    def wants(self, topic: str) -> bool:
        return self._live.broadcaster.wants(topic)

    def publish(self, batch: Sequence[Published]) -> None:
        super().publish(batch)
        self._daphne.loop.call_soon_threadsafe(self._live.broadcaster.publish, list(batch))


class Site:
    def __init__(self, world: ChatWorld, daphne: DaphneThread, api_tokens: dict[str, str]) -> None:
        self.world = world
        self.daphne = daphne
        self.tokens = api_tokens

    def open(self, who: str = "ann") -> open_client:
        return open_client(self.daphne.url, self.tokens[who], is_checked=True)


@pytest.fixture
async def site(daphne: DaphneThread, tmp_path: Path) -> AsyncIterator[Site]:
    live = Live(feed=FleetAndChats(), services=services, tickets=tickets)
    daphne.application = LiveConsumer.as_asgi(live=live)
    async with chat_world(tmp_path, recorder=ToDaphne(daphne, live)) as world:
        await world.task("t1", "firmware build", project="shop")
        users = await read(lambda: list(User.objects.all()))
        made = await read(lambda: {user.username: tokens.issue(user, name="test")[1] for user in users})
        yield Site(world, daphne, made)
        await eventually(lambda: live.broadcaster.socket_count == 0)
    live.threads.close()


async def receive_until(client: Client, *kinds: str) -> list[dict[str, Any]]:
    """Everything until messages of all these types have arrived."""
    seen: list[dict[str, Any]] = []
    while not set(kinds) <= {message["type"] for message in seen}:
        seen.append(await client.receive())
    return seen


async def test_chat_alone_is_answered_and_every_message_fits_its_schema(site: Site) -> None:
    async with site.open() as client:
        await receive_until(client, "AUTH_OK", "SNAPSHOT")
        await client.send(type="CHAT", ref="r1", text="暂停 master-1 的编译任务", targetContext="shop:master-1")
        seen = await receive_until(client, "CHAT_ACCEPTED", "CHAT_TURN", "CHAT_STEP", "CHAT_RESPONSE")

    accepted = next(message for message in seen if message["type"] == "CHAT_ACCEPTED")
    response = next(message for message in seen if message["type"] == "CHAT_RESPONSE")
    assert accepted["ref"] == "r1"
    assert response["turn"] == accepted["turn"]
    assert "firmware build" in response["text"]
    assert site.world.master.received == [("pause", "t1")]


async def test_a_token_with_a_role_of_its_own_takes_no_part_in_conversations(site: Site) -> None:
    """Approving with its user's rights would give it more than its role."""
    user = await read(lambda: User.objects.get(username="ann"))
    site.tokens["limited"] = await read(lambda: tokens.issue(user, name="limited", role=Role.OPERATOR)[1])
    async with site.open("limited") as client:
        await receive_until(client, "AUTH_OK", "SNAPSHOT")
        await client.send(type="CHAT_ANSWER", ref="r1", approval="a", decision="approve")
        await client.send(type="CHAT", ref="r2", text="pause", targetContext="shop:master-1")
        seen = await receive_until(client, "ERROR")
        seen.append(await client.receive())

    errors = [(message["ref"], message["code"]) for message in seen if message["type"] == "ERROR"]
    assert errors == [("r1", "forbidden"), ("r2", "forbidden")]
    assert site.world.master.received == []


async def test_a_late_client_gets_the_conversation_and_the_missed_messages(site: Site) -> None:
    conversation = await site.world.open("shop:*")
    topic = f"chat:{conversation}"
    async with site.open() as client:
        await client.send(type="SUBSCRIBE", topics=[topic])
        snapshot = await client.until("SNAPSHOT")
        assert snapshot["chats"][0]["turns"] == []
    turn = await site.world.ask("暂停编译任务", context="shop:*")

    async with site.open("vic") as client:
        await client.send(type="SUBSCRIBE", topics=[topic], since={"store": snapshot["store"], "seq": snapshot["seq"]})
        missed = await receive_until(client, "CHAT_TURN", "CHAT_STEP", "CHAT_RESPONSE", "PONG")
        await client.send(type="SUBSCRIBE", topics=[topic])
        later = await client.until("SNAPSHOT")

    states = [message["turn"]["state"] for message in missed if message["type"] == "CHAT_TURN"]
    assert states[-1] == "done"
    shown = later["chats"][0]["turns"][0]
    assert shown["messages"] == turn["messages"]
    assert shown["steps"] == turn["steps"]


async def test_everyone_gets_open_approvals_but_only_subscribers_get_answers(site: Site) -> None:
    async with site.open("vic") as client:
        await client.send(type="SUBSCRIBE", topics=["chats"])
        await client.until("SNAPSHOT")
        await site.world.ask("暂停编译任务", context="shop:*")
        seen = await receive_until(client, "CHAT_CONVERSATION", "CHAT_TURN", "CHAT_STEP")
        while seen[-1]["type"] != "CHAT_TURN" or seen[-1]["turn"]["state"] != "done":
            seen.append(await client.receive())

    assert next(m for m in seen if m["type"] == "CHAT_CONVERSATION")["info"]["context"] == "shop:*"
    assert "CHAT_RESPONSE" not in {message["type"] for message in seen}


async def test_a_viewer_reads_but_does_not_chat(site: Site) -> None:
    async with site.open("vic") as client:
        for message in (
            {"type": "CHAT", "text": "暂停编译任务"},
            {"type": "CHAT_STOP", "turn": "t"},
            {"type": "CHAT_ANSWER", "approval": "a", "decision": "approve"},
        ):
            await client.send(ref="v", **message)
            assert (await client.until("ERROR"))["code"] == "forbidden"

    assert site.world.master.received == []


async def test_two_tabs_answer_one_approval_and_one_of_them_acts(site: Site) -> None:
    turn = await site.world.ask("取消 firmware build")
    assert turn["state"] == "waiting"
    approval = turn["steps"][0]["approval"]
    assert (approval["state"], approval["right"]) == ("waiting", "operate")

    async with site.open("ann") as first, site.open("bob") as second:
        for client in (first, second):
            await client.send(type="CHAT_ANSWER", ref="r", approval=approval["id"], decision="approve")
        answers = await asyncio.gather(*(_answer(client) for client in (first, second)))

    assert sorted(answers) == ["CHAT_ACCEPTED", "answered"]
    ended = await site.world.settled(turn["id"], "done")
    assert site.world.master.received == [("cancel", "t1")]
    assert ended["steps"][0]["approval"]["state"] == "used"


async def _answer(client: Client) -> str:
    while True:
        message = await client.receive()
        if message.get("ref") == "r":
            return str(message.get("code", message["type"]))


async def test_a_separate_web_process_reaches_the_conversation_over_the_gateway(site: Site, tmp_path: Path) -> None:
    key = ClusterKey.load_or_create(tmp_path)
    server = grpc.aio.server()

    async def prune() -> Pruned:
        return Pruned(removed={}, freed_bytes=0)

    gateway = GatewayServer(
        Scheduler(site.world.projection, epoch=Epoch(tmp_path / "e"), send=lambda node, command: False),
        lambda token: verify_token(key.public_key, token, revoked=()),
        prune=prune,
        parts={chat_remote.SERVICE: chat_remote.answering(site.world.chat_service)},
    )
    gateway.add_to(server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    (tmp_path / "web.token").write_text(issue_token(key, node_id="web", role="web"))
    client = RemoteGateway(f"127.0.0.1:{port}", token_path=tmp_path / "web.token")
    chat_services.use_gateway(chat_remote.RemoteChat(client.ask))
    try:
        conversation = await site.world.open("shop:*")
        say = partial(asyncio.to_thread, chat_services.send_message)
        accepted = await say(conversation, "暂停编译任务", actor="ann")
        with pytest.raises(TaskRejected) as refused:
            await say(conversation, "暂停编译任务", actor="vic")
        with pytest.raises(NotFound):
            await say("none", "暂停编译任务", actor="ann")
        with pytest.raises(LeaderUnavailable, match="no service none"):
            await asyncio.to_thread(client.ask, "none", b"{}")

        assert (await site.world.settled(accepted.turn_id))["state"] == "done"
        assert refused.value.code == "forbidden"
        assert site.world.master.received == [("pause", "t1")]
    finally:
        await asyncio.to_thread(client.close)
        await server.stop(0)
