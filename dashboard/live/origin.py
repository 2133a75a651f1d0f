"""Decides whether a socket's Origin is allowed: a browser only from the site's own pages (same scheme, host and port).

Otherwise any page on the internet could open a socket in a logged-in person's browser.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum, auto
from urllib.parse import urlsplit

_DEFAULT_PORTS = {"http": 80, "https": 443}


class Verdict(Enum):
    SAME = auto()
    FOREIGN = auto()
    NONE = auto()  # Not a browser: allowed, but only with an API token.


def judge(headers: Iterable[tuple[bytes, bytes]], *, is_behind_https_proxy: bool, is_secure: bool = False) -> Verdict:
    """Checks the Origin header. Trusts `X-Forwarded-Proto` only if the operator has declared the proxy that sets it."""
    values: dict[bytes, list[str]] = {}
    for name, value in headers:
        values.setdefault(name.lower(), []).append(value.decode("latin1"))
    origins, hosts = values.get(b"origin", []), values.get(b"host", [])
    if not origins:
        return Verdict.NONE
    if len(origins) != 1 or len(hosts) != 1:
        return Verdict.FOREIGN
    forwarded = values.get(b"x-forwarded-proto", [""])[-1].strip().lower() if is_behind_https_proxy else ""
    scheme = "https" if is_secure or forwarded == "https" else "http"
    site = _place(f"{scheme}://{hosts[0]}")
    return Verdict.SAME if site is not None and _place(origins[0]) == site else Verdict.FOREIGN


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
