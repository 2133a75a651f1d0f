"""The level of a line of output, from the words that loggers and compilers use. Pure.

The stream does not determine the level: many programs write ordinary output to stderr.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from nodes.domain.states import LogLevel

_LOOK_BYTES = 300
_WORDS = rb"FATAL|CRITICAL|ERROR|ERR|SEVERE|PANIC|WARNING|WARN|NOTICE|INFO|DEBUG|TRACE"

_LEVELS: Mapping[bytes, LogLevel] = {
    b"FATAL": LogLevel.ERROR,
    b"CRITICAL": LogLevel.ERROR,
    b"CRIT": LogLevel.ERROR,
    b"ERROR": LogLevel.ERROR,
    b"ERR": LogLevel.ERROR,
    b"ERR!": LogLevel.ERROR,
    b"SEVERE": LogLevel.ERROR,
    b"PANIC": LogLevel.ERROR,
    b"ALERT": LogLevel.ERROR,
    b"E": LogLevel.ERROR,
    b"F": LogLevel.ERROR,
    b"WARNING": LogLevel.WARNING,
    b"WARN": LogLevel.WARNING,
    b"W": LogLevel.WARNING,
    b"DEBUG": LogLevel.DEBUG,
    b"TRACE": LogLevel.DEBUG,
    b"D": LogLevel.DEBUG,
}

_COLOR = rb"(?:\x1b\[[0-9;]*m)*"
_TIME = rb"(?:\[?(?:\d{4}[-/]\d\d[-/]\d\d[T ])?\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?\]?\s*(?:[-|:]\s*)?)?"
_PATTERNS = (
    # "ERROR:root:…", "2026-01-02 03:04:05,678 ERROR …", "[12:00:01] [WARN] …"
    re.compile(rb"^" + _COLOR + rb"\s*" + _TIME + _COLOR + rb"[\[(<]?\s*(" + _WORDS + rb")\b(?![-_/=])"),
    # "… [ERROR] …", "… - ERROR - …"
    re.compile(rb"(?:\[| - )\s*" + _COLOR + rb"(" + _WORDS + rb")" + _COLOR + rb"\s*(?:\]| - )"),
    # level=error, "level": "error"
    re.compile(rb"""\b(?:level|lvl|severity|levelname)["']?\s*[=:]\s*["']?([A-Za-z]+)"""),
    # "error: …", "main.c:3:5: warning: …", "error[E0425]: …", "fatal: …"
    re.compile(rb"(?:^|:\s?|\)\s)" + _COLOR + rb"(?:fatal )?([Ee]rror|[Ww]arning|[Ff]atal|panic)(?:\[\w+\])?:\s"),
    # glog and klog: "E0102 03:04:05.678 …"
    re.compile(rb"^([EWFD])\d{4} \d\d:\d\d:\d\d"),
    re.compile(rb"^npm (ERR!|WARN|error|warn)(?!\w)"),
)
_TRACEBACK = b"Traceback (most recent call last)"


def level_of(text: bytes) -> LogLevel:
    """The line's level; INFO if it contains no known level word."""
    head = text[:_LOOK_BYTES]
    for pattern in _PATTERNS:
        found = pattern.search(head)
        if found is not None:
            return _LEVELS.get(found.group(1).upper(), LogLevel.INFO)
    return LogLevel.ERROR if head.startswith(_TRACEBACK) else LogLevel.INFO
