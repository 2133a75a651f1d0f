from __future__ import annotations

from pathlib import Path

import pytest

from nodes.agent.config import AgentConfig, load_agent_config
from nodes.domain.events import Capabilities, NamedTask, NodeReport, Update
from nodes.domain.states import Role
from nodes.errors import ConfigError
from nodes.stream.wire.codec import encode_update
from nodes.stream.wire.limits import MAX_MESSAGE_BYTES

WHOLE = """
[node]
slots = 4
allow_commands = false

[projects.web]
path = "web"

[projects.web.tasks.build]
argv = ["make", "build"]
timeout_seconds = 60
stall_after_seconds = 1.5
description = "Compile"
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "agentflow.toml"
    path.write_text(text)
    return path


def test_a_complete_file(tmp_path: Path) -> None:
    (tmp_path / "web").mkdir()
    for marker in ("package.json", "Makefile", "pyproject.toml", "requirements.txt"):
        (tmp_path / "web" / marker).touch()

    config = load_agent_config(write(tmp_path, WHOLE))

    assert (config.slots, config.allow_commands) == (4, False)
    (web,) = config.projects
    assert (web.name, web.path, web.types) == ("web", str(tmp_path / "web"), ("python", "node", "make"))
    assert web.tasks == (
        NamedTask(
            name="build",
            argv=("make", "build"),
            timeout_seconds=60.0,
            stall_after_seconds=1.5,
            description="Compile",
        ),
    )


def test_names_of_any_script_have_one_spelling(tmp_path: Path) -> None:
    text = '[projects."cafe\u0301"]\npath = "."\n[projects."cafe\u0301".tasks."构建"]\nargv = ["make"]\n'

    (project,) = load_agent_config(write(tmp_path, text)).projects

    assert (project.name, project.tasks[0].name) == ("caf\u00e9", "构建")


def test_an_empty_file_gives_the_defaults(tmp_path: Path) -> None:
    assert load_agent_config(write(tmp_path, "")) == AgentConfig()


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("[node\n", 1, "expected ']'"),
        ('[node]\nslots = 1\n[projects.a]\npath = "unclosed\n', 4, "illegal character"),
        ("[node]\n\nslots = 0\n", 3, "slots is 0: expected a whole number from 1 to 1000"),
        ("[node]\nslots = true\n", 2, "slots is True"),
        ('[node]\nallow_commands = "yes"\n', 2, "true or false"),
        ("[node]\nslot = 4\n", 2, "unknown key 'slot'; known keys: allow_commands, slots"),
        ("[nodes]\nslots = 4\n", 1, "unknown key 'nodes'"),
        ("projects = 3\n", 1, "projects is 3: expected a table"),
        ("[projects.web]\n", 1, "project 'web' needs a path"),
        ('[node]\n[projects.web]\n\npath = "/nowhere/at/all"\n', 4, "there is no folder /nowhere/at/all"),
        ('[projects.web]\npath = "."\n[projects.web.tasks.b]\nargv = "make"\n', 4, "needs argv, a list of words"),
        ('[projects.web]\npath = "."\n[projects.web.tasks.b]\ncommand = ["x"]\n', 4, "unknown key 'command'"),
        ('[projects.web]\npath = "."\n[projects.web.tasks.b]\nargv = []\n', 4, "needs argv"),
        (
            '[projects.web]\npath = "."\n[projects.web.tasks.b]\nargv = ["x"]\ntimeout_seconds = "1h"\n',
            5,
            "timeout_seconds is '1h': expected a number from 0 to 31622400",
        ),
        (
            '[projects.web]\npath = "."\n[projects.web.tasks.b]\nargv = ["x"]\ntimeout_seconds = nan\n',
            5,
            "timeout_seconds is nan",
        ),
        ('[projects.web]\npath = "~nobody-at-all/web"\n', 2, "there is no folder ~nobody-at-all/web"),
        (f'[projects.web]\npath = "{"a" * 300}"\n', 2, "there is no folder aaa"),
        (f"a = {'[' * 5000}", 1, "nested too deeply"),
        (f"[node]\nslots = {'1' * 5000}\n", 1, "Exceeds the limit (4300 digits)"),
        (f"#{' ' * 524_288}", 1, "it is too large: with the full paths of its projects, 512 KiB are possible"),
        (
            "".join(f'[projects.p{n}]\npath = "{"/." * 30}/tmp"\n' for n in range(6_000)),
            1,
            "it is too large",
        ),
        (
            '[projects."caf\u00e9"]\npath = "."\n[projects."cafe\u0301"]\npath = "."\n',
            3,
            "'caf\u00e9' is there twice, in two spellings",
        ),
        ('[projects."a\u200bb"]\npath = "."\n', 1, "is not a valid name"),
        ('[projects.web]\npath = "."\n[projects.web.tasks."\u3164"]\nargv = ["x"]\n', 3, "is not a valid name"),
        ('[projects."a:b"]\npath = "."\n', 1, "'a:b' is not a valid name"),
        ('[projects.web]\npath = "."\n[projects.web.tasks.b]\nargv = ["x", 5]\n', 4, "needs argv, a list of words"),
        ('[projects.web]\npath = "."\n[projects.web.tasks.b]\nargv = [""]\n', 4, "needs argv, a list of words"),
        (f'[projects.{"a" * 90}]\npath = "."\ntasks = 1\n', 3, "tasks is 1: expected a table"),
        ("[projects]\nweb = 3\n", 2, "web is 3: expected a table"),
        ('[projects.web]\npath = "."\ntasks = ["b"]\n', 3, "tasks is ['b']: expected a table"),
    ],
)
def test_a_bad_file_is_one_line_with_position_and_reason(tmp_path: Path, text: str, line: int, reason: str) -> None:
    path = write(tmp_path, text)

    with pytest.raises(ConfigError) as caught:
        load_agent_config(path)

    assert str(caught.value).startswith(f"{path}, line {line}: ")
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_largest_configuration_fits_into_one_message(tmp_path: Path) -> None:
    tasks = "".join(f'[projects.p.tasks.t{n}]\nargv = ["make", "{n}"]\n' for n in range(5_000))
    projects = load_agent_config(write(tmp_path, f'[projects.p]\npath = "."\n{tasks}')).announced_projects()
    report = NodeReport(role=Role.MASTER, capabilities=Capabilities(projects=projects))
    update = Update(node_id="n1", timestamp_ms=0, payload=report)

    assert encode_update(update).ByteSize() < MAX_MESSAGE_BYTES / 2


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.toml cannot be read: No such file"):
        load_agent_config(tmp_path / "none.toml")


def test_a_file_that_is_not_text(tmp_path: Path) -> None:
    path = tmp_path / "agentflow.toml"
    path.write_bytes(b"\xff\xfe")

    with pytest.raises(ConfigError, match="it is not UTF-8"):
        load_agent_config(path)


SECRETS = """
[projects.web]
path = "."
secrets.patterns = ['WS-[0-9]{8}']
secrets.values = ["blue monkey"]
[projects.web.tasks.build]
argv = ["deploy", "--key", "blue monkey", "WS-12345678", "-p", "x", "DB_PASS=hunter2"]
description = "with the blue monkey"
"""


def test_a_project_s_secrets_are_not_announced(tmp_path: Path) -> None:
    config = load_agent_config(write(tmp_path, SECRETS))

    (web,) = config.announced_projects()
    assert web.tasks[0].argv == ("deploy", "--key", "[redacted]", "[redacted]", "-p", "x", "DB_PASS=[redacted]")
    assert web.tasks[0].description == "with the [redacted]"
    assert config.projects[0].tasks[0].argv[2] == "blue monkey"
    assert "monkey" not in repr(config.secrets)


@pytest.mark.parametrize(
    ("secrets", "reason"),
    [
        (r"patterns = ['(a)\1']", "cannot be used: invalid escape sequence"),
        ("patterns = ['(?=a)b']", "cannot be used: invalid perl operator"),
        ("patterns = ['(?:[a-z]{100}){100}']", "cannot be used: invalid repetition size"),
        ("patterns = ['" + "[^a]{999}" * 50 + "']", "cannot be used: pattern too large"),
        ("patterns = ['a*']", "matches empty text"),
        ("patterns = 'a'", "expected a list"),
        ('values = ["blue monkey", "short"]', "values of project 'web': expected"),
        ('values = "blue monkey"', "values of project 'web': expected a list"),
        ('values = [["blue monkey"]]', "values of project 'web': expected"),
        ('value = ["blue monkey"]', "unknown key 'value'"),
    ],
)
def test_secrets_that_cannot_be_used(tmp_path: Path, secrets: str, reason: str) -> None:
    """What RE2 accepts takes linear time. No message repeats a value."""
    path = write(tmp_path, f'[projects.web]\npath = "."\n[projects.web.secrets]\n{secrets}\n')

    with pytest.raises(ConfigError) as caught:
        load_agent_config(path)

    assert str(caught.value).startswith(f"{path}, line 4: ")
    assert reason in str(caught.value)
    assert "monkey" not in str(caught.value)


@pytest.mark.parametrize(
    "text", ['[[projects]]\nsecrets.values = ["blue monkey"]', 'projects.web.secrets = "blue monkey"']
)
def test_secrets_in_the_wrong_place_are_not_repeated(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_agent_config(write(tmp_path, text))

    assert "monkey" not in str(caught.value)
