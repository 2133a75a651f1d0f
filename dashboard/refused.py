"""Logs requests that Django refuses (wrong Host, too many fields …) or that fail on the database, as one line.

Loaded with the settings, before any app, so it uses only the standard library.
"""

from __future__ import annotations

import logging

# Names of Django's classes, because Django is not loaded yet.
_OUTAGES = frozenset(
    {
        ("django.db.utils", "OperationalError"),
        ("django.db.utils", "InterfaceError"),
        ("dashboard.accounts.hashing", "HashingBusy"),
    }
)


class OneLine(logging.Filter):
    """Drops tracebacks of malformed requests and outages, which would fill the log."""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name.startswith("django.security") or (record.name == "django.request" and _is_outage(record)):
            record.exc_info = record.exc_text = None
            record.levelno, record.levelname = logging.WARNING, "WARNING"
        return True


def _is_outage(record: logging.LogRecord) -> bool:
    kind = record.exc_info[0] if record.exc_info else None
    return kind is not None and (kind.__module__, kind.__name__) in _OUTAGES
