"""Samples GPUs if an NVIDIA driver is installed; otherwise silently reports none."""

from __future__ import annotations

import ctypes
import importlib
import logging
from typing import Any

from nodes.domain.events import GpuMetrics

logger = logging.getLogger(__name__)

_LIBRARY = "libnvidia-ml.so.1"


class Gpus:
    """Loads NVIDIA's library only if the driver is installed: its Python part alone costs megabytes."""

    def __init__(self) -> None:
        self._nvml: Any = None
        self._handles: list[Any] = []
        try:
            ctypes.CDLL(_LIBRARY)
        except OSError:
            return  # No driver, so no GPUs: the usual case.
        try:
            nvml: Any = importlib.import_module("pynvml")
            nvml.nvmlInit()
            self._nvml = nvml
            self._handles = [nvml.nvmlDeviceGetHandleByIndex(index) for index in range(nvml.nvmlDeviceGetCount())]
        except Exception as error:  # noqa: BLE001 - a broken driver must not stop the node
            logger.warning("GPUs cannot be read: %s", error)
            self._handles = []

    def sample(self) -> tuple[GpuMetrics, ...]:
        try:
            return tuple(self._sample(handle) for handle in self._handles)
        except Exception as error:  # noqa: BLE001 - as above; a GPU may fall off the bus
            logger.warning("GPUs can no longer be read: %s", error)
            self._handles = []
            return ()

    def _sample(self, handle: Any) -> GpuMetrics:
        nvml = self._nvml
        name = nvml.nvmlDeviceGetName(handle)
        memory = nvml.nvmlDeviceGetMemoryInfo(handle)
        return GpuMetrics(
            name=name.decode() if isinstance(name, bytes) else str(name),
            utilization_percent=float(nvml.nvmlDeviceGetUtilizationRates(handle).gpu),
            memory_used_bytes=int(memory.used),
            memory_total_bytes=int(memory.total),
            temperature_celsius=float(nvml.nvmlDeviceGetTemperature(handle, nvml.NVML_TEMPERATURE_GPU)),
        )
