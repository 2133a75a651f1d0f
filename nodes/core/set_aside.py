"""A damaged file is kept for a person to look at, and makes way for a new one."""

from __future__ import annotations

import itertools
import time
from pathlib import Path


def set_aside(path: Path, *, side_files: tuple[str, ...] = ()) -> Path:
    """Renames the file to `NAME.corrupt-TIME`, its side files (by suffix) with it; returns the new path.

    An earlier one of the same second is not overwritten.
    """
    name = f"{path.name}.corrupt-{time.strftime('%Y%m%dT%H%M%S')}"
    names = itertools.chain([name], (f"{name}-{number}" for number in itertools.count(2)))
    aside = next(free for free in map(path.with_name, names) if not free.exists())
    for suffix in ("", *side_files):
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.rename(aside.with_name(aside.name + suffix))
    return aside
