"""Nodes that are not what they say, or say what cannot be: one clear answer to each, and nobody else notices."""

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

STRANGER = "stranger-1"
CONNECT = "/agentflow.v1.NodeSync/Connect"


class Stranger:
    """A node of our own making, on a stream that the test writes word by word."""

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

    def __enter__(self) -> Stranger:
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
        """Hello; the Welcome, or None when the stream was ended instead."""
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
def stranger(arena: Arena) -> Iterator[Stranger]:
    with Stranger(arena) as made:
        yield made


def status(task_id: str, state: int = pb.TASK_STATE_RUNNING, **fields: object) -> pb.TaskStatusUpdate:
    return pb.TaskStatusUpdate(task_id=task_id, state=state, attempt=1, name=task_id, **fields)


@contextmanager
def others_undisturbed(arena: Arena) -> Iterator[None]:
    """A task beside it goes on, and no other stream has ended meanwhile."""
    task = arena.start_task("master-1")
    before = {name: arena.cluster.processes[name].log().count("no stream to ") for name in arena.agents}
    yield
    arena.wait_more_lines(task)
    assert {name: arena.cluster.processes[name].log().count("no stream to ") for name in arena.agents} == before
    arena.let_end(task)


def leave(arena: Arena, stranger: Stranger) -> None:
    """Its tasks end and it says good-bye, so that the arena can come to rest."""
    stranger.say(goodbye=pb.Goodbye(reason="test"))
    arena.wait_node(STRANGER, "offline", timeout=40)


def test_scenario_29_numbers_that_are_none(arena: Arena, stranger: Stranger) -> None:
    """NaN, infinity, a number over 2^53: dashboards get valid JSON, with null and with text."""
    arena.expects_dead_letters = True
    with others_undisturbed(arena):
        stranger.hello()
        stranger.say(metrics=pb.SystemMetrics(cpu_percent=float("nan"), load_1m=float("inf")))
        stranger.say(metrics=pb.SystemMetrics(cpu_percent=12.5, memory_total_bytes=1, memory_used_bytes=1))
        last = (1 << 53) + 5
        gap = pb.Gap(from_seq=1, to_seq=last, reason="test")
        stranger.tell(stranger.entry(last, gap=gap))
        stranger.wait_acked(last)
        stranger.wait_nack("bad-value", 0)
        leave(arena, stranger)

    node = arena.cluster.rows("SELECT metrics FROM nodes_node WHERE id = ?", STRANGER)
    assert "12.5" in node[0][0]
    arena.settle()
    (told,) = [gap for gap in arena.dashboards[0].view().gaps if gap["node"] == STRANGER]
    assert told["to"] == str(last)
    arena.check()


def test_scenario_30_a_second_node_of_one_name(arena: Arena) -> None:
    """The one that is there stays, the newcomer is refused and says why; a person is told; nothing flaps."""
    arena.away.add("twin")
    with others_undisturbed(arena):
        twin = arena.cluster.processes["master-2"]
        argv = [*twin.argv]
        argv[argv.index("--data-dir") + 1] = str(arena.folder / "twin")
        made = arena.cluster.add("twin", argv).start()
        eventually_sync(lambda: "a node with this name is already connected" in made.log(), 40, "it is refused")
        assert arena.node_state("master-2") == "online"
        # The refusal does not wait for the alert's commit.
        alerts = "SELECT node_id FROM nodes_alert WHERE kind = 'duplicate-node'"
        eventually_sync(lambda: arena.cluster.rows(alerts) == [("master-2",)], message="a person is told, once")
        made.stop()
        # Whoever is there comes again some time, and the alert has had its use.
        arena.kill("master-2")
        arena.restart("master-2")

    alerts = "SELECT count(*) FROM nodes_alert WHERE kind = 'duplicate-node' AND resolved_at IS NULL"
    eventually_sync(lambda: arena.cluster.rows(alerts) == [(0,)], message="the alert is resolved")
    del arena.cluster.processes["twin"]
    arena.away.discard("twin")
    arena.check()


def test_scenario_31_a_batch_twice_a_step_back_and_a_jump(arena: Arena, stranger: Stranger) -> None:
    task = "stranger-31"
    entries = [
        stranger.entry(1, task_update=status(task)),
        stranger.entry(2, task_update=status(task, pb.TASK_STATE_PAUSED)),
        stranger.entry(3, task_update=status(task)),
    ]
    with others_undisturbed(arena):
        stranger.hello(last_seq=3)
        stranger.tell(*entries, *entries, entries[0])
        stranger.wait_acked(3)
        stranger.tell(stranger.entry(9, task_update=status(task, pb.TASK_STATE_SUCCEEDED, exit_code=0)))
        stranger.wait_nack("hole", 4)
        assert stranger.acked() == 3
        assert arena.state(task) == "running"
        stranger.tell(stranger.entry(4, task_update=status(task, pb.TASK_STATE_SUCCEEDED, exit_code=0)))
        stranger.wait_acked(4)
        leave(arena, stranger)

    told = arena.cluster.rows("SELECT count(*) FROM nodes_event WHERE journal_id = ?", stranger.journal_id)
    assert told == [(4,)]
    assert arena.state(task) == "succeeded"
    arena.check()


def test_scenario_32_far_too_large(arena: Arena, stranger: Stranger, record_property: Record) -> None:
    """An entry over the limit is set aside and the next one counts; a bomb of zeros ends its stream and no more."""
    arena.expects_dead_letters = True
    leader = psutil.Process(arena.cluster.processes["leader"].pid)
    with others_undisturbed(arena):
        stranger.hello()
        task = "stranger-32"
        large = status(task, message="x" * 600_000)
        stranger.tell(
            stranger.entry(1, task_update=large),
            stranger.entry(2, task_update=status(task, pb.TASK_STATE_FAILED, exit_code=1)),
        )
        stranger.wait_acked(2)
        stranger.wait_nack("oversize", 1)
        assert arena.state(task) == "failed"
        leave(arena, stranger)

        before = leader.memory_info().rss
        with Stranger(arena, "bomber-1") as bomber:
            bomber.hello()
            bomber.say(task_update=status("bomb", message="0" * (32 << 20)))
            eventually_sync(lambda: bomber.status is not None, 30, "its stream ends")
        record_property("bomber's end", str(bomber.status))
        record_property("Leader's memory", f"{(leader.memory_info().rss - before) / (1 << 20):+.1f} MiB")
        arena.wait_node("bomber-1", "offline", timeout=60)

    arena.check()


def test_scenario_33_another_language(arena: Arena, stranger: Stranger) -> None:
    """Bytes that are no message, a state of a later version, the versions beside ours and one far away."""
    arena.expects_dead_letters = True
    with others_undisturbed(arena):
        channel = grpc.insecure_channel(f"{arena.cluster.grpc_host}:{arena.cluster.grpc_port}")
        garbage = channel.stream_stream(CONNECT, request_serializer=bytes, response_deserializer=bytes)
        with pytest.raises(grpc.RpcError):
            list(garbage(iter([b"\xff\xff\xff garbage", zlib.compress(b"x")]), metadata=stranger.metadata, timeout=20))
        channel.close()
        with Stranger(arena) as far:
            assert far.hello(version=PROTOCOL_VERSION + 9) is None
            assert far.status is grpc.StatusCode.FAILED_PRECONDITION
        assert stranger.hello(version=PROTOCOL_VERSION + 1) is not None
        task = "stranger-33"
        stranger.tell(
            stranger.entry(1, task_update=status(task)),
            stranger.entry(2, task_update=status(task, 99)),
            stranger.entry(3, task_update=status(task, pb.TASK_STATE_SUCCEEDED, exit_code=0)),
        )
        stranger.wait_acked(3)
        stranger.wait_nack("bad-value", 2)
        leave(arena, stranger)

    assert arena.state(task) == "succeeded"
    arena.check()
