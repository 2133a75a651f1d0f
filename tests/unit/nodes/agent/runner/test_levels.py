from __future__ import annotations

import pytest

from nodes.agent.runner.levels import level_of
from nodes.domain.states import LogLevel

CASES = [
    (b"Compiling module 3 of 40", LogLevel.INFO),
    (b"", LogLevel.INFO),
    (b"ERROR: something broke", LogLevel.ERROR),
    (b"ERROR something broke", LogLevel.ERROR),
    (b"ERROR:root:python's basicConfig", LogLevel.ERROR),
    (b"WARNING:django.request:Not Found", LogLevel.WARNING),
    (b"2026-01-02 03:04:05,678 ERROR app.views failed", LogLevel.ERROR),
    (b"2026-01-02T03:04:05.678Z DEBUG cache hit", LogLevel.DEBUG),
    (b"2026-01-02 03:04:05,678 - app - WARNING - slow", LogLevel.WARNING),
    (b"[12:00:01] [WARN] disk is filling", LogLevel.WARNING),
    (b"[ERROR] Failed to execute goal", LogLevel.ERROR),
    (b"[INFO] BUILD SUCCESS", LogLevel.INFO),
    (b'time="2026-01-02T03:04:05Z" level=error msg="boom"', LogLevel.ERROR),
    (b'{"level": "warn", "msg": "slow"}', LogLevel.WARNING),
    (b'{"severity":"DEBUG","message":"x"}', LogLevel.DEBUG),
    (b"main.c:3:5: error: expected ';'", LogLevel.ERROR),
    (b"main.c:3:5: warning: unused variable", LogLevel.WARNING),
    (b"error[E0425]: cannot find value", LogLevel.ERROR),
    (b"fatal: not a git repository", LogLevel.ERROR),
    (b"panic: runtime error", LogLevel.ERROR),
    (b"npm ERR! code ELIFECYCLE", LogLevel.ERROR),
    (b"npm WARN deprecated", LogLevel.WARNING),
    (b"Traceback (most recent call last):", LogLevel.ERROR),
    (b"E0102 03:04:05.678901 1234 server.go:1] oops", LogLevel.ERROR),
    (b"\x1b[31mERROR\x1b[0m in red", LogLevel.ERROR),
    (b"0 errors, 0 warnings", LogLevel.INFO),
    (b"error_count=0", LogLevel.INFO),
    (b"ERROR_LOG=/var/log/x", LogLevel.INFO),
    (b"INFO - no ERROR - here", LogLevel.INFO),
    (b"\xff\xfe\x00 ERROR", LogLevel.INFO),
]


@pytest.mark.parametrize(("line", "level"), CASES, ids=[repr(line)[:40] for line, _ in CASES])
def test_level(line: bytes, level: LogLevel) -> None:
    assert level_of(line) is level
