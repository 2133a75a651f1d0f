"""The application as a separate web process loads it."""

from __future__ import annotations

import subprocess
import sys


def test_a_hang_up_does_not_end_a_separate_web_process() -> None:
    program = "import os, signal, agentflow_site.asgi; os.kill(os.getpid(), signal.SIGHUP); print('alive')"

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)

    assert (done.returncode, done.stdout) == (0, "alive\n"), done.stderr
