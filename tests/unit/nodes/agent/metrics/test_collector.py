from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from nodes.agent.metrics.change import Thresholds, is_news
from nodes.agent.metrics.collector import Collector
from nodes.domain.events import GpuMetrics, Metrics

BASE = Metrics(
    cpu_percent=10.0,
    memory_used_bytes=500,
    memory_total_bytes=1000,
    disk_used_bytes=5000,
    disk_total_bytes=10_000,
    load_1m=1.0,
    gpus=(GpuMetrics(name="g", utilization_percent=50.0, memory_used_bytes=10, memory_total_bytes=100),),
)
(GPU,) = BASE.gpus


class HandClock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def mono(self) -> float:
        return self.seconds

    def now_ms(self) -> int:
        return int(self.seconds * 1000)


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        (BASE, False),
        (replace(BASE, cpu_percent=12.9), False),
        (replace(BASE, cpu_percent=13.0), True),
        (replace(BASE, cpu_percent=7.0), True),
        (replace(BASE, memory_used_bytes=509), False),
        (replace(BASE, memory_used_bytes=510), True),
        (replace(BASE, disk_used_bytes=5049), False),
        (replace(BASE, disk_used_bytes=5050), True),
        (replace(BASE, load_1m=1.9), False),
        (replace(BASE, load_1m=2.0), True),
        (replace(BASE, gpus=()), True),
        (replace(BASE, gpus=(replace(GPU, utilization_percent=54.0),)), False),
        (replace(BASE, gpus=(replace(GPU, utilization_percent=55.0),)), True),
        (replace(BASE, gpus=(replace(GPU, memory_used_bytes=11),)), True),
        (replace(BASE, memory_total_bytes=0), True),
    ],
)
def test_thresholds(changed: Metrics, expected: bool) -> None:
    assert is_news(changed, BASE, Thresholds()) is expected


async def test_pushes_on_change_and_otherwise_once_a_minute() -> None:
    clock = HandClock()
    told: list[tuple[float, float]] = []
    samples: Iterator[float] = iter([10.0, 11.0, 12.0, 20.0] + [20.5] * 60)

    async def emit(metrics: Metrics) -> None:
        told.append((clock.seconds, metrics.cpu_percent))

    collector = Collector(lambda: replace(BASE, cpu_percent=next(samples)), emit=emit, clock=clock)
    for second in range(64):
        clock.seconds = float(second)
        await collector.sample_once()

    assert told == [(0.0, 10.0), (3.0, 20.0), (63.0, 20.5)]
    assert collector.latest is not None
