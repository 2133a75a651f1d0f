"""Starts an agent from checked options."""

from __future__ import annotations

from collections.abc import Mapping

from nodes.agent.roles.agent import load_config
from nodes.agent.roles.data_folder import locked_data_folder, read_token
from nodes.agent.roles.edge import run_edge
from nodes.agent.roles.logs import set_up_logging
from nodes.agent.roles.master import run_master
from nodes.agent.roles.options import AgentOptions
from nodes.core.tls_files import check_authority, check_certificate
from nodes.domain.states import Role


async def start(options: AgentOptions, environ: Mapping[str, str]) -> int:
    """Raises ConfigError before anything runs; otherwise returns the exit code."""
    set_up_logging(options.log_level)
    token = read_token(options.token_file)
    config = load_config(options)
    if options.tls_ca is not None:
        check_authority(options.tls_ca)
    if options.hub is not None and options.hub.tls_cert is not None and options.hub.tls_key is not None:
        check_certificate(options.hub.tls_cert, options.hub.tls_key)
    with locked_data_folder(options.data_dir):
        run = run_master if options.role is Role.MASTER else run_edge
        return await run(options, config, token, environ)
