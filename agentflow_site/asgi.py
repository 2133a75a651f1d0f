"""The ASGI application: pages and REST through Django, `/ws/` through the live consumer."""

from __future__ import annotations

import os
import signal
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from django.core.asgi import get_asgi_application

from agentflow_site.bodies import bounded
from agentflow_site.refusals import without_nul
from agentflow_site.socket_limits import bound_received_only
from nodes.core.descriptors import allow_many_connections
from nodes.core.lifecycle import ignore_hang_up
from nodes.core.private_files import write_privately

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "agentflow_site.settings")

write_privately()
allow_many_connections()
if signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:  # In the `daphne` command; the Leader has its own handler.
    ignore_hang_up()

bound_received_only()

_django = without_nul(bounded(get_asgi_application()))

# After Django is set up: they import models.
from agentflow_site.health import LIVE_PATH as HEALTH_PATH  # noqa: E402
from agentflow_site.health import READY_PATH, Health  # noqa: E402
from dashboard.accesslog import log_socket  # noqa: E402
from dashboard.live.consumer import LiveConsumer  # noqa: E402

health = Health()
_live = LiveConsumer.as_asgi()

LIVE_PATH = "/ws/"


async def application(
    scope: dict[str, Any],
    receive: Callable[[], Awaitable[dict[str, Any]]],
    send: Callable[[Mapping[str, Any]], Awaitable[None]],
) -> None:
    if scope["type"] == "http" and scope["path"] in (HEALTH_PATH, READY_PATH):
        await health(scope, send)
    elif scope["type"] == "http":
        await _django(scope, receive, send)
    elif scope["type"] == "websocket" and scope["path"] == LIVE_PATH:
        await _live(scope, receive, send)
    elif scope["type"] == "websocket":
        # Closed before it is accepted: the client gets a 403, and no traceback is logged.
        await receive()
        log_socket(scope, "rejected")
        await send({"type": "websocket.close"})
