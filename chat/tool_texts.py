"""What people read about tools, in the active language: for the page's script."""

from __future__ import annotations

from chat.tools.registry import TOOLS


def script_labels() -> dict[str, str]:
    """What each reading tool does."""
    return {name: str(tool.label) for name, tool in TOOLS.items() if tool.label}


def script_effects() -> dict[str, str]:
    """What an approval of each tool that acts brings about, in words that no engine has written."""
    return {name: str(tool.effect) for name, tool in TOOLS.items() if tool.effect}
