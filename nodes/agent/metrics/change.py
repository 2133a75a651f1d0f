"""Decides when a sample is worth a push. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from nodes.domain.events import GpuMetrics, Metrics


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """In percentage points, except for the load."""

    cpu: float = 3.0
    memory: float = 1.0
    disk: float = 0.5
    load: float = 1.0
    gpu: float = 5.0


def is_news(metrics: Metrics, last_sent: Metrics, thresholds: Thresholds) -> bool:
    """Whether `metrics` differ enough from the last pushed ones (`last_sent`) to be pushed now."""
    if len(metrics.gpus) != len(last_sent.gpus):
        return True
    return (
        abs(metrics.cpu_percent - last_sent.cpu_percent) >= thresholds.cpu
        or abs(_memory(metrics) - _memory(last_sent)) >= thresholds.memory
        or abs(_disk(metrics) - _disk(last_sent)) >= thresholds.disk
        or abs(metrics.load_1m - last_sent.load_1m) >= thresholds.load
        or any(
            abs(now.utilization_percent - then.utilization_percent) >= thresholds.gpu
            or abs(_gpu_memory(now) - _gpu_memory(then)) >= thresholds.memory
            for now, then in zip(metrics.gpus, last_sent.gpus, strict=True)
        )
    )


def _memory(metrics: Metrics) -> float:
    return _percent(metrics.memory_used_bytes, metrics.memory_total_bytes)


def _disk(metrics: Metrics) -> float:
    return _percent(metrics.disk_used_bytes, metrics.disk_total_bytes)


def _gpu_memory(gpu: GpuMetrics) -> float:
    return _percent(gpu.memory_used_bytes, gpu.memory_total_bytes)


def _percent(part: int, whole: int) -> float:
    return 100.0 * part / whole if whole else 0.0
