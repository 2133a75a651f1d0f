"""Logs requests that Django refuses (a foreign Host, too many fields …) or that the database failed, as one line.

Loaded with the settings, before any app: standard library only.
"""

from __future__ import annotations

import logging

# Django's classes by name: Django is not loaded yet.
_OUTAGES = frozenset({("django.db.utils", "OperationalError"), ("django.db.utils", "InterfaceError")})


class OneLine(logging.Filter):
    """Drops the traceback of errors that are not our code's: malformed requests must not fill the log."""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name.startswith("django.security") or (record.name == "django.request" and _is_outage(record)):
            record.exc_info = record.exc_text = None
            record.levelno, record.levelname = logging.WARNING, "WARNING"
        return True


def _is_outage(record: logging.LogRecord) -> bool:
    kind = record.exc_info[0] if record.exc_info else None
    return kind is not None and (kind.__module__, kind.__name__) in _OUTAGES
