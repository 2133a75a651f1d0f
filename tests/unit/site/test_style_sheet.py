"""The built style sheet, as pages load it."""

from __future__ import annotations

from tests.support.processes import REPOSITORY


def test_no_rule_asks_has() -> None:
    """Each change in a page would be a search for what it may restyle, up to the root of the page."""
    sheet = (REPOSITORY / "static/dist/styles.css").read_text()

    assert "[data-theme=dark]" in sheet
    assert ":has(" not in sheet
