"""Typed readers of the environment, and the only code that reads it. A bad value stops the start and the error lists
what is allowed.

docs/operations.md lists every variable.
"""

from __future__ import annotations

import os
import re
import secrets
import zoneinfo
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import dj_database_url
from environs import Env, EnvError

from chat.config import DEFAULT_MODEL, PROVIDERS, ChatConfig
from nodes.addresses import Network, networks_of
from nodes.core.private_files import own_folder
from nodes.domain.states import LOG_LEVEL_NAMES
from nodes.errors import ConfigError

BASE_DIR = Path(__file__).resolve().parent.parent
LANGUAGES = ("en", "zh-hans")

T = TypeVar("T")

_ORIGINS = "origins such as https://flow.example"
_ADDRESS = re.compile(r"\S+:\d{1,5}")


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteEnv:
    data_dir: Path
    debug: bool
    allowed_hosts: list[str]
    csrf_trusted_origins: list[str]
    cors_allowed_origins: list[str]
    behind_https_proxy: bool
    trusted_proxies: tuple[Network, ...]  # May tell the client's address in X-Forwarded-For.
    database_url: str  # Empty = SQLite in the data folder.
    redis_url: str  # Empty = one process, in-process channel layer.
    leader_grpc: str  # Where a separate web process reaches the Leader.
    heartbeat_seconds: float
    log_level: str
    language: str
    time_zone: str
    keep_log_days: int
    keep_log_lines: int
    keep_feed_entries: int
    keep_history_days: int
    keep_dead_letters: int
    keep_chat_days: int
    keep_chat_turns: int
    keep_audit_days: int
    chat: ChatConfig


def read() -> SiteEnv:
    """Raises `ConfigError` with the variable's name, its value and what is allowed."""
    env = Env()
    with env.prefixed("AGENTFLOW_"):
        behind_https_proxy = _checked(env.bool, "BEHIND_HTTPS_PROXY", False, "true or false")
        return SiteEnv(
            data_dir=Path(env.str("DATA_DIR", str(BASE_DIR / ".agentflow"))).expanduser().resolve(),
            debug=_checked(env.bool, "DEBUG", False, "true or false"),
            allowed_hosts=env.list("ALLOWED_HOSTS", ["localhost", "127.0.0.1", "[::1]"]),
            csrf_trusted_origins=_checked(env.list, "CSRF_TRUSTED_ORIGINS", [], _ORIGINS, _are_origins),
            cors_allowed_origins=_checked(env.list, "CORS_ALLOWED_ORIGINS", [], _ORIGINS, _are_origins),
            behind_https_proxy=behind_https_proxy,
            # The guide's proxy runs on the same machine.
            trusted_proxies=networks_of(
                _checked(
                    env.list,
                    "TRUSTED_PROXIES",
                    ["127.0.0.1", "::1"] if behind_https_proxy else [],
                    "addresses or networks such as 10.0.0.0/8",
                    _are_networks,
                )
            ),
            database_url=_database_url(),
            redis_url=_redis_url(env.str("REDIS_URL", "")),
            leader_grpc=_checked(env.str, "LEADER_GRPC", "127.0.0.1:7946", "HOST:PORT", _ADDRESS.fullmatch),
            heartbeat_seconds=_checked(env.float, "HEARTBEAT_SECONDS", 30.0, "5 to 60", lambda value: 5 <= value <= 60),
            log_level=_checked(
                env.str, "LOG_LEVEL", "INFO", ", ".join(LOG_LEVEL_NAMES), lambda x: x.upper() in LOG_LEVEL_NAMES
            ).upper(),
            language=_checked(env.str, "LANGUAGE", "en", " or ".join(LANGUAGES), LANGUAGES.__contains__),
            time_zone=_checked(env.str, "TIME_ZONE", "UTC", "a name such as Europe/Berlin", _is_time_zone),
            keep_log_days=_kept(env, "KEEP_LOG_DAYS", 14, 36_500),
            keep_log_lines=_kept(env, "KEEP_LOG_LINES", 5_000_000, 10**12),
            keep_feed_entries=_kept(env, "KEEP_FEED_ENTRIES", 50_000, 10**12),
            keep_history_days=_kept(env, "KEEP_HISTORY_DAYS", 90, 36_500),
            keep_dead_letters=_kept(env, "KEEP_DEAD_LETTERS", 10_000, 10**12),
            keep_chat_days=_kept(env, "KEEP_CHAT_DAYS", 90, 36_500),
            keep_chat_turns=_kept(env, "KEEP_CHAT_TURNS", 1_000, 10**9),
            keep_audit_days=_kept(env, "KEEP_AUDIT_DAYS", 730, 36_500),
            chat=_chat(env),
        )


def _chat(env: Env) -> ChatConfig:
    allowed = ", ".join(PROVIDERS)
    provider = _checked(env.str, "CHAT_PROVIDER", "auto", allowed, PROVIDERS.__contains__)
    base_url = _checked(env.str, "CHAT_BASE_URL", "", "http://HOST:PORT, without /v1", _is_base_url)
    key = _chat_key(env.str("CHAT_API_KEY", ""), env.str("CHAT_API_KEY_FILE", ""))
    if provider == "compatible" and not base_url:
        raise ConfigError("AGENTFLOW_CHAT_PROVIDER=compatible needs AGENTFLOW_CHAT_BASE_URL")
    if provider in ("anthropic", "compatible") and not key:
        raise ConfigError(
            f"AGENTFLOW_CHAT_PROVIDER={provider} needs AGENTFLOW_CHAT_API_KEY or AGENTFLOW_CHAT_API_KEY_FILE"
        )
    return ChatConfig(
        provider=provider,
        model=_checked(env.str, "CHAT_MODEL", DEFAULT_MODEL, "a model's name", _is_model),
        base_url=base_url.rstrip("/"),
        api_key=key,
        daily_limit_usd=_checked(
            env.float, "CHAT_DAILY_LIMIT_USD", 0.0, "US dollars, 0 = none", lambda value: 0 <= value <= 1e6
        ),
    )


def _chat_key(key: str, file: str) -> str:
    """The value is a secret and never appears in an error."""
    if key and file:
        raise ConfigError("give AGENTFLOW_CHAT_API_KEY or AGENTFLOW_CHAT_API_KEY_FILE, not both")
    if file:
        try:
            key = Path(file).expanduser().read_text()
        except (OSError, UnicodeDecodeError) as exc:
            raise ConfigError(f"AGENTFLOW_CHAT_API_KEY_FILE={file} cannot be read: {exc}") from exc
    key = key.strip()
    if key and not re.fullmatch(r"[\x21-\x7e]{1,500}", key):
        raise ConfigError("AGENTFLOW_CHAT_API_KEY is not allowed: give the key alone, in printable ASCII")
    if file and not key:
        raise ConfigError(f"AGENTFLOW_CHAT_API_KEY_FILE={file} is empty")
    return key


def _is_base_url(url: str) -> bool:
    return not url or (re.fullmatch(r"https?://[^\s?#@]+", url) is not None and not url.rstrip("/").endswith("/v1"))


def _is_model(name: str) -> bool:
    return re.fullmatch(r"[\x21-\x7e]{1,100}", name) is not None


def _checked(
    reader: Callable[..., Any], name: str, default: T, allowed: str, is_good: Callable[[T], object] = lambda value: True
) -> T:
    """The value, or the default when the variable is not set."""
    try:
        value: T = reader(name, default)
        if is_good(value):
            return value
    except EnvError:
        pass  # Reported below, with the value.
    variable = f"AGENTFLOW_{name}"
    raise ConfigError(f"{variable}={os.environ.get(variable)} is not allowed: give {allowed}")


def _kept(env: Env, name: str, default: int, maximum: int) -> int:
    return _checked(env.int, name, default, f"a whole number from 1 to {maximum}", lambda value: 1 <= value <= maximum)


def _are_origins(values: list[str]) -> bool:
    return all(re.fullmatch(r"https?://[^/\s]+", value) for value in values)


def _are_networks(values: Sequence[str]) -> bool:
    try:
        networks_of(values)
    except ValueError:
        return False
    return True


def _is_time_zone(name: str) -> bool:
    try:
        return bool(zoneinfo.ZoneInfo(name))
    except (ValueError, OSError, zoneinfo.ZoneInfoNotFoundError):
        return False


# These two values may contain a password, so errors do not repeat them.


def _redis_url(url: str) -> str:
    if url and not re.match(r"(rediss?|unix)://\S+", url):
        raise ConfigError("AGENTFLOW_REDIS_URL is not allowed: give redis://HOST:PORT")
    return url


def _database_url() -> str:
    url = os.environ.get("DATABASE_URL", "")
    try:
        if url:
            dj_database_url.parse(url)
    except ValueError as exc:
        raise ConfigError("DATABASE_URL is not allowed: give postgres://USER:PASSWORD@HOST:PORT/NAME") from exc
    return url


def make_data_dir(path: Path) -> None:
    """Creates the data folder, or mends its mode: accessible only by its owner. Raises `ConfigError`."""
    try:
        own_folder(path)
    except OSError as exc:
        raise _unusable(path, exc) from exc


def secret_key(data_dir: Path) -> str:
    """Django's secret key: created at the first start with mode 0600 and kept in the data folder."""
    make_data_dir(data_dir)
    path = data_dir / "secret_key"
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        pass  # First start: it is created below.
    except OSError as exc:
        raise ConfigError(f"{path} cannot be read: {exc.strerror}") from exc
    key = secrets.token_urlsafe(48)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:  # Another process of this first start created it.
        return path.read_text().strip()
    except OSError as exc:
        raise _unusable(data_dir, exc) from exc
    with os.fdopen(descriptor, "w") as file:
        file.write(key)
    return key


def _unusable(data_dir: Path, exc: OSError) -> ConfigError:
    return ConfigError(f"AGENTFLOW_DATA_DIR={data_dir} cannot be written: {exc.strerror}; give a folder of your own")
