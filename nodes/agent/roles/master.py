"""A Master: runner, journals, an uplink to the Leader and, optionally, a hub for its own Edges."""

from __future__ import annotations

from collections.abc import Mapping

from nodes.agent.config import AgentConfig
from nodes.agent.roles.agent import make_agent, run_agent
from nodes.agent.roles.options import AgentOptions
from nodes.core.lifecycle import Service
from nodes.core.ports import require_free
from nodes.domain.states import Role


async def run_master(options: AgentOptions, config: AgentConfig, token: str, environ: Mapping[str, str]) -> int:
    if options.hub is not None:
        require_free(options.hub.address)
    agent = make_agent(options, config, token, environ)
    services: list[Service] = []
    if options.hub is not None:
        # Imported here: only a Master with Edges needs the server side.
        from nodes.agent.relay.relay import edge_hub
        from nodes.stream.hub.config import HubConfig

        hub_config = HubConfig(
            address=options.hub.address,
            accepts=frozenset({Role.EDGE}),
            takes_base_clients=False,
            heartbeat_seconds=options.heartbeat_seconds,
            tls_cert_file=options.hub.tls_cert,
            tls_key_file=options.hub.tls_key,
        )
        services.append(edge_hub(hub_config, uplink=agent.uplink, journals=agent.journals))
    return await run_agent(agent, services)
