"""Environment values: good ones are accepted, each bad one gives a one-line error that says what is allowed."""

from __future__ import annotations

from pathlib import Path

import pytest

from agentflow_site import env, settings
from nodes.errors import ConfigError


@pytest.fixture(autouse=True)
def _nothing_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in [name for name in env.os.environ if name.startswith("AGENTFLOW_")]:
        monkeypatch.delenv(variable)
    monkeypatch.delenv("DATABASE_URL", raising=False)


def test_nothing_needs_to_be_set() -> None:
    read = env.read()

    assert (read.heartbeat_seconds, read.log_level, read.language, read.redis_url) == (30.0, "INFO", "en", "")


def test_behind_a_proxy_this_machine_is_the_proxy_unless_others_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert env.read().trusted_proxies == ()
    monkeypatch.setenv("AGENTFLOW_BEHIND_HTTPS_PROXY", "1")
    assert [str(network) for network in env.read().trusted_proxies] == ["127.0.0.1/32", "::1/128"]
    monkeypatch.setenv("AGENTFLOW_TRUSTED_PROXIES", "10.0.3.7,fd00::/64")
    assert [str(network) for network in env.read().trusted_proxies] == ["10.0.3.7/32", "fd00::/64"]


def test_good_values_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "HEARTBEAT_SECONDS": "5",
        "LOG_LEVEL": "debug",
        "LANGUAGE": "zh-hans",
        "TIME_ZONE": "Asia/Shanghai",
        "DEBUG": "1",
        "CORS_ALLOWED_ORIGINS": "https://a.example,http://b.example:8080",
        "REDIS_URL": "redis://:secret@redis:6379/1",
    }.items():
        monkeypatch.setenv(f"AGENTFLOW_{name}", value)

    read = env.read()

    assert (read.heartbeat_seconds, read.log_level, read.language, read.debug) == (5.0, "DEBUG", "zh-hans", True)
    assert read.cors_allowed_origins == ["https://a.example", "http://b.example:8080"]


@pytest.mark.parametrize(
    ("variable", "value", "allowed"),
    [
        ("AGENTFLOW_HEARTBEAT_SECONDS", "3", "give 5 to 60"),
        ("AGENTFLOW_HEARTBEAT_SECONDS", "soon", "give 5 to 60"),
        ("AGENTFLOW_HEARTBEAT_SECONDS", "nan", "give 5 to 60"),
        ("AGENTFLOW_LOG_LEVEL", "LOUD", "give DEBUG, INFO, WARNING, ERROR"),
        ("AGENTFLOW_DEBUG", "maybe", "give true or false"),
        ("AGENTFLOW_BEHIND_HTTPS_PROXY", "perhaps", "give true or false"),
        ("AGENTFLOW_LANGUAGE", "klingon", "give en or zh-hans"),
        ("AGENTFLOW_TIME_ZONE", "Mars/Crater", "give a name such as Europe/Berlin"),
        ("AGENTFLOW_TIME_ZONE", "../etc/passwd", "give a name"),
        ("AGENTFLOW_LEADER_GRPC", "leader", "give HOST:PORT"),
        ("AGENTFLOW_CORS_ALLOWED_ORIGINS", "flow.example", "give origins such as https://flow.example"),
        ("AGENTFLOW_KEEP_LOG_DAYS", "0", "give a whole number from 1 to 36500"),
        ("AGENTFLOW_KEEP_LOG_LINES", "many", "give a whole number from 1"),
        ("AGENTFLOW_TRUSTED_PROXIES", "10.0.0.1/8", "give addresses or networks such as 10.0.0.0/8"),
        ("AGENTFLOW_TRUSTED_PROXIES", "proxy.example", "give addresses or networks"),
        ("AGENTFLOW_CSRF_TRUSTED_ORIGINS", "https://a.example,b", "give origins"),
    ],
)
def test_a_bad_value_is_refused_by_name(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, allowed: str
) -> None:
    monkeypatch.setenv(variable, value)

    with pytest.raises(ConfigError) as caught:
        env.read()

    assert str(caught.value).startswith(f"{variable}={value} is not allowed: {allowed}")


@pytest.mark.parametrize("variable", ["DATABASE_URL", "AGENTFLOW_REDIS_URL"])
@pytest.mark.parametrize("value", ["host:1", "nonsense://me:hunter2@host/x"])
def test_a_bad_address_that_may_hold_a_password_is_not_repeated(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)

    with pytest.raises(ConfigError) as caught:
        env.read()

    assert str(caught.value).startswith(f"{variable} is not allowed: give ")
    assert "hunter2" not in str(caught.value)


def test_every_language_of_the_pages_may_be_set() -> None:
    assert tuple(code for code, _ in settings.LANGUAGES) == env.LANGUAGES


@pytest.mark.parametrize("name", ["file", "file/below"])
def test_an_unusable_data_folder_is_a_one_line_error(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(ConfigError, match=f"AGENTFLOW_DATA_DIR={tmp_path / name} cannot be written: "):
        env.secret_key(tmp_path / name)
