"""Takes the database's term for a process that holds its data folder's lock."""

from __future__ import annotations

import os
import socket

from django.db import connection

from agentflow_site.leader_lock import LeaderLock
from nodes.leader.projection.term import Term, acquire
from nodes.models import LeaderTerm


def has_terms() -> bool:
    """Whether the database has the record."""
    return LeaderTerm._meta.db_table in connection.introspection.table_names()


def take_term(lock: LeaderLock, *, above: int = 0, url: str = "") -> Term:
    """The right to write the database. Raises `LeaderRuns` if another process has it.

    A holder that ran on this data folder has ended, because this process has the folder's lock: no need to wait for it.
    """
    where = f"{socket.gethostname()}, process {os.getpid()}{f', {url}' if url else ''}"
    try:
        term = acquire(address=where, above=above, dead_holder=lock.dead_holder)
    finally:
        connection.close()
    lock.note_holder(term.holder)
    return term
