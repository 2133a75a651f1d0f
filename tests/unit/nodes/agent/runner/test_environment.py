from __future__ import annotations

from nodes.agent.runner.environment import base_environment


def test_only_allowed_variables_reach_a_task() -> None:
    seen = base_environment(
        {
            "PATH": "/bin",
            "LC_ALL": "C",
            "AGENTFLOW_DATA_DIR": "/secret",
            "AWS_SECRET_ACCESS_KEY": "x",
            "LD_PRELOAD": "x",
            "BASH_ENV": "x",
        }
    )

    assert seen == {"PATH": "/bin", "LC_ALL": "C", "PYTHONUNBUFFERED": "1"}


def test_there_is_always_a_path() -> None:
    assert "/usr/bin" in base_environment({})["PATH"]
