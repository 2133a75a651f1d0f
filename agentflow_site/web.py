"""Daphne on the Leader's own event loop, as a service: listening, access log, and orderly shutdown.

Daphne's `Server.run` takes over the process; here the event loop is ours, so its parts are set up one by one. These are
not Daphne's public API: tests/integration/test_leader.py guards listening, limits and shutdown.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from daphne import endpoints, http_protocol, server, ws_protocol
from twisted.internet import endpoints as twisted_endpoints
from twisted.internet import reactor as twisted_reactor
from twisted.internet.error import CannotListenError
from twisted.logger import globalLogBeginner

from agentflow_site.bodies import MAX_BODY_BYTES
from nodes.errors import ConfigError

logger = logging.getLogger(__name__)

# All untyped; the reactor's interface is created at run time.
reactor: Any = twisted_reactor
_Server: Any = server.Server
_HTTPFactory: Any = http_protocol.HTTPFactory
_WebRequest: Any = http_protocol.WebRequest
_WebSocketFactory: Any = ws_protocol.WebSocketFactory
_describe: Any = endpoints.build_endpoint_description_strings
_endpoint_of: Any = twisted_endpoints.serverFromString
_begin_logging: Any = globalLogBeginner.beginLoggingTo

# Above the limit of `/ws/` (64 KiB), so that the consumer receives an oversized message and can answer it.
_MAX_MESSAGE_BYTES = 256 * 1024
_HTTP_SECONDS = 60
_HANDSHAKE_SECONDS = 5
# docs/websocket.md: reconnect. The only code below 3000 that the library may send is 1000.
_CLOSE_GOING_AWAY = 4503
_PARTING_SECONDS = 1.5
# This much of a refused body is read and dropped, so that the sender sees the answer; then the connection is cut.
_MAX_DROPPED_BYTES = 32 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class WebConfig:
    host: str
    port: int
    heartbeat_seconds: float
    tls_cert_file: Path | None = None
    tls_key_file: Path | None = None

    @property
    def endpoint(self) -> str:
        """Twisted's endpoint description."""
        plain: str = _describe(host=self.host, port=self.port)[0]
        if self.tls_cert_file is None or self.tls_key_file is None:
            return plain
        return f"ssl:privateKey={_escaped(self.tls_key_file)}:certKey={_escaped(self.tls_cert_file)}:" + plain[4:]


class _BoundedRequest(_WebRequest):  # type: ignore[misc]  # As above.
    """Twisted spools the whole body before calling the application; this keeps only enough to refuse it."""

    _received_bytes = 0

    def handleContentChunk(self, data: bytes) -> None:
        room = MAX_BODY_BYTES + 1 - self._received_bytes
        self._received_bytes += len(data)
        if room > 0:
            super().handleContentChunk(data[:room])
        elif self._received_bytes > _MAX_DROPPED_BYTES:
            self.channel.forceAbortClient()


class _BoundedFactory(_HTTPFactory):  # type: ignore[misc]  # As above.
    def buildProtocol(self, addr: Any) -> Any:
        protocol = super().buildProtocol(addr)
        protocol.requestFactory = _BoundedRequest
        return protocol


def _escaped(path: Path) -> str:
    return str(path).replace("\\", "\\\\").replace(":", "\\:")


class WebServer:
    """A service. Call `listen` first, so that a port in use stops the start with one line."""

    name = "web"

    def __init__(self, config: WebConfig, application: Callable[..., Any]) -> None:
        self._config = config
        self._server = _Server(
            application=application,
            endpoints=[config.endpoint],
            signal_handlers=False,
            action_logger=None,  # `dashboard.accesslog` logs requests and sockets, under any server.
            http_timeout=_HTTP_SECONDS,
            websocket_timeout=-1,  # The default closes every socket after a day.
            websocket_connect_timeout=_HANDSHAKE_SECONDS,
            websocket_handshake_timeout=_HANDSHAKE_SECONDS,
            websocket_max_message_size=_MAX_MESSAGE_BYTES,
            websocket_max_frame_size=_MAX_MESSAGE_BYTES,
            ping_interval=config.heartbeat_seconds,
            ping_timeout=config.heartbeat_seconds,
            server_name="",
        )
        self._port: Any = None
        self._stop = asyncio.Event()

    @property
    def bound_port(self) -> int:
        return int(self._port.getHost().port)

    async def listen(self) -> None:
        """Raises `ConfigError` when the port is not available."""
        server = self._server
        server.connections = {}
        server.http_factory = _BoundedFactory(server)
        server.ws_factory = _WebSocketFactory(server, server="")
        server.ws_factory.setProtocolOptions(
            autoPingTimeout=server.ping_timeout,
            allowNullOrigin=True,  # The consumer checks the origin, and gives a better error.
            openHandshakeTimeout=server.websocket_handshake_timeout,
            maxMessagePayloadSize=server.websocket_max_message_size,
            maxFramePayloadSize=server.websocket_max_frame_size,
        )
        # Twisted's own log adds nothing to ours.
        _begin_logging([lambda event: None], redirectStandardIO=False, discardBuffer=True)
        if not reactor.running:
            reactor.startRunning(installSignalHandlers=False)
        try:
            endpoint = _endpoint_of(reactor, self._config.endpoint)
            self._port = await endpoint.listen(server.http_factory).asFuture(asyncio.get_running_loop())
        except CannotListenError as exc:
            reason = getattr(exc.socketError, "strerror", None) or exc.socketError
            raise ConfigError(f"cannot listen on {self._config.host}:{self._config.port}: {reason}") from exc
        except (OSError, ValueError) as exc:
            raise ConfigError(f"cannot serve on {self._config.host}:{self._config.port}: {exc}") from exc
        reactor.callLater(1, server.application_checker)
        reactor.callLater(2, server.timeout_checker)

    async def run(self) -> None:
        if self._port is None:
            await self.listen()
        await self._stop.wait()
        await self._port.stopListening().asFuture(asyncio.get_running_loop())
        await self._drain()

    def request_stop(self) -> None:
        self._stop.set()

    async def _drain(self) -> None:
        """Asks sockets to reconnect, lets requests finish for a moment, then cuts the rest."""
        connections = self._server.connections
        for protocol in list(connections):
            if hasattr(protocol, "serverClose"):
                protocol.serverClose(_CLOSE_GOING_AWAY)
        running = [d["application_instance"] for d in list(connections.values()) if "application_instance" in d]
        if not running:
            return
        _, late = await asyncio.wait(running, timeout=_PARTING_SECONDS)
        for application in late:
            application.cancel()
        await asyncio.gather(*running, return_exceptions=True)
