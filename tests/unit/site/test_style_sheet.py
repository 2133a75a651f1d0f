"""The built style sheet, as pages load it."""

from __future__ import annotations

from tests.support.processes import REPOSITORY


def test_no_rule_uses_has() -> None:
    """With `:has()`, each change in a page would search up to the page's root for what it may restyle."""
    sheet = (REPOSITORY / "static/dist/styles.css").read_text()

    assert "[data-theme=dark]" in sheet
    assert ":has(" not in sheet
