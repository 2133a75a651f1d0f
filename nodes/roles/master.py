"""A Master: runner, journals, an uplink to the Leader and, when asked, a hub for Edges of its own."""

from __future__ import annotations

from collections.abc import Mapping

from nodes.agent_config import AgentConfig
from nodes.roles.agent import make_agent, run_agent
from nodes.roles.options import AgentOptions


async def run_master(options: AgentOptions, config: AgentConfig, token: str, environ: Mapping[str, str]) -> int:
    return await run_agent(make_agent(options, config, token, environ))
