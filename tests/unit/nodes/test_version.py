from __future__ import annotations

import json
import tomllib

from django.conf import settings

from nodes.version import VERSION


def test_nodes_report_the_projects_version() -> None:
    project = tomllib.loads((settings.BASE_DIR / "pyproject.toml").read_text())["project"]
    page = json.loads((settings.BASE_DIR / "frontend" / "package.json").read_text())

    assert project["version"] == page["version"] == VERSION
