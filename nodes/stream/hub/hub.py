"""The server side of streams: admits at most one per node, and tracks which nodes are connected.

A stream is authenticated before anything is read from it. Its updates go to the `Upstream`; `send` sends commands down.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Sequence

import grpc

from nodes.core.clock import Clock, SystemClock
from nodes.domain.states import Role
from nodes.errors import AgentFlowError, ConfigError, NotReady, StoreError
from nodes.stream.hub.config import HubConfig
from nodes.stream.hub.ports import Identity, Peer, Upstream
from nodes.stream.hub.presence import LinkChange, Presence
from nodes.stream.hub.stream import Context, Stream, StreamHooks, StreamRefused
from nodes.stream.hub.token_check import OnRefused, TokenCheck, TooManyTokens
from nodes.stream.identity.edge_keys import revoked_key
from nodes.stream.wire.transport import server_options
from nodes.stream.wire.v1 import node_sync_pb2 as pb
from nodes.stream.wire.v1.node_sync_pb2_grpc import NodeSyncServicer, add_NodeSyncServicer_to_server
from nodes.waits import Backoff, wait_at_most

logger = logging.getLogger(__name__)


class Hub:
    """A service.

    `authenticate` turns a token into an identity or raises an `AgentFlowError`; `NotReady` makes the node retry soon.
    `epoch` is called for each outgoing message. `on_duplicate` (node id, address) is called when a second live
    node with the same name connects. `on_refused` is called for each refused token.
    """

    name = "hub"

    def __init__(
        self,
        config: HubConfig,
        *,
        upstream: Upstream,
        authenticate: Callable[[str], Identity],
        epoch: Callable[[], int] = lambda: 0,
        extra_services: Sequence[Callable[[grpc.aio.Server], None]] = (),
        on_duplicate: Callable[[str, str], None] = lambda node_id, address: None,
        on_refused: OnRefused | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._config = config
        self._upstream = upstream
        self._tokens = TokenCheck(authenticate, on_refused)
        self._epoch = epoch
        self._extra_services = extra_services
        self._on_duplicate = on_duplicate
        self._clock = clock or SystemClock()
        self._streams: dict[str, Stream] = {}
        self._open_count = 0  # Of authenticated streams, also of those that have not introduced themselves yet.
        self._all_gone = asyncio.Event()
        self._presence = Presence(
            heartbeat_seconds=config.heartbeat_seconds, offline_after_seconds=config.offline_after_seconds
        )
        self._presence_changed = asyncio.Event()
        self._stop = asyncio.Event()
        self._started = asyncio.Event()
        self._bound_port = 0
        self._server: grpc.aio.Server | None = None  # Referenced here because it stops when it is garbage-collected.

    # -- properties

    @property
    def bound_port(self) -> int:
        """The port in use; valid once `started` has returned."""
        return self._bound_port

    @property
    def connected(self) -> Collection[str]:
        """Ids of the nodes that have a stream."""
        return self._streams.keys()

    def link_rtt_ms(self, node_id: str) -> float:
        """Round trip to the node in milliseconds; 0 = unknown."""
        stream = self._streams.get(node_id)
        return stream.session.rtt_seconds * 1000 if stream is not None else 0.0

    @property
    def is_listening(self) -> bool:
        """Whether it accepts streams: not yet before its start, and no longer once it has been asked to stop."""
        return self._started.is_set() and not self._stop.is_set()

    async def started(self) -> None:
        """Returns once the port is open."""
        await self._started.wait()

    # -- actions

    def send(self, node_id: str, command: pb.LeaderCommand) -> bool:
        """Queues a command on the node's stream; False if it has none, or no room. Only a result confirms delivery."""
        stream = self._streams.get(node_id)
        return stream is not None and stream.send(command)

    def disconnect(self, node_id: str, reason: str) -> None:
        """Disconnects a node; the reason "revoked" ends its stream as unauthenticated."""
        stream = self._streams.get(node_id)
        if stream is not None:
            code = grpc.StatusCode.UNAUTHENTICATED if reason == "revoked" else grpc.StatusCode.ABORTED
            stream.send_away(code, reason, parting_seconds=self._config.parting_seconds)

    def revoke(self, token_ids: Collection[str]) -> None:
        """Ends the streams opened with these tokens or keys, and notifies all other nodes for their children's sake."""
        for stream in list(self._streams.values()):
            key = stream.peer.public_key
            if stream.peer.token_id in token_ids or (key and revoked_key(key) in token_ids):
                self.disconnect(stream.peer.node_id, "revoked")
            else:
                stream.revoked(sorted(token_ids))

    # -- service

    def request_stop(self) -> None:
        self._stop.set()

    async def run(self) -> None:
        server = self._server = grpc.aio.server(options=server_options(self._config.heartbeat_seconds))
        add_NodeSyncServicer_to_server(_Servicer(self.serve), server)
        for add_service in self._extra_services:
            add_service(server)
        self._bound_port = _bind(server, self._config)
        await server.start()
        self._started.set()
        try:
            async with asyncio.TaskGroup() as group:
                reporter = group.create_task(self._report_presence(), name="hub-presence")
                await self._stop.wait()
                await self._disconnect_all()
                reporter.cancel()
        finally:
            await server.stop(grace=0.2)

    async def _disconnect_all(self) -> None:
        """Asks all nodes to disconnect, because the server's stop waits for open streams."""
        for stream in list(self._streams.values()):
            stream.send_away(
                grpc.StatusCode.UNAVAILABLE,
                "shutdown",
                parting_seconds=self._config.parting_seconds,
                retry_after_seconds=1.0,
            )
        try:
            async with asyncio.timeout(self._config.parting_seconds + 1.0):
                while self._streams:
                    self._all_gone.clear()
                    await self._all_gone.wait()
        except TimeoutError:
            logger.warning("disconnected at shutdown: %s", ", ".join(sorted(self._streams)))

    # -- streams

    async def serve(self, context: Context) -> None:
        """One call of `NodeSync.Connect`."""
        if self._stop.is_set():
            await context.abort(grpc.StatusCode.UNAVAILABLE, "stopping")
        try:
            peer = self._identify(context)
            if self._open_count >= self._config.max_streams:
                reason = f"the hub has {self._open_count} streams, which is its limit; try later"
                logger.warning("refused a stream of %s: %s", peer.node_id, reason)
                raise StreamRefused(grpc.StatusCode.RESOURCE_EXHAUSTED, reason)
        except TooManyTokens as exc:
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, str(exc), exc.metadata)
        except StreamRefused as exc:
            await context.abort(exc.code, exc.reason)
        stream = Stream(
            context,
            peer,
            upstream=self._upstream,
            hooks=StreamHooks(admit=self._admit, joined=self._joined, measured=self._joined),
            heartbeat_seconds=self._config.heartbeat_seconds,
            epoch=self._epoch,
            clock=self._clock,
        )
        self._open_count += 1
        try:
            await stream.run()
            raise AssertionError("a stream ends with StreamRefused")
        except StreamRefused as exc:
            ending = exc
            logger.info("stream of %s ended: %s", peer.node_id, exc)
        except Exception:
            ending = StreamRefused(grpc.StatusCode.INTERNAL, "internal error")
            logger.exception("stream of %s failed; the node will reconnect", peer.node_id)
        finally:
            self._open_count -= 1
            self._left(stream)
        if ending.code is not grpc.StatusCode.OK:
            await context.abort(ending.code, ending.reason)

    def _identify(self, context: Context) -> Peer:
        try:
            identity = self._tokens.identity(context)
        except TooManyTokens:
            raise
        except NotReady as exc:
            raise StreamRefused(grpc.StatusCode.ABORTED, str(exc)) from exc
        except AgentFlowError as exc:
            raise StreamRefused(grpc.StatusCode.UNAUTHENTICATED, str(exc)) from exc
        if identity.role not in self._config.accepts:
            reason = f"a token of role {identity.role} cannot open a stream here"
            self._tokens.refused(context, reason)
            raise StreamRefused(grpc.StatusCode.PERMISSION_DENIED, reason)
        return Peer(
            node_id=identity.node_id,
            role=Role(identity.role),
            token_id=identity.token_id,
            public_key=identity.public_key,
            token_issued_at=identity.issued_at,
            token_expires_at=identity.expires_at,
        )

    async def _admit(self, stream: Stream) -> None:
        """Allows one stream per node: an older one that answers keeps its place.

        Checks again after each wait: meanwhile the older stream may have ended, or a third one may have
        arrived.
        """
        if stream.peer.is_base and not self._config.takes_base_clients:
            reason = "a client that opens without Hello must connect to the Leader"
            raise StreamRefused(grpc.StatusCode.FAILED_PRECONDITION, reason)
        node_id = stream.peer.node_id
        while (older := self._streams.get(node_id)) is not None:
            is_same_process = bool(stream.instance_id) and older.instance_id == stream.instance_id
            # A process that reconnects has given up its old stream. A base client cannot be probed: the newest wins.
            if not is_same_process and not older.peer.is_base and await older.answers(self._config.probe_seconds):
                self._on_duplicate(node_id, stream.address)
                reason = f"a node named {node_id!r} is already connected and responds; names must be unique"
                raise StreamRefused(grpc.StatusCode.ALREADY_EXISTS, reason)
            if self._streams.get(node_id) is older:
                older.send_away(grpc.StatusCode.ABORTED, "replaced", parting_seconds=0.0)
                break
        self._streams[node_id] = stream

    def _joined(self, stream: Stream) -> None:
        if self._streams.get(stream.peer.node_id) is stream:
            self._presence.joined(stream.peer.node_id, link_rtt_ms=stream.session.rtt_seconds * 1000)
            self._presence_changed.set()

    def _left(self, stream: Stream) -> None:
        node_id = stream.peer.node_id
        if self._streams.get(node_id) is not stream:
            return  # Refused, or replaced by a newer stream: the node is still connected.
        del self._streams[node_id]
        self._all_gone.set()
        self._presence.left(
            node_id,
            now_mono=self._clock.mono(),
            last_heard_mono=stream.session.last_received_mono,
            said_goodbye=stream.said_goodbye,
        )
        self._presence_changed.set()

    # -- presence

    async def _report_presence(self) -> None:
        backoff = Backoff(0.2, 5.0)
        while True:
            self._presence_changed.clear()
            for change in self._presence.take_changes(self._clock.mono()):
                await self._report(change, backoff)
            deadline = self._presence.next_deadline() - self._clock.mono()
            seconds = None if deadline == float("inf") else max(deadline, 0.0)
            await wait_at_most(self._presence_changed, seconds)

    async def _report(self, change: LinkChange, backoff: Backoff) -> None:
        while True:
            try:
                await self._upstream.node_state(change.node_id, change.state, link_rtt_ms=change.link_rtt_ms)
            except StoreError as exc:
                delay = backoff.next_delay()
                logger.warning("state of %s not stored, next try in %.1f s: %s", change.node_id, delay, exc)
                await asyncio.sleep(delay)
            except Exception:  # Whatever is wrong with one node's row, the hub goes on for all others.
                logger.exception("state of %s not stored", change.node_id)
                return
            else:
                backoff.reset()
                return


class _Servicer(NodeSyncServicer):
    def __init__(self, serve: Callable[[Context], Awaitable[None]]) -> None:
        self._serve = serve

    # The stub only types generators; grpc.aio also accepts a coroutine that reads and writes the context.
    async def Connect(self, request_iterator: object, context: Context) -> None:  # type: ignore[override]
        await self._serve(context)


def _bind(server: grpc.aio.Server, config: HubConfig) -> int:
    try:
        if config.tls_cert_file is None or config.tls_key_file is None:
            port = server.add_insecure_port(config.address)
        else:
            pair = (config.tls_key_file.read_bytes(), config.tls_cert_file.read_bytes())
            port = server.add_secure_port(config.address, grpc.ssl_server_credentials([pair]))
    except OSError as exc:
        raise ConfigError(f"a TLS file of the hub cannot be read: {exc}") from exc
    except RuntimeError as exc:
        hint = " (or a TLS file is damaged)" if config.tls_cert_file else ""
        raise ConfigError(
            f"cannot listen on {config.address}: the port is in use, or the address is not this machine's{hint}"
        ) from exc
    return port
