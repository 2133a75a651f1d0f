"""The agent's log: standard error, one line per event, with fields after the message; harmless on a terminal."""

from __future__ import annotations

import logging
import sys

from nodes.domain.unseen import visible

_FIELDS = ("node_id", "task_id", "attempt", "command_id", "epoch", "offset", "kind")


class _FieldsFormatter(logging.Formatter):
    """Appends the fields passed as `extra`."""

    def format(self, record: logging.LogRecord) -> str:
        facts = " ".join(f"{name}={getattr(record, name)}" for name in _FIELDS if hasattr(record, name))
        record.msg, record.args = record.getMessage().replace("\n", "\\n") + (f"  {facts}" if facts else ""), None
        return visible(super().format(record))


def set_up_logging(level: str) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_FieldsFormatter("%(asctime)s %(levelname)-7s %(name)s %(message)s"))
    logging.basicConfig(level=level, handlers=[handler], force=True)
