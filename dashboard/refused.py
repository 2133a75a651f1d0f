"""Requests that Django itself refuses (a foreign Host, too many fields …): one line in the log, not a traceback.

Loaded with the settings, before any app: standard library only.
"""

from __future__ import annotations

import logging


class OneLine(logging.Filter):
    """Takes the traceback from what `django.security` reports: whoever sends nonsense must not fill the log."""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name.startswith("django.security"):
            record.exc_info = record.exc_text = None
            record.levelno, record.levelname = logging.WARNING, "WARNING"
        return True
