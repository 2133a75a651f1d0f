"""The messages of `/ws/` as dictionaries (docs/websocket.md), built the same way for pushes and snapshots.

Ids and 64-bit numbers are strings, times are Unix milliseconds, NaN and infinity become null.
"""

from __future__ import annotations

import shlex
import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any, overload

import orjson

from nodes.core.secrets import REDACTED, hide, hide_in_argv, hide_in_command, is_secret_name
from nodes.domain.events import Capabilities, Gap, GpuMetrics, Metrics
from nodes.domain.states import NodeState, is_unknown
from nodes.leader.projection.contract import (
    AlertInfo,
    CommandInfo,
    Gpu,
    JournalGapFields,
    LogBatch,
    MetricsFields,
    MetricsMessage,
    NodeStatus,
    TaskInfo,
    Usage,
    WireLine,
)
from nodes.leader.projection.contract import (
    Capabilities as CapabilitiesFields,
)
from nodes.models import Alert, Attempt, Command, Node, Task

Message = dict[str, Any]

_LINK_STATES = {
    NodeState.ONLINE: "ok",
    NodeState.SUSPECT: "suspect",
    NodeState.OFFLINE: "down",
}
_COMMAND_SHOWN_CHARACTERS = 500


def encode(message: Mapping[str, Any]) -> str:
    """JSON as sent; NaN and infinity become null."""
    return orjson.dumps(message).decode()


def now_ms() -> int:
    return time.time_ns() // 1_000_000


@overload
def milliseconds(moment: datetime) -> int: ...
@overload
def milliseconds(moment: None) -> None: ...
@overload
def milliseconds(moment: datetime | None) -> int | None: ...
def milliseconds(moment: datetime | None) -> int | None:
    return None if moment is None else int(moment.timestamp() * 1000)


def state_message(kind: str, /, *, store: str, seq: int, **fields: Any) -> Message:
    """A message with a feed number; `fields` come last and keep their order."""
    return {"type": kind, "store": store, "seq": str(seq), "at": now_ms(), **fields}


def node_info(node: Node, *, running: int) -> NodeStatus:
    """`running` counts the attempts that occupy a slot."""
    metrics = node.metrics
    return {
        "id": node.id,
        "name": node.id,
        "role": node.role,
        "parent": node.parent,
        "state": node.state,
        "stateSince": milliseconds(node.state_changed_at),
        "cpu": metrics.get("cpu"),
        "memory": metrics.get("memory"),
        "disk": metrics.get("disk"),
        "load": metrics.get("load"),
        "gpus": metrics.get("gpus", []),
        "link": {"state": _LINK_STATES[NodeState(node.state)], "rttMs": node.link_rtt_ms or None},
        "lastSeenAt": milliseconds(node.last_seen_at),
        "capabilities": node.capabilities,
        "slots": node.slots,
        "running": running,
        "base": node.is_base_client,
        "version": str(node.version),
    }


def metrics_message(node_id: str, fields: MetricsFields, *, link_rtt_ms: float) -> MetricsMessage:
    """METRICS: ephemeral, so without a feed number. `fields` as returned by `metrics_fields`."""
    return {"type": "METRICS", "at": now_ms(), "node": node_id, **fields, "linkRttMs": link_rtt_ms or None}


def metrics_fields(metrics: Metrics) -> MetricsFields:
    """Metrics in the form that `Node.metrics` and messages hold."""
    return {
        "cpu": metrics.cpu_percent,
        "memory": _usage(metrics.memory_used_bytes, metrics.memory_total_bytes),
        "disk": _usage(metrics.disk_used_bytes, metrics.disk_total_bytes),
        "load": metrics.load_1m,
        "gpus": [_gpu_fields(gpu) for gpu in metrics.gpus],
    }


def _usage(used: int, total: int) -> Usage | None:
    if not total:
        return None
    return {"used": used, "total": total, "percent": round(100 * used / total, 1)}


def _gpu_fields(gpu: GpuMetrics) -> Gpu:
    return {
        "name": gpu.name,
        "utilization": gpu.utilization_percent,
        "memory": _usage(gpu.memory_used_bytes, gpu.memory_total_bytes),
        "temperature": gpu.temperature_celsius,
    }


def capabilities_fields(capabilities: Capabilities) -> CapabilitiesFields:
    """Capabilities in the form that `Node.capabilities` and messages hold."""
    return {
        "os": capabilities.os,
        "architecture": capabilities.architecture,
        "cpuCount": capabilities.cpu_count,
        "memoryBytes": capabilities.memory_bytes,
        "pythonVersion": capabilities.python_version,
        "agentVersion": capabilities.agent_version,
        "gpus": [_gpu_fields(gpu) for gpu in capabilities.gpus],
        "projects": [
            {
                "name": project.name,
                "path": project.path,
                "types": list(project.types),
                "tasks": [
                    {
                        "name": task.name,
                        "argv": list(task.argv),
                        "timeoutSeconds": task.timeout_seconds,
                        "stallAfterSeconds": task.stall_after_seconds,
                        "description": task.description,
                    }
                    for task in project.tasks
                ],
            }
            for project in capabilities.projects
        ],
        "slots": capabilities.slots,
        "allowsCommands": capabilities.allows_commands,
        "pauseMethod": capabilities.pause_method,
    }


def task_info(task: Task, *, node: Node | None) -> TaskInfo:
    """`node` is the row of `task.node_id`, if there is one."""
    unknown_since = node.state_changed_at if node is not None and is_unknown(task.state, node.state) else None
    return {
        "id": task.id,
        "name": task.name,
        "project": task.project,
        "node": task.node_id or "",
        "targetNode": task.target_node,
        "state": task.state,
        "health": task.health,
        "attempt": task.attempt,
        "progress": task.progress,
        "message": task.message,
        "messageParts": task.message_parts or [],
        "exitCode": task.exit_code,
        "pendingReason": task.pending_reason,
        "pendingParts": task.pending_parts or [],
        "command": command_line(task.spec),
        "acceptsInput": task.accepts_input,
        "partialPause": task.partial_pause,
        "suppressedLines": task.suppressed_lines,
        "createdBy": task.created_by,
        "createdAt": milliseconds(task.created_at),
        "startedAt": milliseconds(task.started_at),
        "endedAt": milliseconds(task.ended_at),
        "nodeState": node.state if node is not None else None,
        "unknownSince": milliseconds(unknown_since),
        "version": str(task.version),
    }


def attempt_info(attempt: Attempt, task: Task) -> Message:
    """One attempt, as the work log shows it."""
    return {
        "task": task.id,
        "attempt": attempt.number,
        "name": task.name,
        "project": task.project,
        "command": command_line(task.spec),
        "createdBy": task.created_by,
        "node": attempt.node_id or "",
        "state": attempt.state,
        "message": attempt.message,
        "messageParts": attempt.message_parts or [],
        "exitCode": attempt.exit_code,
        "createdAt": milliseconds(attempt.created_at),
        "startedAt": milliseconds(attempt.started_at),
        "endedAt": milliseconds(attempt.ended_at),
        "cpuSeconds": attempt.cpu_seconds,
        "peakMemoryBytes": attempt.peak_memory_bytes,
        "pausedSeconds": attempt.paused_seconds,
        "suppressedLines": attempt.suppressed_lines,
        "lines": attempt.last_line,
        "isLogPruned": attempt.is_log_pruned,
        "pid": attempt.pid,
    }


def without_secrets(spec: Mapping[str, Any]) -> dict[str, Any]:
    """A task's request for display, with secrets redacted in command and environment."""
    environment = spec.get("environment") or {}
    shown = dict(spec)
    if environment:
        shown["environment"] = {
            name: REDACTED if is_secret_name(name) else hide(value, environment) for name, value in environment.items()
        }
    if spec.get("argv"):
        shown["argv"] = hide_in_argv(spec["argv"], environment)
    if spec.get("shell_line"):
        shown["shell_line"] = hide_in_command(spec["shell_line"], environment)
    return shown


def command_line(spec: Mapping[str, Any]) -> str:
    """The command as one line, for display."""
    spec = without_secrets(spec)
    shown = spec.get("shell_line") or shlex.join(spec.get("argv") or ()) or spec.get("named_task") or ""
    return shown if len(shown) <= _COMMAND_SHOWN_CHARACTERS else shown[: _COMMAND_SHOWN_CHARACTERS - 1] + "…"


def alert_fields(alert: Alert) -> AlertInfo:
    return {
        "id": str(alert.id),
        "level": alert.level,
        "kind": alert.kind,
        "message": alert.message,
        "messageParts": alert.message_parts or [],
        "node": alert.node_id,
        "task": alert.task_id,
        "taskName": alert.task_name,
        "attempt": alert.attempt,
        "evidence": [item["id"] for item in alert.evidence],
        "openedAt": milliseconds(alert.opened_at),
        "resolvedAt": milliseconds(alert.resolved_at),
        "acknowledgedAt": milliseconds(alert.acknowledged_at),
        "acknowledgedBy": alert.acknowledged_by,
    }


def command_info(command: Command) -> CommandInfo:
    return {
        "id": command.id,
        "kind": command.kind,
        "task": command.task_id or "",
        "attempt": command.attempt,
        "node": command.node,
        "state": command.state,
        "code": command.code,
        "message": command.message,
        "messageParts": command.message_parts or [],
        "ref": command.ref,
        "actor": command.actor,
        "createdAt": milliseconds(command.created_at),
        "changedAt": milliseconds(command.changed_at),
    }


def gap_fields(gap: Gap, *, node: str, lane: str, attempt: int = 0, first_line: int = 0) -> JournalGapFields:
    """What is missing: entries `from` to `to` of the node's journal ("0" if only lines are known), and `lines` lines
    of `attempt` from `firstLine` on (0 if unknown).
    """
    return {
        "reason": gap.reason,
        "lane": str(lane),
        "node": node,
        "task": gap.task_id,
        "attempt": attempt,
        "firstLine": first_line,
        "lines": gap.lines,
        "from": str(gap.from_seq),
        "to": str(gap.to_seq),
    }


def log_message(*, store: str, seq: int, node: str, task: str, attempt: int, lines: list[WireLine]) -> LogBatch:
    """LOG. `lines` are [id, number, atMs, level, stream, text]."""
    return {
        "type": "LOG",
        "store": store,
        "seq": str(seq),
        "node": node,
        "task": task,
        "attempt": attempt,
        "lines": lines,
    }
