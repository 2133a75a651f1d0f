"""Starts the root process of a task: pipes, its own session, default signals, and the exact error if it fails."""

from __future__ import annotations

import errno
import fcntl
import os
import signal

from nodes.domain.wording import english, phrase

TYPE_CHECKING = False  # Type checkers know this name; importing `typing` would cost memory in every task.
if TYPE_CHECKING:
    from collections.abc import Callable

    from nodes.agent.runner.shim.tree import SignalTree
    from nodes.domain.phrases import Phrase

_PIPE_BYTES = 1 << 20
_NOT_FOUND = 127  # The exit code that a shell uses.
_NOT_RUNNABLE = 126
_TASK_UMASK = 0o022  # As in a login shell: what a task creates is for others to use.


class CannotStart(Exception):
    """The task never ran. `exit_code` as a shell would return it, `reason` a phrase, `stage` where it failed."""

    def __init__(self, exit_code: int, reason: Phrase, stage: str = "") -> None:
        super().__init__(english([reason]))
        self.stage = stage
        self.exit_code = exit_code
        self.reason = reason


class Launched:
    """The root process and the shim's ends of its pipes; `stdin` is None when the task reads /dev/null."""

    __slots__ = ("pid", "stderr", "stdin", "stdout")

    def __init__(self, pid: int, stdin: int | None, stdout: int, stderr: int) -> None:
        self.pid = pid
        self.stdin = stdin
        self.stdout = stdout
        self.stderr = stderr


def launch(
    argv: list[str],
    *,
    folder: str,
    environment: dict[str, str],
    close_input: bool,
    tree: SignalTree,
    record: Callable[[int], None],
) -> Launched:
    """Raises CannotStart. The new process leads its own session, so that its `kill 0` never reaches the shim.

    The process runs `argv` only once `record` has stored its pid: whenever the shim dies, the agent can find it.
    """
    _check_folder(folder)
    stdin_write: int | None = None
    if close_input:
        stdin_read = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    else:
        stdin_read, stdin_write = os.pipe()
    stdout_read, stdout_write = os.pipe()
    stderr_read, stderr_write = os.pipe()
    failure_read, failure_write = os.pipe()
    go_read, go_write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(go_write)  # Only the shim has this end: if it dies, the process reads its end and exits.
        _become(argv, folder, environment, (stdin_read, stdout_write, stderr_write), (go_read, failure_write), tree)
    for own in (stdin_read, stdout_write, stderr_write, failure_write, go_read):
        os.close(own)
    _release(pid, go_write, record)
    # Closed without data by a successful exec; gets "stage errno" when the process could not become the task.
    with os.fdopen(failure_read, "rb") as file:
        failure = file.read()
    if failure:
        os.waitpid(pid, 0)
        for descriptor in (stdin_write, stdout_read, stderr_read):
            if descriptor is not None:
                os.close(descriptor)
        raise _explain(failure, argv, folder)
    if stdin_write is not None:
        os.set_blocking(stdin_write, False)
    for stream in (stdout_read, stderr_read):
        os.set_blocking(stream, False)
        _widen(stream)
    return Launched(pid, stdin_write, stdout_read, stderr_read)


def _release(pid: int, go: int, record: Callable[[int], None]) -> None:
    """Lets the new process run once it is recorded. Raises CannotStart."""
    try:
        record(pid)
        os.write(go, b"\n")
    except BrokenPipeError:
        pass  # It has failed already, and says why.
    except OSError as error:
        os.close(go)
        os.waitpid(pid, 0)
        raise CannotStart(
            _NOT_RUNNABLE, phrase("cannot-start", stage="record", error=error.strerror or ""), "record"
        ) from error
    os.close(go)


def _check_folder(folder: str) -> None:
    if not os.path.isdir(folder):
        code = "not-a-folder" if os.path.exists(folder) else "no-folder"
        raise CannotStart(_NOT_RUNNABLE, phrase(code, folder=folder))


def _become(
    argv: list[str],
    folder: str,
    environment: dict[str, str],
    standard: tuple[int, int, int],
    pipes: tuple[int, int],
    tree: SignalTree,
) -> None:
    """Runs in the new process and never returns."""
    go, failure = pipes
    stage = "session"
    try:
        os.setsid()
        os.umask(_TASK_UMASK)
        # Python ignores these signals; a task expects their default behaviour.
        for number in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        stage = "cgroup"
        tree.enter()
        for target, descriptor in enumerate(standard):
            os.dup2(descriptor, target)  # Inheritable, unlike the original.
        stage = "folder"
        os.chdir(folder)
        if not os.read(go, 1):  # The shim has died, or could not record this process.
            os._exit(_NOT_FOUND)
        stage = "exec"
        os.execvpe(argv[0], argv, environment)  # noqa: S606 - no shell on purpose
    except OSError as error:
        os.write(failure, f"{stage} {error.errno}".encode())
    except ValueError:
        os.write(failure, f"{stage} {errno.EINVAL}".encode())  # A NUL in an argument or the environment.
    finally:
        os._exit(_NOT_FOUND)


def _explain(failure: bytes, argv: list[str], folder: str) -> CannotStart:
    stage, _, number = failure.decode().partition(" ")
    code = int(number or 0)
    if stage == "folder":
        return CannotStart(_NOT_RUNNABLE, phrase("folder-closed", folder=folder, error=os.strerror(code)))
    if stage != "exec":
        return CannotStart(_NOT_RUNNABLE, phrase("cannot-start", stage=stage, error=os.strerror(code)), stage)
    if code == errno.ENOENT:
        if os.path.exists(os.path.join(folder, argv[0])) and "/" in argv[0]:
            return CannotStart(_NOT_FOUND, phrase("no-interpreter", command=argv[0]))
        return CannotStart(_NOT_FOUND, phrase("no-command", command=argv[0]))
    return CannotStart(_NOT_RUNNABLE, phrase("cannot-run", command=argv[0], error=os.strerror(code)))


def _widen(descriptor: int) -> None:
    try:
        fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
    except (OSError, AttributeError):
        pass  # The default size also works, with more wake-ups.
