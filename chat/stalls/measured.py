"""Parses the metrics in an alert's evidence from their text lines. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

_SAMPLE = re.compile(r"^(?P<at>\d+\.\d+) output=(?P<output>\d+) cpu=(?P<cpu>\d+\.\d+)s ", re.M)
_NODE = re.compile(r" memory=(?P<memory>\d+)/(?P<memory_total>\d+) disk=(?P<disk>\d+)/(?P<disk_total>\d+) ")


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    last: str = ""  # The newest line.
    cpu_share: float | None = None  # Share of one core over the window; None = too few samples.
    has_printed: bool = False
    memory_share: float | None = None  # The node's, at the end of the window.
    disk_share: float | None = None


def read_window(text: str) -> Window:
    samples = list(_SAMPLE.finditer(text))
    last = text.strip().rpartition("\n")[2]
    node = _NODE.search(f"{last} ")
    if len(samples) < 2:
        return Window(last=last, memory_share=_share(node, "memory"), disk_share=_share(node, "disk"))
    seconds = float(samples[-1]["at"]) - float(samples[0]["at"])
    # Each sample counts the CPU time since the previous one.
    cpu = sum(float(sample["cpu"]) for sample in samples[1:])
    return Window(
        last=last,
        cpu_share=cpu / seconds if seconds > 0 else None,
        has_printed=samples[-1]["output"] != samples[0]["output"],
        memory_share=_share(node, "memory"),
        disk_share=_share(node, "disk"),
    )


def _share(node: re.Match[str] | None, name: str) -> float | None:
    if node is None or not int(node[f"{name}_total"]):
        return None
    return int(node[name]) / int(node[f"{name}_total"])
