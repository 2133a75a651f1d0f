"""Supervises one task from its start to its exit record: output, controls, timeout, end of the whole process tree.

One epoll loop; it never blocks on the task, the agent or a reader. When the root process has ended, leftover processes
get a moment to end by themselves, then SIGTERM, then SIGKILL: a task leaves nothing running.
"""

from __future__ import annotations

import errno
import os
import select
import signal
import time

from nodes.agent.runner.shim import frames, layout, procfs
from nodes.agent.runner.shim.clock import TaskClock
from nodes.agent.runner.shim.control import ControlServer
from nodes.agent.runner.shim.launch import Launched
from nodes.agent.runner.shim.output import Output
from nodes.agent.runner.shim.standard_input import StandardInput
from nodes.agent.runner.shim.tree import SignalTree
from nodes.domain.wording import english, phrase

TYPE_CHECKING = False  # Type checkers know this name; importing `typing` would cost memory in every task.
if TYPE_CHECKING:
    from collections.abc import Callable

    from nodes.domain.phrases import Phrase

_CHUNK_BYTES = 128 * 1024
_LAST_CHUNKS = 64  # Of each stream after the task's end; a pipe holds less, unless something still writes.
_LEFTOVER_SECONDS = 1.0
_LEFTOVER_TERM_SECONDS = 3.0
_KILL_ROUND_SECONDS = 0.25
_GIVE_UP_SECONDS = 30.0  # After the first SIGKILL: what is still alive is blocked in the kernel.
_STUCK_ROUND_SECONDS = 5.0  # Between rounds of SIGKILL after that.
_LOOK_SECONDS = 0.05
_RECORD_SECONDS = 1.0
_RECORD_TRIES = 24 * 3600

Record = dict[str, object]


def now_ms() -> int:
    return int(time.time() * 1000)


class Supervisor:
    """`run` returns the exit record once the task and all its descendants are gone."""

    def __init__(
        self,
        *,
        folder: str,
        launched: Launched,
        tree: SignalTree,
        output: Output,
        timeout_seconds: float,
        term_grace_seconds: float,
    ) -> None:
        self._folder = folder
        self._pid = launched.pid
        self._tree = tree
        self._output = output
        self._term_grace_seconds = term_grace_seconds
        self._timeout_seconds = timeout_seconds
        self._epoll = select.epoll()
        self._stdin = StandardInput(launched.stdin, epoll=self._epoll)
        self._streams = {launched.stdout: frames.STDOUT, launched.stderr: frames.STDERR}
        for descriptor in self._streams:
            self._epoll.register(descriptor, select.EPOLLIN)
        self._started_ms = now_ms()
        self._started_mono = time.monotonic()
        self._clock = TaskClock(started=self._started_mono, timeout_seconds=timeout_seconds)
        self._is_partial = False
        self._root_status: int | None = None
        self._stopped_as = ""  # "cancelled" or "timed_out", once requested.
        self._reasons: list[Phrase] = []  # Why it ends, as phrases.
        self._kill_at: float | None = None
        self._killing_since: float | None = None
        self._trouble: list[Phrase] = []  # Why the task does not end.
        self._leftover_at: float | None = None
        self._cpu_seconds = 0.0
        self._peak_memory_bytes = 0
        self._replies: dict[str, Record] = {}  # By command id: a repeat gets the same reply and has no effect.
        self._was_open = self._stdin.is_open
        self._wake = _watch_children(self._epoll)
        self.control = ControlServer(folder, epoll=self._epoll, answer=self._answer)

    def run(self) -> Record:
        self._reap()  # It may have ended before SIGCHLD was handled.
        while not self._is_over():
            ready = self._epoll.poll(self._wait_seconds())
            # Output comes last and only one chunk of each stream: a control waits for no more than that.
            for descriptor, events in sorted(ready, key=lambda one: one[0] in self._streams):
                self._dispatch(descriptor, events)
            self._reap()
            self._advance(time.monotonic())
            self.control.grew(self._output.size_bytes, self.status())
        return self._finish()

    def status(self) -> Record:
        return {
            "state": "paused" if self._clock.is_paused else "running",
            "partial": self._is_partial,
            "paused_seconds": round(self._clock.paused_seconds(time.monotonic()), 3),
            "accepts_input": self._stdin.is_open,
            "stdin_inode": self._stdin.inode,
            "suppressed": self._output.suppressed_lines,
            "redacted": self._output.redacted,
            "withheld": self._output.withheld_lines,
            "trouble": english(self._trouble),
            "trouble_parts": self._trouble,
            "pid": self._pid,
            "started_ms": self._started_ms,
        }

    def stop(self, stopped_as: str, reason: Phrase) -> None:
        """Sends SIGTERM to the whole tree now and SIGKILL after the grace period. The first reason counts."""
        if self._stopped_as or self._root_status is not None:
            return
        self._stopped_as = stopped_as
        self._reasons.append(reason)
        self._kill_at = time.monotonic() + self._term_grace_seconds
        self._tree.terminate()
        self._clock.resume(time.monotonic())
        self._is_partial = False

    # -- one iteration of the loop ------------------------------------------------------------

    def _dispatch(self, descriptor: int, events: int) -> None:
        if descriptor in self._streams:
            self._read(descriptor)
        elif self._stdin.owns(descriptor):
            self._stdin.handle(events)
        elif descriptor == self._wake:
            os.read(self._wake, 512)
        elif self.control.owns(descriptor):
            self.control.handle(descriptor, events)

    def _read(self, descriptor: int) -> bool:
        """Takes one chunk; False if there is nothing left to read."""
        try:
            data = os.read(descriptor, _CHUNK_BYTES)
        except BlockingIOError:
            return False
        now = time.monotonic()
        if not data:
            self._output.finish(self._streams.pop(descriptor), now=now, at_ms=now_ms())
            self._epoll.unregister(descriptor)
            os.close(descriptor)
            return False
        self._output.take(self._streams[descriptor], data, now=now, at_ms=now_ms())
        return True

    def _reap(self) -> None:
        """Reaps all ended descendants: as a subreaper, the shim inherits orphans."""
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:  # No children left.
                return
            if pid == 0:
                return
            self._cpu_seconds += usage.ru_utime + usage.ru_stime
            self._peak_memory_bytes = max(self._peak_memory_bytes, usage.ru_maxrss * 1024)
            if pid == self._pid:
                self._root_ended(status)

    def _root_ended(self, status: int) -> None:
        now = time.monotonic()
        self._root_status = status
        if self._clock.is_paused:
            self._tree.resume()
            self._clock.resume(now)
        if self._kill_at is None:
            self._leftover_at = now + _LEFTOVER_SECONDS

    def _advance(self, now: float) -> None:
        self._output.tick(now=now, at_ms=now_ms())
        deadline = self._clock.deadline()
        if deadline is not None and now >= deadline:
            self.stop("timed_out", phrase("timed-out", seconds=f"{self._timeout_seconds:g}"))
        if self._leftover_at is not None and now >= self._leftover_at:
            self._leftover_at = None
            count = len(self._tree.members())
            if count:
                self._note(f"ending {count} processes left behind by the task")
                self._tree.terminate()
                self._kill_at = now + _LEFTOVER_TERM_SECONDS
        if self._kill_at is not None and now >= self._kill_at:
            self._kill(now)
        if self._stdin.is_open != self._was_open:
            self._was_open = self._stdin.is_open
            self._broadcast_state()

    def _kill(self, now: float) -> None:
        if self._killing_since is None:
            self._killing_since = now
            if self._stopped_as:
                self._reasons.append(phrase("killed-after", seconds=f"{self._term_grace_seconds:g}"))
        self._tree.kill()
        self._kill_at = now + (_STUCK_ROUND_SECONDS if self._trouble else _KILL_ROUND_SECONDS)
        if not self._trouble and now >= self._killing_since + _GIVE_UP_SECONDS and (members := self._tree.members()):
            self._trouble = [phrase("unkillable", count=str(len(members)))]
            self._note(english(self._trouble))
            self._broadcast_state()

    def _is_over(self) -> bool:
        if self._root_status is None:
            return False
        # The root process has ended, so leftover processes that cannot be killed do not delay the task's end.
        return bool(self._trouble) or not self._tree.members()

    def _wait_seconds(self) -> float:
        times = [self._output.deadline(), self._clock.deadline(), self._kill_at, self._leftover_at]
        if self._root_status is not None:
            times.append(time.monotonic() + _LOOK_SECONDS)
        due = [moment for moment in times if moment is not None]
        return max(0.0, min(due) - time.monotonic()) + 0.001 if due else -1.0

    def _note(self, text: str) -> None:
        self._output.note(text, now=time.monotonic(), at_ms=now_ms())

    def _broadcast_state(self) -> None:
        self.control.broadcast({"event": "state"} | self.status())

    # -- controls -----------------------------------------------------------------------------

    def _answer(self, request: Record) -> Record:
        do, command_id = str(request.get("do")), str(request.get("command", ""))
        if do == "status":
            return _reply(True) | self.status()
        if command_id in self._replies:
            return self._replies[command_id] | self.status()
        action = {"pause": self._pause, "resume": self._resume, "cancel": self._cancel, "input": self._input}.get(do)
        if action is None:
            return _reply(False, "unknown-action", f"unknown action {do!r}")
        if self._root_status is not None:
            return _reply(False, "finished", "the task has ended")
        try:
            self._record(command_id, do)
        except OSError as error:
            # Repeating a pause or a cancel is harmless; writing input twice is not.
            if do == "input":
                return _reply(
                    False, "disk", f"the command could not be recorded, so it was not carried out: {error.strerror}"
                )
        reply = action(request)
        if command_id:
            self._replies[command_id] = reply
        return reply | self.status()

    def _pause(self, request: Record) -> Record:
        if self._stopped_as:
            return _reply(False, "ending", "the task is being stopped")
        if not self._clock.is_paused:
            self._is_partial = not self._tree.pause()
            self._clock.pause(time.monotonic())
            self._broadcast_state()
        if self._is_partial:
            return _reply(True, "partial", "paused, but some processes could not be stopped")
        return _reply(True)

    def _resume(self, request: Record) -> Record:
        if self._clock.is_paused:
            self._tree.resume()
            self._clock.resume(time.monotonic())
            self._is_partial = False
            self._broadcast_state()
        return _reply(True)

    def _cancel(self, request: Record) -> Record:
        reason = str(request.get("reason", ""))
        self.stop("cancelled", phrase("cancelled-because", reason=reason) if reason else phrase("cancelled"))
        return _reply(True)

    def _input(self, request: Record) -> Record:
        data = bytes.fromhex(str(request.get("input", "")))
        if not self._stdin.is_open:
            return _reply(False, "input-closed", "the task's standard input is closed")
        if not self._stdin.has_room(len(data)):
            return _reply(False, "input-full", "the task has not yet read its earlier input")
        self._stdin.write(data)
        if request.get("close"):
            self._stdin.close()
        return _reply(True)

    def _record(self, command_id: str, do: str) -> None:
        path = os.path.join(self._folder, layout.CONTROLS)
        line = f"{command_id} {do}\n".encode()
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        size = os.fstat(descriptor).st_size
        try:
            if os.write(descriptor, line) < len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(descriptor)
        except OSError:
            os.ftruncate(descriptor, size)  # A partial line would corrupt the next one.
            raise
        finally:
            os.close(descriptor)

    # -- the end ------------------------------------------------------------------------------

    def _finish(self) -> Record:
        for descriptor in list(self._streams):
            for _ in range(_LAST_CHUNKS):  # The writers are gone, so the pipe holds the rest of the output.
                if not self._read(descriptor):
                    break
        self._output.close(now=time.monotonic(), at_ms=now_ms())
        self._tree.close()
        assert self._root_status is not None
        exit_code = os.waitstatus_to_exitcode(self._root_status)
        left_behind = self._trouble if self._tree.members() else []
        reasons = (self._reasons or _reasons_of(exit_code)) + left_behind
        return {
            "state": self._stopped_as or ("succeeded" if exit_code == 0 else "failed"),
            "exit_code": exit_code,
            "reason": english(reasons),
            "reason_parts": reasons,
            "started_ms": self._started_ms,
            # Computed from the monotonic clock, so that the duration is right even if the wall clock was changed.
            "ended_ms": self._started_ms + round((time.monotonic() - self._started_mono) * 1000),
            "cpu_seconds": round(self._cpu_seconds, 3),
            "peak_memory_bytes": self._peak_memory_bytes,
            "paused_seconds": round(self._clock.paused_seconds(time.monotonic()), 3),
            "suppressed_lines": self._output.suppressed_lines,
            "redacted": self._output.redacted,
            "withheld_lines": self._output.withheld_lines,
            "lines": self._output.lines,
            "size_bytes": self._output.size_bytes,
            "pid": self._pid,
        }


def _reply(ok: bool, code: str = "", message: str = "") -> Record:
    return {"ok": ok, "code": code, "message": message}


def _reasons_of(exit_code: int) -> list[Phrase]:
    if exit_code == 0:
        return []
    if exit_code > 0:
        return [phrase("exit-code", code=str(exit_code))]
    try:
        return [phrase("ended-by", signal=signal.Signals(-exit_code).name)]
    except ValueError:  # A real-time signal has no name.
        return [phrase("ended-by-number", number=str(-exit_code))]


def _watch_children(epoll: select.epoll) -> int:
    """A descriptor that becomes readable on every signal; the handlers themselves do nothing."""
    read_end, write_end = os.pipe()
    os.set_blocking(read_end, False)
    os.set_blocking(write_end, False)
    signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    epoll.register(read_end, select.EPOLLIN)
    return read_end


def identity(pid: int) -> Record:
    """Identifies a process beyond its pid, which the kernel reuses."""
    return {"boot_id": procfs.boot_id(), "pid": pid, "start": procfs.start_time(pid)}


def report_end(folder: str, record: Record, notify: Callable[[], None]) -> None:
    """Writes the record, then reports the end, so that a reader finds the record; reports even if the disk fails.

    After a failure it retries for a day, so that a disk that gets room again still receives the record.
    """
    is_written = _write_exit(folder, record)
    notify()
    for _ in range(_RECORD_TRIES):
        if is_written:
            return
        time.sleep(_RECORD_SECONDS)
        is_written = _write_exit(folder, record)


def _write_exit(folder: str, record: Record) -> bool:
    """False when the disk failed and a retry may succeed."""
    try:
        layout.write_record(folder, layout.EXIT, record)
    except FileNotFoundError:
        return True  # The folder was removed, so the record is not needed.
    except OSError:  # The disk is full or failing; the caller retries.
        return False
    return True
