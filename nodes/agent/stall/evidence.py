"""Evidence about a stuck task, for a person or an analysis. All of it is hostile text."""

from __future__ import annotations

import asyncio
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from nodes.agent.stall.processes import Process, command_of, executable_of, tree_of, wait_channel
from nodes.agent.stall.verdicts import Sample
from nodes.domain.events import Evidence, Metrics
from nodes.domain.running import Hides, RunningTask

_LINES = 50
# All items together stay well below the 256 KiB of one entry, whatever the size of the characters in UTF-8.
_ITEM_BYTES = 32 * 1024
_PROCESSES = 100
_STACKS = 3
_STACK_SECONDS = 3.0
_COMMAND_CHARACTERS = 500

Window = Sequence[tuple[Sample, Metrics | None]]


async def collect(task: RunningTask, window: Window) -> tuple[Evidence, ...]:
    """Each item has a permanent id, made of the task, the attempt, the time and the kind."""
    moment = time.time_ns() // 1_000_000
    processes, stacks = await asyncio.to_thread(tree_of, task.supervisor_pid), []
    pythons = [process for process in processes if executable_of(process.pid).startswith("python")]
    for process in pythons[:_STACKS]:
        stacks.append(task.redactor.hide(await _python_stack(process.pid)))
    tree = [_described(process, task.redactor) for process in processes[:_PROCESSES]]
    texts = {
        "lines": task.redactor.hide("\n".join(task.last_lines()[-_LINES:])) or "(no output yet)",
        "processes": "\n".join(tree) or "(no processes)",
        "metrics": "\n".join(_measured(sample, metrics) for sample, metrics in window) or "(no samples)",
        **({"stacks": "\n\n".join(stacks)} if stacks else {}),
    }
    prefix = f"{task.task_id[:24]}.{task.attempt}-{moment}"
    return tuple(
        Evidence(
            id=f"{prefix}-{kind}",
            kind=kind,
            text=_bounded(text, keep_end=kind == "lines"),
        )
        for kind, text in texts.items()
    )


def _described(process: Process, redactor: Hides) -> str:
    # One line per process, even if its arguments contain newlines. Cut last: half a secret is not recognized as one.
    line = " ".join(command_of(process.pid).split())
    what = redactor.hide(line, is_command=True)[:_COMMAND_CHARACTERS] or f"[{process.name}]"
    waits = wait_channel(process.pid) or "-"
    return f"{process.pid} parent={process.parent} {process.state} {waits} cpu={process.cpu_seconds:.2f}s {what}"


def _measured(sample: Sample, metrics: Metrics | None) -> str:
    line = (
        f"{sample.at:.1f} output={sample.output_bytes} cpu={sample.cpu_seconds:.2f}s read={sample.read_bytes}"
        f" written={sample.written_bytes} processes={sample.processes}"
    )
    if metrics is None:
        return line
    return (
        f"{line} node: cpu={metrics.cpu_percent:g}% memory={metrics.memory_used_bytes}/{metrics.memory_total_bytes}"
        f" disk={metrics.disk_used_bytes}/{metrics.disk_total_bytes} load={metrics.load_1m:g}"
    )


async def _python_stack(pid: int) -> str:
    """The stack by py-spy, which does not stop the process; if py-spy fails, the reason instead."""
    beside = Path(sys.executable).with_name("py-spy")
    program = str(beside) if beside.exists() else shutil.which("py-spy")
    if program is None:
        return f"{pid}: py-spy is not installed"
    try:
        running = await asyncio.create_subprocess_exec(
            program, "dump", "--nonblocking", "--pid", str(pid),
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
    except OSError as error:
        return f"{pid}: py-spy cannot be started: {error.strerror}"
    try:
        async with asyncio.timeout(_STACK_SECONDS):
            said, _ = await running.communicate()
    except TimeoutError:
        return f"{pid}: py-spy did not answer within {_STACK_SECONDS:g} s"
    finally:
        if running.returncode is None:
            running.kill()
            await running.wait()
    text = said.decode("utf-8", "replace").strip()
    return text if running.returncode == 0 else f"{pid}: py-spy: {text[-300:]}"


def _bounded(text: str, *, keep_end: bool) -> str:
    data = text.encode("utf-8", "replace")
    if len(data) <= _ITEM_BYTES:
        return text
    kept = data[-_ITEM_BYTES:] if keep_end else data[:_ITEM_BYTES]
    return kept.decode("utf-8", "ignore")
