"""The parameters of a connection to PostgreSQL."""

from __future__ import annotations

from agentflow_site.postgresql import limits


def test_every_wait_has_a_limit_and_the_server_gives_up_first() -> None:
    options = limits.connection_options({})

    assert options["connect_timeout"] == limits.CONNECT_SECONDS
    for name, seconds in (("lock_timeout", 5), ("statement_timeout", 10), ("idle_in_transaction_session_timeout", 5)):
        assert f"-c {name}={seconds}s" in options["options"]
    assert limits.LOCK_SECONDS < limits.STATEMENT_SECONDS < limits.ANSWER_SECONDS


def test_what_the_url_gives_takes_precedence() -> None:
    options = limits.connection_options({"sslmode": "require", "connect_timeout": "9", "options": "-c lock_timeout=1s"})

    assert (options["sslmode"], options["connect_timeout"]) == ("require", "9")
    assert options["options"].endswith("-c lock_timeout=1s")
