"""Starts an agent from checked options.

An Edge has a runner, journals and an uplink to its Master. A Master has the same, with an uplink to the Leader, and a
hub if it takes Edges of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nodes.agent.roles.agent import Agent, load_config, make_agent, run_agent
from nodes.agent.roles.data_folder import locked_data_folder, read_token
from nodes.agent.roles.logs import set_up_logging
from nodes.agent.roles.options import AgentOptions, HubOptions
from nodes.core.lifecycle import Service
from nodes.core.ports import require_free
from nodes.core.tls_files import check_authority, check_certificate
from nodes.domain.states import Role


async def start(options: AgentOptions, environ: Mapping[str, str]) -> int:
    """Raises ConfigError before anything runs; otherwise returns the exit code."""
    set_up_logging(options.log_level)
    token, key = read_token(options.token_file)
    config = load_config(options)
    if options.tls_ca is not None:
        check_authority(options.tls_ca)
    if options.hub is not None and options.hub.tls_cert is not None and options.hub.tls_key is not None:
        check_certificate(options.hub.tls_cert, options.hub.tls_key)
    with locked_data_folder(options.data_dir):
        if options.hub is not None:
            require_free(options.hub.address)
        agent = make_agent(options, config, token, key, environ)
        more = _hub(agent, options.hub) if options.hub is not None else ()
        return await run_agent(agent, more)


def _hub(agent: Agent, hub: HubOptions) -> Sequence[Service]:
    # Imported here: only a Master with Edges needs the server side.
    from nodes.agent.relay.relay import edge_hub
    from nodes.stream.hub.config import HubConfig

    config = HubConfig(
        address=hub.address,
        accepts=frozenset({Role.EDGE}),
        takes_base_clients=False,
        heartbeat_seconds=agent.options.heartbeat_seconds,
        tls_cert_file=hub.tls_cert,
        tls_key_file=hub.tls_key,
    )
    return (edge_hub(config, uplink=agent.uplink, journals=agent.journals),)
