from __future__ import annotations

import tomllib
from pathlib import Path

from nodes.roles.agent import AGENT_VERSION


def test_agents_report_the_projects_version() -> None:
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())["project"]

    assert project["version"] == AGENT_VERSION
