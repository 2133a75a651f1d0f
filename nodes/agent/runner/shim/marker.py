"""The line by which a task reports its progress: `::agentflow progress=0.4 message=linking::`.

Only exactly this is taken out of the output. Everything else that looks like it stays a line of the log.
"""

from __future__ import annotations

import math
import re

START = b"::agentflow "
END = b"::"
# The message is the last field, because it may contain spaces.
_MARKER = re.compile(
    rb"::agentflow (?:progress=([0-9.eE+-]{1,40})(%?))?(?:(?<= )message=(.*)| +message=(.*)| *)::", re.DOTALL
)


def read_marker(line: bytes) -> tuple[float | None, bytes] | None:
    """The fraction (any finite number) and the message; None if the line is not a marker."""
    if not (line.startswith(START) and line.endswith(END)):
        return None
    found = _MARKER.fullmatch(line)
    if found is None:
        return None
    message = (found.group(3) or found.group(4) or b"").strip().replace(b"\0", b"")
    if found.group(1) is None:
        return (None, message) if message else None
    try:
        value = float(found.group(1)) / (100 if found.group(2) else 1)
    except ValueError:
        return None
    return (value, message) if math.isfinite(value) else None
