from __future__ import annotations

from pathlib import Path

import pytest

from nodes.agent.roles.options import AgentOptions, parse_options
from nodes.domain.states import Role
from nodes.errors import ConfigError

MASTER = ["master", "--leader", "127.0.0.1:7946", "--name", "m1", "--token-file", "m1.token"]


def parse(*more: str, environ: dict[str, str] | None = None) -> AgentOptions:
    return parse_options([*MASTER, *more], environ or {})


def refused(*arguments: str, environ: dict[str, str] | None = None) -> str:
    with pytest.raises(ConfigError) as caught:
        parse_options(arguments, environ or {})
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_master_with_default_options() -> None:
    options = parse()

    assert (options.role, options.parent, options.name) == (Role.MASTER, "127.0.0.1:7946", "m1")
    assert (options.slots, options.hub, options.tls, options.heartbeat_seconds) == (None, None, False, 30.0)
    assert options.data_dir == Path(".agentflow/nodes/m1").resolve()


def test_an_edge_names_its_master() -> None:
    options = parse_options(["edge", "--master", "localhost:1", "--name", "e", "--token-file", "t"], {})

    assert (options.role, options.parent) == (Role.EDGE, "localhost:1")


def test_the_environment_gives_defaults() -> None:
    environ = {"AGENTFLOW_DATA_DIR": "/data", "AGENTFLOW_HEARTBEAT_SECONDS": "5", "AGENTFLOW_LOG_LEVEL": "debug"}
    options = parse(environ=environ)

    assert (options.data_dir, options.heartbeat_seconds, options.log_level) == (Path("/data/nodes/m1"), 5.0, "DEBUG")
    assert parse("--data-dir", "/mine", "--heartbeat", "10", environ=environ).data_dir == Path("/mine")


def test_other_machines_need_tls_or_insecure() -> None:
    far = ["master", "--leader", "leader.example:7946", "--name", "m1", "--token-file", "t"]

    assert "--tls-ca FILE or --tls, or --insecure" in refused(*far)
    assert parse_options([*far, "--insecure"], {}).tls is False
    assert parse_options([*far, "--tls"], {}).tls is True
    assert parse_options([*far, "--tls-ca", "ca.crt"], {}).tls_ca == Path("ca.crt")
    assert "--hub 0.0.0.0:1 is not on this machine" in refused(*MASTER, "--hub", "0.0.0.0:1")
    hub = parse("--hub", "0.0.0.0:1", "--hub-tls-cert", "c", "--hub-tls-key", "k").hub
    assert hub is not None
    assert hub.tls_cert == Path("c")


def test_refusals_say_what_is_wrong() -> None:
    assert "the following arguments are required: --leader" in refused("master", "--name", "a", "--token-file", "t")
    assert "'nowhere' is not a valid address" in refused("master", "--leader", "nowhere", *MASTER[3:], "--insecure")
    assert "not a valid address" in refused("master", "--leader", "localhost:99999", *MASTER[3:])
    assert "not a valid node name" in refused("edge", "--master", "localhost:1", "--name", "a/b", "--token-file", "t")
    assert "--slots is 0" in refused(*MASTER, "--slots", "0")
    assert "heartbeat_seconds is 61" in refused(*MASTER, "--heartbeat", "61")
    assert "AGENTFLOW_HEARTBEAT_SECONDS=x" in refused(*MASTER, environ={"AGENTFLOW_HEARTBEAT_SECONDS": "x"})
    assert "log level 'LOUD'" in refused(*MASTER, "--log-level", "LOUD")
    assert "must be given together" in refused(*MASTER, "--hub", "localhost:1", "--hub-tls-cert", "c")
    assert "need --hub" in refused(*MASTER, "--hub-tls-cert", "c")
    assert "unrecognized arguments: --what" in refused(*MASTER, "--what")
