"""The documents mention everything that exists: settings, commands, messages, and the documents they link to."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.core.management import get_commands

ROOT = Path(__file__).resolve().parents[2]
OPERATIONS = [ROOT / "docs/operations.md", ROOT / "docs/zh/operations.md"]

in_both_languages = pytest.mark.parametrize("operations", OPERATIONS, ids=["en", "zh"])


@in_both_languages
def test_every_setting_is_documented(operations: Path) -> None:
    source = (ROOT / "agentflow_site/env.py").read_text()
    names = {f"AGENTFLOW_{name}" for name in re.findall(r'env\.(?!prefixed)\w+(?:\(|, )"([A-Z_]+)"', source)}
    names |= set(re.findall(r'environ\.get\("([A-Z_]+)"', source))

    assert len(names) > 10
    assert {name for name in names if f"`{name}`" not in operations.read_text()} == set()


@in_both_languages
def test_every_command_is_documented(operations: Path) -> None:
    own = {name for name, app in get_commands().items() if app in ("agentflow_site", "nodes", "dashboard", "chat")}

    assert "up" in own
    text = operations.read_text()
    assert {name for name in own if not re.search(rf"`{name}[` ]", text)} == set()


@pytest.mark.parametrize(
    "document", sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]), ids=lambda path: str(path.relative_to(ROOT))
)
def test_links_are_valid(document: Path) -> None:
    targets = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", document.read_text())

    assert [target for target in targets if not (document.parent / target).exists()] == []
