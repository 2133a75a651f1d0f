"""Access checks against a real Leader: every WebSocket message by role, every gRPC method by token.

The table of pages, REST routes and admin pages is in tests/integration/test_access.py.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from nodes.leader.gateway.auth_metadata import VERSION, VERSION_KEY
from nodes.stream.identity import ClusterKey, issue_credentials, issue_token, verify_token
from nodes.stream.wire.v1 import leader_pb2, node_sync_pb2
from nodes.stream.wire.v1.leader_pb2_grpc import LeaderStub
from nodes.stream.wire.v1.node_sync_pb2_grpc import NodeSyncStub
from tests.support.cluster import Cluster, cluster
from tests.support.eventually import eventually
from tests.support.processes import REPOSITORY, manage

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

CLIENT_SCHEMA = json.loads((REPOSITORY / "docs/schemas/client.json").read_text())
NAMED = {"type": "RUN", "ref": "r", "node": "", "project": "p", "namedTask": "build"}
A_COMMAND = "a task that runs a command"
ACTIONS = ("pause", "resume", "cancel", "retry", "input")

# Message → what a viewer, an operator and an admin get: the code of an ERROR, or None when it is allowed.
MESSAGES: dict[str, tuple[dict[str, Any], tuple[str | None, str | None, str | None]]] = {
    "subscribe": ({"type": "SUBSCRIBE", "topics": ["nodes", "logs"]}, (None, None, None)),
    "unsubscribe": ({"type": "UNSUBSCRIBE", "topics": ["nodes"]}, (None, None, None)),
    **{
        f"control {action}": (
            {"type": "CONTROL", "ref": "r", "task": "none", "action": action, "input": "x"}
            if action == "input"
            else {"type": "CONTROL", "ref": "r", "task": "none", "action": action},
            ("forbidden", None, None),
        )
        for action in ACTIONS
    },
    # To answer or retry a command is to run a command.
    **{
        f"control {action} of a command": (
            {"type": "CONTROL", "ref": "r", "task": A_COMMAND, "action": action},
            ("forbidden", "forbidden" if action in ("input", "retry") else None, None),
        )
        for action in ACTIONS
        if action != "cancel"
    },
    "run named": (NAMED, ("forbidden", None, None)),
    "run named with environment": (NAMED | {"environment": {"PATH": "/tmp"}}, ("forbidden", "forbidden", None)),
    "run named elsewhere": (NAMED | {"workingDirectory": "/tmp"}, ("forbidden", "forbidden", None)),
    "run argv": ({"type": "RUN", "ref": "r", "node": "", "argv": ["true"]}, ("forbidden", "forbidden", None)),
    "run shell": ({"type": "RUN", "ref": "r", "node": "", "shellLine": "true"}, ("forbidden", "forbidden", None)),
    "ack": ({"type": "ACK", "cursor": "1"}, (None, None, None)),
    "ping": ({"type": "PING"}, (None, None, None)),
    "chat": ({"type": "CHAT", "text": "hi", "targetContext": "*:*"}, ("forbidden", None, None)),
    "chat answer": (
        {"type": "CHAT_ANSWER", "approval": "none", "decision": "approve"},
        ("forbidden", "not-found", "not-found"),
    ),
    "chat stop": ({"type": "CHAT_STOP", "turn": "none"}, ("forbidden", "not-found", "not-found")),
    "chat fix": ({"type": "CHAT_FIX", "turn": "none", "fix": 1}, ("forbidden", "not-found", "not-found")),
    "chat retry": ({"type": "CHAT_RETRY", "turn": "none"}, ("forbidden", "not-found", "not-found")),
}
ROLES = ("viewer", "operator", "admin")

STREAM = "NodeSync.Connect"
# Method of the gateway → a request that does nothing.
REQUESTS = {
    "Leader.Submit": leader_pb2.SubmitRequest(spec=b"{}"),
    "Leader.Control": leader_pb2.ControlRequest(task_id="none", action="pause"),
    "Leader.Acknowledge": leader_pb2.AcknowledgeRequest(alert_id=0),
    "Leader.Retire": leader_pb2.RetireRequest(node_id="none"),
    "Leader.Prune": leader_pb2.PruneRequest(),
    "Leader.Ask": leader_pb2.AskRequest(service="chat", body=b"{}"),
}
INNER = tuple(REQUESTS)
METHODS = (STREAM, *INNER)
OK, NO, FORBIDDEN = "open", "UNAUTHENTICATED", "PERMISSION_DENIED"
# Of the stream, and of the gateway, whose callers retry.
LIMITED = {"RESOURCE_EXHAUSTED", "UNAVAILABLE"}
# Token → what the stream and the gateway answer.
TOKENS = {
    "web": (FORBIDDEN, OK),
    "master": (OK, FORBIDDEN),
    "edge": (OK, FORBIDDEN),
    "none": (NO, NO),
    "garbage": (NO, NO),
    "another cluster's": (NO, NO),
    "expired": (NO, NO),
    "revoked": (NO, NO),
}


@pytest.fixture(scope="module")
def leader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with cluster(tmp_path_factory.mktemp("access")) as made:
        made.start_leader()
        yield made


def test_every_message_and_method_has_a_row() -> None:
    kinds = {
        CLIENT_SCHEMA["$defs"][entry["$ref"].rpartition("/")[2]]["properties"]["type"]["const"]
        for entry in CLIENT_SCHEMA["oneOf"]
    }
    services = {**node_sync_pb2.DESCRIPTOR.services_by_name, **leader_pb2.DESCRIPTOR.services_by_name}

    assert {message["type"] for message, _ in MESSAGES.values()} | {"AUTH"} == kinds
    assert {f"{name}.{method}" for name, service in services.items() for method in service.methods_by_name} == {
        *METHODS
    }


async def answers(leader: Cluster, token: str | None, message: dict[str, Any]) -> list[dict[str, Any]]:
    """The replies up to the PONG that follows the message; a close appears as its code."""
    seen: list[dict[str, Any]] = []
    async with asyncio.timeout(20), connect(leader.websocket_url) as socket:
        try:
            if token is not None:
                await socket.send(json.dumps({"type": "AUTH", "token": token}))
                seen.append(json.loads(await socket.recv()))
            await socket.send(json.dumps(message))
            expects_error = message["type"].startswith(("CONTROL", "RUN", "CHAT"))
            await socket.send(json.dumps({"type": "PING"}))
            while True:
                seen.append(json.loads(await socket.recv()))
                done = {entry["type"] for entry in seen}
                if "PONG" in done and (not expects_error or done & {"ERROR", "ACCEPTED", "COMMAND", "CHAT_ACCEPTED"}):
                    return seen
        except ConnectionClosed as exc:
            seen.append({"type": "closed", "code": exc.rcvd.code if exc.rcvd else None})
            return seen


@pytest.fixture(scope="module")
def command(leader: Cluster) -> str:
    """A command that waits for a node."""
    return leader.run("", "true")


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("name", MESSAGES)
async def test_message_by_role(leader: Cluster, command: str, name: str, role: str) -> None:
    message, expected = MESSAGES[name]
    if message.get("task") == A_COMMAND:
        message = {**message, "task": command}
    token = await asyncio.to_thread(leader.api_token, role)

    codes = [entry["code"] for entry in await answers(leader, token, message) if entry["type"] == "ERROR"]

    if (code := expected[ROLES.index(role)]) is not None:
        assert codes == [code]
    else:
        assert "forbidden" not in codes


@pytest.mark.parametrize("name", MESSAGES)
async def test_a_message_without_a_role_or_a_valid_token_closes_the_socket(leader: Cluster, name: str) -> None:
    message, _ = MESSAGES[name]
    roleless = await asyncio.to_thread(leader.api_token, "nobody")

    for token in (None, "aft_wrong", roleless):
        seen = await answers(leader, token, message)
        # After 20 wrong tokens from this address, others are not even checked.
        codes = (4401, 4029) if token else (4401,)
        assert seen[-1]["type"] == "closed"
        assert seen[-1]["code"] in codes, token
        assert {entry["type"] for entry in seen} <= {"ERROR", "closed"}


@pytest.fixture(scope="module")
def node_tokens(leader: Cluster, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    key = ClusterKey.load_or_create(leader.data_dir)
    stranger = ClusterKey.load_or_create(tmp_path_factory.mktemp("stranger"))
    revoked = manage("token", "new", "--role", "master", "--name", "gone-1", env=leader.env).strip()
    manage("token", "revoke", "--name", "gone-1", env=leader.env)
    return {
        "garbage": "garbage",
        "another cluster's": issue_token(stranger, node_id="m-1", role="master"),
        "expired": issue_token(key, node_id="m-2", role="master", expires_at=datetime.now(UTC) - timedelta(days=8)),
        "revoked": revoked,
        "master": issue_token(key, node_id="m-3", role="master"),
        "edge": issue_token(key, node_id="e-1", role="edge"),
        "web": issue_token(key, node_id="web-1", role="web"),
    }


async def test_methods_by_token(leader: Cluster, node_tokens: dict[str, str]) -> None:
    """One test: valid tokens come first, because an unknown one is no longer checked after 20 wrong ones."""
    met: dict[str, set[str]] = {}
    for name, (stream, inner) in TOKENS.items():
        metadata = [] if name == "none" else [("authorization", f"Bearer {node_tokens[name]}")]
        # A revocation reaches a running Leader within 10 s.
        async with asyncio.timeout(15):
            while name == "revoked" and await call_result(leader, STREAM, metadata) == OK:
                await asyncio.sleep(0.5)
        for method in METHODS:
            answer = await call_result(leader, method, metadata)
            expected = {stream if method == STREAM else inner}
            if expected == {NO} and name not in ("none", "garbage"):
                expected |= LIMITED
            if answer not in expected:
                met.setdefault(name, set()).add(f"{method}: {answer}")

    assert met == {}


# Access was granted, but the request itself was invalid.
REACHED = {"FAILED_PRECONDITION", "INVALID_ARGUMENT", "NOT_FOUND"}


async def call_result(leader: Cluster, method: str, metadata: list[tuple[str, str]]) -> str:
    """How the method answers: "open", or the status with which it was refused."""
    async with grpc.aio.insecure_channel(f"127.0.0.1:{leader.grpc_port}") as channel:
        if method == STREAM:
            for _ in range(10):
                answer = await stream_result(NodeSyncStub(channel).Connect(metadata=metadata), hello_of(metadata))
                if answer != "INTERNAL":
                    break
                # A write that fails as the stream ends hides the status (grpc/grpc#36066): try again.
            return answer
        try:
            call = getattr(LeaderStub(channel), method.partition(".")[2])
            await call(REQUESTS[method], metadata=[*metadata, (VERSION_KEY, VERSION)])
        except grpc.aio.AioRpcError as exc:
            return OK if exc.code().name in REACHED else str(exc.code().name)
        return OK


async def stream_result(call: Any, hello: node_sync_pb2.Hello) -> str:
    try:
        await call.write(node_sync_pb2.NodeUpdate(hello=hello))
        if await call.read() is not grpc.aio.EOF:
            return OK
    except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
        pass  # Refused before or after the write: the call's status is read below.
    finally:
        call.cancel()
    return str((await call.code()).name)


async def test_tokens_renew_themselves_over_the_stream(leader: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both have ended already and live on their grace; the Edge's new one passes through its Master."""
    key, ended = ClusterKey.load_or_create(leader.data_dir), datetime.now(UTC) - timedelta(hours=1)
    monkeypatch.setattr(
        leader,
        "node_token",
        lambda role, name: issue_credentials(key, node_id=name, role=role, expires_at=ended).file_text,
    )
    open_alerts = "SELECT node_id FROM nodes_alert WHERE kind = 'token-ended' AND resolved_at IS NULL ORDER BY 1"
    names = ["edge-r", "master-r"]
    leader.start_agent("master", "master-r", "--hub", f"127.0.0.1:{leader.hub_port}")
    await asyncio.to_thread(leader.wait_online, "master-r")
    edge = leader.start_agent("edge", "edge-r")
    await asyncio.to_thread(leader.wait_online, "edge-r")
    assert [row[0] for row in leader.rows(open_alerts)] == names

    files = [leader.folder / name / "renewed.token" for name in names]
    await eventually(lambda: all(file.exists() for file in files), 40)
    # The next stream uses it.
    for name in names:
        await asyncio.to_thread(leader.processes[name].kill)
        leader.processes[name].start()
    await eventually(lambda: not leader.rows(open_alerts), 40)

    tokens = [verify_token(key.public_key, file.read_text(), revoked=()) for file in files]
    assert [(token.node_id, token.role) for token in tokens] == [("edge-r", "edge"), ("master-r", "master")]
    assert tokens[0].public_key
    assert "Traceback" not in edge.log()


async def test_a_masters_token_is_not_enough_to_speak_for_anothers_edge(leader: Cluster) -> None:
    """The table of all kinds of messages is in tests/integration/test_authority.py."""
    key = ClusterKey.load_or_create(leader.data_dir)
    pb = node_sync_pb2
    running = pb.TaskStatusUpdate(task_id="t1", state=pb.TASK_STATE_RUNNING)
    forged = pb.TaskStatusUpdate(task_id="t1", state=pb.TASK_STATE_SUCCEEDED)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{leader.grpc_port}") as channel:
        nacks = []
        for name, update in (
            ("m-owner", pb.NodeUpdate(node_id="e-old", report=pb.NodeReport(role="edge"))),
            ("m-owner", pb.NodeUpdate(node_id="e-old", journal_id="j-old", seq=1, task_update=running)),
            ("m-thief", pb.NodeUpdate(node_id="e-old", seq=1, journal_id="j-any", task_update=forged)),
        ):
            token = issue_token(key, node_id=name, role="master")
            metadata = [("authorization", f"Bearer {token}")]
            call = NodeSyncStub(channel).Connect(metadata=metadata)
            await call.write(pb.NodeUpdate(hello=hello_of(metadata)))
            await call.read()
            await call.write(update)
            # Its own entry comes after it on the same stream, and is acknowledged.
            own = pb.NodeUpdate(node_id=name, journal_id=f"j-{name}", seq=1, task_update={"task_id": f"t-{name}"})
            own.task_update.state = pb.TASK_STATE_RUNNING
            await call.write(own)
            async with asyncio.timeout(20):
                acked: set[str] = set()
                while own.journal_id not in acked:
                    answer = await call.read()
                    acked.update(mark.journal_id for mark in answer.ack.marks)
                    if answer.HasField("nack"):
                        nacks.append((name, answer.nack.code))
            call.cancel()

    assert nacks == [("m-thief", "foreign-node")]
    assert leader.rows("SELECT state FROM nodes_task WHERE id = 't1'") == [("running",)]
    alerts = "SELECT node_id FROM nodes_alert WHERE kind = 'foreign-node' AND resolved_at IS NULL"
    assert leader.rows(alerts) == [("m-thief",)]


def hello_of(metadata: list[tuple[str, str]]) -> node_sync_pb2.Hello:
    """The Hello that matches the token; any Hello for an invalid token."""
    import jwt

    claims: dict[str, Any] = {"sub": "x", "role": "master"}
    try:
        claims = jwt.decode(
            metadata[0][1].removeprefix("Bearer "), options={"verify_signature": False, "verify_exp": False}
        )
    except (IndexError, jwt.PyJWTError):
        pass  # "none" and "garbage".
    return node_sync_pb2.Hello(protocol_version=1, name=claims["sub"], role=claims["role"], instance_id="i")
