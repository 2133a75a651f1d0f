"""Tools: what a model sees, and which of its arguments are accepted."""

from __future__ import annotations

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from chat.policy import Risk
from chat.tool_texts import script_effects, script_labels
from chat.tools.registry import TOOLS, schemas
from chat.tools.tool import BadArguments, Tool

GOOD: list[tuple[str, dict[str, Any]]] = [
    ("list_nodes", {}),
    ("pause_task", {"task": "t1"}),
    ("read_log", {"task": "t1", "lines": 200, "before": 7}),
    ("control_tasks", {"action": "cancel", "tasks": ["a", "b"]}),
    ("run_command", {"node": "m", "command": ["true"]}),
]
BAD: list[tuple[str, Any]] = [
    ("list_nodes", {"x": 1}),
    ("list_nodes", []),
    ("list_nodes", None),
    ("pause_task", {}),
    ("pause_task", {"task": None}),
    ("pause_task", {"task": "x" * 65}),
    ("read_log", {"task": "t1", "lines": True}),
    ("read_log", {"task": "t1", "lines": 0}),
    ("control_tasks", {"action": "cancel", "tasks": []}),
    ("control_tasks", {"action": "cancel", "tasks": "t1"}),
    ("control_tasks", {"action": "input", "tasks": ["t1"]}),
]


@pytest.mark.parametrize(("name", "arguments"), GOOD)
def test_valid_arguments_pass_and_fit_the_schema(name: str, arguments: dict[str, Any]) -> None:
    Draft202012Validator(TOOLS[name].schema()["input_schema"]).validate(arguments)
    assert TOOLS[name].check(arguments) == arguments


@pytest.mark.parametrize(("name", "arguments"), BAD)
def test_invalid_arguments_are_refused_as_in_the_schema(name: str, arguments: Any) -> None:
    assert not Draft202012Validator(TOOLS[name].schema()["input_schema"]).is_valid(arguments)
    with pytest.raises(BadArguments):
        TOOLS[name].check(arguments)


def test_each_tool_reads_or_plans_and_only_what_reads_is_harmless() -> None:
    assert [name for name, tool in TOOLS.items() if tool.risk is Risk.MEMORY] == ["memory"]
    for tool in TOOLS.values():
        if tool.risk is Risk.MEMORY:
            continue  # The tool executor knows it, and it reaches nothing in the fleet.
        assert (tool.read is None) != (tool.plan is None)
        assert (tool.risk is Risk.READ) == (tool.read is not None)


def test_people_read_what_a_tool_does_or_what_its_approval_brings_about() -> None:
    assert script_labels().keys() == {name for name, tool in TOOLS.items() if tool.risk is Risk.READ}
    assert script_effects().keys() == TOOLS.keys() - script_labels().keys()


@pytest.mark.parametrize(
    ("risk", "words"),
    [
        (Risk.READ, {}),
        (Risk.READ, {"label": "Read", "effect": "It ends."}),
        (Risk.DESTRUCTIVE, {}),
        (Risk.DESTRUCTIVE, {"label": "End it"}),
    ],
)
def test_a_tool_without_its_words_is_refused(risk: Risk, words: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="tool end"):
        Tool(name="end", description="", risk=risk, **words)


def test_the_list_is_the_same_bytes_each_time() -> None:
    assert json.dumps(schemas()) == json.dumps(schemas())
    assert [tool["name"] for tool in schemas()] == sorted(TOOLS)
