"""Descriptions of tools for people, in the active language, for the page's script."""

from __future__ import annotations

from chat.tools.registry import TOOLS


def script_labels() -> dict[str, str]:
    """Labels of the tools that only read."""
    return {name: str(tool.label) for name, tool in TOOLS.items() if tool.label}


def script_effects() -> dict[str, str]:
    """The effect of approving each tool that acts. Never written by an engine."""
    return {name: str(tool.effect) for name, tool in TOOLS.items() if tool.effect}
