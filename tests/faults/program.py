"""The task of the fault tests. It records what really happens in a file, independently of AgentFlow.

    program.py TRUTH_FOLDER [--lines N] [--pause SECONDS] [--burst N] [--pad BYTES] [--exit CODE] [--keep] [--read]
               [--ignore-term] [--children]

Prints "line 1", "line 2" … and ends with CODE: after N lines, or when `<task>.<attempt>.end` exists in the folder
(`--lines 0`, the default: only then; `--keep`: after the lines, too). Every record is written before the action, so a
kill in between leaves at most one extra record. Uses only the standard library.
"""

from __future__ import annotations

import argparse
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager


class Program:
    def __init__(self, options: argparse.Namespace) -> None:
        name = f"{os.environ['AGENTFLOW_TASK_ID']}.{os.environ['AGENTFLOW_ATTEMPT']}"
        self.options = options
        self.end_path = os.path.join(options.folder, name + ".end")
        self.truth = os.open(
            os.path.join(options.folder, name + ".truth"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600
        )
        self.pid = os.getpid()
        self.number = 0
        self.input = b""
        self.reads = options.read

    def record(self, **fields: object) -> None:
        os.write(self.truth, json.dumps(fields).encode() + b"\n")

    def run(self) -> int:
        with open("/proc/self/stat", encoding="ascii") as file:
            ticks = int(file.read().rpartition(")")[2].split()[19])
        self.record(started=os.getpid(), ticks=ticks)
        signal.signal(signal.SIGTERM, self._on_term)
        if self.options.children:
            self._start_children()
        while not os.path.exists(self.end_path):
            if self.options.lines and self.number >= self.options.lines:
                if not self.options.keep:
                    break
                self._wait(0.05)
                continue
            self._print()
            self._wait(self.options.pause)
        self.record(ended=self.options.exit)
        return int(self.options.exit)

    def _print(self) -> None:
        last = self.number + self.options.burst
        if self.options.lines:
            last = min(last, self.options.lines)
        pad = "x" * self.options.pad
        text = "".join(f"line {number}{' ' if pad else ''}{pad}\n" for number in range(self.number + 1, last + 1))
        self.record(lines=last)
        self.number = last
        data = text.encode()
        while data:
            data = data[os.write(1, data) :]

    def _wait(self, seconds: float) -> None:
        """Waits `seconds`, or until input arrives."""
        if not self.reads:
            select.select([], [], [], seconds)
            return
        if not select.select([0], [], [], seconds)[0]:
            return
        data = os.read(0, 65536)
        self.reads = bool(data)
        *lines, self.input = (self.input + data).split(b"\n")
        for line in lines:
            self.record(input=line.decode())

    def _on_term(self, number: int, frame: object) -> None:
        if os.getpid() == self.pid:  # Not in a process that has just been forked for a child.
            self.record(signal=number)
        if not self.options.ignore_term:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)

    def _start_children(self) -> None:
        """Starts one child in its own session, and one that is orphaned by a double fork."""
        runaway = subprocess.Popen(["sleep", "100000"], start_new_session=True)
        self.record(child=runaway.pid)
        with _pipe() as (read, write):
            pid = os.fork()
            if pid == 0:
                os.setsid()
                orphan = subprocess.Popen(["sleep", "100000"])
                os.write(write, str(orphan.pid).encode())
                os._exit(0)
            os.waitpid(pid, 0)
            self.record(child=int(os.read(read, 32)))


@contextmanager
def _pipe() -> Iterator[tuple[int, int]]:
    read, write = os.pipe()
    try:
        yield read, write
    finally:
        os.close(read)
        os.close(write)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("--lines", type=int, default=0)
    parser.add_argument("--pause", type=float, default=0.02)
    parser.add_argument("--burst", type=int, default=1)
    parser.add_argument("--pad", type=int, default=0)
    parser.add_argument("--exit", type=int, default=0)
    for name in ("--keep", "--read", "--ignore-term", "--children"):
        parser.add_argument(name, action="store_true")
    return Program(parser.parse_args()).run()


if __name__ == "__main__":
    sys.exit(main())
