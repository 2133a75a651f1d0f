"""Parses a task's own progress: a line of output `::agentflow progress=0.4 message=linking::`. Pure."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

_PROGRESS = re.compile(rb"\bprogress=([0-9.eE+-]+)(%?)")
_MESSAGE = re.compile(rb"\bmessage=(.*)$", re.DOTALL)  # The last field, because it may contain spaces.
_MESSAGE_CAP = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    fraction: float | None = None  # 0..1; None = not given.
    message: str = ""


def parse_progress(line: bytes) -> Progress | None:
    """None when the line contains no usable field."""
    inside = line.removeprefix(b"::agentflow ").removesuffix(b"::")
    message = _MESSAGE.search(inside)
    fraction = _fraction(inside[: message.start()] if message else inside)
    text = message.group(1).strip().decode("utf-8", "replace").replace("\0", "") if message else ""
    if fraction is None and not text:
        return None
    return Progress(fraction=fraction, message=text[:_MESSAGE_CAP])


def _fraction(inside: bytes) -> float | None:
    found = _PROGRESS.search(inside)
    if found is None:
        return None
    try:
        value = float(found.group(1)) / (100 if found.group(2) else 1)
    except ValueError:  # Not a number: the line is hostile text, so it is ignored.
        return None
    return min(1.0, max(0.0, value)) if math.isfinite(value) else None
