from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from nodes.agent.runner.config import RunnerConfig
from nodes.agent.runner.resolve import Launch, resolve
from nodes.agent.runner.task_folder import TaskFolder
from nodes.domain.commands import StartTask, TaskSpec
from nodes.domain.events import NamedTask, Project
from nodes.errors import TaskRejected

BUILD = NamedTask(name="build", argv=("make", "all"), timeout_seconds=60.0, stall_after_seconds=30.0)
CONFIG = RunnerConfig(
    tasks_folder=Path("/data/tasks"),
    command_log_path=Path("/data/commands.db"),
    default_folder=Path("/home/me"),
    environment={"PATH": "/bin"},
    projects=(Project(name="web", path="/srv/web", tasks=(BUILD,)),),
)
CLOSED = replace(CONFIG, allow_commands=False)


def start(**spec: Any) -> StartTask:
    return StartTask(task_id="t1", attempt=2, spec=TaskSpec(**spec))


def launched(asked: StartTask, config: RunnerConfig) -> Launch:
    return resolve(asked, config)[1]


def rejected(config: RunnerConfig = CONFIG, **spec: Any) -> str:
    with pytest.raises(TaskRejected) as caught:
        resolve(start(**spec), config)
    return caught.value.code


def test_a_named_task_comes_from_the_nodes_configuration() -> None:
    launch = launched(start(project="web", named_task="build", argv=("evil",)), CLOSED)

    assert launch.argv == ("make", "all")
    assert launch.working_directory == "/srv/web"
    assert launch.timeout_seconds == 60.0


def test_a_request_sets_what_it_names_and_the_configuration_the_rest() -> None:
    completed, launch = resolve(start(project="web", named_task="build", timeout_seconds=5), CONFIG)

    assert launch.timeout_seconds == 5
    assert completed.spec == TaskSpec(project="web", named_task="build", timeout_seconds=5, stall_after_seconds=30.0)


def test_a_command_has_no_defaults() -> None:
    asked = start(argv=("ls",), project="web")

    assert resolve(asked, CONFIG)[0].spec == asked.spec


def test_a_command_runs_in_its_projects_folder_or_at_home() -> None:
    assert launched(start(argv=("ls",), project="web"), CONFIG).working_directory == "/srv/web"
    assert (
        launched(start(argv=("ls",), project="web", working_directory="a/b"), CONFIG).working_directory
        == "/srv/web/a/b"
    )
    assert launched(start(argv=("ls",), working_directory="/tmp"), CONFIG).working_directory == "/tmp"
    assert launched(start(argv=("ls",)), CONFIG).working_directory == "/home/me"


def test_only_a_shell_line_runs_in_a_shell() -> None:
    assert launched(start(shell_line="a && b"), CONFIG).argv == ("/bin/sh", "-c", "a && b")
    assert launched(start(argv=("a", "&&", "b")), CONFIG).argv == ("a", "&&", "b")


def test_the_tasks_ids_are_in_its_environment() -> None:
    environment = launched(start(argv=("ls",), environment={"X": "1"}), CONFIG).environment

    assert environment == {
        "PATH": "/bin",
        "AGENTFLOW_TASK_ID": "t1",
        "AGENTFLOW_ATTEMPT": "2",
        "AGENTFLOW_PROJECT": "",
        "X": "1",
    }


def test_refusals_have_a_code() -> None:
    assert rejected(project="shop", argv=("ls",)) == "no-such-project"
    assert rejected(project="web", named_task="deploy") == "no-such-named-task"
    assert rejected(named_task="build") == "bad-request"
    assert rejected() == "bad-request"
    assert rejected(argv=("ls",), environment={"A=B": "1"}) == "bad-request"
    assert rejected(argv=("ls",), environment={"A": "\0"}) == "bad-request"


def test_a_node_without_commands_runs_named_tasks_only_as_configured() -> None:
    assert rejected(CLOSED, argv=("ls",)) == "forbidden"
    assert rejected(CLOSED, shell_line="ls") == "forbidden"
    assert rejected(CLOSED, project="web", named_task="build", environment={"PATH": "/evil"}) == "forbidden"
    assert rejected(CLOSED, project="web", named_task="build", working_directory="/evil") == "forbidden"


def test_the_resolved_command_says_what_runs_without_its_secrets() -> None:
    asked = start(shell_line="deploy --token=hunter2hunter2", environment={"API_KEY": "s3cret-value", "WHERE": "x"})

    resolved = resolve(asked, CONFIG)[0].resolved

    assert resolved is not None
    assert resolved.argv == ("/bin/sh", "-c", "deploy --token=[redacted]")
    assert (resolved.environment["API_KEY"], resolved.environment["WHERE"]) == ("[redacted]", "x")
    assert (resolved.working_directory, resolved.definition) == (str(CONFIG.default_folder), "")


def test_the_resolved_command_of_a_named_task_has_the_digest_of_its_definition() -> None:
    resolved = resolve(start(project="web", named_task="build"), CONFIG)[0].resolved

    named = CONFIG.projects[0].tasks[0]
    assert resolved is not None
    assert (resolved.argv, resolved.definition) == (named.argv, named.digest)
    assert structs.replace(named, argv=("make",)).digest != named.digest
    assert structs.replace(named, description="new").digest == named.digest


def test_a_long_resolved_command_is_shortened() -> None:
    asked = start(argv=("x", *["y" * 1_000] * 60), environment={f"N{i}": "z" * 1_000 for i in range(60)})

    resolved = resolve(asked, CONFIG)[0].resolved

    assert resolved is not None
    assert sum(map(len, resolved.argv)) <= 8_192
    assert resolved.argv[-1].endswith("…")
    assert sum(len(name) + len(value) for name, value in resolved.environment.items()) <= 8_192


def test_the_next_agent_finds_the_resolved_command(tmp_path: Path) -> None:
    resolved = resolve(start(project="web", named_task="build"), CONFIG)[0]

    assert TaskFolder.create(tmp_path, resolved).request() == resolved
