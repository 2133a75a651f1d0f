"""What the overview's tiles say is wrong; `frontend/tests/tiles.test.ts` reads the same cases."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dashboard.pages.overview import _figures

CASES: list[dict[str, Any]] = json.loads(Path(__file__).with_name("figures.json").read_text())


@pytest.mark.parametrize("case", CASES)
def test_alert_tile_lists_the_problems(case: dict[str, Any]) -> None:
    data = {
        "nodes": [{"state": state, "cpu": None} for state in case["nodes"]],
        "tasks": [
            {"state": state, "health": health, "unknownSince": 5 if is_unknown else None}
            for state, health, is_unknown in case["tasks"]
        ],
        "alerts": [{"level": level} for level in case["alerts"]],
    }

    assert " · ".join(_figures(data)["concerns"]) == case["wrong"]
