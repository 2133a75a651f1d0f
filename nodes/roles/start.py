"""From checked options to a running agent."""

from __future__ import annotations

from collections.abc import Mapping

from nodes.domain.states import Role
from nodes.roles.agent import load_config
from nodes.roles.data_folder import held_data_folder, read_token
from nodes.roles.edge import run_edge
from nodes.roles.logs import set_up_logging
from nodes.roles.master import run_master
from nodes.roles.options import AgentOptions


async def start(options: AgentOptions, environ: Mapping[str, str]) -> int:
    """Raises ConfigError before anything runs; then the exit code."""
    set_up_logging(options.log_level)
    token = read_token(options.token_file)
    config = load_config(options)
    with held_data_folder(options.data_dir):
        run = run_master if options.role is Role.MASTER else run_edge
        return await run(options, config, token, environ)
