"""Reads processes from /proc: their ancestry, and the identity behind a pid."""

from __future__ import annotations

import os

Process = tuple[int, str, int, int]
"""(pid, state letter, parent's pid, start time in clock ticks since boot)"""


def process(pid: int) -> Process | None:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            stat = file.read()
    except OSError:  # The process is gone.
        return None
    # The name may contain spaces and parentheses: fields are counted from the last parenthesis.
    fields = stat[stat.rindex(b")") + 2 :].split()
    return pid, fields[0].decode(), int(fields[1]), int(fields[19])


def start_time(pid: int) -> int | None:
    found = process(pid)
    return None if found is None else found[3]


def processes() -> list[Process]:
    found = (process(int(name)) for name in os.listdir("/proc") if name.isdigit())
    return [entry for entry in found if entry is not None]


def environment(pid: int) -> set[bytes]:
    """The variables that the process was started with, as NAME=value; empty if they cannot be read."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return set(file.read().split(b"\0"))
    except OSError:  # The process is gone, or another user's.
        return set()


def ancestry(pid: int, everything: list[Process]) -> set[int]:
    """The process and its ancestors."""
    parents = {entry[0]: entry[2] for entry in everything}
    found: set[int] = set()
    while pid in parents and pid not in found:
        found.add(pid)
        pid = parents[pid]
    return found


def descendants(ancestor: int) -> list[Process]:
    """All descendants of `ancestor`, including zombies, parents before children."""
    children: dict[int, list[Process]] = {}
    for entry in processes():
        children.setdefault(entry[2], []).append(entry)
    below: list[Process] = []
    parents = [ancestor]
    while parents:
        found_below = children.pop(parents.pop(0), [])
        below += found_below
        parents += [entry[0] for entry in found_below]
    return below


def boot_id() -> str:
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip()
    except OSError:  # No /proc/sys, for example in a sandbox.
        return ""
