"""Detects what a program waits for: yes or no, a number, Enter, a password, or any line. Pure.

It reads only the last lines, which are hostile: the result is only suggested to a person.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

_CHOICES = 12
_LETTER = re.compile(r"[^\W\d_]")

_SECRET = re.compile(
    r"pass(?:word|phrase|code)|\b(?:pin|otp|token|secret|credentials?)\b|api[ _-]?key|one[- ]time|verification code"
    r"|密码|口令|密钥|令牌|验证码",
    re.I,
)
_YES_NO = re.compile(r"(?<![A-Za-z0-9])(yes|y|是)\s*(?:[/|]|\bor\b|或)\s*(no|n|否)(?![A-Za-z0-9])", re.I)
_ENTER = re.compile(
    r"(?:press|hit|strike|tap)\s+(?:the\s+)?[\[<(\"']?(?:enter|return|any\s+key|a\s+key)|"
    r"(?:按|敲)(?:下|一下)?\s*[\[<]?(?:回车|enter|return|任意键)|回车(?:键)?\s*(?:继续|确认)",
    re.I,
)
_ITEM = re.compile(r"^\s*[\[(]?(\d{1,2})\s*[\]).:\u3001\uff09]\s*\S")
_CHOOSE = re.compile(
    r"choose|choice|select|option|number|which|选择|编号|序号|哪|^\s*#\?|[\[(]\s*\d+\s*[-–~]\s*\d+\s*[\])]", re.I
)
_DEFAULT = re.compile(
    r"[\[(\uff08\u3010]\s*(?:default(?:\s+is)?|默认(?:为|值)?)?\s*[:=\uff1a]?\s*([^\[\]()\uff08\uff09\u3010\u3011]{1,60}?)\s*[\])\uff09\u3011]"
    r"\s*[:?>\uff1a\uff1f]?\s*$",
    re.I,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Offered:
    """An answer that the prompt itself offers."""

    text: str
    is_default: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    sort: str  # "password", "yes-no", "choice", "enter", "default", "input"
    quote: str  # The line with the question; empty if none was printed.
    offers: tuple[Offered, ...] = ()


def read_prompt(tail: Sequence[str]) -> Prompt:
    """`tail`: the last non-blank lines of output, newest last."""
    quote = tail[-1].strip() if tail else ""
    if found := _YES_NO.search(quote):
        return Prompt(sort="yes-no", quote=quote, offers=_yes_no(found[1], found[2]))
    # A bare ":" belongs to the line before it.
    asked = quote if _LETTER.search(quote) or len(tail) < 2 else f"{tail[-2]} {quote}"
    if _SECRET.search(asked):
        return Prompt(sort="password", quote=quote)
    if _ENTER.search(quote):
        return Prompt(sort="enter", quote=quote, offers=(Offered(text="", is_default=True),))
    default = _default_in(quote)
    if (choices := _choices(tail[:-1])) and _CHOOSE.search(quote):
        offers = [Offered(text=number, is_default=number == default) for number in choices]
        offers.sort(key=lambda offered: not offered.is_default)
        return Prompt(sort="choice", quote=quote, offers=tuple(offers))
    if default:
        return Prompt(sort="default", quote=quote, offers=(Offered(text="", is_default=True),))
    return Prompt(sort="input", quote=quote)


def asks_secret(tail: Sequence[str]) -> bool:
    return read_prompt(tail).sort == "password"


def _yes_no(yes: str, no: str) -> tuple[Offered, ...]:
    """Yes first, because it lets the task continue. A capital letter marks the default if only one option has it."""
    is_marked = yes[0].isupper() != no[0].isupper()
    return (
        Offered(text=yes.lower(), is_default=is_marked and yes[0].isupper()),
        Offered(text=no.lower(), is_default=is_marked and no[0].isupper()),
    )


def _choices(lines: Sequence[str]) -> list[str]:
    """The numbers of a list right above the prompt, starting with its first item."""
    numbers: list[str] = []
    for line in reversed(lines[-_CHOICES:]):
        found = _ITEM.match(line)
        if found is None:
            if numbers:
                break
            continue
        numbers.append(found[1])
    numbers.reverse()
    return numbers if len(numbers) >= 2 and len(set(numbers)) == len(numbers) else []


def _default_in(quote: str) -> str:
    found = _DEFAULT.search(quote)
    if found is None or re.fullmatch(r"\d+\s*[-–~]\s*\d+", found[1]):
        return ""
    return found[1]
