"""Requests that Django itself refuses (a foreign Host, too many fields …) or that the database did not take.

One line in the log, not a traceback.

Loaded with the settings, before any app: standard library only.
"""

from __future__ import annotations

import logging

# Of Django, by name: it is not loaded yet.
_OUTAGES = frozenset({("django.db.utils", "OperationalError"), ("django.db.utils", "InterfaceError")})


class OneLine(logging.Filter):
    """Takes the traceback from what says nothing about our code: whoever sends nonsense must not fill the log."""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name.startswith("django.security") or (record.name == "django.request" and _is_outage(record)):
            record.exc_info = record.exc_text = None
            record.levelno, record.levelname = logging.WARNING, "WARNING"
        return True


def _is_outage(record: logging.LogRecord) -> bool:
    kind = record.exc_info[0] if record.exc_info else None
    return kind is not None and (kind.__module__, kind.__name__) in _OUTAGES
