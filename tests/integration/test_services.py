"""The fleet's services, in the Leader's process and from a separate web process over real gRPC."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from nodes import services
from nodes.domain.commands import ResolvedCommand, Seen, StartTask, TaskSpec
from nodes.domain.events import TaskStatus
from nodes.domain.phrases import phrase
from nodes.domain.states import Action, NodeState, TaskState
from nodes.errors import LeaderUnavailable, NotFound, OtherVersion, TaskRejected
from nodes.leader.gateway.auth_metadata import metadata_of
from nodes.leader.gateway.client import RemoteGateway
from nodes.leader.gateway.server import GatewayServer
from nodes.leader.projection.epoch import Epoch
from nodes.leader.projection.projection import Projection
from nodes.leader.projection.retention import Pruned
from nodes.leader.scheduler.scheduler import Scheduler
from nodes.models import Alert, Task
from nodes.refusals import RefusalRecorder
from nodes.services import InProcessGateway, LeaderLoop
from nodes.stream.identity import ClusterKey, NodeIdentity, issue_token, verify_token
from nodes.stream.wire.v1 import leader_pb2 as pb
from nodes.stream.wire.v1 import leader_pb2_grpc as services_pb
from tests.support.leader_store import Recorder, Voice, read, running_projection

pytestmark = pytest.mark.django_db(transaction=True)

SPEC = TaskSpec(name="all", argv=("make", "a b", "ä"), environment={"A": "1"}, timeout_seconds=5.0, close_input=True)


@pytest.fixture
async def projection(tmp_path: Path) -> AsyncIterator[Projection]:
    async with running_projection(tmp_path, Recorder()) as running:
        yield running


@pytest.fixture
async def scheduler(projection: Projection, tmp_path: Path) -> Scheduler:
    return Scheduler(projection, epoch=Epoch(tmp_path / "epoch"), send=lambda node, command: True)


@pytest.fixture
def key(tmp_path: Path) -> ClusterKey:
    return ClusterKey.load_or_create(tmp_path)


@pytest.fixture
async def address(scheduler: Scheduler, key: ClusterKey) -> AsyncIterator[str]:
    server = grpc.aio.server()

    async def prune() -> Pruned:
        return Pruned(removed={"log lines": 3}, freed_bytes=7)

    def authenticate(token: str) -> NodeIdentity:
        return verify_token(key.public_key, token, revoked=())

    refusals = RefusalRecorder(in_background=False)
    GatewayServer(scheduler, authenticate, prune=prune, on_refused=refusals.note).add_to(server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    yield f"127.0.0.1:{port}"
    await server.stop(0)


@pytest.fixture(params=["in-process", "grpc"])
async def gateway(
    request: pytest.FixtureRequest, scheduler: Scheduler, address: str, key: ClusterKey, tmp_path: Path
) -> AsyncIterator[None]:
    if request.param == "in-process":
        services.use_gateway(InProcessGateway(scheduler, LeaderLoop(asyncio.get_running_loop())))
        yield
    else:
        token = tmp_path / "web.token"
        token.write_text(issue_token(key, node_id="web", role="web"))
        client = RemoteGateway(address, token_path=token)
        services.use_gateway(client)
        yield
        await asyncio.to_thread(client.close)
    services.use_gateway(None)


async def submit(spec: TaskSpec = SPEC) -> str:
    return await asyncio.to_thread(services.submit_task, spec, actor="ann")


async def control(task_id: str, action: Action, **fields: Any) -> str:
    return await asyncio.to_thread(lambda: services.control_task(task_id, action, actor="ann", **fields))


@pytest.mark.usefixtures("gateway")
async def test_a_task_arrives_as_requested() -> None:
    task_id = await submit()

    task = await read(lambda: Task.objects.get(id=task_id))
    assert (task.name, task.created_by, task.state) == ("all", "ann", "pending")
    assert task.spec["argv"] == ["make", "a b", "ä"]
    assert (task.spec["environment"], task.spec["timeout_seconds"], task.spec["close_input"]) == ({"A": "1"}, 5.0, True)


@pytest.mark.usefixtures("gateway")
async def test_control_returns_a_command_and_errors_keep_their_type() -> None:
    task_id = await submit()

    assert await control(task_id, Action.CANCEL, ref="r1")

    with pytest.raises(TaskRejected, match="has ended") as refused:
        await control(task_id, Action.PAUSE)
    assert refused.value.code == "finished"
    with pytest.raises(NotFound, match="There is no task nowhere"):
        await control("nowhere", Action.CANCEL)
    with pytest.raises(TaskRejected) as unknown:
        await submit(TaskSpec(node="节点", argv=("true",)))
    assert unknown.value.code == "no-such-node"
    assert "节点" in str(unknown.value)


@pytest.mark.usefixtures("gateway")
async def test_a_control_carries_the_persons_right(projection: Projection) -> None:
    task_id = await submit()

    codes = []
    for may in (False, True):
        with pytest.raises(TaskRejected) as refused:
            await control(task_id, Action.INPUT, may_run_commands=may)
        codes.append(refused.value.code)

    assert codes == ["forbidden", "not-running"]


@pytest.mark.usefixtures("gateway")
async def test_a_refusal_keeps_its_facts_and_a_retry_what_was_accepted(projection: Projection) -> None:
    voice = Voice(projection, "master-1")
    await voice.arrive()
    resolved = ResolvedCommand(argv=("make", "ä"), definition="earlier")
    request = StartTask(task_id="t1", attempt=1, spec=TaskSpec(project="shop", named_task="build"), resolved=resolved)
    await voice.tell(TaskStatus(task_id="t1", state=TaskState.FAILED, request=request))

    with pytest.raises(TaskRejected) as refused:
        await control("t1", Action.RETRY)

    facts = refused.value.details
    assert refused.value.code == "definition-changed"
    assert refused.value.parts == (phrase("definition-changed", task="build", project="shop"),)
    assert (facts["before"], facts["after"], facts["nodes"]) == ("make 'ä'", "make", ["master-1"])
    assert await control("t1", Action.RETRY, definition=facts["definition"])


@pytest.mark.usefixtures("gateway")
async def test_the_first_acknowledgement_of_an_alert_counts(projection: Projection) -> None:
    await projection.write(lambda unit: unit.open_alert("node-disk", level="error", message="m", node_id="m1"))
    alert = await read(Alert.objects.get)

    for actor in ("ann", "bob"):
        await asyncio.to_thread(services.acknowledge_alert, alert.pk, actor=actor)

    alert = await read(Alert.objects.get)
    assert (alert.acknowledged_by, alert.resolved_at) == ("ann", None)
    assert alert.acknowledged_at is not None
    await projection.write(lambda unit: unit.resolve_alert("node-disk", node_id="m1"))
    with pytest.raises(NotFound, match="no open alert"):
        await asyncio.to_thread(services.acknowledge_alert, alert.pk, actor="bob")


@pytest.mark.usefixtures("gateway")
async def test_a_node_that_is_gone_is_retired_once(projection: Projection) -> None:
    await Voice(projection, "m1").arrive()
    with pytest.raises(TaskRejected) as online:
        await asyncio.to_thread(services.retire_node, "m1", actor="ann")
    assert online.value.code == "node-online"
    await projection.node_state("m1", NodeState.OFFLINE, link_rtt_ms=0)

    assert [await asyncio.to_thread(services.retire_node, "m1", actor="ann") for _ in range(2)] == [True, False]

    with pytest.raises(NotFound, match="no node m2"):
        await asyncio.to_thread(services.retire_node, "m2", actor="ann")


@pytest.mark.usefixtures("gateway")
@pytest.mark.parametrize(
    ("seen", "is_stale"),
    [
        (Seen(attempt=1), False),
        (Seen(attempt=1, node="", line=0), False),
        (Seen(attempt=2), True),
        (Seen(attempt=1, node="m1"), True),
    ],
)
async def test_a_click_on_something_that_has_changed_is_refused(seen: Seen, is_stale: bool) -> None:
    task_id = await submit()

    if not is_stale:
        assert await control(task_id, Action.CANCEL, seen=seen)
        return
    with pytest.raises(TaskRejected) as refused:
        await control(task_id, Action.CANCEL, seen=seen)
    assert refused.value.code == "stale"
    assert (await read(lambda: Task.objects.get(id=task_id))).state == "pending"


@pytest.mark.usefixtures("gateway")
async def test_only_the_alert_that_was_seen_is_acknowledged(projection: Projection) -> None:
    await projection.write(lambda unit: unit.open_alert("node-disk", level="error", message="m", node_id="m1"))
    seen = (await read(Alert.objects.get)).digest
    await projection.write(lambda unit: unit.open_alert("node-disk", level="error", message="worse", node_id="m1"))
    alert = await read(Alert.objects.get)

    with pytest.raises(TaskRejected) as refused:
        await asyncio.to_thread(services.acknowledge_alert, alert.pk, actor="ann", seen=seen)

    assert refused.value.code == "stale"
    assert (await read(Alert.objects.get)).acknowledged_at is None
    await asyncio.to_thread(services.acknowledge_alert, alert.pk, actor="ann", seen=alert.digest)
    assert (await read(Alert.objects.get)).acknowledged_by == "ann"


@pytest.mark.usefixtures("gateway")
async def test_invalid_requests_are_refused_before_the_leader_is_called() -> None:
    with pytest.raises(TaskRejected, match="exactly one"):
        await submit(TaskSpec())


@pytest.mark.parametrize("role", ["master", "edge", "leader"])
async def test_the_gateway_is_for_web_tokens_only(address: str, key: ClusterKey, tmp_path: Path, role: str) -> None:
    token = tmp_path / "t"
    token.write_text(issue_token(key, node_id="n", role=role))
    client = RemoteGateway(address, token_path=token)

    with pytest.raises(LeaderUnavailable, match="for web processes"):
        await asyncio.to_thread(client.submit, SPEC, "ann")
    await asyncio.to_thread(client.close)


async def test_an_invalid_token_is_refused(address: str, tmp_path: Path) -> None:
    token = tmp_path / "t"
    token.write_text("wrong")
    client = RemoteGateway(address, token_path=token)

    with pytest.raises(LeaderUnavailable, match="malformed"):
        await asyncio.to_thread(client.submit, SPEC, "ann")
    await asyncio.to_thread(client.close)


# A request of a web process of the previous version.
OLD_REQUESTS = {
    "Chat": b"\n\x04open\x12\x02{}",
    "Submit": pb.SubmitRequest(spec=b"{}", actor="ann").SerializeToString(),
}


@pytest.mark.parametrize("method", OLD_REQUESTS)
async def test_a_web_process_of_the_previous_version_gets_a_clear_error(
    address: str, key: ClusterKey, method: str
) -> None:
    token = issue_token(key, node_id="web", role="web")
    async with grpc.aio.insecure_channel(address) as channel:
        call = channel.unary_unary(f"/agentflow.v1.Leader/{method}")
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await call(OLD_REQUESTS[method], metadata=(("authorization", f"Bearer {token}"),))
        with pytest.raises(grpc.aio.AioRpcError) as unknown:
            await call(OLD_REQUESTS[method])

    # It turns this status and key into `TaskRejected`, so the person sees the message.
    assert refused.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert dict(refused.value.trailing_metadata())["agentflow-code"] == "other-version"
    assert "restart them with the same version" in str(refused.value.details())
    assert unknown.value.code() is grpc.StatusCode.UNAUTHENTICATED


async def test_a_leader_of_another_version_gives_a_clear_error(key: ClusterKey, tmp_path: Path) -> None:
    server = grpc.aio.server()  # It has none of the current methods.
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    token = tmp_path / "t"
    token.write_text(issue_token(key, node_id="web", role="web"))
    client = RemoteGateway(f"127.0.0.1:{port}", token_path=token)

    with pytest.raises(OtherVersion, match="restart them with the same version"):
        await asyncio.to_thread(client.ask, "chat", b"{}")
    await asyncio.to_thread(client.close)
    await server.stop(0)


async def test_a_request_with_nul_is_refused(address: str, key: ClusterKey) -> None:
    token = issue_token(key, node_id="web", role="web")
    async with grpc.aio.insecure_channel(address) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await services_pb.LeaderStub(channel).Control(
                pb.ControlRequest(task_id="t1", action="pause", actor="a\x00"), metadata=metadata_of(token)
            )

    assert refused.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert refused.value.details() == "The request contains a NUL character."


async def test_without_a_leader_the_answer_says_so(tmp_path: Path, key: ClusterKey) -> None:
    token = tmp_path / "t"
    token.write_text(issue_token(key, node_id="web", role="web"))
    client = RemoteGateway("127.0.0.1:1", token_path=token)

    with pytest.raises(LeaderUnavailable, match=r"127\.0\.0\.1:1"):
        await asyncio.to_thread(client.submit, SPEC, "ann")
    await asyncio.to_thread(client.close)
    with pytest.raises(LeaderUnavailable, match="cannot be read"):
        RemoteGateway("127.0.0.1:1", token_path=tmp_path / "none").submit(SPEC, "ann")


async def test_the_leaders_loop_never_waits_for_itself(scheduler: Scheduler) -> None:
    gateway = InProcessGateway(scheduler, LeaderLoop(asyncio.get_running_loop()))

    with pytest.raises(AssertionError, match="another thread"):
        gateway.submit(SPEC, "ann")
