"""The command line of an agent, checked as a whole before anything starts."""

from __future__ import annotations

import argparse
import ipaddress
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from nodes.domain.states import LOG_LEVEL_NAMES, Role
from nodes.errors import ConfigError
from nodes.stream.identity.tokens import check_node_name
from nodes.stream.wire.limits import DEFAULT_HEARTBEAT_SECONDS, check_heartbeat


@dataclass(frozen=True, slots=True, kw_only=True)
class HubOptions:
    """Where a Master listens for its Edges."""

    address: str
    tls_cert: Path | None = None
    tls_key: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentOptions:
    role: Role
    parent: str  # HOST:PORT of the Leader, or of an Edge's Master.
    name: str
    token_file: Path
    data_dir: Path
    config_file: Path | None
    slots: int | None  # None = the configuration's value.
    tls: bool
    tls_ca: Path | None
    tls_server_name: str
    hub: HubOptions | None
    heartbeat_seconds: float
    log_level: str


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ConfigError(f"{message}; see {self.prog} --help")


def parse_options(arguments: Sequence[str], environ: Mapping[str, str]) -> AgentOptions:
    """Parses and checks the command line. Raises ConfigError; `--help` prints and exits."""
    values = _parser().parse_args(arguments)
    role = Role(values.role)
    name = check_node_name(values.name)
    slots = values.slots
    if slots is not None and slots < 1:
        raise ConfigError(f"--slots is {slots}: must be at least 1")
    uses_tls = bool(values.tls or values.tls_ca)
    if not uses_tls and not values.insecure:
        _only_loopback(values.parent, "--leader" if role is Role.MASTER else "--master", "--tls-ca FILE or --tls")
    default_dir = Path(environ.get("AGENTFLOW_DATA_DIR") or ".agentflow") / "nodes" / name
    return AgentOptions(
        role=role,
        parent=_address(values.parent),
        name=name,
        token_file=values.token_file,
        data_dir=(values.data_dir or default_dir).expanduser().resolve(),
        config_file=values.config,
        slots=slots,
        tls=uses_tls,
        tls_ca=values.tls_ca,
        tls_server_name=values.tls_server_name,
        hub=_hub(values) if role is Role.MASTER else None,
        heartbeat_seconds=_heartbeat(values.heartbeat, environ),
        log_level=_log_level(values.log_level or environ.get("AGENTFLOW_LOG_LEVEL") or "INFO"),
    )


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="python -m nodes", description="An agent: runs tasks on this machine and reports to its parent."
    )
    roles = parser.add_subparsers(dest="role", required=True, parser_class=_Parser)
    master = roles.add_parser(Role.MASTER.value, help="an agent of the Leader; may have Edges of its own")
    master.add_argument("--leader", dest="parent", required=True, metavar="HOST:PORT", help="the Leader's stream port")
    master.add_argument("--hub", metavar="HOST:PORT", help="address on which to listen for Edges")
    master.add_argument("--hub-tls-cert", type=Path, metavar="FILE", help="the hub's certificate, PEM")
    master.add_argument("--hub-tls-key", type=Path, metavar="FILE", help="the hub's key, PEM")
    edge = roles.add_parser(Role.EDGE.value, help="an agent of a Master")
    edge.add_argument("--master", dest="parent", required=True, metavar="HOST:PORT", help="the Master's hub")
    for one in (master, edge):
        one.add_argument("--name", required=True, help="the node's name, as in its token")
        one.add_argument(
            "--token-file", type=Path, required=True, metavar="FILE", help="create it with: manage.py token new"
        )
        one.add_argument("--config", type=Path, metavar="FILE", help="agentflow.toml: projects and their tasks")
        one.add_argument(
            "--slots", type=int, metavar="N", help="number of concurrent tasks; overrides the configuration"
        )
        one.add_argument("--data-dir", type=Path, metavar="DIR", help="journals and tasks; one agent per folder")
        one.add_argument("--tls", action="store_true", help="TLS with the system's certificate authorities")
        one.add_argument("--tls-ca", type=Path, metavar="FILE", help="TLS with this certificate authority, PEM")
        one.add_argument("--tls-server-name", default="", metavar="NAME", help="the name in the parent's certificate")
        one.add_argument(
            "--insecure", action="store_true", help="allow other machines without TLS, on a private network"
        )
        one.add_argument("--heartbeat", type=float, metavar="SECONDS", help="5 to 60; default 30")
        one.add_argument("--log-level", metavar="LEVEL", help=", ".join(LOG_LEVEL_NAMES))
    return parser


def _hub(values: argparse.Namespace) -> HubOptions | None:
    if values.hub is None:
        if values.hub_tls_cert or values.hub_tls_key:
            raise ConfigError("--hub-tls-cert and --hub-tls-key need --hub HOST:PORT")
        return None
    if bool(values.hub_tls_cert) != bool(values.hub_tls_key):
        raise ConfigError("--hub-tls-cert and --hub-tls-key must be given together")
    if not values.hub_tls_cert and not values.insecure:
        _only_loopback(values.hub, "--hub", "--hub-tls-cert and --hub-tls-key")
    return HubOptions(
        address=_address(values.hub, allow_zero=True), tls_cert=values.hub_tls_cert, tls_key=values.hub_tls_key
    )


def _address(text: str, *, allow_zero: bool = False) -> str:
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit() or not (0 if allow_zero else 1) <= int(port) < 65536:
        raise ConfigError(f"{text!r} is not a valid address: expected HOST:PORT")
    return text


def _only_loopback(address: str, option: str, tls_options: str) -> None:
    """Allows unencrypted tokens and commands only on this machine, unless `--insecure` is given."""
    host = address.rpartition(":")[0].strip("[]")
    try:
        is_loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        is_loopback = host == "localhost"
    if not is_loopback:
        raise ConfigError(f"{option} {address} is not on this machine: give {tls_options}, or --insecure")


def _heartbeat(seconds: float | None, environ: Mapping[str, str]) -> float:
    text = environ.get("AGENTFLOW_HEARTBEAT_SECONDS", "")
    if seconds is None and text:
        try:
            seconds = float(text)
        except ValueError as error:
            raise ConfigError(f"AGENTFLOW_HEARTBEAT_SECONDS={text} is not allowed: give 5 to 60") from error
    return check_heartbeat(DEFAULT_HEARTBEAT_SECONDS if seconds is None else seconds)


def _log_level(text: str) -> str:
    if text.upper() not in LOG_LEVEL_NAMES:
        raise ConfigError(f"log level {text!r} is not allowed: give {', '.join(LOG_LEVEL_NAMES)}")
    return text.upper()


def print_line(line: str) -> None:
    """Prints one line to the terminal, before logging is set up."""
    sys.stderr.write(f"agentflow: {line}\n")


def own_environment() -> Mapping[str, str]:
    """This process's environment. Code below `roles` never reads it: it is passed in."""
    return os.environ
