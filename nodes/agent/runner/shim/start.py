"""Entry point of the shim: `python -I -S start.py TASK_FOLDER SOCKET_FD RE2_FOLDER`.

Reads the launch request (one JSON line) from the inherited socket; if the agent exits before the line is complete,
nothing runs. Claims the task, starts it, and from then on serves the `Supervisor`'s messages on the socket.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import socket
import sys
import time

# Isolated mode has no import path to this package: the folder that contains `nodes` is four levels up.
sys.path.insert(0, os.path.normpath(os.path.join(os.path.abspath(__file__), *[os.pardir] * 5)))
sys.path.append(sys.argv[3])

from nodes.agent.runner.shim import layout
from nodes.agent.runner.shim.launch import CannotStart, Launched, launch
from nodes.agent.runner.shim.output import Output
from nodes.agent.runner.shim.rate import RateLimit
from nodes.agent.runner.shim.supervisor import Supervisor, identity, now_ms, report_end
from nodes.agent.runner.shim.tree import CgroupTree, SignalTree
from nodes.core.secrets import Redactor, secret_values
from nodes.domain.wording import phrase

_PR_SET_CHILD_SUBREAPER = 36
_REQUEST_SECONDS = 10.0
_MAX_REQUEST_BYTES = 4 << 20
_NOT_RUNNABLE = 126  # The exit code that a shell uses.
_KILL_ROUNDS = 100
_KILL_ROUND_SECONDS = 0.05


def main(folder: str, descriptor: int) -> int:
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    os.set_inheritable(descriptor, False)
    # Other descriptors inherited from the agent, or from its parent, must not reach the task.
    os.closerange(3, descriptor)
    os.closerange(descriptor + 1, os.sysconf("SC_OPEN_MAX"))
    os.chdir("/")
    os.umask(0o077)
    agent = socket.socket(fileno=descriptor)
    request, rest = _read_request(agent)
    if request is None:
        return 1
    run = {layout.RUN_ID: os.urandom(16).hex(), "cgroup": _cgroup(folder, request)}
    if not layout.write_claim(folder, identity(os.getpid()) | run):
        return 1
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    try:
        output = _output(folder, request)  # First: a task may only run once its output can be stored.
        launched, tree = _launch(folder, request, run)
    except CannotStart as error:
        _end(folder, _never_ran(error), agent)
        return 0
    except OSError as error:
        reason = phrase("cannot-start", stage="output", error=error.strerror or "")
        _end(folder, _never_ran(CannotStart(_NOT_RUNNABLE, reason)), agent)
        return 0
    try:
        supervisor = Supervisor(
            folder=folder,
            launched=launched,
            tree=tree,
            output=output,
            timeout_seconds=_number(request, "timeout_seconds"),
            term_grace_seconds=_number(request, "term_grace_seconds"),
        )
    except OSError as error:
        _kill(tree)
        reason = phrase("unsupervised", error=error.strerror or "")
        _end(folder, _never_ran(CannotStart(_NOT_RUNNABLE, reason)) | {"pid": launched.pid}, agent)
        return 0
    signal.signal(signal.SIGTERM, lambda number, frame: supervisor.stop("cancelled", phrase("supervisor-ended")))
    supervisor.control.adopt(agent, rest)
    supervisor.control.broadcast({"event": "started"} | supervisor.status())
    ended = supervisor.run()
    report_end(folder, ended, lambda: supervisor.control.broadcast({"event": "ended", "record": ended}))
    supervisor.control.close()
    return 0


def _kill(tree: SignalTree) -> None:
    for _ in range(_KILL_ROUNDS):
        tree.kill()
        time.sleep(_KILL_ROUND_SECONDS)
        if not tree.members():
            break
    tree.close()


def _read_request(agent: socket.socket) -> tuple[dict[str, object] | None, bytes]:
    agent.settimeout(_REQUEST_SECONDS)
    received = b""
    while b"\n" not in received and len(received) < _MAX_REQUEST_BYTES:
        try:
            data = agent.recv(65536)
        except OSError:  # The agent exited before the request was complete: nothing runs.
            return None, b""
        if not data:
            return None, b""
        received += data
    line, _, rest = received.partition(b"\n")
    return json.loads(line), rest


def _cgroup(folder: str, request: dict[str, object]) -> str:
    """The task's own cgroup, which nobody else can have; empty if the agent found no cgroup freezer."""
    parent = str(request.get("cgroup_parent", ""))
    return os.path.join(parent, f"agentflow-{os.path.basename(folder)}-{os.urandom(4).hex()}") if parent else ""


def _launch(folder: str, request: dict[str, object], run: dict[str, str]) -> tuple[Launched, SignalTree]:
    """Uses the cgroup freezer if there is one; falls back to signals if the kernel refuses it."""
    if run["cgroup"]:
        try:
            tree: SignalTree = CgroupTree(os.getpid(), run["cgroup"])
        except OSError:
            pass  # For example a cgroup limit; signals work everywhere.
        else:
            try:
                return _launch_in(tree, folder, request, run), tree
            except CannotStart as error:
                tree.close()
                if error.stage != "cgroup":
                    raise
    tree = SignalTree(os.getpid())
    return _launch_in(tree, folder, request, run), tree


def _launch_in(tree: SignalTree, folder: str, request: dict[str, object], run: dict[str, str]) -> Launched:
    argv, environment = request["argv"], request["environment"]
    assert isinstance(argv, list)
    assert isinstance(environment, dict)
    started = {layout.RUN_ID: run[layout.RUN_ID], "method": tree.method, "cgroup": getattr(tree, "path", "")}
    return launch(
        argv,
        folder=str(request["working_directory"]),
        environment=environment | {layout.RUN_ID: run[layout.RUN_ID]},
        close_input=bool(request.get("close_input")),
        tree=tree,
        record=lambda pid: layout.write_record(folder, layout.STARTED, identity(pid) | started),
    )


def _output(folder: str, request: dict[str, object]) -> Output:
    rate = RateLimit(
        lines_per_second=_number(request, "lines_per_second"),
        bytes_per_second=_number(request, "bytes_per_second"),
        burst_seconds=_number(request, "burst_seconds"),
        now=time.monotonic(),
    )
    environment, secrets = request["environment"], request["secrets"]
    assert isinstance(environment, dict)
    assert isinstance(secrets, dict)
    return Output(
        os.path.join(folder, layout.OUTPUT),
        rate=rate,
        redactor=Redactor(secret_values(environment, secrets["values"]), secrets["patterns"]),
        size_limit_bytes=int(_number(request, "output_limit_bytes")),
        idle_flush_seconds=_number(request, "idle_flush_seconds"),
    )


def _number(request: dict[str, object], name: str) -> float:
    value = request[name]
    assert isinstance(value, (int, float))
    return float(value)


def _never_ran(error: CannotStart) -> dict[str, object]:
    moment = now_ms()
    return {
        "state": "failed",
        "exit_code": error.exit_code,
        "reason": str(error),
        "reason_parts": [error.reason],
        "started_ms": moment,
        "ended_ms": moment,
        "cpu_seconds": 0.0,
        "peak_memory_bytes": 0,
        "paused_seconds": 0.0,
        "suppressed_lines": 0,
        "redacted": 0,
        "withheld_lines": 0,
        "lines": 0,
        "size_bytes": 0,
        "pid": 0,
    }


def _end(folder: str, record: dict[str, object], agent: socket.socket) -> None:
    def notify() -> None:
        try:
            agent.sendall(json.dumps({"event": "ended", "record": record}).encode() + b"\n")
        except OSError:
            pass  # The exit record has the same information.

    report_end(folder, record, notify)
    agent.close()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2])))
