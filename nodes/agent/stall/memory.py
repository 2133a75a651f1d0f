"""Statistics of earlier runs on this node, in a small bounded file. Without it, verdicts only take longer."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from pathlib import Path
from statistics import median

from nodes.agent.stall.verdicts import Past
from nodes.domain.commands import TaskSpec

logger = logging.getLogger(__name__)

_MAX_TASKS = 500
_MAX_RUNS = 5


class RunMemory:
    """The last successful runs of each task; drops the task that has not run for the longest time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._runs: dict[str, list[tuple[float, float]]] = {}
        try:
            stored = json.loads(path.read_text(encoding="utf-8"))
            self._runs = {str(key): [(float(a), float(b)) for a, b in runs] for key, runs in stored.items()}
        except FileNotFoundError:
            pass  # Nothing ran here yet.
        except (OSError, ValueError, TypeError, AttributeError) as error:
            logger.warning("cannot read the statistics of earlier runs: %s", error)

    def past(self, spec: TaskSpec) -> Past:
        runs = self._runs.get(_key(spec), [])
        if not runs:
            return Past()
        return Past(longest_silence=max(run[1] for run in runs), usual_seconds=median(run[0] for run in runs))

    def add(self, spec: TaskSpec, *, seconds: float, longest_silence: float) -> None:
        """Adds a successful run. A disk failure is logged and otherwise ignored."""
        key = _key(spec)
        runs = [*self._runs.pop(key, []), (round(seconds, 1), round(longest_silence, 1))]
        self._runs[key] = runs[-_MAX_RUNS:]
        while len(self._runs) > _MAX_TASKS:
            del self._runs[next(iter(self._runs))]
        temporary = self._path.with_suffix(".tmp")
        try:
            temporary.write_text(json.dumps(self._runs), encoding="utf-8")
            os.replace(temporary, self._path)
        except OSError as error:
            logger.warning("cannot store the statistics of this run: %s", error)


def _key(spec: TaskSpec) -> str:
    """Identifies the task by a hash, because its command may contain secrets."""
    what = [spec.project, spec.named_task, spec.shell_line, *spec.argv]
    return hashlib.sha256("\0".join(what).encode()).hexdigest()[:24]
