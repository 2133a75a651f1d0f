"""`/healthz` and `/readyz`, for load balancers and container engines: no login, no session, nothing about the cluster.

Answered before Django: a probe uses any host name, must not be redirected to HTTPS, and should work when Django's
threads do not. Only failures are in the access log.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from django.db import Error as DatabaseError
from django.db import connection

from agentflow_site.refusals import Scope, Send, refuse

logger = logging.getLogger(__name__)

LIVE_PATH, READY_PATH = "/healthz", "/readyz"
WAIT_SECONDS = 2.0
# One look serves all probes of this time, so that a flood of them costs the database nothing.
_VALID_SECONDS = 1.0
_NO_DATABASE = "The database does not answer."


def database_answers() -> bool:
    """Blocks. A table is read, because an empty SQLite file answers too."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM django_migrations LIMIT 1")
            return cursor.fetchone() is not None
    except DatabaseError as exc:
        logger.debug("the database does not answer: %s", exc)
        return False
    finally:
        connection.close()


class Health:
    """An ASGI application for these two paths. `require` adds a part without which the process is not ready."""

    def __init__(self, look: Callable[[], bool] = database_answers) -> None:
        self._look = look
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="health")
        self._running: asyncio.Future[bool] | None = None
        self._looked_at_mono = float("-inf")
        self._parts: dict[str, Callable[[], bool]] = {}

    def require(self, is_good: Callable[[], bool], *, otherwise: str) -> None:
        """`otherwise` is shown to anyone who asks."""
        self._parts[otherwise] = is_good

    async def __call__(self, scope: Scope, send: Send) -> None:
        if scope["method"] not in ("GET", "HEAD"):
            await refuse(scope, send, 405, "method-not-allowed", "Only GET and HEAD.", [(b"Allow", b"GET, HEAD")])
        elif scope["path"] == READY_PATH and (reason := await self.missing()):
            await refuse(scope, send, 503, "not-ready", reason)
        else:
            headers = [(b"Content-Type", b"text/plain; charset=utf-8"), (b"Cache-Control", b"no-store")]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else b"ok\n"})

    async def missing(self) -> str:
        """Why the process is not ready; empty = it is. Takes at most `WAIT_SECONDS`."""
        for reason, is_good in self._parts.items():
            if not is_good():
                return reason
        if self._running is None or (
            self._running.done() and time.monotonic() - self._looked_at_mono >= _VALID_SECONDS
        ):
            self._looked_at_mono = time.monotonic()
            self._running = asyncio.get_running_loop().run_in_executor(self._thread, self._look)
        # Not cancelled on timeout: a database that hangs keeps one thread, however many probes come.
        done, _ = await asyncio.wait([self._running], timeout=WAIT_SECONDS)
        return "" if done and self._running.result() else _NO_DATABASE

    def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)
