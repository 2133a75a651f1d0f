"""Formats plain values, by the name in a template's `data-format`. frontend/src/tables/formats.ts has the same names;
both are tested with tests/unit/pages/formats.json.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from django.utils.translation import gettext as _

NOTHING = "–"


def text(value: Any) -> str:
    return NOTHING if value is None or value == "" else str(value)


def optional(value: Any) -> str:
    """Hidden if empty."""
    return "" if value is None else str(value)


def whole_percent(value: float | None) -> str:
    """43.2 → "43%"."""
    return NOTHING if value is None else f"{value:.0f}%"


def fraction(value: float | None) -> str:
    """0.439 → "43%"; never 100% before it is complete. Hidden if unknown."""
    return "" if value is None else f"{int(value * 100)}%"


def decimal(value: float | None) -> str:
    return NOTHING if value is None else f"{value:.2f}"


def byte_size(count: float | str | None) -> str:
    """Bytes in powers of 1024."""
    if count in (None, ""):
        return NOTHING
    size = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if size >= 100 or unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"


def usage(value: Mapping[str, Any] | None) -> str:
    """Hidden if unknown."""
    return f"{byte_size(value['used'])} / {byte_size(value['total'])}" if value else ""


def milliseconds(value: float | None) -> str:
    if not value:
        return NOTHING
    return f"{value:.0f} ms" if value >= 10 else f"{value:.1f} ms"


def clock_duration(seconds: float | None) -> str:
    """75 → "1:15", 3700 → "1:01:40": the same in every language."""
    if seconds is None:
        return NOTHING
    minutes, second = divmod(int(max(0, seconds)), 60)
    hour, minute = divmod(minutes, 60)
    return f"{hour}:{minute:02}:{second:02}" if hour else f"{minute}:{second:02}"


def attempt(number: int) -> str:
    """The attempt's number, from the second attempt on."""
    return f"#{number}" if number > 1 else ""


def exit_text(code: int | None) -> str:
    """How a program ended, as text; empty if unknown."""
    if code is None:
        return ""
    if code < 0:
        return _("ended by signal {number}").format(number=-code)
    return _("exit code {code}").format(code=code)


def exit_code(code: int | None) -> str:
    """The exit code, or the signal as text."""
    return NOTHING if code is None else exit_text(code) if code < 0 else str(code)


FORMATS: Mapping[str, Callable[[Any], str]] = {
    "text": text,
    "optional": optional,
    "percent": whole_percent,
    "fraction": fraction,
    "decimal": decimal,
    "bytes": byte_size,
    "usage": usage,
    "milliseconds": milliseconds,
    "duration": clock_duration,
    "attempt": attempt,
    "exit": exit_code,
}
