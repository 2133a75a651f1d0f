"""Reads the evidence of an alert about a task."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _

from chat.policy import Risk
from chat.tools.tool import Arguments, Parameter, Reading, Tool
from chat.untrusted import marked
from nodes import selectors

_ITEM_CHARACTERS = 3_000


def _read_evidence(arguments: Arguments, reading: Reading) -> Any:
    alert = selectors.alert_detail(arguments["alert"])
    return {
        **{name: alert[name] for name in ("id", "kind", "level", "node", "task", "openedAt", "resolvedAt")},
        "reason": marked(f"alert {alert['id']}", alert["message"], 500),
        "evidence": [
            {"id": item["id"], "kind": item["kind"], **marked(f"evidence {item['id']}", item["text"], _ITEM_CHARACTERS)}
            for item in alert["evidence"]
        ],
    }


TOOLS = (
    Tool(
        name="read_evidence",
        label=_("Read an alert's evidence"),
        description="Evidence collected when a task got stuck: last lines, processes, metrics. Cite the ids you use.",
        risk=Risk.READ,
        parameters={"alert": Parameter(description="The alert's id.", maximum=1 << 53, is_required=True)},
        read=_read_evidence,
        is_untrusted=True,
        max_characters=14_000,
    ),
)
