"""Names of the files in a task's folder, and how they are written. Shared by the shim and the agent.

A record is either complete or absent: temporary file, fsync, rename, fsync of the folder.
"""

from __future__ import annotations

import json
import os

REQUEST = "request.json"  # The request; written by the agent before the shim starts.
CLAIM = "claim.json"  # Who runs the task; by the shim, or by the agent to abandon the start. The first wins.
STARTED = "started.json"  # Identity of the task's root process; written by the shim before the task's command runs.
OUTPUT = "output.bin"  # Framed lines, append-only; see frames.py.
CONTROLS = "controls.log"  # Ids of the shim's commands, one per line, written before it acts.
EXIT = "exit.json"  # How the task ended.
REPORTED = "reported"  # Id of the journal that holds the end; written by the agent.
SOCKET = "control"
RUN_ID = "AGENTFLOW_RUN_ID"  # A variable of the task's processes: a random number of this attempt, in both records.


def write_record(folder: str, name: str, record: dict[str, object]) -> None:
    """Replaces `name` atomically; durable when it returns."""
    _write_temporary(folder, name, record)
    os.rename(os.path.join(folder, name + ".tmp"), os.path.join(folder, name))
    sync_folder(folder)


def write_claim(folder: str, record: dict[str, object]) -> bool:
    """True for the one caller whose claim succeeded; the file is never visible incomplete."""
    temporary = f"{CLAIM}.{os.getpid()}"
    _write_temporary(folder, temporary, record)
    try:
        os.link(os.path.join(folder, temporary + ".tmp"), os.path.join(folder, CLAIM))
    except FileExistsError:  # Another process was first.
        return False
    finally:
        os.unlink(os.path.join(folder, temporary + ".tmp"))
    sync_folder(folder)
    return True


def read_record(folder: str, name: str) -> dict[str, object] | None:
    """The record, or None if it is missing or unreadable."""
    try:
        with open(os.path.join(folder, name), "rb") as file:
            record = json.load(file)
    except (OSError, ValueError):
        return None
    return record if isinstance(record, dict) else None


def sync_folder(folder: str) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_temporary(folder: str, name: str, record: dict[str, object]) -> None:
    descriptor = os.open(os.path.join(folder, name + ".tmp"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(json.dumps(record, allow_nan=False).encode())
        file.flush()
        os.fsync(file.fileno())
