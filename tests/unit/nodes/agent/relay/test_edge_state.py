from __future__ import annotations

from nodes.agent.relay.edge_state import EdgeState
from nodes.domain.states import NodeState
from nodes.stream.wire.v1 import node_sync_pb2 as pb

RUNNING, PAUSED, SUCCEEDED = pb.TASK_STATE_RUNNING, pb.TASK_STATE_PAUSED, pb.TASK_STATE_SUCCEEDED


def _status(task_id: str, state: pb.TaskState.ValueType, **fields: object) -> pb.TaskStatusUpdate:
    return pb.TaskStatusUpdate(task_id=task_id, attempt=1, state=state, **fields)  # type: ignore[arg-type]


def _entry(seq: int, status: pb.TaskStatusUpdate) -> pb.NodeUpdate:
    return pb.NodeUpdate(node_id="edge-1", journal_id="s", seq=seq, task_update=status)


def _state(*tasks: pb.TaskStatusUpdate, position: int = 5) -> EdgeState:
    edge = EdgeState("edge-1", parent="master-1")
    edge.take_snapshot(
        pb.Snapshot(
            tasks=tasks,
            positions=[pb.JournalMark(journal_id="s", seq=position, node_id="edge-1", lane="states")],
            report=pb.NodeReport(role="edge", capabilities=pb.Capabilities(os="Linux")),
            metrics=pb.SystemMetrics(cpu_percent=1),
        )
    )
    return edge


def _snapshot(edge: EdgeState) -> pb.Snapshot:
    (message,) = edge.messages(9)
    assert (message.node_id, message.timestamp, message.seq) == ("edge-1", 9, 0)
    return message.snapshot


def test_later_entries_update_the_snapshot() -> None:
    edge = _state(_status("a", RUNNING, request=pb.TaskRequest(task_id="a")), _status("b", RUNNING))

    edge.take_entry(_entry(5, _status("a", SUCCEEDED)))  # History: the snapshot is newer.
    edge.take_entry(_entry(6, _status("a", PAUSED)))
    edge.take_entry(_entry(7, _status("b", SUCCEEDED)))
    edge.take_entry(_entry(8, _status("c", RUNNING)))
    edge.take_metrics(pb.SystemMetrics(cpu_percent=2))

    snapshot = _snapshot(edge)
    assert {status.task_id: status.state for status in snapshot.tasks} == {"a": PAUSED, "c": RUNNING}
    assert snapshot.tasks[0].request.task_id == "a"
    assert snapshot.positions[0].seq == 8
    assert snapshot.metrics.cpu_percent == 2


def test_the_master_sets_an_edges_parent_and_link_state() -> None:
    edge = _state()
    assert edge.take_link(NodeState.SUSPECT, 0.0)

    edge.take_report(pb.NodeReport(role="edge", parent="somewhere", state="online", link_rtt_ms=99))

    report = _snapshot(edge).report
    assert (report.parent, report.state, report.link_rtt_ms) == ("master-1", "suspect", 0)


def test_only_a_new_state_or_a_clearly_different_round_trip_is_reported() -> None:
    edge = _state()

    news = [
        edge.take_link(state, rtt)
        for state, rtt in [
            (NodeState.ONLINE, 0.0),
            (NodeState.ONLINE, 4.0),
            (NodeState.ONLINE, 5.0),
            (NodeState.ONLINE, 0.0),
            (NodeState.ONLINE, 40.0),
            (NodeState.OFFLINE, 0.0),
        ]
    ]

    assert news == [True, True, False, False, True, True]


def test_before_the_snapshot_there_is_only_the_report() -> None:
    edge = EdgeState("edge-1", parent="master-1")
    edge.take_entry(_entry(1, _status("a", RUNNING)))

    (message,) = edge.messages(0)

    assert message.WhichOneof("payload") == "report"
    assert message.report.parent == "master-1"


def test_an_edge_with_a_key_is_not_mentioned_before_its_ticket() -> None:
    """Whoever has read its token can send a Hello in its name."""
    edge = EdgeState("edge-1", parent="master-1")
    edge.greet(pb.NodeReport(role="edge", address="thief:1"), has_key=True)

    assert list(edge.messages(0)) == []
    assert edge.report(0).report.address == ""

    edge.greet(pb.NodeReport(role="edge", address="host:1"), has_key=True)
    edge.take_ticket(pb.NodeUpdate(node_id="edge-1", ticket=pb.Ticket(parent="master-1", counter=1)))

    ticket, state = edge.messages(0)
    assert ticket.HasField("ticket")
    assert (state.report.address, state.report.parent) == ("host:1", "master-1")
