"""The supervisor's loop: whatever a task prints, a control waits for one piece of output at most."""

from __future__ import annotations

import json
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from nodes.agent.runner.shim import frames
from nodes.agent.runner.shim.launch import launch
from nodes.agent.runner.shim.supervisor import Supervisor
from nodes.agent.runner.shim.tree import SignalTree

pytestmark = pytest.mark.slow


class CountingOutput:
    """Takes pieces of output without a file; the first piece lets a client send a cancel."""

    size_bytes = suppressed_lines = redacted = withheld_lines = lines = 0

    def __init__(self, client: socket.socket) -> None:
        self._client = client
        self.taken: list[int] = []

    def take(self, kind: int, data: bytes, *, now: float, at_ms: int) -> None:
        if not self.taken:
            self._client.sendall(json.dumps({"id": 1, "do": "cancel", "command": "c"}).encode() + b"\n")
        self.taken.append(kind)

    def finish(self, kind: int, *, now: float, at_ms: int) -> None: ...

    def tick(self, *, now: float, at_ms: int) -> None: ...

    def close(self, *, now: float, at_ms: int) -> None: ...

    def deadline(self) -> None: ...


@pytest.fixture
def _signals() -> Iterator[None]:
    handler = signal.getsignal(signal.SIGCHLD)
    yield
    os.close(signal.set_wakeup_fd(-1))
    signal.signal(signal.SIGCHLD, handler)


@pytest.mark.usefixtures("_signals")
def test_a_control_waits_for_one_piece_of_each_stream(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = socket.socketpair()
    output = CountingOutput(ours)
    tree = SignalTree(os.getpid())
    flood = "yes & yes >&2 & wait"
    launched = launch(
        ["sh", "-c", flood],
        folder=str(tmp_path),
        environment=dict(os.environ),
        close_input=True,
        tree=tree,
        record=lambda pid: None,
    )
    supervisor = Supervisor(
        folder=str(tmp_path), launched=launched, tree=tree, output=output,  # type: ignore[arg-type]
        timeout_seconds=0.0, term_grace_seconds=0.0,
    )  # fmt: skip
    supervisor.control.adopt(theirs)
    pieces: list[int] = []
    real = supervisor.stop
    monkeypatch.setattr(supervisor, "stop", lambda *args: (pieces.append(len(output.taken)), real(*args)))

    record = supervisor.run()
    supervisor.control.close()
    ours.close()
    os.close(supervisor._wake)  # Its process would end now.

    assert record["state"] == "cancelled"
    assert pieces[0] <= 2
    assert set(output.taken) <= {frames.STDOUT, frames.STDERR}
