"""Converts a node's report and capabilities to protobuf and back."""

from __future__ import annotations

from nodes.domain.events import Capabilities, GpuMetrics, NamedTask, NodeReport, Project
from nodes.domain.states import NodeState, Role
from nodes.errors import ProtocolViolation
from nodes.stream.wire.fields import finite, not_negative, required, text
from nodes.stream.wire.v1 import node_sync_pb2 as pb


def encode_report(report: NodeReport) -> pb.NodeReport:
    return pb.NodeReport(
        role=str(report.role),
        parent=report.parent,
        state=str(report.state),
        capabilities=encode_capabilities(report.capabilities),
        link_rtt_ms=report.link_rtt_ms,
        address=text(report.address),
    )


def decode_report(message: pb.NodeReport) -> NodeReport:
    try:
        role = Role(message.role)
        state = NodeState(message.state) if message.state else NodeState.ONLINE
    except ValueError as exc:
        raise ProtocolViolation(f"report: {exc}") from None
    return NodeReport(
        role=role,
        parent=message.parent,
        state=state,
        capabilities=decode_capabilities(message.capabilities),
        link_rtt_ms=not_negative(message.link_rtt_ms, "report.link_rtt_ms"),
        address=message.address,
    )


def encode_capabilities(capabilities: Capabilities) -> pb.Capabilities:
    return pb.Capabilities(
        os=text(capabilities.os),
        architecture=text(capabilities.architecture),
        cpu_count=capabilities.cpu_count,
        memory_bytes=capabilities.memory_bytes,
        python_version=capabilities.python_version,
        agent_version=capabilities.agent_version,
        gpus=[encode_gpu(gpu) for gpu in capabilities.gpus],
        projects=[_encode_project(project) for project in capabilities.projects],
        slots=capabilities.slots,
        allows_commands=capabilities.allows_commands,
        pause_method=capabilities.pause_method,
    )


def _encode_project(project: Project) -> pb.Project:
    return pb.Project(
        name=text(project.name),
        path=text(project.path),
        types=[text(word) for word in project.types],
        tasks=[
            pb.NamedTask(
                name=text(task.name),
                argv=[text(argument) for argument in task.argv],
                timeout_seconds=task.timeout_seconds,
                stall_after_seconds=task.stall_after_seconds,
                description=text(task.description),
            )
            for task in project.tasks
        ],
    )


def decode_capabilities(message: pb.Capabilities) -> Capabilities:
    return Capabilities(
        os=message.os,
        architecture=message.architecture,
        cpu_count=message.cpu_count,
        memory_bytes=message.memory_bytes,
        python_version=message.python_version,
        agent_version=message.agent_version,
        gpus=tuple(decode_gpu(gpu) for gpu in message.gpus),
        projects=tuple(_decode_project(project) for project in message.projects),
        slots=message.slots,
        allows_commands=message.allows_commands,
        pause_method=message.pause_method,
    )


def _decode_project(message: pb.Project) -> Project:
    return Project(
        name=required(message.name, "project.name"),
        path=message.path,
        types=tuple(message.types),
        tasks=tuple(
            NamedTask(
                name=required(task.name, "named_task.name"),
                argv=tuple(task.argv),
                timeout_seconds=not_negative(task.timeout_seconds, "named_task.timeout_seconds"),
                stall_after_seconds=not_negative(task.stall_after_seconds, "named_task.stall_after_seconds"),
                description=task.description,
            )
            for task in message.tasks
        ),
    )


def encode_gpu(gpu: GpuMetrics) -> pb.GpuMetrics:
    return pb.GpuMetrics(
        name=text(gpu.name),
        utilization_percent=gpu.utilization_percent,
        memory_used_bytes=gpu.memory_used_bytes,
        memory_total_bytes=gpu.memory_total_bytes,
        temperature_celsius=gpu.temperature_celsius,
    )


def decode_gpu(message: pb.GpuMetrics) -> GpuMetrics:
    return GpuMetrics(
        name=message.name,
        utilization_percent=finite(message.utilization_percent, "gpu.utilization_percent"),
        memory_used_bytes=message.memory_used_bytes,
        memory_total_bytes=message.memory_total_bytes,
        temperature_celsius=finite(message.temperature_celsius, "gpu.temperature_celsius"),
    )
