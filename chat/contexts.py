"""The scope of a conversation ("project:node", either may be "*"), and the fleet summary sent to a model with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from chat.errors import ChatRejected
from chat.untrusted import marked, tagged
from nodes.domain.names import has_unseen, normal_name

ANY = "*"
_MAX_PROJECT = 200
_MAX_NODE = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    project: str = ANY
    node: str = ANY

    @classmethod
    def parse(cls, text: str) -> Context:
        """Parses PROJECT:NODE; empty = everything. A project name may contain a colon, a node id cannot.

        Raises `ChatRejected`.
        """
        if not text:
            return cls()
        text = normal_name(text)
        project, separator, node = text.rpartition(":")
        is_good = (
            separator
            and 0 < len(project) <= _MAX_PROJECT
            and 0 < len(node) <= _MAX_NODE
            and not has_unseen(text)
            and text.strip() == text
        )
        if not is_good:
            raise ChatRejected("bad-context", "A context is PROJECT:NODE; either may be *.")
        return cls(project=project, node=node)

    def __str__(self) -> str:
        return f"{self.project}:{self.node}"

    def covers(self, task: Mapping[str, Any]) -> bool:
        """Whether the context includes this task (in the form that messages carry)."""
        node = task["node"] or task["targetNode"]
        return self.project in (ANY, task["project"]) and self.node in (ANY, node)

    @property
    def filters(self) -> dict[str, Any]:
        """The `project` and `node` arguments of the selectors."""
        return {
            "project": "" if self.project == ANY else self.project,
            "node": "" if self.node == ANY else self.node,
        }


def fleet_state(context: Context, counts: Mapping[str, Any], now: datetime) -> str:
    """The block before the person's text in the same message: counts, and the context, whose name is untrusted."""
    state = {
        "now": now.isoformat(timespec="seconds"),
        "context": {"project": marked("context", context.project, _MAX_PROJECT), "node": context.node},
        "nodes": counts["nodes"],
        "tasks": counts["tasks"],
        "openAlerts": counts["alerts"],
    }
    return tagged("fleet_state", state)
