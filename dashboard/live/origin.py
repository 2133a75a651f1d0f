"""Decides whether a socket's Origin is allowed: a browser only from the site's own pages (same scheme, host and port),
or from an origin that the operator trusts. Forms obey the same rule and the same list (Django's CSRF check).

Otherwise any page on the internet could open a socket in a logged-in person's browser.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import Enum, auto
from urllib.parse import urlsplit

from django.utils.http import is_same_domain

_DEFAULT_PORTS = {"http": 80, "https": 443}
TRUSTED_ORIGINS_SETTING = "AGENTFLOW_CSRF_TRUSTED_ORIGINS"


class Verdict(Enum):
    SAME = auto()
    FOREIGN = auto()
    NONE = auto()  # Not a browser: allowed, but only with an API token.


def judge(
    headers: Iterable[tuple[bytes, bytes]],
    *,
    is_behind_https_proxy: bool,
    is_secure: bool = False,
    trusted: Sequence[str] = (),
) -> tuple[Verdict, str]:
    """The verdict, and for a foreign origin the reason with both origins.

    Trusts `X-Forwarded-Proto` only if the operator has declared the proxy that sets it.
    """
    values: dict[bytes, list[str]] = {}
    for name, value in headers:
        values.setdefault(name.lower(), []).append(value.decode("latin1"))
    origins, hosts = values.get(b"origin", []), values.get(b"host", [])
    if not origins:
        return Verdict.NONE, ""
    if len(origins) != 1 or len(hosts) != 1:
        return Verdict.FOREIGN, "it has more than one Origin or Host header, or no Host"
    forwarded = values.get(b"x-forwarded-proto", [""])[-1].strip().lower() if is_behind_https_proxy else ""
    scheme = "https" if is_secure or forwarded == "https" else "http"
    site = f"{scheme}://{hosts[0]}"
    if _is_same(origins[0], site) or is_trusted(origins[0], trusted):
        return Verdict.SAME, ""
    sent, expected = shown(origins[0]), shown(site)
    return Verdict.FOREIGN, f"Origin {sent}, expected {expected} or one of {TRUSTED_ORIGINS_SETTING}"


def is_trusted(origin: str, trusted: Sequence[str]) -> bool:
    """Whether the list has it, also as `https://*.flow.example`, as in Django's CSRF check."""
    place = _place(origin)
    if place is None:
        return False
    scheme, _, netloc = origin.partition("://")
    for entry in trusted:
        trusted_scheme, _, pattern = entry.partition("://")
        if pattern.startswith("*"):
            if scheme == trusted_scheme and is_same_domain(netloc.lower(), pattern[1:]):
                return True
        elif _place(entry) == place:
            return True
    return False


def shown(origin: str) -> str:
    """For messages and logs: short, printable, without spaces."""
    return "".join(letter if letter.isprintable() and letter != " " else "?" for letter in origin[:200])


def _is_same(origin: str, site: str) -> bool:
    place = _place(site)
    return place is not None and _place(origin) == place


def _place(url: str) -> tuple[str, str, int] | None:
    """Scheme, host and port; None for anything else ("null", a URL with a path or a password)."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    default = _DEFAULT_PORTS.get(parts.scheme)
    if default is None or not parts.hostname or parts.path or parts.query or parts.fragment or "@" in parts.netloc:
        return None
    return parts.scheme, parts.hostname.lower(), default if port is None else port
