"""What the tasks really did, read from the files that they write independently of AgentFlow."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Run:
    """One attempt, as recorded by its own process. More than one start means that it ran twice."""

    task_id: str
    attempt: int
    starts: list[tuple[int, int]] = field(default_factory=list)  # (process id, its start time in clock ticks)
    last_line: int = 0  # It printed "line 1" to "line N"; if killed, perhaps not all.
    sure_line: int = 0  # Certainly printed up to here, even if killed.
    inputs: list[str] = field(default_factory=list)
    signals: list[int] = field(default_factory=list)
    children: list[int] = field(default_factory=list)
    exit_code: int | None = None  # None = it did not exit by itself.

    @property
    def pid(self) -> int:
        return self.starts[-1][0]

    @property
    def is_alive(self) -> bool:
        return any(start_ticks(pid) == ticks for pid, ticks in self.starts)


class Truth:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def runs(self) -> dict[tuple[str, int], Run]:
        """Every attempt that recorded its start; a program may be killed after it made its file and before that."""
        runs = map(_read, sorted(self.folder.glob("*.truth")))
        return {(run.task_id, run.attempt): run for run in runs if run.starts}

    def run(self, task_id: str, attempt: int = 1) -> Run:
        return _read(self.folder / f"{task_id}.{attempt}.truth")

    def let_end(self, task_id: str, attempt: int = 1) -> None:
        """Asks the program directly, not through AgentFlow, to end."""
        (self.folder / f"{task_id}.{attempt}.end").touch()


def start_ticks(pid: int) -> int | None:
    """Start time of a living process; None if it does not exist or is a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else int(fields[19])


def _read(path: Path) -> Run:
    task_id, _, attempt = path.stem.rpartition(".")
    run = Run(task_id, int(attempt))
    if not path.exists():
        return run
    for text in path.read_text().splitlines():
        record = json.loads(text)
        if "started" in record:
            run.starts.append((record["started"], record["ticks"]))
        if "lines" in record:
            run.sure_line, run.last_line = run.last_line, record["lines"]
        if "ended" in record:
            run.exit_code, run.sure_line = record["ended"], run.last_line
        run.inputs += [record["input"]] if "input" in record else []
        run.signals += [record["signal"]] if "signal" in record else []
        run.children += [record["child"]] if "child" in record else []
    return run
