"""The protocol of `/ws/` (docs/websocket.md) over a real Daphne and a real socket, with a fake feed and services."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
import websockets

from dashboard.live import process
from dashboard.live.consumer import LiveConsumer
from dashboard.live.process import Live
from dashboard.rights import Role
from nodes.addresses import networks_of
from nodes.domain.commands import Seen
from nodes.domain.states import Action
from nodes.errors import TaskRejected
from tests.support.eventually import eventually, eventually_sync
from tests.support.live import DaphneThread, KnownTickets, MemoryFeed, RecordedServices, open_client


class Site:
    def __init__(self, daphne: DaphneThread) -> None:
        self.daphne = daphne
        self.feed = MemoryFeed()
        self.services = RecordedServices()
        self.tickets = KnownTickets()
        self.live = Live(feed=self.feed, services=self.services, tickets=self.tickets)
        daphne.application = LiveConsumer.as_asgi(live=self.live)

    def publish(self, *batch: object) -> None:
        self.daphne.call(lambda: self.live.broadcaster.publish(batch))  # type: ignore[arg-type]

    def open(self, token: str | None = "admin", **options: object) -> open_client:
        return open_client(self.daphne.url, token, **options)  # type: ignore[arg-type]


@pytest.fixture
def site(daphne: DaphneThread) -> Iterator[Site]:
    site = Site(daphne)
    yield site
    assert site.live.broadcaster.socket_count == 0 or eventually_gone(site)
    site.live.threads.close()


def eventually_gone(site: Site) -> bool:
    return bool(eventually_sync(lambda: site.live.broadcaster.socket_count == 0, 10, "every socket has left"))


async def test_subscribe_is_answered_by_a_snapshot_and_then_the_changes(site: Site) -> None:
    site.feed.node("master-1", state="online")

    async with site.open() as client:
        hello = await client.receive()
        await client.send(type="SUBSCRIBE", topics=["nodes"])
        snapshot = await client.receive()
        site.publish(site.feed.node("master-1", state="suspect"))
        change = await client.receive()

    assert hello == {
        "type": "AUTH_OK",
        "user": "admin",
        "role": "admin",
        "store": "store-1",
        "seq": "1",
        "heartbeatSeconds": 30.0,
    }
    assert (snapshot["type"], snapshot["seq"], snapshot["nodes"][0]["state"]) == ("SNAPSHOT", "1", "online")
    assert (change["type"], change["seq"], change["node"]["state"]) == ("NODE_STATUS", "2", "suspect")


async def test_auth_alone_brings_nodes_tasks_and_alerts_as_base_messages(site: Site) -> None:
    site.feed.node("master-1")
    site.feed.task("t1", state="running")

    async with site.open() as client:
        kinds = [(await client.receive())["type"] for _ in range(4)]
        site.publish(site.feed.task("t1", state="paused"))
        change = await client.receive()

    assert kinds == ["AUTH_OK", "SNAPSHOT", "NODE_STATUS", "TASK_UPDATE"]
    assert change["task"]["state"] == "paused"


async def test_a_usable_position_is_answered_by_exactly_the_missed_messages(site: Site) -> None:
    for number in range(5):
        site.feed.task("t1", progress=number / 10)

    async with site.open() as client:
        await client.receive()
        await client.send(type="SUBSCRIBE", topics=["tasks"], since={"store": "store-1", "seq": "2"})
        missed = [await client.receive() for _ in range(4)]

    assert [(m["type"], m["seq"]) for m in missed] == [
        ("TASK_UPDATE", "3"),
        ("TASK_UPDATE", "4"),
        ("TASK_UPDATE", "5"),
        ("PONG", "5"),
    ]


async def test_a_new_topic_waits_until_the_others_reach_its_snapshot(site: Site) -> None:
    """The client's position is one number: a snapshot at 2 must not skip a change at 2 that is still queued."""
    site.feed.node("master-1", state="online")
    async with site.open() as client:
        await client.send(type="SUBSCRIBE", topics=["nodes"])
        await client.until("SNAPSHOT")
        change = site.feed.node("master-1", state="suspect")

        await client.send(type="SUBSCRIBE", topics=["tasks"])
        assert await client.quiet()
        site.publish(change)
        then = [await client.receive() for _ in range(2)]

    assert [(message["type"], message["seq"]) for message in then] == [("NODE_STATUS", "2"), ("SNAPSHOT", "2")]


async def test_a_ping_after_since_does_not_skip_missed_messages(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Like the page: SUBSCRIBE with `since`, immediately followed by a PING, while the database is slow."""
    site.publish(*(site.feed.task(f"t{n}", state="running") for n in (1, 2, 3, 4)))
    was_pinged = threading.Event()
    feed_since = site.feed.feed_since

    def slow(*arguments: Any) -> Any:
        assert was_pinged.wait(5)
        return feed_since(*arguments)

    monkeypatch.setattr(site.feed, "feed_since", slow)
    async with site.open() as client:
        await client.receive()
        await client.send(type="SUBSCRIBE", topics=["tasks"], since={"store": "store-1", "seq": "2"})
        await client.send(type="PING")
        await client.send(type="UNKNOWN")
        await client.until("ERROR")  # Answered in order and at once: the PING has been read.
        was_pinged.set()
        answers = [await client.receive() for _ in range(4)]

    assert [message["type"] for message in client.seen[1:]] == ["ERROR", "TASK_UPDATE", "TASK_UPDATE", "PONG", "PONG"]
    assert [message["seq"] for message in answers] == ["3", "4", "4", "4"]


@pytest.mark.parametrize("since", [{"store": "other", "seq": "2"}, {"store": "store-1", "seq": "99"}])
async def test_a_position_that_cannot_be_used_is_answered_by_a_snapshot(site: Site, since: dict[str, str]) -> None:
    site.feed.task("t1")

    async with site.open() as client:
        await client.receive()
        await client.send(type="SUBSCRIBE", topics=["tasks"], since=since)

        assert (await client.receive())["type"] == "SNAPSHOT"


async def test_a_pruned_feed_is_answered_by_a_snapshot(site: Site) -> None:
    for _ in range(5):
        site.feed.task("t1")
    site.feed.floor = 4

    async with site.open() as client:
        await client.receive()
        await client.send(type="SUBSCRIBE", topics=["tasks"], since={"store": "store-1", "seq": "2"})

        assert (await client.receive())["type"] == "SNAPSHOT"


async def test_a_batching_client_gets_one_frame_a_burst(site: Site) -> None:
    async with site.open(batch=True) as client:
        await client.receive()
        await client.send(type="SUBSCRIBE", topics=["tasks"])
        await client.until("SNAPSHOT")
        frames = client.frames
        site.publish(*[site.feed.task("t1") for _ in range(10)])

        seqs = [(await client.receive())["seq"] for _ in range(10)]

    assert seqs == [str(n) for n in range(1, 11)]
    assert client.frames == frames + 1


async def test_unsubscribe_ends_a_topic(site: Site) -> None:
    async with site.open() as client:
        await client.receive()
        await client.send(type="UNSUBSCRIBE", topics=["nodes", "alerts"])
        await client.send(type="SUBSCRIBE", topics=["tasks"])
        assert (await client.until("SNAPSHOT"))["topics"] == ["tasks"]
        site.publish(site.feed.node("master-1"), site.feed.task("t1"))

        assert (await client.receive())["type"] == "TASK_UPDATE"


async def test_ping_is_answered_with_the_position(site: Site) -> None:
    async with site.open() as client:
        await client.receive()
        await client.send(type="SUBSCRIBE", topics=["tasks"])
        await client.until("SNAPSHOT")
        site.publish(site.feed.node("master-1"))
        await client.send(type="PING")

        assert await client.until("PONG") == {"type": "PONG", "store": "store-1", "seq": "1", "pushMs": None}


async def test_an_ack_measures_the_push_latency(site: Site) -> None:
    async with site.open() as client:
        await client.receive()
        await client.send(type="SUBSCRIBE", topics=["tasks"])
        await client.until("SNAPSHOT")
        site.publish(site.feed.task("t1"))
        update = await client.until("TASK_UPDATE")
        await client.send(type="ACK", cursor={"store": update["store"], "seq": update["seq"]})
        await client.send(type="PING")

        assert 0 < (await client.until("PONG"))["pushMs"] < 5000


async def test_after_a_burst_the_position_is_sent_unrequested(site: Site) -> None:
    async with site.open() as client:
        await client.receive()
        await client.send(type="SUBSCRIBE", topics=["tasks"])
        await client.until("SNAPSHOT")
        site.publish(*[site.feed.task("t1") for _ in range(30)])

        assert (await client.until("PONG"))["seq"] == "30"


async def test_sockets_get_only_their_topics(site: Site) -> None:
    async with site.open() as client:
        await client.receive()
        await client.send(type="SUBSCRIBE", topics=["task:other"])
        await client.until("SNAPSHOT")
        await client.send(type="UNSUBSCRIBE", topics=["nodes", "tasks", "alerts"])
        await client.send(type="PING")
        await client.until("PONG")
        site.publish(site.feed.task("t1"), site.feed.node("n"), site.feed.metrics("n", 1))

        assert await client.quiet()


async def test_a_socket_above_the_limit_is_refused_with_a_reason(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "MAX_SOCKETS", 1)
    async with site.open() as first:
        assert (await first.receive())["type"] == "AUTH_OK"
        async with site.open(None) as second:
            refusal = await second.receive()
            assert (refusal["type"], refusal["code"]) == ("ERROR", "server-full")
            with pytest.raises(websockets.ConnectionClosed) as closed:
                await second.receive()

    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4503


async def test_strangers_cannot_take_all_sockets(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "MAX_SOCKETS", 2)
    async with site.open(None) as oldest, site.open(None) as newest, site.open() as person:
        assert (await person.receive())["type"] == "AUTH_OK"
        with pytest.raises(websockets.ConnectionClosed):
            await oldest.receive()
        # One that is refused, and takes its time to close, is still a stranger.
        await newest.send(type="AUTH", token="wrong")
        async with site.open() as other:
            assert (await other.receive())["type"] == "AUTH_OK"


async def test_one_user_cannot_take_all_sockets(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "MAX_SOCKETS_PER_USER", 1)
    async with site.open() as first:
        assert (await first.receive())["type"] == "AUTH_OK"
        async with site.open() as second:
            refusal = await second.receive()
            assert (refusal["type"], refusal["code"]) == ("ERROR", "too-many-sockets")
            with pytest.raises(websockets.ConnectionClosed) as closed:
                await second.receive()

    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4503
    # Places are free again once sockets are closed.
    await eventually(lambda: not site.live.broadcaster.socket_count)
    async with site.open() as third:
        assert (await third.receive())["type"] == "AUTH_OK"


async def test_many_sockets_share_one_snapshot(site: Site) -> None:
    site.feed.node("master-1")
    # However slow the machine is, all ask within it.
    site.live.answers._lifetime_seconds = 60.0

    async with AsyncExitStack() as stack:
        clients = []
        for _ in range(20):
            client = await stack.enter_async_context(site.open())
            # At once: a socket that does not subscribe within half a second gets the default topics.
            await client.send(type="SUBSCRIBE", topics=["nodes", "logs"])
            clients.append(client)
        for client in clients:
            await client.until("SNAPSHOT")

        assert site.feed.snapshots == 1


# --- rights and actions ---------------------------------------------------------------------------


async def test_an_operator_controls_a_task(site: Site) -> None:
    async with site.open("operator") as client:
        seen = {"attempt": 2, "line": 7}
        await client.send(type="CONTROL", ref="r1", task="t1", action="input", input="ja\n", seen=seen)

        assert await client.until("ACCEPTED") == {"type": "ACCEPTED", "ref": "r1", "task": "t1", "command": "c-1"}
    assert site.services.calls == [("control", "t1", Action.INPUT, "operator", "r1", b"ja\n")]
    assert site.services.rights == [False]
    assert site.services.seen == [Seen(attempt=2, line=7)]


async def test_the_sender_of_a_run_gets_the_tasks_id(site: Site) -> None:
    async with site.open("operator") as client:
        await client.send(type="RUN", ref="r2", project="p", namedTask="build")

        assert (await client.until("ACCEPTED"))["task"] == "t-new"


@pytest.mark.parametrize(
    ("role", "message"),
    [
        ("viewer", {"type": "CONTROL", "task": "t1", "action": "pause"}),
        ("viewer", {"type": "RUN", "project": "p", "namedTask": "build"}),
        ("operator", {"type": "RUN", "argv": ["true"]}),
        ("operator", {"type": "RUN", "shellLine": "true"}),
    ],
)
async def test_actions_above_the_role_are_refused_with_the_ref(
    site: Site, role: str, message: dict[str, object]
) -> None:
    async with site.open(role) as client:
        await client.send(ref="r9", **message)
        error = await client.until("ERROR")

    assert (error["code"], error["ref"]) == ("forbidden", "r9")
    assert site.services.calls == []


async def test_a_refused_request_comes_back_with_its_code(site: Site) -> None:
    site.services.error = TaskRejected("finished", "The task has finished.")

    async with site.open() as client:
        await client.send(type="CONTROL", ref="r1", task="t1", action="pause")
        error = await client.until("ERROR")

    assert error == {"type": "ERROR", "code": "finished", "message": "The task has finished.", "ref": "r1"}


async def test_a_viewer_who_lost_every_right_is_closed_at_the_next_check(site: Site) -> None:
    async with site.open("viewer") as client:
        await client.receive()
        site.tickets.roles["viewer"] = Role.NOBODY
        site.daphne.run(site.live.roles.check())

        assert await client.closed() == 4401


async def test_a_demoted_operator_may_no_longer_act(site: Site) -> None:
    async with site.open("operator") as client:
        await client.receive()
        site.tickets.roles["operator"] = Role.VIEWER
        site.daphne.run(site.live.roles.check())
        await client.send(type="CONTROL", ref="r1", task="t1", action="pause")

        assert (await client.until("ERROR"))["code"] == "forbidden"


async def test_a_logout_closes_the_sockets_of_its_session(site: Site) -> None:
    origin = {"origin": site.daphne.origin}
    async with site.open("page-admin", **origin) as client, site.open("page-viewer", **origin) as other:
        await client.receive()
        await other.receive()
        site.daphne.call(lambda: site.live.roles.session_ended("session-admin"))

        assert await client.closed() == 4401
        await other.send(type="PING")
        await other.until("PONG")


# --- bad input ------------------------------------------------------------------------------------


async def test_no_auth_in_time_closes(site: Site) -> None:
    async with site.open(None) as client:
        assert await client.closed() == 4401  # A real wait of 5 s: the limit is part of the contract.


async def test_a_wrong_token_closes(site: Site) -> None:
    async with site.open("wrong") as client:
        assert await client.closed() == 4401


async def test_too_many_wrong_tokens_close_with_a_code_of_their_own(site: Site) -> None:
    site.tickets.wait_seconds = 3

    async with site.open("wrong") as client:
        assert await client.closed() == 4029


async def test_a_socket_is_logged_with_the_clients_address(
    site: Site, caplog: pytest.LogCaptureFixture, settings: Any
) -> None:
    caplog.set_level("INFO")
    settings.TRUSTED_PROXIES = networks_of(["127.0.0.1"])

    async with site.open(additional_headers={"X-Forwarded-For": "198.51.100.1, 203.0.113.9"}) as client:
        await client.receive()

    assert "WS /ws/ connected from=203.0.113.9" in [record.getMessage() for record in caplog.records]


async def test_the_first_message_must_be_auth(site: Site) -> None:
    async with site.open(None) as client:
        await client.send(type="PING")

        assert await client.closed() == 4401


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("{", "not-json"),
        ("[]", "not-object"),
        ('{"type":"NOPE","ref":"r1"}', "unknown-type"),
        ('{"type":"SUBSCRIBE"}', "bad-field"),
        ('{"type":"SUBSCRIBE","topics":["nope"]}', "bad-topic"),
        ('{"type":"ACK","cursor":"x"}', "bad-field"),
        (json.dumps({"type": "PING", "pad": "x" * 70_000}), "too-large"),
        (b"{}", "not-text"),
    ],
)
async def test_a_bad_message_gets_an_error_and_the_socket_stays_open(
    site: Site, text: str | bytes, code: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with site.open() as client:
        await client.receive()
        await client.socket.send(text)
        error = await client.until("ERROR")
        await client.send(type="PING")
        await client.until("PONG")

    assert error["code"] == code
    assert not [record for record in caplog.records if record.exc_info]


@pytest.mark.parametrize(("text", "code"), [("{", 4400), ("x" * 70_000, 4009)])
async def test_repeated_violations_close_the_socket(site: Site, text: str, code: int) -> None:
    async with site.open() as client:
        for _ in range(10):
            await client.socket.send(text)

        assert await client.closed() == code


async def test_a_flood_is_closed_but_acks_are_not_counted(site: Site) -> None:
    async with site.open() as client:
        await client.receive()
        for _ in range(15):
            await client.send(type="PING")
        for _ in range(4):
            await client.send(type="ACK", cursor="0")
        await client.send(type="SUBSCRIBE", topics=["logs"])
        assert (await client.until("SNAPSHOT"))["topics"] == ["alerts", "logs", "nodes", "tasks"]
        for _ in range(60):
            await client.socket.send('{"type":"PING"}')

        assert await client.closed() == 4029


# --- origin ---------------------------------------------------------------------------------------


async def test_a_foreign_origin_is_refused_before_the_handshake(site: Site) -> None:
    for origin in ("http://evil.example", f"http://127.0.0.1:{site.daphne.port + 1}", "null", "https://127.0.0.1"):
        with pytest.raises(websockets.InvalidStatus) as refused:
            await site.open(None, origin=origin).__aenter__()
        assert refused.value.response.status_code == 403


async def test_a_foreign_origin_is_named_with_the_expected_one(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(2):
        with pytest.raises(websockets.InvalidStatus):
            await site.open(None, origin="http://127.0.0.1").__aenter__()

    said = [record.getMessage() for record in caplog.records if record.name == "agentflow.refused"]
    expected = f"expected {site.daphne.origin} or one of AGENTFLOW_CSRF_TRUSTED_ORIGINS"
    assert said == [f"origin refused (Origin http://127.0.0.1, {expected}), from 127.0.0.1"]


async def test_a_trusted_origin_may_open_a_socket(site: Site) -> None:
    site.live.trusted_origins = ("https://flow.example:8443",)

    async with site.open("page-admin", origin="https://flow.example:8443") as client:
        assert (await client.receive())["type"] == "AUTH_OK"


async def test_no_origin_needs_an_api_token(site: Site) -> None:
    async with site.open("page-admin") as client:
        assert await client.closed() == 4401
    async with site.open("page-admin", origin=site.daphne.origin) as client:
        assert (await client.receive())["type"] == "AUTH_OK"
