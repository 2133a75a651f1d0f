"""Samples this machine's load."""

from __future__ import annotations

import os
from collections import deque
from pathlib import Path

import psutil

from nodes.agent.metrics.gpus import Gpus
from nodes.domain.events import Metrics

# A single busy second is not significant; the mean of a few is.
_CPU_SAMPLES = 5


class Sampler:
    """`disk` is a path on the file system to measure."""

    def __init__(self, disk: Path) -> None:
        self._disk = str(disk)
        self._cpu: deque[float] = deque(maxlen=_CPU_SAMPLES)
        self._is_first = True
        self.gpus = Gpus()

    def sample(self) -> Metrics:
        """CPU is the mean over the last calls, which should be about a second apart; the first call returns 0."""
        cpu = psutil.cpu_percent(interval=None)
        if self._is_first:
            self._is_first = False  # psutil has nothing to compare with yet.
        else:
            self._cpu.append(cpu)
        memory = psutil.virtual_memory()
        disk = psutil.disk_usage(self._disk)
        return Metrics(
            cpu_percent=round(sum(self._cpu) / len(self._cpu), 1) if self._cpu else 0.0,
            memory_used_bytes=memory.total - memory.available,
            memory_total_bytes=memory.total,
            disk_used_bytes=disk.used,
            disk_total_bytes=disk.total,
            load_1m=round(os.getloadavg()[0], 2),
            gpus=self.gpus.sample(),
        )
