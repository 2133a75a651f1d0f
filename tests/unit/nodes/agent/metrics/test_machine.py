"""The sampler and the capabilities on the machine that runs the tests."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from nodes.agent.metrics import sampler as module
from nodes.agent.metrics.machine import capabilities
from nodes.agent.metrics.sampler import Sampler
from nodes.domain.events import Metrics


def test_a_sample_is_plausible() -> None:
    sampler = Sampler(Path("/"))
    assert sampler.sample().cpu_percent == 0.0

    metrics = sampler.sample()

    assert 0 <= metrics.cpu_percent <= 100
    assert 0 < metrics.memory_used_bytes < metrics.memory_total_bytes
    assert 0 < metrics.disk_used_bytes < metrics.disk_total_bytes
    assert metrics.load_1m >= 0


def test_a_sample_has_every_metric(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "Metrics", dict)

    given: Any = Sampler(Path("/")).sample()

    assert given.keys() == {metric.name for metric in fields(Metrics)}


def test_capabilities_name_the_machine() -> None:
    found = capabilities(agent_version="1", projects=(), slots=3, allows_commands=True, pause_method="signals", gpus=())

    assert found.os
    assert found.architecture
    assert found.cpu_count >= 1
    assert found.memory_bytes > 1 << 20
    assert found.python_version.startswith("3.")
    assert (found.slots, found.allows_commands, found.pause_method) == (3, True, "signals")
