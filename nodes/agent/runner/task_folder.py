"""One attempt's folder on disk: what an agent needs to find the task again after a crash of agent or shim."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import socket
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from nodes.agent.runner.shim import layout, procfs
from nodes.domain.commands import ResolvedCommand, StartTask, spec_to_json, stored_spec
from nodes.domain.phrases import Phrase, phrase

_PLAIN = re.compile(r"[A-Za-z0-9_-]{1,64}")
_ERRORS = "shim.err"
_HALF_REMOVED = ".removed"
_ERRORS_SHOWN_BYTES = 500

Record = dict[str, Any]


def attempt_key(task_id: str, attempt: int) -> str:
    """The name of the attempt's output in the journal's cursors."""
    return f"{task_id}.{attempt}"


@dataclass(frozen=True, slots=True)
class TaskFolder:
    path: Path

    @classmethod
    def create(cls, root: Path, start: StartTask) -> TaskFolder:
        """Creates the folder, durably, before anything runs. Raises OSError."""
        plain = _PLAIN.fullmatch(start.task_id) is not None
        name = start.task_id if plain else "x" + hashlib.sha256(start.task_id.encode()).hexdigest()[:32]
        folder = cls(root / f"{name}.{start.attempt}")
        folder.path.mkdir(mode=0o700)
        request = {"task_id": start.task_id, "attempt": start.attempt, "spec": spec_to_json(start.spec)}
        if start.resolved is not None:
            request["resolved"] = asdict(start.resolved)
        try:
            layout.write_record(str(folder.path), layout.REQUEST, request)
            layout.sync_folder(str(root))
        except OSError:
            folder.discard()
            raise
        return folder

    def request(self) -> StartTask | None:
        """None when the agent crashed before it was complete: nothing can have run."""
        record: Record | None = layout.read_record(str(self.path), layout.REQUEST)
        if record is None:
            return None
        try:
            spec = stored_spec(record["spec"])
            # An earlier version stored no resolved command.
            kept = record.get("resolved")
            resolved = ResolvedCommand(**{**kept, "argv": tuple(kept["argv"])}) if kept else None
            return StartTask(
                task_id=str(record["task_id"]), attempt=int(record["attempt"]), spec=spec, resolved=resolved
            )
        except (KeyError, TypeError, ValueError):  # Damaged: the caller logs it.
            return None

    @property
    def output(self) -> Path:
        return self.path / layout.OUTPUT

    def output_size(self) -> int:
        try:
            return self.output.stat().st_size
        except OSError:  # A task that never ran has no output.
            return 0

    @property
    def errors(self) -> Path:
        return self.path / _ERRORS

    def exit_record(self) -> Record | None:
        return layout.read_record(str(self.path), layout.EXIT)

    def write_exit_record(self, record: Record) -> None:
        """For a task whose own supervisor is gone."""
        layout.write_record(str(self.path), layout.EXIT, record)

    def started(self) -> Record | None:
        return layout.read_record(str(self.path), layout.STARTED)

    def abandon(self) -> bool:
        """Claims the task so that it never starts; False when it has already been claimed."""
        return layout.write_claim(str(self.path), {"abandoned": True})

    @property
    def is_claimed(self) -> bool:
        return (self.path / layout.CLAIM).exists()

    @property
    def was_abandoned(self) -> bool:
        claim = layout.read_record(str(self.path), layout.CLAIM)
        return claim is not None and bool(claim.get("abandoned"))

    def has_supervisor(self) -> bool:
        """Whether the same process that claimed the task is alive."""
        claim = layout.read_record(str(self.path), layout.CLAIM)
        if claim is None and self.is_claimed:  # The claim is damaged; only a living supervisor listens.
            return self._is_listened_to()
        return _is_alive(claim)

    def _is_listened_to(self) -> bool:
        descriptor = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as attempt:
                attempt.setblocking(False)
                attempt.connect(f"/proc/self/fd/{descriptor}/{layout.SOCKET}")
        except BlockingIOError:  # Its queue is full.
            return True
        except OSError:
            return False
        finally:
            os.close(descriptor)
        return True

    def supervisor_pid(self) -> int:
        """0 = the task has not been claimed."""
        claim = layout.read_record(str(self.path), layout.CLAIM) or {}
        return int(str(claim.get("pid") or 0))

    def why_not_started(self) -> Phrase:
        said = self.last_errors()
        return phrase("could-not-start", said=said) if said else phrase("never-started")

    def why_lost(self) -> Phrase:
        claim = layout.read_record(str(self.path), layout.CLAIM) or self.started()
        if claim is not None and claim.get("boot_id") != procfs.boot_id():
            return phrase("machine-restarted")
        said = self.last_errors()
        return phrase("supervisor-said", said=said) if said else phrase("supervisor-died")

    def last_errors(self) -> str:
        """The last line that the supervisor itself wrote before it exited."""
        try:
            lines = self.errors.read_bytes()[-_ERRORS_SHOWN_BYTES:].decode("utf-8", "replace").strip().splitlines()
        except OSError:  # Only an addition to a message.
            return ""
        return lines[-1] if lines else ""

    def recorded_commands(self) -> frozenset[str]:
        """Ids of the commands that the supervisor recorded before acting on them. Raises OSError."""
        try:
            lines = (self.path / layout.CONTROLS).read_text(encoding="utf-8", errors="replace").splitlines()
        except FileNotFoundError:
            return frozenset()  # No command was recorded.
        return frozenset(line.rpartition(" ")[0] for line in lines)

    def mark_reported(self, journal_id: str) -> None:
        """Records that this journal holds the end. Raises OSError."""
        (self.path / layout.REPORTED).write_text(journal_id, encoding="ascii")

    def reported_in(self) -> str:
        """Id of the journal that holds the end; empty while none does."""
        try:
            return (self.path / layout.REPORTED).read_text(encoding="ascii")
        except (OSError, UnicodeDecodeError):  # Missing, or damaged: reporting twice is harmless.
            return ""

    def reported_at(self) -> float | None:
        """Unix seconds; None while the end is not in a journal."""
        try:
            return (self.path / layout.REPORTED).stat().st_mtime
        except OSError:  # Not reported yet.
            return None

    def remove(self) -> None:
        """Removes the folder atomically: a crash never leaves half of it under its name. Raises OSError."""
        aside = TaskFolder(self.path.with_name(self.path.name + _HALF_REMOVED))
        os.rename(self.path, aside.path)
        aside.discard()

    @property
    def is_half_removed(self) -> bool:
        return self.path.name.endswith(_HALF_REMOVED)

    def discard(self) -> None:
        """Deletes the content; what cannot be removed now is removed at the next start."""
        shutil.rmtree(self.path, ignore_errors=True)


def _is_alive(identity: Record | None) -> bool:
    if identity is None or identity.get("boot_id") != procfs.boot_id():
        return False
    found = procfs.process(int(identity.get("pid") or 0))
    return found is not None and found[1] not in "ZX" and found[3] == identity.get("start")
