"""Nodes that misbehave or send impossible data: each gets a clear answer, and no other node is affected."""

from __future__ import annotations

import queue
import secrets
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType

import grpc
import psutil
import pytest

from nodes.stream.wire.limits import PROTOCOL_VERSION
from nodes.stream.wire.v1 import node_sync_pb2 as pb
from nodes.stream.wire.v1.node_sync_pb2_grpc import NodeSyncStub
from tests.faults.arena import Arena
from tests.support.eventually import eventually_sync

Record = Callable[[str, object], None]

STRANGER = "fake_node-1"
CONNECT = "/agentflow.v1.NodeSync/Connect"


class FakeNode:
    """A fake node on a stream whose messages the test writes one by one."""

    def __init__(self, arena: Arena, name: str = STRANGER) -> None:
        self.name = name
        self.journal_id = secrets.token_hex(8)
        self._token = arena.cluster.node_token("master", name)
        self._channel = grpc.insecure_channel(
            f"{arena.cluster.grpc_host}:{arena.cluster.grpc_port}", options=[("grpc.max_send_message_length", -1)]
        )
        self._sent: queue.SimpleQueue[pb.NodeUpdate | None] = queue.SimpleQueue()
        self.received: list[pb.LeaderCommand] = []
        self.status: grpc.StatusCode | None = None
        self._thread = threading.Thread(target=self._read, name=name)

    @property
    def metadata(self) -> tuple[tuple[str, str]]:
        return (("authorization", f"Bearer {self._token}"),)

    def __enter__(self) -> FakeNode:
        self._call = NodeSyncStub(self._channel).Connect(iter(self._sent.get, None), metadata=self.metadata)
        self._thread.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._sent.put(None)
        self._call.cancel()
        self._thread.join(10)
        self._channel.close()

    def _read(self) -> None:
        try:
            for message in self._call:
                self.received.append(message)
        except grpc.RpcError as exc:
            self.status = exc.code()

    def say(self, **payload: object) -> None:
        self._sent.put(pb.NodeUpdate(node_id=self.name, **payload))

    def hello(self, last_seq: int = 0, version: int = PROTOCOL_VERSION) -> pb.Welcome | None:
        """Sends Hello; returns the Welcome, or None if the stream ended instead."""
        mark = pb.JournalMark(journal_id=self.journal_id, seq=last_seq, node_id=self.name, lane="states")
        hello = pb.Hello(protocol_version=version, name=self.name, role="master", instance_id="i", journals=[mark])
        before = len(self.received)
        self.say(hello=hello)
        eventually_sync(lambda: self.received[before:] or self.status, 20, "an answer to Hello")
        if self.status is not None:
            return None
        position = pb.JournalMark(journal_id=self.journal_id, seq=last_seq, node_id=self.name, lane="states")
        self.say(snapshot=pb.Snapshot(positions=[position], report=pb.NodeReport(role="master", state="online")))
        return self.received[before].welcome

    def entry(self, seq: int, **payload: object) -> pb.NodeUpdate:
        return pb.NodeUpdate(node_id=self.name, journal_id=self.journal_id, seq=seq, **payload)

    def tell(self, *updates: pb.NodeUpdate) -> None:
        for update in updates:
            self._sent.put(update)

    def acked(self) -> int:
        """The highest mark that was acknowledged."""
        return max((m.seq for c in self.received for m in c.ack.marks if m.journal_id == self.journal_id), default=0)

    def wait_acked(self, seq: int) -> None:
        eventually_sync(lambda: self.acked() >= seq, 20, f"entry {seq} is acknowledged, not only {self.acked()}")

    def wait_nack(self, code: str, seq: int) -> None:
        eventually_sync(lambda: (code, seq) in self._nacks(), 20, f"{code} of {seq}, not {self._nacks()}")

    def _nacks(self) -> list[tuple[str, int]]:
        return [(c.nack.code, c.nack.seq) for c in self.received if c.HasField("nack")]


@pytest.fixture
def fake_node(arena: Arena) -> Iterator[FakeNode]:
    with FakeNode(arena) as made:
        yield made


def status(task_id: str, state: int = pb.TASK_STATE_RUNNING, **fields: object) -> pb.TaskStatusUpdate:
    return pb.TaskStatusUpdate(task_id=task_id, state=state, attempt=1, name=task_id, **fields)


@contextmanager
def others_unaffected(arena: Arena) -> Iterator[None]:
    """Checks that another task continues and no other stream ends meanwhile."""
    task = arena.start_task("master-1")
    before = {name: arena.cluster.processes[name].log().count("no stream to ") for name in arena.agents}
    yield
    arena.wait_more_lines(task)
    assert {name: arena.cluster.processes[name].log().count("no stream to ") for name in arena.agents} == before
    arena.let_end(task)


def leave(arena: Arena, fake_node: FakeNode) -> None:
    """Ends its tasks and sends Goodbye, so that nothing stays pending in the arena."""
    fake_node.say(goodbye=pb.Goodbye(reason="test"))
    arena.wait_node(STRANGER, "offline", timeout=40)


def test_scenario_29_nan_infinity_and_huge_numbers(arena: Arena, fake_node: FakeNode) -> None:
    """NaN, infinity, a number over 2^53: dashboards get valid JSON, with null and with text."""
    arena.expects_dead_letters = True
    with others_unaffected(arena):
        fake_node.hello()
        fake_node.say(metrics=pb.SystemMetrics(cpu_percent=float("nan"), load_1m=float("inf")))
        fake_node.say(metrics=pb.SystemMetrics(cpu_percent=12.5, memory_total_bytes=1, memory_used_bytes=1))
        last = (1 << 53) + 5
        gap = pb.Gap(from_seq=1, to_seq=last, reason="test")
        fake_node.tell(fake_node.entry(last, gap=gap))
        fake_node.wait_acked(last)
        fake_node.wait_nack("bad-value", 0)
        leave(arena, fake_node)

    node = arena.cluster.rows("SELECT metrics FROM nodes_node WHERE id = ?", STRANGER)
    assert "12.5" in node[0][0]
    arena.settle()
    (told,) = [gap for gap in arena.dashboards[0].view().gaps if gap["node"] == STRANGER]
    assert told["to"] == str(last)
    arena.check()


def test_scenario_30_second_node_with_the_same_name(arena: Arena) -> None:
    """The first one stays, the newcomer is refused and logs why; an alert opens; nothing flaps."""
    arena.away.add("twin")
    with others_unaffected(arena):
        twin = arena.cluster.processes["master-2"]
        argv = [*twin.argv]
        argv[argv.index("--data-dir") + 1] = str(arena.folder / "twin")
        made = arena.cluster.add("twin", argv).start()
        eventually_sync(lambda: "a node with this name is already connected" in made.log(), 40, "it is refused")
        assert arena.node_state("master-2") == "online"
        # The refusal does not wait for the alert's commit.
        alerts = "SELECT node_id FROM nodes_alert WHERE kind = 'duplicate-node'"
        eventually_sync(lambda: arena.cluster.rows(alerts) == [("master-2",)], message="one alert is open")
        made.stop()
        # The alert resolves when the first node reconnects.
        arena.kill("master-2")
        arena.restart("master-2")

    alerts = "SELECT count(*) FROM nodes_alert WHERE kind = 'duplicate-node' AND resolved_at IS NULL"
    eventually_sync(lambda: arena.cluster.rows(alerts) == [(0,)], message="the alert is resolved")
    del arena.cluster.processes["twin"]
    arena.away.discard("twin")
    arena.check()


def test_scenario_31_repeated_batch_step_back_and_jump(arena: Arena, fake_node: FakeNode) -> None:
    task = "fake_node-31"
    entries = [
        fake_node.entry(1, task_update=status(task)),
        fake_node.entry(2, task_update=status(task, pb.TASK_STATE_PAUSED)),
        fake_node.entry(3, task_update=status(task)),
    ]
    with others_unaffected(arena):
        fake_node.hello(last_seq=3)
        fake_node.tell(*entries, *entries, entries[0])
        fake_node.wait_acked(3)
        fake_node.tell(fake_node.entry(9, task_update=status(task, pb.TASK_STATE_SUCCEEDED, exit_code=0)))
        fake_node.wait_nack("hole", 4)
        assert fake_node.acked() == 3
        assert arena.state(task) == "running"
        fake_node.tell(fake_node.entry(4, task_update=status(task, pb.TASK_STATE_SUCCEEDED, exit_code=0)))
        fake_node.wait_acked(4)
        leave(arena, fake_node)

    told = arena.cluster.rows("SELECT count(*) FROM nodes_event WHERE journal_id = ?", fake_node.journal_id)
    assert told == [(4,)]
    assert arena.state(task) == "succeeded"
    arena.check()


def test_scenario_32_oversize_entry_and_compressed_bomb(
    arena: Arena, fake_node: FakeNode, record_property: Record
) -> None:
    """An oversize entry is quarantined and the next one is applied; a compressed bomb only ends its own stream."""
    arena.expects_dead_letters = True
    leader = psutil.Process(arena.cluster.processes["leader"].pid)
    with others_unaffected(arena):
        fake_node.hello()
        task = "fake_node-32"
        large = status(task, message="x" * 600_000)
        fake_node.tell(
            fake_node.entry(1, task_update=large),
            fake_node.entry(2, task_update=status(task, pb.TASK_STATE_FAILED, exit_code=1)),
        )
        fake_node.wait_acked(2)
        fake_node.wait_nack("oversize", 1)
        assert arena.state(task) == "failed"
        leave(arena, fake_node)

        before = leader.memory_info().rss
        with FakeNode(arena, "bomber-1") as bomber:
            bomber.hello()
            bomber.say(task_update=status("bomb", message="0" * (32 << 20)))
            eventually_sync(lambda: bomber.status is not None, 30, "its stream ends")
        record_property("bomber's end", str(bomber.status))
        record_property("Leader's memory", f"{(leader.memory_info().rss - before) / (1 << 20):+.1f} MiB")
        arena.wait_node("bomber-1", "offline", timeout=60)

    arena.check()


def test_scenario_33_invalid_bytes_and_other_versions(arena: Arena, fake_node: FakeNode) -> None:
    """Bytes that are not a message, a state of a later version, adjacent versions, and an incompatible one."""
    arena.expects_dead_letters = True
    with others_unaffected(arena):
        channel = grpc.insecure_channel(f"{arena.cluster.grpc_host}:{arena.cluster.grpc_port}")
        garbage = channel.stream_stream(CONNECT, request_serializer=bytes, response_deserializer=bytes)
        with pytest.raises(grpc.RpcError):
            list(garbage(iter([b"\xff\xff\xff garbage", zlib.compress(b"x")]), metadata=fake_node.metadata, timeout=20))
        channel.close()
        with FakeNode(arena) as far:
            assert far.hello(version=PROTOCOL_VERSION + 9) is None
            assert far.status is grpc.StatusCode.FAILED_PRECONDITION
        assert fake_node.hello(version=PROTOCOL_VERSION + 1) is not None
        task = "fake_node-33"
        fake_node.tell(
            fake_node.entry(1, task_update=status(task)),
            fake_node.entry(2, task_update=status(task, 99)),
            fake_node.entry(3, task_update=status(task, pb.TASK_STATE_SUCCEEDED, exit_code=0)),
        )
        fake_node.wait_acked(3)
        fake_node.wait_nack("bad-value", 2)
        leave(arena, fake_node)

    assert arena.state(task) == "succeeded"
    arena.check()
