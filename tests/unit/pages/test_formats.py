"""Formats, and cells that a template names once; `frontend/tests/texts.test.ts` reads the same cases."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dashboard.pages.formats import FORMATS
from dashboard.pages.row_templates import ROW_TEMPLATES
from dashboard.templatetags.agentflow import live_meter, live_text
from nodes.leader.projection.contract import AlertInfo, CommandInfo, NodeStatus, TaskInfo

CASES: list[tuple[str, Any, str]] = json.loads(Path(__file__).with_name("formats.json").read_text())


@pytest.mark.parametrize(("style", "value", "shown"), CASES)
def test_value_is_written_as_the_script_does(style: str, value: Any, shown: str) -> None:
    assert FORMATS[style](value) == shown


def test_every_format_has_a_case() -> None:
    assert {style for style, _, _ in CASES} == set(FORMATS)


def test_cell_names_its_field_for_the_script() -> None:
    assert live_text({"load": 1.5}, "load", "decimal", "b", "mono") == (
        '<b class="mono" data-text="load" data-format="decimal">1.50</b>'
    )
    assert live_text({"note": "<b>"}, "note") == '<span data-text="note" data-format="text">&lt;b&gt;</span>'
    assert live_text({"attempt": 1}, "attempt", "attempt") == (
        '<span data-text="attempt" data-format="attempt" hidden></span>'
    )


@pytest.mark.parametrize(
    ("value", "percent", "shown"),
    [(40.4, "40", "40%"), ({"used": 1, "total": 2, "percent": 50.0}, "50", "50%"), (None, "0", "–")],
)
def test_meter_takes_a_percentage_or_a_usage(value: Any, percent: str, shown: str) -> None:
    meter = live_meter({"cpu": value}, "cpu", "CPU")

    assert f'value="{percent}" aria-label="CPU"></meter><span>{shown}</span>' in meter
    assert 'data-meter="cpu"' in meter


def test_new_rows_have_every_declared_field() -> None:
    for name, declaration in (
        ("blank_task", TaskInfo),
        ("blank_node", NodeStatus),
        ("blank_command", CommandInfo),
        ("blank_alert", AlertInfo),
    ):
        assert set(ROW_TEMPLATES[name]) == set(declaration.__annotations__) | set(declaration.__required_keys__)
    node, task = ROW_TEMPLATES["blank_node"], ROW_TEMPLATES["blank_task"]
    assert (node["cpu"], node["gpus"], node["capabilities"], node["slots"]) == (None, [], {}, 0)
    assert (task["name"], task["progress"], task["acceptsInput"]) == ("", None, False)
