from __future__ import annotations

import json
from pathlib import Path

import pytest

from chat.interpret import Task, World

WORLD_FILE = Path(__file__).parent / "utterance_world.json"


@pytest.fixture(scope="session")
def world() -> World:
    data = json.loads(WORLD_FILE.read_text())
    return World(data["nodes"], [Task(**task) for task in data["tasks"]])
