"""Retention settings, and one round on demand: by the running Leader, or in this process if none runs."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

from agentflow_site.env import SiteEnv
from agentflow_site.leader_lock import only_one_leader
from agentflow_site.term import take_term
from chat.retention import ChatRetention, steps
from nodes.errors import LeaderRuns
from nodes.leader.gateway.client import RemoteGateway
from nodes.leader.projection.published import FanOut
from nodes.leader.projection.retention import Retention, RetentionConfig
from nodes.leader.projection.term import Term
from nodes.leader.projection.writer import FunctionJob, Writer


def retention_config(env: SiteEnv) -> RetentionConfig:
    return RetentionConfig(
        feed_entries=env.keep_feed_entries,
        log_lines=env.keep_log_lines,
        log_age=timedelta(days=env.keep_log_days),
        history_age=timedelta(days=env.keep_history_days),
        dead_letters=env.keep_dead_letters,
    )


def chat_retention(env: SiteEnv) -> ChatRetention:
    return ChatRetention(
        closed_age=timedelta(days=env.keep_chat_days),
        open_turns=env.keep_chat_turns,
        audit_age=timedelta(days=env.keep_audit_days),
    )


def prune(data_dir: Path, leader_grpc: str, config: RetentionConfig, chat: ChatRetention) -> Mapping[str, int]:
    """Deleted rows by kind. Raises `LeaderUnavailable` when a Leader runs but does not answer, or `StoreError`."""
    try:
        # Only one process may write at a time: the one that holds the data folder's lock and the database's term.
        with only_one_leader(data_dir) as lock:
            return asyncio.run(_prune_here(config, chat, take_term(lock)))
    except LeaderRuns:
        return RemoteGateway.on_data_dir(data_dir, leader_grpc).prune()


async def _prune_here(config: RetentionConfig, chat: ChatRetention, term: Term) -> Mapping[str, int]:
    writer = Writer(FanOut(), lambda: None, term=term)
    await writer.start()
    try:
        return await Retention(lambda function: writer.submit(FunctionJob(function)), config, steps(chat)).prune()
    finally:
        await writer.stop()
