"""An agent's parts and their order: producers stop before their consumers (docs/architecture.md)."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from msgspec import structs

from nodes.agent.config import AgentConfig, load_agent_config
from nodes.agent.metrics.collector import Collector
from nodes.agent.metrics.machine import capabilities
from nodes.agent.metrics.sampler import Sampler
from nodes.agent.roles.config_watch import ConfigWatch
from nodes.agent.roles.options import AgentOptions
from nodes.agent.runner.config import RunnerConfig
from nodes.agent.runner.environment import base_environment
from nodes.agent.runner.freezer import find_freezer_parent
from nodes.agent.runner.runner import Runner
from nodes.agent.stall.memory import RunMemory
from nodes.agent.stall.watch import StallWatch
from nodes.core.lifecycle import Service, run_services
from nodes.domain.events import Capabilities, NodeReport, Snapshot
from nodes.domain.phrases import Phrase
from nodes.domain.states import Lane
from nodes.errors import AgentFlowError, ConfigError
from nodes.stream.identity.edge_keys import EdgeKey
from nodes.stream.journal.guard import JournalGuard
from nodes.stream.journal.journal import Journal
from nodes.stream.uplink.config import UplinkConfig
from nodes.stream.uplink.uplink import Uplink
from nodes.version import VERSION

logger = logging.getLogger(__name__)


@dataclass(slots=True, kw_only=True)
class Agent:
    """The parts of an agent, to which a role may add more."""

    options: AgentOptions
    journals: Mapping[Lane, Journal]
    runner: Runner
    uplink: Uplink
    collector: Collector
    stall: StallWatch
    report: NodeReport
    config: AgentConfig  # At the start.

    async def use(self, config: AgentConfig, trouble: tuple[Phrase, ...]) -> None:
        """Puts a configuration in force and reports it; `trouble` says why a newer one is not used."""
        self.runner.reconfigure(
            slots=config.slots, allow_commands=config.allow_commands, projects=config.projects, secrets=config.secrets
        )
        offered = structs.replace(
            self.report.capabilities,
            slots=config.slots,
            allows_commands=config.allow_commands,
            projects=config.announced_projects(),
        )
        self.report = replace(self.report, capabilities=offered, config_trouble=trouble)
        await self.uplink.send_update(self.snapshot().report)

    def snapshot(self) -> Snapshot:
        """The node's complete state; the uplink fills in the positions."""
        report = replace(self.report, link_rtt_ms=self.uplink.link_rtt_ms)
        tasks = self.runner.snapshot_tasks()
        return Snapshot(tasks=tasks, positions=(), report=report, metrics=self.collector.latest)


class Reported:
    """Wraps a service so that its expected failures are logged as one clear line, not as a traceback."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self.name = service.name

    def request_stop(self) -> None:
        self._service.request_stop()

    async def run(self) -> None:
        try:
            await self._service.run()
        except AgentFlowError as error:
            # Returning without a stop request ends the process with a fault, as intended.
            logger.error("%s: %s", self.name, error)  # noqa: TRY400


def load_config(options: AgentOptions) -> AgentConfig:
    """Reads the configuration file, if one was given. Raises ConfigError."""
    config = load_agent_config(options.config_file) if options.config_file is not None else AgentConfig()
    return config if options.slots is None else replace(config, slots=options.slots)


def make_agent(
    options: AgentOptions, config: AgentConfig, token: str, key: EdgeKey | None, environ: Mapping[str, str]
) -> Agent:
    """Opens the journals and wires the parts; starts nothing. Raises ConfigError."""
    cgroup_parent = find_freezer_parent()
    journals = _open_journals(options)
    sampler = Sampler(options.data_dir)
    agent: Agent
    runner: Runner
    stall: StallWatch
    # The parts need each other: the lambdas look up parts that do not exist yet, and run only after `run_agent`.
    uplink = Uplink(
        _uplink_config(options, token, key),
        journals=journals,
        snapshot=lambda: agent.snapshot(),  # noqa: PLW0108
        on_command=lambda command, received_mono: runner.submit(command, received_mono),  # noqa: PLW0108
    )
    runner = Runner(
        _runner_config(options, config, environ, cgroup_parent),
        emit=uplink.send_update,
        journal_id=lambda: journals[Lane.STATES].journal_id,
        logs_cursor=journals[Lane.LOGS].cursor,
        forget_cursor=lambda key: journals[Lane.LOGS].append([], cursor=(key, 0)),
        on_running=lambda: stall.wake(),  # noqa: PLW0108
    )
    collector = Collector(sampler.sample, emit=uplink.send_update)
    stall = StallWatch(
        runner.running,
        emit=uplink.send_update,
        memory=RunMemory(options.data_dir / "runs.json"),
        succeeded=runner.succeeded,
        metrics=lambda: collector.latest,
    )
    agent = Agent(
        options=options,
        config=config,
        journals=journals,
        runner=runner,
        uplink=uplink,
        collector=collector,
        stall=stall,
        report=NodeReport(
            role=options.role, capabilities=_capabilities(config, cgroup_parent, sampler), address=_address(options)
        ),
    )
    journals[Lane.STATES].on_renewal(runner.report_again)
    return agent


async def run_agent(agent: Agent, more: Sequence[Service] = ()) -> int:
    """Runs until a signal or a fault; returns the exit code. Tasks keep running without the agent.

    The services in `more` start after the uplink and stop before it.
    """
    logger.info(
        "%s %s starts: parent %s, data in %s",
        agent.options.role.value,
        agent.options.name,
        agent.options.parent,
        agent.options.data_dir,
    )
    # Before the uplink connects: a task that has not been found yet would count as lost.
    await agent.runner.prepare()
    guard = JournalGuard(agent.journals.values())
    watch = _config_watch(agent)
    services: list[Service] = [guard, agent.uplink, *more, agent.collector, agent.stall, agent.runner]
    if watch is not None:
        services.append(watch)
    try:
        code = await run_services(
            [Reported(service) for service in services], on_hang_up=watch.reload if watch is not None else None
        )
    finally:
        for journal in agent.journals.values():
            await journal.aclose()
    logger.info("%s stopped", agent.options.name)
    return code


def _config_watch(agent: Agent) -> ConfigWatch | None:
    """None without a configuration file."""
    options = agent.options
    if options.config_file is None:
        return None
    return ConfigWatch(
        options.config_file,
        node_id=options.name,
        load=lambda: load_config(options),
        current=agent.config,
        use=agent.use,
    )


def _open_journals(options: AgentOptions) -> dict[Lane, Journal]:
    folder = options.data_dir
    try:
        return {
            lane: Journal(folder / f"{lane.value}.db", node_id=options.name, lane=lane)
            for lane in (Lane.STATES, Lane.LOGS)
        }
    except (AgentFlowError, OSError) as error:
        raise ConfigError(f"the journals in {folder} cannot be opened: {error}") from error


def _uplink_config(options: AgentOptions, token: str, key: EdgeKey | None) -> UplinkConfig:
    return UplinkConfig(
        target=options.parent,
        token=token,
        key=key,
        renewed_token_file=options.data_dir / "renewed.token",
        node_id=options.name,
        role=options.role,
        node_file=options.data_dir / "node.json",
        heartbeat_seconds=options.heartbeat_seconds,
        tls=options.tls,
        ca_file=options.tls_ca,
        tls_server_name=options.tls_server_name,
    )


def _runner_config(
    options: AgentOptions, config: AgentConfig, environ: Mapping[str, str], cgroup_parent: str
) -> RunnerConfig:
    return RunnerConfig(
        tasks_folder=options.data_dir / "tasks",
        command_log_path=options.data_dir / "commands.db",
        slots=config.slots,
        allow_commands=config.allow_commands,
        projects=config.projects,
        secrets=config.secrets,
        environment=base_environment(environ),
        cgroup_parent=cgroup_parent,
    )


def _capabilities(config: AgentConfig, cgroup_parent: str, sampler: Sampler) -> Capabilities:
    return capabilities(
        agent_version=VERSION,
        projects=config.announced_projects(),
        slots=config.slots,
        allows_commands=config.allow_commands,
        pause_method="cgroup" if cgroup_parent else "signals",
        gpus=sampler.gpus.sample(),
    )


def _address(options: AgentOptions) -> str:
    return options.hub.address if options.hub is not None else ""
