"""Texts about lines and entries that are missing; frontend/src/logs/panel.ts has the same texts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _

from dashboard.pages import labels


def lost_lines(first: int, last: int, reason: str = "missing") -> str:
    """The text about missing lines of one attempt, both ends inclusive."""
    if first == last:
        text = _("Line {first} is no longer available: {reason}")
    else:
        text = _("Lines {first} to {last} are no longer available: {reason}")
    return text.format(first=f"{first:,}", last=f"{last:,}", reason=_reason(reason))


def lost_entries(gap: Mapping[str, Any]) -> str:
    """The text about missing entries of a node's journal, as in GAP. A gap without numbers has its own text."""
    if gap["reason"] == "damaged":
        return _("Entries that the node had not sent are lost: its journal was damaged and a new one was started")
    first, last = int(gap["from"]), int(gap["to"])
    text = _("Entries {first} to {last} are no longer available: {reason}")
    return text.format(first=f"{first:,}", last=f"{last:,}", reason=_reason(gap["reason"]))


def _reason(reason: str) -> str:
    return str(labels.GAP_REASONS.get(reason, reason))
