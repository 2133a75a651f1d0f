"""The memory tool. Its commands are in `chat.memory`; the tool executor runs them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext_lazy as _

from chat.errors import MemoryRefused
from chat.memory.commands import NAME, SCHEMA, parse
from chat.policy import Risk
from chat.tools.tool import Arguments, BadArguments, Tool


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryTool(Tool):
    """Uses the SDK's schema: each command has its own fields."""

    def schema(self) -> dict[str, Any]:
        return SCHEMA

    def check(self, arguments: Any) -> Arguments:
        try:
            parse(arguments)
        except MemoryRefused as exc:
            raise BadArguments(str(exc)) from exc
        return dict(arguments)


TOOLS = (
    MemoryTool(
        name=NAME,
        effect=_("The memory changes; each change can be undone."),
        description=str(SCHEMA["description"]),
        risk=Risk.MEMORY,
    ),
)
