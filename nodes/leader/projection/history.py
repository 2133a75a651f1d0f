"""What the history stores of a journaled entry: enough for a task's page, but never the output itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from nodes.leader.projection.tasks import stored_text
from nodes.stream.wire.v1 import node_sync_pb2 as pb

Detail = dict[str, Any]


def describe(update: pb.NodeUpdate) -> tuple[str, str, Detail]:
    """Kind, task id and detail of an applied entry."""
    return _DESCRIBE[update.WhichOneof("payload") or "gap"](update)


def _task(update: pb.NodeUpdate) -> tuple[str, str, Detail]:
    status = update.task_update
    return (
        "task",
        status.task_id,
        {
            "state": pb.TaskState.Name(status.state).removeprefix("TASK_STATE_").lower(),
            "attempt": status.attempt or 1,
            "progress": status.progress if status.HasField("progress") else None,
            "exit_code": status.exit_code if status.HasField("exit_code") else None,
            "message": stored_text(status.message),
        },
    )


def _alert(update: pb.NodeUpdate) -> tuple[str, str, Detail]:
    alert = update.alert
    verdict = pb.StallVerdict.Name(alert.verdict).removeprefix("STALL_VERDICT_").lower()
    return "alert", alert.task_id, {"verdict": verdict, "reason": stored_text(alert.reason)}


def _logs(update: pb.NodeUpdate) -> tuple[str, str, Detail]:
    logs = update.logs
    return (
        "logs",
        logs.task_id,
        {"attempt": logs.attempt or 1, "first_line": logs.first_line, "lines": len(logs.lines)},
    )


def _result(update: pb.NodeUpdate) -> tuple[str, str, Detail]:
    result = update.command_result
    return (
        "result",
        "",
        {
            "command": stored_text(result.command_id, 64),
            "outcome": pb.CommandOutcome.Name(result.outcome).removeprefix("COMMAND_OUTCOME_").lower(),
            "code": stored_text(result.code, 40),
            "message": stored_text(result.message),
        },
    )


def _gap(update: pb.NodeUpdate) -> tuple[str, str, Detail]:
    gap = update.gap
    return (
        "gap",
        stored_text(gap.task_id, 64),
        {"from_seq": gap.from_seq, "to_seq": gap.to_seq, "reason": stored_text(gap.reason), "lines": gap.lines},
    )


_DESCRIBE: Mapping[str, Callable[[pb.NodeUpdate], tuple[str, str, Detail]]] = {
    "task_update": _task,
    "alert": _alert,
    "logs": _logs,
    "command_result": _result,
    "gap": _gap,
}
