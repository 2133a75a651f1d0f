"""The format of log lines, which people read on a terminal: names and messages of strangers cannot drive it."""

from __future__ import annotations

import logging

from nodes.domain.unseen import visible


class VisibleFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return visible(super().format(record))
