"""Retention settings, and one round on demand: by the running Leader, or in this process if none runs."""

from __future__ import annotations

import asyncio
import sqlite3
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from django.db import connection

from agentflow_site.env import SiteEnv
from agentflow_site.leader_lock import only_one_leader
from agentflow_site.term import take_term
from chat.retention import ChatRetention, steps
from nodes.core.sqlite_space import rewrite, rewrite_older
from nodes.errors import ConfigError, LeaderRuns, StoreError
from nodes.leader.gateway.client import RemoteGateway
from nodes.leader.projection.published import FanOut
from nodes.leader.projection.retention import Pruned, Retention, RetentionConfig
from nodes.leader.projection.term import Term
from nodes.leader.projection.writer import FunctionJob, Writer


def retention_config(env: SiteEnv) -> RetentionConfig:
    return RetentionConfig(
        feed_entries=env.keep_feed_entries,
        log_lines=env.keep_log_lines,
        log_age=timedelta(days=env.keep_log_days),
        history_age=timedelta(days=env.keep_history_days),
        dead_letters=env.keep_dead_letters,
        audit_age=timedelta(days=env.keep_audit_days),
    )


def chat_retention(env: SiteEnv) -> ChatRetention:
    return ChatRetention(
        closed_age=timedelta(days=env.keep_chat_days),
        open_turns=env.keep_chat_turns,
    )


def prune(
    data_dir: Path, leader_grpc: str, config: RetentionConfig, chat: ChatRetention, *, rewrites: bool = False
) -> Pruned:
    """`rewrites`: also rewrites the whole database without free space, which needs a stopped Leader.

    Raises `LeaderUnavailable` when a Leader runs but does not answer, `ConfigError`, or `StoreError`.
    """
    try:
        # Only one process may write at a time: the one that holds the data folder's lock and the database's term.
        with only_one_leader(data_dir) as lock:
            pruned = asyncio.run(_prune_here(config, chat, take_term(lock)))
            return replace(pruned, freed_bytes=pruned.freed_bytes + _rewrite()) if rewrites else pruned
    except LeaderRuns:
        if rewrites:
            raise ConfigError("the whole database can be rewritten only while no Leader runs: stop it first") from None
        return RemoteGateway.on_data_dir(data_dir, leader_grpc).prune()


def rewrite_older_database() -> None:
    """At the Leader's start: a database from before the file could shrink in steps is rewritten once."""
    if connection.vendor == "sqlite":
        connection.ensure_connection()
        rewrite_older(connection.connection, Path(connection.settings_dict["NAME"]))
        connection.close()


def _rewrite() -> int:
    if connection.vendor != "sqlite":
        raise ConfigError("--shrink is for SQLite: PostgreSQL frees space by itself")
    path = Path(connection.settings_dict["NAME"])
    connection.ensure_connection()
    try:
        freed_bytes = rewrite(connection.connection, path)
    except sqlite3.OperationalError as exc:
        raise StoreError(f"the database cannot be rewritten: {exc}") from exc
    finally:
        connection.close()
    if freed_bytes is None:
        raise StoreError(f"the disk of {path.parent} has no room for a copy of the database")
    return freed_bytes


async def _prune_here(config: RetentionConfig, chat: ChatRetention, term: Term) -> Pruned:
    writer = Writer(FanOut(), lambda: None, term=term)
    await writer.start()
    try:
        return await Retention(lambda function: writer.submit(FunctionJob(function)), config, steps(chat)).prune()
    finally:
        await writer.stop()
