"""A task's own progress, from the marker that the shim took out of its output. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from nodes.agent.runner.shim.marker import read_marker

_MESSAGE_CAP = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    fraction: float | None = None  # 0..1; None = not given.
    message: str = ""


def parse_progress(line: bytes) -> Progress | None:
    """None when the line is not a marker."""
    marker = read_marker(line)
    if marker is None:
        return None
    fraction, message = marker
    text = message.decode("utf-8", "replace")[:_MESSAGE_CAP]
    return Progress(fraction=None if fraction is None else min(1.0, max(0.0, fraction)), message=text)
