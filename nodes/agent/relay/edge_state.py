"""The current state of one Edge as its Master knows it, so that a Leader with a new store can receive it again.

Starts with the Edge's Snapshot; every newer entry updates it. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator

from nodes.domain.states import NodeState
from nodes.stream.wire.fields import TASK_STATES
from nodes.stream.wire.v1 import node_sync_pb2 as pb


class EdgeState:
    def __init__(self, node_id: str, *, parent: str) -> None:
        self.node_id = node_id
        self._parent = parent
        self._report = pb.NodeReport(role="edge", parent=parent)
        self._has_snapshot = False
        self._greeting: pb.NodeReport | None = None  # Of an Edge that has a key and has not shown its ticket.
        self._ticket: pb.NodeUpdate | None = None
        self._metrics: pb.SystemMetrics | None = None
        self._tasks: dict[tuple[str, int], pb.TaskStatusUpdate] = {}
        self._positions: dict[str, pb.JournalMark] = {}

    def greet(self, report: pb.NodeReport, *, has_key: bool) -> None:
        """The report in Hello. With a key, it counts once a ticket shows that the Edge itself has sent it."""
        if has_key:
            self._greeting = report
        else:
            self.take_report(report)

    def take_report(self, report: pb.NodeReport) -> None:
        """The Edge's own report. Its parent and link state are set by its Master."""
        state, rtt_ms = self._report.state, self._report.link_rtt_ms
        self._report.CopyFrom(report)
        self._report.parent = self._parent
        self._report.state = state
        self._report.link_rtt_ms = rtt_ms

    def take_ticket(self, update: pb.NodeUpdate) -> None:
        """Kept as it is: the Leader checks the Edge's signature on it."""
        self._ticket = update
        if self._greeting is not None:
            self.take_report(self._greeting)
            self._greeting = None

    @property
    def link_state(self) -> str:
        return self._report.state

    def take_link(self, state: NodeState, link_rtt_ms: float) -> bool:
        """Returns whether the change is worth reporting: a new state, or a clearly different round trip."""
        old_ms = self._report.link_rtt_ms
        is_other_rtt = link_rtt_ms > 0 and not old_ms / 2 <= link_rtt_ms <= old_ms * 2
        is_news = self._report.state != state or is_other_rtt
        if is_news:
            self._report.state = state
            self._report.link_rtt_ms = link_rtt_ms or old_ms
        return is_news

    def take_snapshot(self, snapshot: pb.Snapshot) -> None:
        self.take_report(snapshot.report)
        self._tasks = {(status.task_id, status.attempt): status for status in snapshot.tasks}
        self._positions = {mark.journal_id: mark for mark in snapshot.positions}
        self._has_snapshot = True
        if snapshot.HasField("metrics"):
            self._metrics = snapshot.metrics

    def take_entry(self, update: pb.NodeUpdate) -> None:
        """Ignores entries up to the Snapshot's position: the Snapshot contains their effect."""
        position = self._positions.get(update.journal_id)
        if position is None or update.seq <= position.seq:
            return
        position.seq = update.seq
        if update.WhichOneof("payload") == "task_update":
            self._take_status(update.task_update)

    def take_metrics(self, metrics: pb.SystemMetrics) -> None:
        self._metrics = metrics

    def report(self, now_ms: int) -> pb.NodeUpdate:
        return pb.NodeUpdate(node_id=self.node_id, timestamp=now_ms, report=self._report)

    def messages(self, now_ms: int) -> Iterator[pb.NodeUpdate]:
        """Everything a new Leader needs: first the ticket, which lets this Master speak for the Edge."""
        if self._ticket is not None:
            yield self._ticket
        elif self._greeting is not None:
            return  # Not attached yet: this Master may say nothing about it.
        yield self.state(now_ms)

    def state(self, now_ms: int) -> pb.NodeUpdate:
        """The Edge's snapshot. Before the first one only the report, because unknown is not empty."""
        if not self._has_snapshot:
            return self.report(now_ms)
        snapshot = pb.Snapshot(
            tasks=self._tasks.values(),
            positions=self._positions.values(),
            report=self._report,
            metrics=self._metrics,
        )
        return pb.NodeUpdate(node_id=self.node_id, timestamp=now_ms, snapshot=snapshot)

    def _take_status(self, status: pb.TaskStatusUpdate) -> None:
        key = (status.task_id, status.attempt)
        state = TASK_STATES.get(status.state)
        held = self._tasks.pop(key, None)
        if state is None or state.is_final:
            return
        kept = pb.TaskStatusUpdate()
        kept.CopyFrom(status)
        if held is not None and not kept.HasField("request"):
            kept.request.CopyFrom(held.request)  # Sent once, with the first RUNNING.
        self._tasks[key] = kept
