"""`manage.py interpret`, with sentences piped into it."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from tests.unit.interpret.conftest import WORLD_FILE

LINES = b"""{"text": "\xe6\x9a\x82\xe5\x81\x9c t101"}
not json
{"text": 5}
[]
{"text": "yes", "context": {"pending": {"intent": "cancel", "tasks": ["t104"], "node": "Master-1"}}}
{"text": "pause it", "context": {"pending": 7}}
\xff\xfe
{"text": "help", "context": null}
"""


def test_each_line_has_its_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(LINES)))
    out = io.StringIO()

    call_command("interpret", "--world", str(WORLD_FILE), stdout=out)

    answers = [json.loads(line) for line in out.getvalue().splitlines()]
    assert answers[0] == {"outcome": "execute", "intent": "pause", "tasks": ["t101"], "why": "plain"}
    assert answers[4] == {"outcome": "execute", "intent": "cancel", "tasks": ["t104"], "why": "approved"}
    assert answers[7]["outcome"] == "help"
    assert answers[7]["intent"] is None
    assert [list(answer) for answer in (*answers[1:4], *answers[5:7])] == [["error"]] * 5
    assert len(answers) == 8


@pytest.mark.parametrize("content", ["", "[]", '{"nodes": 1}', '{"tasks": [{}]}', '{"tasks": [{"id": 1}]}'])
def test_an_invalid_world_is_reported_at_once(tmp_path: Path, content: str) -> None:
    path = tmp_path / "world.json"
    path.write_text(content)

    with pytest.raises(CommandError, match="cannot read"):
        call_command("interpret", "--world", str(path))
