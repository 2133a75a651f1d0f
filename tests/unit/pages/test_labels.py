"""Words: every state has a look, every string of the script is used, and everything is translated to Chinese."""

from __future__ import annotations

import re
from typing import Any

import pytest
from babel.messages.pofile import read_po
from django.conf import settings
from django.utils import translation

from chat.phrases import script_phrases
from chat.policy import Risk
from chat.states import ApprovalState, CallState, TurnState
from chat.tools.registry import TOOLS
from dashboard.pages import labels, strings
from dashboard.pages.ansi import plain_text
from dashboard.templatetags import agentflow
from nodes.domain.part_texts import ENGLISH, SEPARATOR
from nodes.domain.states import TASK_TRANSITIONS, Action, CommandState, NodeState, Role, TaskHealth, TaskState
from nodes.message_texts import in_words

SOURCES = settings.BASE_DIR / "frontend" / "src"
CATALOG = settings.BASE_DIR / "locale" / "zh_Hans" / "LC_MESSAGES" / "django.po"


def test_every_state_has_a_look() -> None:
    assert set(labels.NODE_STATES) == set(NodeState)
    assert set(labels.TASK_STATES) == set(TaskState)
    assert set(labels.TASK_HEALTH) == set(TaskHealth) - {TaskHealth.HEALTHY}
    assert set(labels.NODE_ROLES) == set(Role)
    assert set(labels.COMMAND_STATES) == set(CommandState)
    assert set(labels.ACTIONS) == set(labels.OFFERED) == set(Action)


def test_everything_of_a_conversation_has_words() -> None:
    assert set(labels.CHAT_TURNS) == set(TurnState)
    assert set(labels.CHAT_STEPS) == set(CallState)
    assert set(labels.CHAT_APPROVALS) == set(ApprovalState)
    assert set(labels.CHAT_TOOLS) == {name for name, tool in TOOLS.items() if tool.risk is Risk.READ}
    assert set(labels.CHAT_EFFECTS) == {name for name, tool in TOOLS.items() if tool.risk is not Risk.READ}


def test_every_reason_of_a_command_has_words() -> None:
    """Of nodes, shims and the Leader: every code that the user of a button may get."""
    given = r"_failed\(command_id,|TaskRejected\(|_reply\(False,|_refuse\(message,|CommandState\.\w+, |code="
    said = rf'(?:{given})\s*"([a-z-]+)"'
    where = ["agent/runner/**/*.py", "stream/uplink/*.py", "leader/scheduler/*.py", "leader/projection/commands.py"]
    paths = [path for pattern in where for path in (settings.BASE_DIR / "nodes").glob(pattern)]
    codes = {code for path in paths for code in re.findall(said, path.read_text())}

    assert len(codes) > 20
    # The code of a command that had its effect.
    assert codes - set(labels.REASONS) - {"repeated"} == set()


def test_every_message_part_has_its_sentence_and_the_values_for_it() -> None:
    """Of the Leader, nodes and shims: a page has a text for everything that is stored or sent."""
    paths = [path for path in (settings.BASE_DIR / "nodes").rglob("*.py") if "pb2" not in path.name]
    paths += (settings.BASE_DIR / "dashboard/live").glob("*.py")
    source = "\n".join(path.read_text() for path in paths)
    given = re.findall(r"""\b(?:part|record)\(\s*"([a-z-]+)"((?:,\s*\w+=[^=]+?)*)\)""", source)
    used = {code: set(re.findall(r"[(,]\s*(\w+)=", f",{values}")) for code, values in given}
    used |= {code: {"limit"} for code in re.findall(r"""\b_refused_as\("([a-z-]+)"\)""", source)}
    # Codes that are chosen at run time.
    chosen = {"node-disk", "node-memory", "node-offline", "duplicate-node", "wal-large", "no-folder", "not-a-folder"}
    chosen |= {"position-expected", "variable-name-expected"}
    chosen |= {"clock-ahead", "clock-behind", "clock-hours-ahead", "clock-hours-behind", "had-no-slot", "out-of-reach"}

    assert len(used) > 30
    assert set(used) | chosen == set(ENGLISH)
    for code, values in used.items():
        assert values == set(re.findall(r"\{(\w+)\}", ENGLISH[code])), code


@pytest.mark.parametrize(
    ("language", "parts", "expected"),
    [
        ("en", [{"code": "usual-end", "values": {"seconds": "9"}}], "usually ends after 9 s"),
        ("zh-hans", [{"code": "usual-end", "values": {"seconds": "9"}}], "通常运行 9 秒后结束"),
        (
            "zh-hans",
            [{"code": "cancelled", "values": {}}, {"code": "killed-after", "values": {"seconds": "5"}}],
            "已取消；SIGTERM 之后 5 秒仍未结束，已强制终止",
        ),
        ("zh-hans", [{"code": "not-online", "values": {"node": "{node} %s"}}], "{node} %s 不在线"),
        ("zh-hans", [{"code": "not-online", "values": {}}], "{node} 不在线"),
        ("zh-hans", [{"code": "of a later version", "values": {}}], "as it came"),
        ("zh-hans", [], "as it came"),
        ("zh-hans", None, "as it came"),
    ],
)
def test_message_is_said_from_its_parts(language: str, parts: list[dict[str, Any]] | None, expected: str) -> None:
    with translation.override(language):
        assert in_words("as it came", parts) == expected


def test_finished_tasks_are_offered_a_retry_and_nothing_else() -> None:
    for state in TaskState:
        offered = {action for action in Action if state in labels.OFFERED[action]}
        assert (offered == {Action.RETRY}) == (not TASK_TRANSITIONS[state])


def test_every_icon_is_in_the_sprite() -> None:
    names = set(re.findall(r"[a-z0-9-]+", (settings.BASE_DIR / "frontend/scripts/icons.mjs").read_text()))
    looks = [*labels.NODE_STATES.values(), *labels.TASK_STATES.values(), *labels.TASK_HEALTH.values()]
    looks += [*labels.NODE_ROLES.values(), *labels.ACTIONS.values(), labels.UNKNOWN]
    looks += [*labels.CHAT_TURNS.values(), *labels.CHAT_STEPS.values(), *labels.CHAT_APPROVALS.values()]
    looks += [*labels.CHAT_CONFIDENCE.values(), *labels.CHAT_FIXES.values(), *labels.CHAT_VERDICTS.values()]
    used = {look.icon for look in looks}
    for path in (settings.BASE_DIR / "templates").rglob("*.html"):
        used |= set(re.findall(r'{% icon "([a-z0-9-]+)"', path.read_text()))

    assert used - names == set()


def test_script_uses_exactly_the_strings_that_it_gets() -> None:
    known = {re.sub(r"\.(one|other)$", "", key) for key in strings.script_strings()}
    source = "\n".join(path.read_text() for path in [*SOURCES.rglob("*.ts"), *SOURCES.rglob("*.tsx")])
    said = set(re.findall(r"""["`]([a-z]+\.[a-zA-Z]+)["`]""", source)) | {
        "link.login",
        "link.forbidden",
    }
    prefixes = {key.split(".")[0] for key in known}

    assert known - said == set()
    assert {key for key in said if key.split(".")[0] in prefixes} - known == set()


def test_plural_strings_have_both_forms() -> None:
    keys = set(strings.script_strings())

    assert {key.removesuffix(".one") for key in keys if key.endswith(".one")} == {
        key.removesuffix(".other") for key in keys if key.endswith(".other")
    }


def test_catalog_is_complete_and_keeps_the_values() -> None:
    with CATALOG.open("rb") as file:
        catalog = read_po(file)
    for message in catalog:
        if not message.id:
            continue
        source = message.id if isinstance(message.id, str) else message.id[0]
        target = message.string if isinstance(message.string, str) else message.string[0]
        assert target, source
        assert not message.fuzzy, source
        values = re.compile(r"\{\w+\}|%\(\w+\)[sd]")
        assert set(values.findall(source)) == set(values.findall(target)), source


def test_templates_and_script_strings_are_in_the_catalog() -> None:
    with CATALOG.open("rb") as file:
        known = {m.id if isinstance(m.id, str) else m.id[0] for m in read_po(file)}
    used: set[str] = set()
    for path in (settings.BASE_DIR / "templates").rglob("*.html"):
        used |= {text for _, text in re.findall(r"""{% translate (["'])(.*?)\1""", path.read_text())}
    with translation.override("en"):
        used |= set(strings.script_strings().values())
        # States in a sentence come from the tables, without the capital; the rest of a line with numbers is values.
        used |= {
            text
            for key, text in script_phrases().items()
            if not key.startswith(("task.", "health.")) and key != "answer.fix"
        }
    used |= {SEPARATOR, *ENGLISH.values()}

    assert used - known == set()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("\x1b[1;31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07a\x1b]8;;http://x\x1b\\b", "ab"),
        ("a\x00\x08b\tc", "ab\tc"),
        ("a\u202eb\u2069", "a⟨U+202E⟩b⟨U+2069⟩"),
    ],
)
def test_terminal_text_is_made_plain(text: str, expected: str) -> None:
    assert plain_text(text) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"), [(None, ""), (0, "0:00"), (75.9, "1:15"), (3700, "1:01:40"), (-3, "0:00")]
)
def test_durations_read_like_the_scripts(seconds: float | None, expected: str) -> None:
    assert agentflow.clock_duration(seconds) == expected


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (None, "–"),
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (150 * 1024, "150 KiB"),
        ("17179869184", "16.0 GiB"),
    ],
)
def test_sizes_read_like_the_scripts(count: object, expected: str) -> None:
    assert agentflow.gibibytes(count) == expected
