"""Messages about nodes: what they are, their state and their metrics."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias, TypedDict, cast

import msgspec

from nodes.domain import events
from nodes.domain.events import GpuMetrics, Metrics
from nodes.domain.states import NodeState, Role
from nodes.domain.storable import storable, storable_text
from nodes.leader.projection.message_base import (
    FeedNumber,
    Moment,
    NodeStateWord,
    Positioned,
    json_form,
    milliseconds,
    now_ms,
    one_of,
)
from nodes.models import Node

LinkState = Annotated[str, one_of("LinkState", ("ok", "suspect", "down"))]
NodeRoleWord = Annotated[str, one_of("NodeRole", Role)]

_LINK_STATES = {
    NodeState.ONLINE: "ok",
    NodeState.SUSPECT: "suspect",
    NodeState.OFFLINE: "down",
}


class Usage(TypedDict):
    """In bytes."""

    used: int
    total: int
    percent: float | None


class Gpu(TypedDict):
    name: str
    # Percent.
    utilization: float | None
    memory: Usage | None
    # Degrees Celsius.
    temperature: float | None


if TYPE_CHECKING:
    Capabilities: TypeAlias = Mapping[str, Any]
else:
    # As `msgspec` encodes those of `nodes.domain.events`, where their fields are declared.
    NamedTask = json_form(events.NamedTask, {})
    Project = json_form(events.Project, {events.NamedTask: NamedTask})
    Capabilities = json_form(events.Capabilities, {events.Project: Project, events.GpuMetrics: Gpu}, total=False)


class Link(TypedDict):
    """The stream from a node to its parent."""

    state: LinkState
    rttMs: float | None


class MetricsFields(TypedDict):
    # Percent.
    cpu: float | None
    memory: Usage | None
    disk: Usage | None
    # Average of one minute.
    load: float | None
    gpus: list[Gpu]


class NodeStatus(MetricsFields):
    """A node and its newest metrics."""

    id: str
    name: str
    role: NodeRoleWord
    # Id of the node it is connected to.
    parent: str
    state: NodeStateWord
    # When it entered this state.
    stateSince: int | None
    link: Link
    lastSeenAt: int | None
    capabilities: Capabilities
    slots: int
    # Attempts that occupy a slot.
    running: int
    # It supports only the base messages.
    base: bool
    # Since when it is retired, and so in no list; null = in use.
    retiredAt: int | None
    version: FeedNumber


class NodeStatusMessage(Positioned, Moment):
    """A node changed."""

    type: Literal["NODE_STATUS"]
    node: NodeStatus


class MetricsMessage(MetricsFields):
    """Ephemeral: the newest wins; it has no position in the feed."""

    type: Literal["METRICS"]
    at: int
    # Its id.
    node: str
    linkRttMs: float | None


# Of a node that has sent none yet, or has an older agent that does not know one of them.
_NO_METRICS = cast(MetricsFields, {**dict.fromkeys(MetricsFields.__annotations__), "gpus": []})


def node_info(node: Node, *, running: int) -> NodeStatus:
    """`running` counts the attempts that occupy a slot."""
    return {
        "id": node.id,
        "name": node.id,
        "role": node.role,
        "parent": node.parent,
        "state": node.state,
        "stateSince": milliseconds(node.state_changed_at),
        **_NO_METRICS,
        **node.metrics,
        "link": {"state": _LINK_STATES[NodeState(node.state)], "rttMs": node.link_rtt_ms or None},
        "lastSeenAt": milliseconds(node.last_seen_at),
        "capabilities": node.capabilities,
        "slots": node.slots,
        "running": running,
        "base": node.is_base_client,
        "retiredAt": milliseconds(node.retired_at),
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
    # At most 100: a node may claim a use of 2**64 bytes of 1, and no message can hold what that is in percent.
    return {"used": used, "total": total, "percent": round(min(100 * used / total, 100.0), 1)}


def _gpu_fields(gpu: GpuMetrics) -> Gpu:
    return {
        "name": storable_text(gpu.name),
        "utilization": gpu.utilization_percent,
        "memory": _usage(gpu.memory_used_bytes, gpu.memory_total_bytes),
        "temperature": gpu.temperature_celsius,
    }


def capabilities_fields(capabilities: events.Capabilities) -> Capabilities:
    """Capabilities in the form that `Node.capabilities` and messages hold."""
    fields: dict[str, Any] = storable(msgspec.json.decode(msgspec.json.encode(capabilities)))
    return {**fields, "gpus": [_gpu_fields(gpu) for gpu in capabilities.gpus]}
