"""The base part of the wire equals the specification, field by field (docs/protocol.md section 2)."""

from __future__ import annotations

import pytest

from nodes.stream.wire.v1 import node_sync_pb2 as pb

# message → field → (number, type): the specification's text.
BASE = {
    "NodeUpdate": {
        "node_id": (1, "string"),
        "timestamp": (2, "int64"),
        "task_update": (3, "TaskStatusUpdate"),
        "metrics": (4, "SystemMetrics"),
        "alert": (5, "StallAlert"),
        "journal_id": (14, "string"),
        "seq": (15, "uint64"),
    },
    "LeaderCommand": {
        "command_id": (1, "string"),
        "task_request": (2, "TaskRequest"),
        "control": (3, "ControlSignal"),
        "epoch": (15, "uint64"),
    },
    "TaskStatusUpdate": {
        "task_id": (1, "string"),
        "state": (2, "TaskState"),
        "progress": (3, "double"),
        "message": (4, "string"),
        "exit_code": (5, "sint32"),
        "attempt": (6, "uint32"),
        "name": (7, "string"),
        "project": (8, "string"),
    },
    "SystemMetrics": {
        "cpu_percent": (1, "double"),
        "memory_used_bytes": (2, "uint64"),
        "memory_total_bytes": (3, "uint64"),
        "disk_used_bytes": (4, "uint64"),
        "disk_total_bytes": (5, "uint64"),
        "load_1m": (6, "double"),
        "gpus": (7, "GpuMetrics"),
    },
    "StallAlert": {
        "task_id": (1, "string"),
        "verdict": (2, "StallVerdict"),
        "reason": (3, "string"),
        "silent_seconds": (4, "double"),
        "evidence": (5, "StallEvidence"),
    },
    "TaskRequest": {
        "task_id": (1, "string"),
        "name": (2, "string"),
        "project": (3, "string"),
        "kind": (4, "string"),
        "argv": (5, "string"),
        "working_directory": (6, "string"),
        "environment": (7, "EnvironmentEntry"),
        "timeout_seconds": (8, "double"),
        "stall_after_seconds": (9, "double"),
        "target_node_id": (10, "string"),
    },
    "ControlSignal": {
        "action": (1, "Action"),
        "task_id": (2, "string"),
        "reason": (3, "string"),
        "target_node_id": (4, "string"),
        "input": (5, "bytes"),
    },
}

TYPES = {1: "double", 3: "int64", 4: "uint64", 8: "bool", 9: "string", 12: "bytes", 13: "uint32", 17: "sint32"}


@pytest.mark.parametrize("name", BASE)
def test_base_fields_keep_their_numbers_and_types(name: str) -> None:
    fields = pb.DESCRIPTOR.message_types_by_name[name].fields_by_name

    found = {}
    for field in BASE[name]:
        descriptor = fields[field]
        typed = descriptor.message_type or descriptor.enum_type
        found[field] = (descriptor.number, typed.name if typed else TYPES[descriptor.type])
    assert found == BASE[name]


def test_task_states_keep_their_numbers() -> None:
    assert pb.TaskState.items() == [
        ("TASK_STATE_UNSPECIFIED", 0),
        ("TASK_STATE_PENDING", 1),
        ("TASK_STATE_DISPATCHED", 2),
        ("TASK_STATE_RUNNING", 3),
        ("TASK_STATE_PAUSED", 4),
        ("TASK_STATE_SUCCEEDED", 5),
        ("TASK_STATE_FAILED", 6),
        ("TASK_STATE_CANCELLED", 7),
        ("TASK_STATE_TIMED_OUT", 8),
        ("TASK_STATE_LOST", 9),
    ]


def test_actions_keep_their_numbers() -> None:
    assert dict(pb.ControlSignal.Action.items()) | {} == {
        "ACTION_UNSPECIFIED": 0,
        "ACTION_PAUSE": 1,
        "ACTION_RESUME": 2,
        "ACTION_CANCEL": 3,
        "ACTION_INPUT": 4,
    }


def test_service_is_one_bidirectional_stream() -> None:
    method = pb.DESCRIPTOR.services_by_name["NodeSync"].methods_by_name["Connect"]

    assert (method.input_type.name, method.output_type.name) == ("NodeUpdate", "LeaderCommand")
    assert method.client_streaming
    assert method.server_streaming
