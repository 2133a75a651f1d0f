"""A node that supports only the base messages: registers by its first update and simulates running tasks.

node.py GENERATED_CODE_FOLDER LEADER TOKEN NAME; prints each command that it receives as a JSON line.
"""

from __future__ import annotations

import json
import queue
import sys
import time

generated, leader, token, name = sys.argv[1:]
sys.path.insert(0, generated)

import grpc  # noqa: E402
import node_sync_pb2 as pb  # noqa: E402
import node_sync_pb2_grpc as rpc  # noqa: E402

outgoing: queue.SimpleQueue[pb.NodeUpdate] = queue.SimpleQueue()


def push(**payload: object) -> None:
    outgoing.put(pb.NodeUpdate(node_id=name, timestamp=int(time.time() * 1000), **payload))


def task(task_id: str, state: int, **more: object) -> None:
    push(task_update=pb.TaskStatusUpdate(task_id=task_id, state=state, **more))


push(metrics=pb.SystemMetrics(cpu_percent=12.5, memory_used_bytes=1 << 30, memory_total_bytes=1 << 32, load_1m=0.5))
task("own-task", pb.TASK_STATE_RUNNING, name="own work", project="legacy", progress=0.25)
push(alert=pb.StallAlert(task_id="own-task", verdict=pb.StallAlert.STALLED, reason="no output", silent_seconds=200))
# A client may begin with any message: here an alert about a task of which nothing has been said.
push(alert=pb.StallAlert(task_id="asking", verdict=pb.StallAlert.WAITING_FOR_INPUT, reason="asks"))
with grpc.insecure_channel(leader) as channel:
    stream = rpc.NodeSyncStub(channel).Connect(
        iter(outgoing.get, None), metadata=[("authorization", f"Bearer {token}")]
    )
    for command in stream:
        kind = command.WhichOneof("payload")
        if kind is None:
            continue
        if kind == "task_request":
            task(command.task_request.task_id, pb.TASK_STATE_RUNNING, name=command.task_request.name)
            print(
                json.dumps({"kind": kind, "argv": list(command.task_request.argv), "name": command.task_request.name}),
                flush=True,
            )
        else:
            action = command.control.action
            state = {
                1: pb.TASK_STATE_PAUSED,
                2: pb.TASK_STATE_RUNNING,
                3: pb.TASK_STATE_CANCELLED,
                4: pb.TASK_STATE_RUNNING,
            }.get(action)
            if state is not None:
                task(command.control.task_id, state)
            print(json.dumps({"kind": kind, "action": action}), flush=True)
