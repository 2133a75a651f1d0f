"""Programs that the tests run as tasks, each as an argument of `python3 -c`, and checks of their effects."""

from __future__ import annotations

from pathlib import Path

from tests.support.cluster import Cluster
from tests.support.eventually import eventually_sync

# Prints a numbered line every 20 ms, forever, so that a lost or duplicated line is noticed. Each line is one write:
# a task's Python is unbuffered, and half a line that waits for 0.2 s would count as a line.
COUNTER = """
import time
number = 0
while True:
    number += 1
    print(f"line {number}", flush=True)
    time.sleep(0.02)
"""

# Uses CPU in the process and in a child in its own session; prints both process ids.
BUSY_TREE = """
import os, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "while True: pass"], start_new_session=True)
print("pids", os.getpid(), child.pid, flush=True)
while True: pass
"""

PROMPT = """
name = input("Your name? ")
print("hello", name, flush=True)
"""


ASKS_TWICE = """
for question in ("Delete 3 files? [y/N] ", "Really? [y/N] "):
    print("got", repr(input(question)), flush=True)
"""


def count_to(last: int) -> str:
    """Prints `last` numbered lines, one every 20 ms, and ends with exit code 7."""
    return (
        f"import sys, time\nfor number in range(1, {last + 1}):\n"
        "    print(f'line {number}', flush=True)\n    time.sleep(0.02)\nsys.exit(7)"
    )


def numbers(lines: list[str]) -> list[int]:
    return [int(line.split()[1]) for line in lines if line.startswith("line ")]


def cpu_ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def tree_of(fleet: Cluster, task_id: str) -> tuple[int, int]:
    """Process ids of BUSY_TREE's two processes."""
    lines = eventually_sync(lambda: fleet.log_lines(task_id), message="first line")
    _, root, child = lines[0].split()
    return int(root), int(child)
