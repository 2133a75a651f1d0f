"""Either end is killed with SIGKILL at random moments; in the end everything has arrived, once and in order."""

from __future__ import annotations

import random
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.delivery import log_batch
from tests.support.delivery_process import LINES_PER_STATE
from tests.support.eventually import eventually_sync

ROOT = Path(__file__).parents[2]
COUNT = 800


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _start(*arguments: object) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.support.delivery_process", *map(str, arguments)],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def _rows(path: Path, kind: str) -> list[str]:
    with closing(sqlite3.connect(path)) as db:
        try:
            return [text for (text,) in db.execute("SELECT text FROM rows WHERE kind = ? ORDER BY rowid", (kind,))]
        except sqlite3.OperationalError:
            return []  # Not created yet, or being written.


@pytest.mark.slow
def test_nothing_is_lost_or_duplicated_whichever_end_is_killed(tmp_path: Path) -> None:
    """Sections "Durable lanes" and "Opening"."""
    rng = random.Random(7)
    port, store = _free_port(), tmp_path / "store.db"
    commands = {
        "parent": ("parent", port, store),
        "node": ("node", port, tmp_path / "node", COUNT),
    }
    processes = {name: _start(*command) for name, command in commands.items()}
    try:
        for victim in ["parent", "node", "parent", "both", "node", "parent"]:
            before = len(_rows(store, "state"))
            eventually_sync(lambda before=before: len(_rows(store, "state")) > before, timeout=20)
            time.sleep(rng.uniform(0.0, 0.1))  # At any time in the stream's life.
            for name in ("parent", "node") if victim == "both" else (victim,):
                processes[name].kill()
                processes[name].wait()
                processes[name] = _start(*commands[name])
        eventually_sync(
            lambda: len(_rows(store, "state")) >= COUNT and len(_rows(store, "line")) >= COUNT * LINES_PER_STATE,
            timeout=60,
        )
        time.sleep(0.3)  # Anything that would arrive twice arrives now.
    finally:
        for process in processes.values():
            process.send_signal(signal.SIGKILL)
            process.wait()

    assert _rows(store, "state") == [f"t{n}" for n in range(COUNT)]
    assert _rows(store, "line") == [line.text.decode() for line in log_batch(1, COUNT * LINES_PER_STATE).lines]
