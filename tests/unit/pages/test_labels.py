"""Labels: every state has a style, every string of the script is used, and everything is translated to Chinese."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import pytest
from babel.messages.pofile import read_po
from django.apps import apps
from django.conf import settings
from django.utils import translation

from chat import tool_texts
from chat.phrases import script_phrases
from chat.states import ApprovalState, CallState, TurnState
from dashboard.pages import decisions, labels, strings
from dashboard.pages.ansi import plain_text
from dashboard.pages.sections import SECTIONS
from nodes.domain.phrase_texts import ENGLISH
from nodes.domain.phrases import phrases_of
from nodes.domain.states import Action, CommandState, NodeState, Role, TaskHealth, TaskState
from nodes.phrases import worded

SOURCES = settings.BASE_DIR / "frontend" / "src"
CATALOG = settings.BASE_DIR / "locale" / "zh_Hans" / "LC_MESSAGES" / "django.po"


def test_every_state_has_a_style() -> None:
    assert set(labels.NODE_STATES) == set(NodeState)
    assert set(labels.TASK_STATES) == set(TaskState)
    assert set(labels.TASK_HEALTH) == set(TaskHealth) - {TaskHealth.HEALTHY}
    assert set(labels.NODE_ROLES) == set(Role)
    assert set(labels.COMMAND_STATES) == set(CommandState)
    assert set(labels.SHOWN_STATES) == set(decisions.TASKS)
    assert {*labels.COMMAND_STATES, *labels.REQUEST_STATES} == set(decisions.COMMANDS)
    assert set(labels.ALERT_LEVELS) == set(decisions.ALERTS)
    assert set(labels.ACTIONS) == set(Action)


def test_everything_in_a_conversation_has_a_label() -> None:
    assert set(labels.CHAT_TURNS) == set(TurnState)
    assert set(labels.CHAT_STEPS) == set(CallState)
    assert set(labels.CHAT_APPROVALS) == set(ApprovalState)


def test_every_reason_of_a_command_has_a_text() -> None:
    """Every code that a button's user may get, from nodes, shims and the Leader."""
    given = r"_failed\(command_id,|TaskRejected\(|_reply\(False,|_refuse\(message,|CommandState\.\w+, |code="
    said = rf'(?:{given})\s*"([a-z-]+)"'
    where = ["agent/runner/**/*.py", "stream/uplink/*.py", "leader/scheduler/*.py", "leader/projection/commands.py"]
    paths = [path for pattern in where for path in (settings.BASE_DIR / "nodes").glob(pattern)]
    codes = {code for path in paths for code in re.findall(said, path.read_text())}

    assert len(codes) > 20
    # The code of a successful command.
    assert codes - set(labels.REASONS) - {"repeated"} == set()


def test_every_phrase_of_the_fleet_has_its_sentence_and_the_values_for_it() -> None:
    """Pages have a text for each phrase that the Leader, nodes and shims store or send."""
    paths = [path for path in (settings.BASE_DIR / "nodes").rglob("*.py") if "pb2" not in path.name]
    paths += (settings.BASE_DIR / "dashboard/live").glob("*.py")
    source = "\n".join(path.read_text() for path in paths)
    given = re.findall(r"""\bphrase\(\s*"([a-z-]+)"((?:,\s*\w+=[^=]+?)*)\)""", source)
    used = {code: set(re.findall(r"[(,]\s*(\w+)=", f",{values}")) for code, values in given}
    used |= {code: {"limit"} for code in re.findall(r"""\b_refused_as\("([a-z-]+)"\)""", source)}
    # Codes that are chosen at run time.
    chosen = {"node-disk", "node-memory", "node-offline", "duplicate-node", "wal-large", "no-folder", "not-a-folder"}
    chosen |= {"position-expected", "variable-name-expected"}
    chosen |= {"clock-ahead", "clock-behind", "clock-hours-ahead", "clock-hours-behind", "had-no-slot", "out-of-reach"}

    assert len(used) > 30
    assert set(used) | chosen == set(ENGLISH)
    del used["clauses"]  # It joins its `parts`.
    for code, values in used.items():
        assert values == set(re.findall(r"\{(\w+)\}", ENGLISH[code])), code


@pytest.mark.parametrize(
    ("language", "parts", "expected"),
    [
        ("en", [{"key": "usual-end", "values": {"seconds": "9"}}], "usually ends after 9 s"),
        # As an earlier version stored it.
        ("zh-hans", [{"code": "usual-end", "values": {"seconds": "9"}}], "通常运行 9 秒后结束"),
        (
            "zh-hans",
            [{"key": "cancelled", "values": {}}, {"key": "killed-after", "values": {"seconds": "5"}}],
            "已取消；收到 SIGTERM 5 秒后仍未退出，已强制终止",
        ),
        ("zh-hans", [{"key": "not-online", "values": {"node": "{node} %s"}}], "{node} %s 不在线"),
        ("zh-hans", [{"key": "not-online", "values": {}}], "{node} 不在线"),
        ("zh-hans", [{"key": "of a later version", "values": {}}], "as it came"),
        ("zh-hans", [{"key": "cancelled", "values": {}}, {"key": "later", "values": {}}], "as it came"),
        ("zh-hans", [], "as it came"),
        ("zh-hans", None, "as it came"),
    ],
)
def test_message_is_rendered_from_its_phrases(language: str, parts: list[dict[str, Any]] | None, expected: str) -> None:
    with translation.override(language):
        assert worded({"message": "as it came", "phrases": phrases_of(message=parts)}, "message") == expected


def test_every_icon_is_in_the_sprite() -> None:
    names = set(re.findall(r'<symbol id="([a-z0-9-]+)"', (settings.BASE_DIR / "static/dist/icons.svg").read_text()))
    looks = [*labels.NODE_STATES.values(), *labels.TASK_STATES.values(), *labels.TASK_HEALTH.values()]
    looks += [*labels.NODE_ROLES.values(), *labels.ACTIONS.values(), *labels.SHOWN_STATES.values()]
    looks += [*labels.COMMAND_STATES.values(), *labels.REQUEST_STATES.values(), *labels.ALERT_LEVELS.values()]
    looks += [*labels.CHAT_TURNS.values(), *labels.CHAT_STEPS.values(), *labels.CHAT_APPROVALS.values()]
    looks += [*labels.CHAT_CONFIDENCE.values(), *labels.CHAT_FIXES.values(), *labels.CHAT_VERDICTS.values()]
    used = {look.icon for look in looks}
    used |= {section.icon for section in SECTIONS}
    for path in (settings.BASE_DIR / "templates").rglob("*.html"):
        used |= set(re.findall(r'(?:{% icon |data-command-icon=)"([a-z0-9-]+)"', path.read_text()))

    assert used - names == set()


def test_script_uses_exactly_the_provided_strings() -> None:
    known = {re.sub(r"\.(one|other)$", "", key) for key in strings.script_strings()}
    source = "\n".join(path.read_text() for path in [*SOURCES.rglob("*.ts"), *SOURCES.rglob("*.tsx")])
    said = set(re.findall(r"""["`]([a-z]+\.[a-zA-Z]+)["`]""", source)) | {
        "link.login",
        "link.forbidden",
        *(f"{kind}.{figure}" for kind, figures in decisions.TROUBLES.items() for figure in figures),
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
            if not key.startswith(("node.", "task.", "health.")) and key not in ("answer.fix", "lines", "sentences")
        }
        used |= {str(section.label) for section in SECTIONS}
        used |= {*tool_texts.script_labels().values(), *tool_texts.script_effects().values()}

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
def test_terminal_text_becomes_plain(text: str, expected: str) -> None:
    assert plain_text(text) == expected


def test_the_catalog_has_every_text_once() -> None:
    """The compiler takes the last of two: one of them would silently lose its translation."""
    keys = re.findall(r'^((?:msgctxt .*\n)?msgid (?:".*"\n)+)', CATALOG.read_text(), re.MULTILINE)

    assert len(keys) > 500
    assert [key for key, count in Counter(keys).items() if count > 1] == []


@pytest.mark.parametrize("app", ["nodes", "chat", "dashboard"])
def test_the_admins_groups_have_a_chinese_name(app: str) -> None:
    with translation.override("zh-hans"):
        assert not str(apps.get_app_config(app).verbose_name).isascii()
