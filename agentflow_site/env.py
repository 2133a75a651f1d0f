"""Typed readers of the environment: the one place that reads it. A bad value stops the start and says what is allowed.

docs/operations.md lists every variable.
"""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from environs import Env, EnvError

from nodes.errors import ConfigError

BASE_DIR = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteEnv:
    data_dir: Path
    debug: bool
    allowed_hosts: list[str]
    csrf_trusted_origins: list[str]
    cors_allowed_origins: list[str]
    behind_https_proxy: bool
    database_url: str  # Empty = SQLite in the data folder.
    redis_url: str  # Empty = one process, in-process channel layer.
    leader_grpc: str  # Where a web process of its own finds the Leader.
    heartbeat_seconds: float
    log_level: str
    language: str
    time_zone: str


def read() -> SiteEnv:
    """Raises `ConfigError` with the variable's name, its value and what is allowed."""
    env = Env()
    try:
        with env.prefixed("AGENTFLOW_"):
            heartbeat = env.float("HEARTBEAT_SECONDS", 30.0)
            if not 5 <= heartbeat <= 60:
                raise ConfigError(f"AGENTFLOW_HEARTBEAT_SECONDS={heartbeat:g} is not allowed: give 5 to 60")
            level = env.str("LOG_LEVEL", "INFO").upper()
            if level not in ("DEBUG", "INFO", "WARNING", "ERROR"):
                raise ConfigError(f"AGENTFLOW_LOG_LEVEL={level} is not allowed: give DEBUG, INFO, WARNING or ERROR")
            return SiteEnv(
                data_dir=Path(env.str("DATA_DIR", str(BASE_DIR / ".agentflow"))).expanduser().resolve(),
                debug=env.bool("DEBUG", False),
                allowed_hosts=env.list("ALLOWED_HOSTS", ["localhost", "127.0.0.1", "[::1]"]),
                csrf_trusted_origins=env.list("CSRF_TRUSTED_ORIGINS", []),
                cors_allowed_origins=env.list("CORS_ALLOWED_ORIGINS", []),
                behind_https_proxy=env.bool("BEHIND_HTTPS_PROXY", False),
                database_url=os.environ.get("DATABASE_URL", ""),
                redis_url=env.str("REDIS_URL", ""),
                leader_grpc=env.str("LEADER_GRPC", "127.0.0.1:7946"),
                heartbeat_seconds=heartbeat,
                log_level=level,
                language=env.str("LANGUAGE", "en"),
                time_zone=env.str("TIME_ZONE", "UTC"),
            )
    except EnvError as exc:
        raise ConfigError(str(exc)) from exc


def make_data_dir(path: Path) -> None:
    """Creates the data folder, for its owner only. Raises `ConfigError` when that cannot be."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        probe = path / ".writable"
        probe.touch(mode=0o600)
        probe.unlink()
    except OSError as exc:
        raise ConfigError(
            f"AGENTFLOW_DATA_DIR={path} cannot be written: {exc.strerror}; give a folder of your own"
        ) from exc


def secret_key(data_dir: Path) -> str:
    """Django's secret key: made at the first start, mode 0600, kept in the data folder."""
    path = data_dir / "secret_key"
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        pass
    make_data_dir(data_dir)
    key = secrets.token_urlsafe(48)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:  # Another process of this first start was faster.
        return path.read_text().strip()
    with os.fdopen(descriptor, "w") as file:
        file.write(key)
    return key
