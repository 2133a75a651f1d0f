"""The length of the suite: short in `make test`, full in `make soak`."""

from __future__ import annotations

import os
from typing import TypeVar

T = TypeVar("T")

IS_FULL = os.environ.get("AGENTFLOW_FAULTS", "short") == "full"


def short_or_full(short: T, full: T) -> T:
    """Returns `full` if `AGENTFLOW_FAULTS=full`, otherwise `short`."""
    return full if IS_FULL else short
