"""A configuration that an agent reads again."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from nodes.agent.config import AgentConfig
from nodes.agent.roles.agent import Agent
from nodes.core.project_secrets import ProjectSecrets
from nodes.domain.events import Capabilities, NamedTask, NodeReport, Project, Snapshot
from nodes.domain.states import Role


async def test_its_secrets_count_for_the_runner_and_are_not_announced() -> None:
    sent: list[NodeReport] = []
    used: dict[str, Any] = {}

    async def send_update(report: NodeReport) -> None:
        sent.append(report)

    agent: Any = Agent(
        options=None,  # type: ignore[arg-type]
        journals={},
        runner=SimpleNamespace(reconfigure=used.update, snapshot_tasks=tuple),  # type: ignore[arg-type]
        uplink=SimpleNamespace(send_update=send_update, link_rtt_ms=1.0),  # type: ignore[arg-type]
        collector=SimpleNamespace(latest=None),  # type: ignore[arg-type]
        stall=None,  # type: ignore[arg-type]
        report=NodeReport(role=Role.MASTER, capabilities=Capabilities(slots=1)),
        config=AgentConfig(),
    )
    project = Project(name="shop", path="/srv", tasks=(NamedTask(name="t", argv=("deploy", "hunter2")),))
    secrets = {"shop": ProjectSecrets(values=("hunter2",))}

    await agent.use(AgentConfig(slots=3, projects=(project,), secrets=secrets), ())

    assert (used["projects"], used["secrets"]) == ((project,), secrets)
    (announced,) = sent[-1].capabilities.projects
    assert announced.tasks[0].argv == ("deploy", "[redacted]")
    assert sent[-1].capabilities.slots == 3
    assert isinstance(agent.snapshot(), Snapshot)
