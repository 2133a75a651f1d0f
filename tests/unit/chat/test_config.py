"""The conversation's settings: a bad value stops the start, and errors never contain the key."""

from __future__ import annotations

from pathlib import Path

import pytest

from agentflow_site import env
from nodes.errors import ConfigError

KEY = "sk-secret-0001"


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PROVIDER", "MODEL", "BASE_URL", "API_KEY", "API_KEY_FILE", "DAILY_LIMIT_USD"):
        monkeypatch.delenv(f"AGENTFLOW_CHAT_{name}", raising=False)


def test_without_anything_it_is_offline() -> None:
    assert not env.read().chat.uses_model


def test_a_key_from_a_file_is_stripped_and_hidden(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(f"{KEY}\n")
    monkeypatch.setenv("AGENTFLOW_CHAT_API_KEY_FILE", str(file))

    found = env.read()

    assert found.chat.api_key == KEY
    assert found.chat.uses_model
    assert KEY not in repr(found)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PROVIDER", "openai"),
        ("PROVIDER", "anthropic"),  # Without a key.
        ("PROVIDER", "compatible"),
        ("BASE_URL", "ftp://x"),
        ("BASE_URL", "http://127.0.0.1:8000/v1"),
        ("MODEL", "two words"),
        ("API_KEY", f"{KEY}\u00e9"),
        ("API_KEY", f"{KEY} two"),
        ("API_KEY_FILE", "/nowhere/key"),
        ("DAILY_LIMIT_USD", "-1"),
        ("DAILY_LIMIT_USD", "much"),
    ],
)
def test_a_bad_value_stops_the_start_by_name(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"AGENTFLOW_CHAT_{name}", value)

    with pytest.raises(ConfigError, match=f"AGENTFLOW_CHAT_{name}") as bad:
        env.read()
    assert KEY not in str(bad.value)
