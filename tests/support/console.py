"""Management commands of one data folder, in one process: Django starts once for all of them."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Mapping

from tests.support.processes import REPOSITORY


class Console:
    """Like `tests.support.processes.manage`, for commands that are not under test."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._env = {**os.environ, **env}
        self._child: subprocess.Popen[str] | None = None

    def start(self) -> None:
        self._child = subprocess.Popen(
            [sys.executable, "-m", "tests.support.console"],
            cwd=REPOSITORY,
            env=self._env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def manage(self, *arguments: str) -> str:
        """Output of `manage.py` with these arguments."""
        if self._child is None:
            self.start()
        assert self._child is not None
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        self._child.stdin.write(json.dumps(arguments) + "\n")
        self._child.stdin.flush()
        answer = self._child.stdout.readline()
        assert answer, f"manage.py {' '.join(arguments)}: the console has ended"
        code, output, errors = json.loads(answer)
        assert code == 0, f"manage.py {' '.join(arguments)}: {output}\n{errors}"
        return str(output)

    def close(self) -> None:
        if self._child is not None:
            self._child.communicate()
            self._child = None


def main() -> None:
    """Reads arguments, one JSON line per command; replies with exit code, output and errors."""
    from django.core.management import ManagementUtility

    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # Other output must not mix with the replies.
    for line in sys.stdin:
        output, errors, code = io.StringIO(), io.StringIO(), 0
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
            try:
                ManagementUtility(["manage.py", *json.loads(line)]).execute()
            except SystemExit as end:
                code = end.code if isinstance(end.code, int) else int(end.code is not None)
        answers.write(json.dumps([code, output.getvalue(), errors.getvalue()]) + "\n")
        answers.flush()


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "agentflow_site.settings")
    main()
