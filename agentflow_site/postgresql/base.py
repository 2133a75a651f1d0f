"""The backend's entry point, by Django's convention: settings name this package as the engine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import psycopg
from django.db.backends.postgresql import base
from psycopg import errors
from psycopg.abc import PQGen

from agentflow_site.postgresql.limits import ANSWER_SECONDS

RV = TypeVar("RV")


class BoundedConnection(psycopg.Connection[Any]):
    """Gives a server up that does not answer: it is closed, and the statement fails as with a lost connection."""

    answer_seconds: float | None = ANSWER_SECONDS

    def wait(self, gen: PQGen[RV], interval: float = 0.1, timeout: float | None = None) -> RV:
        try:
            return super().wait(gen, interval, self.answer_seconds if timeout is None else timeout)
        except errors._WaitTimeout as exc:
            # Its answer may still arrive, so nothing else can be asked on this connection.
            self.pgconn.finish()
            raise psycopg.OperationalError(f"the server did not answer within {self.answer_seconds} s") from exc


class DatabaseWrapper(base.DatabaseWrapper):
    def get_new_connection(self, conn_params: dict[str, Any]) -> BoundedConnection:
        # Instead of Django's own, which cannot be given another class. AgentFlow has no pool: a request that is
        # cancelled would never return its connection, until the pool is empty.
        self.isolation_level = psycopg.IsolationLevel.READ_COMMITTED
        return BoundedConnection.connect(**conn_params)

    # At the end of a transaction whose connection is lost, Django would wait for another one. There is nothing left to
    # roll back; the statement's error is the news, at once.

    def _rollback(self) -> None:
        if not self.connection.closed:
            super()._rollback()  # type: ignore[misc]  # The stubs omit it.

    def _set_autocommit(self, autocommit: bool) -> None:
        if not self.connection.closed:
            super()._set_autocommit(autocommit)  # type: ignore[misc]  # The stubs omit it.

    @contextmanager
    def unlimited(self) -> Iterator[None]:
        """Statements may take as long as they need: for migrations, which rebuild whole tables."""
        self.close()
        with self.cursor() as cursor:
            cursor.execute("SET statement_timeout = 0")
        self.connection.answer_seconds = None
        try:
            yield
        finally:
            self.close()
