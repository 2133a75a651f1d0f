"""An Edge: runner, journals, and an uplink to its Master."""

from __future__ import annotations

from collections.abc import Mapping

from nodes.agent.config import AgentConfig
from nodes.agent.roles.agent import make_agent, run_agent
from nodes.agent.roles.options import AgentOptions


async def run_edge(options: AgentOptions, config: AgentConfig, token: str, environ: Mapping[str, str]) -> int:
    return await run_agent(make_agent(options, config, token, environ))
