"""A tool: its name, arguments and risk, and a function that reads or plans. Only the tool executor acts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.utils.functional import Promise

from chat.contexts import Context
from chat.policy import Risk
from nodes.domain.commands import TaskSpec
from nodes.domain.states import Action

Arguments = Mapping[str, Any]

# Values of `dashboard.rights.Right`.
OPERATE = "operate"
RUN_COMMANDS = "run-commands"


class BadArguments(Exception):
    """An engine's call is invalid; the message is for the engine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One argument: a text, an integer, one of several words, or a list of texts."""

    description: str
    is_required: bool = False
    choices: tuple[str, ...] = ()
    maximum: int = 0  # Above 0: an integer from 1 to this.
    max_items: int = 0  # Above 0: a list of at most this many texts.
    max_characters: int = 200
    is_private: bool = False  # A command: only for people who may run commands (`chat.withheld`).

    def schema(self) -> dict[str, Any]:
        if self.maximum:
            kind: dict[str, Any] = {"type": "integer", "minimum": 1, "maximum": self.maximum}
        elif self.max_items:
            kind = {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": self.max_items}
        elif self.choices:
            kind = {"type": "string", "enum": list(self.choices)}
        else:
            kind = {"type": "string", "maxLength": self.max_characters}
        return {**kind, "description": self.description}

    def is_good(self, value: Any) -> bool:
        if self.maximum:
            return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= self.maximum
        if self.max_items:
            return isinstance(value, list) and 0 < len(value) <= self.max_items and all(map(self._is_text, value))
        return self._is_text(value) and (not self.choices or value in self.choices)

    def _is_text(self, value: Any) -> bool:
        return isinstance(value, str) and len(value) <= self.max_characters and "\x00" not in value


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """An exact action: one action on each of these tasks, or one new task."""

    right: str  # Without regard to what its tasks run: see `right_for`.
    action: Action | None = None
    task_ids: tuple[str, ...] = ()
    input: str = ""
    spec: TaskSpec | None = None

    def right_for(self, tasks: Iterable[Mapping[str, Any]]) -> str:
        """The right that it needs on these tasks: to answer or retry a free command is to run a command."""
        is_new = self.action in (Action.INPUT, Action.RETRY)
        return RUN_COMMANDS if is_new and any(task["isCommand"] for task in tasks) else self.right


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a tool that reads gets besides its arguments."""

    context: Context


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """Exactly one of `read` and `plan` is set. Both are sync, run on a thread, and raise `BadArguments`.

    The memory tool has neither: the tool executor recognizes it by its risk.
    """

    name: str
    # For the model; English.
    description: str
    risk: Risk
    # For people, translated: what a tool that reads does, or the effect of approving a tool that acts.
    label: str | Promise = ""
    effect: str | Promise = ""
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    read: Callable[[Arguments, Reading], Any] | None = None
    plan: Callable[[Arguments], Plan] | None = None
    # Its result contains output or messages of tasks: afterwards, this turn's actions need an approval. Names alone, as
    # in every result, do not end the consent of a person who named exactly this action and task.
    is_untrusted: bool = False
    max_characters: int = 8_000

    def __post_init__(self) -> None:
        needed, other = ("label", "effect") if self.risk is Risk.READ else ("effect", "label")
        if not getattr(self, needed) or getattr(self, other):
            raise ValueError(f"tool {self.name}: a tool with the risk {self.risk} has {needed} and no {other}")

    def schema(self) -> dict[str, Any]:
        """The tool in the format of the Messages API."""
        return {
            "name": self.name,
            "description": self.description,
            "input_schema": {
                "type": "object",
                "properties": {name: parameter.schema() for name, parameter in self.parameters.items()},
                "required": [name for name, parameter in self.parameters.items() if parameter.is_required],
                "additionalProperties": False,
            },
        }

    def check(self, arguments: Any) -> Arguments:
        """Validates an engine's call, which is untrusted. Raises `BadArguments`."""
        if not isinstance(arguments, dict):
            raise BadArguments("The arguments must be an object.")
        for name in arguments:
            if name not in self.parameters:
                raise BadArguments(f"There is no argument {name[:60]!r}.")
        for name, parameter in self.parameters.items():
            if name in arguments:
                if not parameter.is_good(arguments[name]):
                    raise BadArguments(f"{name} does not match its schema.")
            elif parameter.is_required:
                raise BadArguments(f"{name} is missing.")
        return dict(arguments)
