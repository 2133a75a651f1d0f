from __future__ import annotations

import tomllib

from django.conf import settings

from nodes.agent.roles.agent import AGENT_VERSION


def test_agents_report_the_projects_version() -> None:
    project = tomllib.loads((settings.BASE_DIR / "pyproject.toml").read_text())["project"]

    assert project["version"] == AGENT_VERSION
