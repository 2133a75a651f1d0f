"""Quarantines a damaged file: it is kept for a person to inspect, and a new one can take its place."""

from __future__ import annotations

import itertools
import time
from pathlib import Path


def quarantine(path: Path, *, side_files: tuple[str, ...] = ()) -> Path:
    """Renames the file and its side files (given by suffix) to `NAME.corrupt-TIME`; returns the new path.

    Never overwrites a file quarantined in the same second.
    """
    name = f"{path.name}.corrupt-{time.strftime('%Y%m%dT%H%M%S')}"
    names = itertools.chain([name], (f"{name}-{number}" for number in itertools.count(2)))
    aside = next(free for free in map(path.with_name, names) if not free.exists())
    for suffix in ("", *side_files):
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.rename(aside.with_name(aside.name + suffix))
    return aside
