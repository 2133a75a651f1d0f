"""Invalid requests are refused before anything is stored, with a message that says what to do."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from nodes.domain.commands import TaskSpec, check_input, check_spec, spec_from_json, spec_to_json, stored_spec
from nodes.domain.phrases import english
from nodes.errors import ProtocolViolation, TaskRejected
from tests.support.filled import filled


@pytest.mark.parametrize(
    "fields",
    [
        {"argv": ("make", "all")},
        {"shell_line": "make && make test"},
        {"project": "shop", "named_task": "build"},
        {"argv": ("x",), "environment": {"A_1": "ä"}, "timeout_seconds": 60.0},
    ],
)
def test_valid_requests_pass(fields: dict[str, Any]) -> None:
    check_spec(TaskSpec(**fields))


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "exactly one"),
        ({"argv": ("a",), "shell_line": "b"}, "exactly one"),
        ({"named_task": "build"}, "Give the project"),
        ({"argv": ("",)}, "first word of the command is empty"),
        ({"argv": ("a",) * 1001}, "at most 1000"),
        ({"argv": ("a\x00b",)}, "NUL"),
        ({"argv": ("\udc80",)}, "not valid Unicode"),
        ({"argv": ("x" * 70_000,)}, "script"),
        ({"argv": ("a",), "environment": {"A=B": "1"}}, "not a valid environment variable name"),
        ({"argv": ("a",), "environment": {"A": "\x00"}}, "NUL"),
        ({"argv": ("a",), "environment": {f"A{i}": "" for i in range(201)}}, "at most 200"),
        ({"argv": ("a",), "environment": {"A": "x" * 70_000}}, "larger than"),
        ({"argv": ("a",), "name": "n" * 201}, "longer than 200"),
        ({"argv": ("a",), "node": "n" * 65}, "longer than 64"),
        ({"argv": ("a",), "project": "p" * 201}, "project's name is longer than 200"),
        ({"project": "p", "named_task": "t" * 201}, "named task is longer than 200"),
        ({"argv": ("a",), "working_directory": "/" * 4097}, "folder is longer than 4096"),
        ({"argv": ("a",), "working_directory": "\udc80"}, "not valid Unicode"),
        ({"argv": ("a",), "environment": {"\x00": ""}}, "NUL"),
        ({"argv": ("a",), "timeout_seconds": 1e9}, "between 0 .none. and 31622400 seconds"),
        ({"argv": ("a",), "timeout_seconds": -1.0}, "timeout"),
        ({"argv": ("a",), "timeout_seconds": float("nan")}, "timeout"),
        ({"argv": ("a",), "stall_after_seconds": float("inf")}, "stall limit"),
    ],
)
def test_invalid_requests_are_refused_with_a_helpful_message(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(TaskRejected, match=words) as refused:
        check_spec(TaskSpec(**fields))

    assert refused.value.code == "invalid"
    assert english(refused.value.parts) == str(refused.value)


def test_too_much_input_is_refused() -> None:
    check_input(b"y\n")

    with pytest.raises(TaskRejected):
        check_input(b"x" * 70_000)


SPEC = filled(TaskSpec)


def test_spec_survives_json() -> None:
    values = json.loads(json.dumps(spec_to_json(SPEC)))

    assert spec_from_json(values) == SPEC
    assert stored_spec(values) == SPEC
    assert values.keys() == set(TaskSpec.__struct_fields__)
    assert spec_to_json(TaskSpec()) == {}


@pytest.mark.parametrize(
    "values",
    [
        {"colour": "red"},
        {"argv": "make all"},
        {"argv": [1]},
        {"environment": {"A": 1}},
        {"timeout_seconds": "10"},
        {"timeout_seconds": True},
        {"timeout_seconds": math.nan},
        {"stall_after_seconds": -1},
        {"close_input": 1},
    ],
)
def test_bad_spec_is_refused(values: dict[str, object]) -> None:
    with pytest.raises(ProtocolViolation):
        spec_from_json(values)


def test_what_is_stored_stays_readable_when_a_limit_is_lowered() -> None:
    long = TaskSpec(argv=("a",), name="n" * 1000)

    assert stored_spec(spec_to_json(long)) == long
