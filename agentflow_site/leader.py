"""The Leader: one process, one loop. Hub, projection, scheduler, gateway and web server are wired only here."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import os
import shutil
from collections.abc import Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.db import IntegrityError, connection
from django.db.migrations.executor import MigrationExecutor

from agentflow_site.chat import InProcessChat, ScheduledFleet, make_chat
from agentflow_site.leader_lock import only_one_leader
from agentflow_site.pruning import rewrite_older_database
from agentflow_site.term import has_terms, take_term
from chat import remote as chat_remote
from chat import services as chat_services
from chat.retention import ChatRetention, steps
from nodes import audit, services
from nodes.agent.metrics.collector import Collector
from nodes.agent.metrics.machine import capabilities
from nodes.agent.metrics.sampler import Sampler
from nodes.core.descriptors import allow_many_connections
from nodes.core.lifecycle import EXIT_FAULT, Service, run_services
from nodes.core.ports import require_free
from nodes.core.private_files import close_to_others
from nodes.core.tls_files import check_certificate
from nodes.domain.events import NodeReport
from nodes.domain.states import Role
from nodes.errors import ConfigError, StaleTerm, StoreError
from nodes.leader.gateway.server import GatewayServer
from nodes.leader.projection.epoch import Epoch
from nodes.leader.projection.projection import Projection
from nodes.leader.projection.published import FanOut, Listener
from nodes.leader.projection.renewals import Renewals
from nodes.leader.projection.retention import Retention, RetentionConfig
from nodes.leader.projection.revocations import Revocations
from nodes.leader.projection.term import Term
from nodes.leader.projection.wal_watch import WalWatch
from nodes.leader.scheduler.scheduler import Scheduler
from nodes.stream.hub.config import HubConfig
from nodes.stream.hub.hub import Hub
from nodes.stream.identity import ClusterKey, NodeIdentity, TokenRole, check_node_name, issue_token, verify_token
from nodes.stream.identity.revoked_file import RevokedFile
from nodes.stream.identity.secret_files import create_secret
from nodes.stream.wire.v1 import node_sync_pb2 as pb
from nodes.version import VERSION

logger = logging.getLogger(__name__)

STOP_SECONDS = 8.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaderConfig:
    """Checked by `check`, which raises `ConfigError`."""

    data_dir: Path
    http: str  # HOST:PORT; empty = no web server in this process.
    grpc: str  # HOST:PORT
    name: str = "leader"
    heartbeat_seconds: float = 30.0
    tls_cert_file: Path | None = None
    tls_key_file: Path | None = None
    is_insecure: bool = False  # The operator allows plain text beyond this machine.
    is_behind_https_proxy: bool = False
    retention: RetentionConfig = field(default_factory=RetentionConfig)
    chat_retention: ChatRetention = field(default_factory=ChatRetention)

    @property
    def has_tls(self) -> bool:
        return self.tls_cert_file is not None

    @property
    def serves_https(self) -> bool:
        """A web port that only this machine or a proxy can reach stays without TLS."""
        return self.has_tls and not self.is_behind_https_proxy and not _is_loopback(self.http)

    @property
    def url(self) -> str:
        """Where a browser on this machine opens the pages; empty if that is not known here."""
        return "" if self.is_behind_https_proxy else self.own_url

    @property
    def own_url(self) -> str:
        """The web server's address on this machine, also behind a proxy; empty without one."""
        if not self.http:
            return ""
        host, port = _split(self.http, "--http")
        host = "127.0.0.1" if host in ("0.0.0.0", "::") else f"[{host}]" if ":" in host else host  # noqa: S104
        return f"{'https' if self.serves_https else 'http'}://{host}:{port}"

    def check(self) -> None:
        check_node_name(self.name)
        if (self.tls_cert_file is None) != (self.tls_key_file is None):
            raise ConfigError("--tls-cert and --tls-key must be given together")
        if self.tls_cert_file is not None and self.tls_key_file is not None:
            check_certificate(self.tls_cert_file, self.tls_key_file)
        _split(self.grpc, "--grpc")
        if not _is_loopback(self.grpc) and not (self.has_tls or self.is_insecure):
            raise ConfigError(
                f"--grpc {self.grpc} can be reached from other machines: give --tls-cert and --tls-key, or --insecure"
            )
        if self.http:
            _split(self.http, "--http")
            is_safe = self.has_tls or self.is_insecure or self.is_behind_https_proxy
            if not _is_loopback(self.http) and not is_safe:
                raise ConfigError(
                    f"--http {self.http} can be reached from other machines: give --tls-cert and --tls-key, "
                    "set AGENTFLOW_BEHIND_HTTPS_PROXY=true behind a proxy that handles TLS, or give --insecure"
                )


def run_leader(config: LeaderConfig) -> int:
    """Blocks until the Leader has stopped and returns the exit code. Raises `ConfigError` when it cannot start.

    First start: migrate → term → cluster key → tokens → serve.
    """
    config.check()
    with only_one_leader(config.data_dir, url=config.url, probed=config.own_url) as lock:
        allow_many_connections()
        for address in filter(None, (config.http, config.grpc)):
            require_free(address)
        epoch = Epoch(config.data_dir / "epoch")
        if not has_terms():
            _set_up()  # A new database, or one that no Leader with a term has used.
        # From here on, no other Leader changes the database: not even by a migration.
        term = take_term(lock, above=epoch.value, url=config.url)
        with term.kept():
            _migrate()
            rewrite_older_database()
            key = ClusterKey.load_or_create(config.data_dir)
            close_to_others(config.data_dir)  # After the key, which is refused when others could read it.
            _ensure_web_token(config.data_dir, key)
            _share_certificate(config)
            epoch.begin(term.value)
        return _run_on_reactors_loop(_Leader(config, key, epoch, term).run())


class _Leader:
    def __init__(self, config: LeaderConfig, key: ClusterKey, epoch: Epoch, term: Term) -> None:
        self._config = config
        self._term = term
        self._key = key
        self._epoch = epoch
        self._revocations = Revocations(RevokedFile(config.data_dir))

    async def run(self) -> int:
        config = self._config
        listener, more_services = self._listener()
        listeners = FanOut(listener)
        projection = self._projection(listeners)
        await projection.start()
        try:
            retention = Retention(projection.write, config.retention, steps(config.chat_retention))

            def send(node_id: str, command: pb.LeaderCommand) -> bool:
                return hub.send(node_id, command)

            scheduler = Scheduler(projection, epoch=self._epoch, send=send)
            chat = make_chat(
                settings.ENV.chat,
                writes=projection,
                fleet=ScheduledFleet(scheduler),
                listeners=listeners,
                publish=listener.publish,
            )
            remote_parts = {chat_remote.SERVICE: chat_remote.answering(chat.chat_service)}
            gateway = GatewayServer(
                scheduler,
                self._authenticate,
                prune=retention.prune,
                parts=remote_parts,
                on_refused=audit.recorder.note,
            )
            hub = self._hub(projection, gateway)
            await self._revocations.start(projection, hub.revoke)
            renewals = Renewals(projection, self._key, send=send, revoked=lambda: self._revocations.ids)
            sampler = Sampler(config.data_dir)
            await projection.register_leader(self._report(sampler))
            loop = services.LeaderLoop(asyncio.get_running_loop())
            services.use_gateway(services.InProcessGateway(scheduler, loop))
            chat_services.use_gateway(InProcessChat(chat.chat_service, loop))
            collector = Collector(sampler.sample, emit=projection.take_own_metrics)
            parts: list[Service] = [
                hub,
                scheduler,
                self._revocations,
                renewals,
                retention,
                *_wal_watch(projection),
                collector,
                *chat.services,
                *more_services,
                *(await self._web(hub, projection)),
            ]
            logger.info(
                "the Leader %s serves nodes on %s, %s; term %s",
                config.name,
                config.grpc,
                f"the page on {config.http}" if config.http else "no page",
                self._epoch.value,
            )
            return await run_services(parts, stop_deadline_seconds=STOP_SECONDS)
        finally:
            await projection.stop()
            chat_services.use_gateway(None)
            services.use_gateway(None)
            logger.info("the Leader has stopped")

    def _projection(self, listeners: FanOut) -> Projection:
        return Projection(
            listeners,
            term=self._term,
            epoch=self._epoch,
            public_key=self._key.public_key,
            leader_id=self._config.name,
            revoked=lambda: self._revocations.ids,
            on_lost=_end_at_once,
        )

    def _hub(self, projection: Projection, gateway: GatewayServer) -> Hub:
        config = self._config
        return Hub(
            HubConfig(
                address=config.grpc,
                accepts=frozenset({Role.MASTER, Role.EDGE}),
                heartbeat_seconds=config.heartbeat_seconds,
                tls_cert_file=config.tls_cert_file,
                tls_key_file=config.tls_key_file,
            ),
            upstream=projection,
            authenticate=self._authenticate,
            on_refused=audit.recorder.note,
            epoch=lambda: self._epoch.value,
            extra_services=[gateway.add_to],
            on_duplicate=projection.report_duplicate,
        )

    def _authenticate(self, token: str) -> NodeIdentity:
        return verify_token(self._key.public_key, token, revoked=self._revocations.ids)

    def _listener(self) -> tuple[Listener, list[Service]]:
        """Publishes to dashboards: to this process's sockets and, with Redis, as hints to separate web processes."""
        if not self._config.http and not settings.REDIS_URL:
            return FanOut(), []
        from dashboard.live.process import lead

        listener, notifier = lead()
        return listener, [notifier] if notifier is not None else []

    async def _web(self, hub: Hub, projection: Projection) -> list[Service]:
        config = self._config
        if not config.http:
            return []
        from agentflow_site.asgi import application, health
        from agentflow_site.web import WebConfig, WebServer

        health.require(lambda: hub.is_listening, otherwise="The hub does not listen for nodes.")
        health.require(lambda: not projection.is_in_trouble, otherwise="The database cannot be written.")
        host, port = _split(config.http, "--http")
        web = WebServer(
            WebConfig(
                host=host,
                port=port,
                heartbeat_seconds=config.heartbeat_seconds,
                tls_cert_file=config.tls_cert_file if config.serves_https else None,
                tls_key_file=config.tls_key_file if config.serves_https else None,
            ),
            application,
        )
        await web.listen()
        return [web]

    def _report(self, sampler: Sampler) -> NodeReport:
        machine = capabilities(
            agent_version=VERSION,
            projects=(),
            slots=0,
            allows_commands=False,
            pause_method="",
            gpus=sampler.gpus.sample(),
        )
        return NodeReport(role=Role.LEADER, capabilities=machine, address=self._config.http)


# --- before the start -----------------------------------------------------------------------------


def _wal_watch(projection: Projection) -> list[Service]:
    return [WalWatch(projection, Path(connection.settings_dict["NAME"]))] if connection.vendor == "sqlite" else []


def _end_at_once(lost: StaleTerm) -> None:
    """On the writer's thread. Whatever the loop still does could reach nodes or dashboards, so it is not waited for."""
    logger.error("%s; this Leader ends without writing anything more", lost)
    logging.shutdown()
    os._exit(EXIT_FAULT)


def _set_up() -> None:
    """Without a term, another Leader may do the same at the same moment: one of the two fails. Raises `ConfigError`."""
    try:
        _migrate()
    except IntegrityError as exc:
        raise ConfigError("another Leader is setting up this database at the same moment; start again") from exc


def _migrate() -> None:
    executor = MigrationExecutor(connection)
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        logger.info("setting up the database")
        call_command("migrate", verbosity=0, interactive=False)
    connection.close()


def _ensure_web_token(data_dir: Path, key: ClusterKey) -> None:
    """Writes the token of separate web processes. New at each start, so that a revoked one is replaced."""
    path = data_dir / "tokens" / "web.token"
    path.unlink(missing_ok=True)
    create_secret(path, issue_token(key, node_id="web", role=TokenRole.WEB).encode())


def _share_certificate(config: LeaderConfig) -> None:
    """The gateway's client trusts exactly this certificate."""
    shared = config.data_dir / "leader.crt"
    if config.tls_cert_file is None:
        shared.unlink(missing_ok=True)
    else:
        shutil.copyfile(config.tls_cert_file, shared)


def _split(address: str, option: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit() or int(port) > 65535:
        raise ConfigError(f"{option} {address}: expected HOST:PORT, such as 127.0.0.1:8000")
    return host.strip("[]"), int(port)


def _is_loopback(address: str) -> bool:
    host = address.rpartition(":")[0].strip("[]")
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _run_on_reactors_loop(work: Coroutine[Any, Any, int]) -> int:
    """Daphne is an installed app, so Twisted's reactor is installed already, on an event loop that Daphne created."""
    from daphne.server import twisted_loop

    with asyncio.Runner(loop_factory=lambda: twisted_loop) as runner:
        asyncio.set_event_loop(twisted_loop)
        try:
            return runner.run(work)
        except StoreError as exc:
            raise ConfigError(f"the Leader cannot start: {exc}") from exc
