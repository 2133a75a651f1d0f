"""How figures, times and states are drawn. The page's script redraws the same cells when a push changes them
(frontend/src/tables), so keep both in step.
"""

from __future__ import annotations

import json
import logging
import shlex
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from django import template
from django.contrib.staticfiles import finders
from django.http import HttpRequest
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from dashboard.pages import labels
from dashboard.pages.ansi import plain_text
from dashboard.pages.sections import SECTIONS, Section
from dashboard.rights import Role, may
from nodes.message_texts import in_words

logger = logging.getLogger(__name__)
register = template.Library()

NOTHING = "–"
THEMES = ("dark", "light")


@register.simple_tag
def icon_sprite() -> SafeString:
    """The built sprite, inlined into the page, so that a state change needs no request for its icon."""
    return _read_sprite()


@cache
def _read_sprite() -> SafeString:
    path = finders.find("dist/icons.svg")
    if not isinstance(path, str):
        logger.warning("static/dist/icons.svg is missing: pages have no icons until the front end is built")
        return SafeString("")
    # Our own build's output, not user input.
    return SafeString(Path(path).read_text(encoding="utf-8"))


@register.simple_tag
def icon(name: str, css_class: str = "icon") -> SafeString:
    """An icon from the sprite; always beside a word, so it is hidden from screen readers."""
    return format_html('<svg class="{}" aria-hidden="true"><use href="#{}"></use></svg>', css_class, name)


@register.simple_tag
def visible_sections(role: Role) -> list[Section]:
    """The sections that this role may open."""
    return [section for section in SECTIONS if may(role, section.right)]


@register.simple_tag
def task_chip(task: Mapping[str, Any]) -> SafeString:
    """State of a task; "unknown" while its node is unreachable."""
    look = labels.UNKNOWN if task.get("unknownSince") else labels.TASK_STATES.get(str(task.get("state")))
    return _chip("state", look)


@register.simple_tag
def health_chip(task: Mapping[str, Any]) -> SafeString:
    is_shown = task.get("state") == "running" and not task.get("unknownSince")
    return _chip("health", labels.TASK_HEALTH.get(str(task.get("health"))) if is_shown else None)


@register.filter
def task_note(task: Mapping[str, Any]) -> str:
    """The most important note beside the state."""
    if task.get("unknownSince"):
        since = _("unknown since {time}").format(time=_clock(task["unknownSince"]))
        return f"{state_label(str(task.get('state')))} · {since}"
    if task.get("pendingReason"):
        return in_words(task["pendingReason"], task.get("pendingParts"))
    return message_text(task)


@register.filter
def message_text(thing: Mapping[str, Any]) -> str:
    """The message of a task, an attempt or an alert: AgentFlow's own texts are in the reader's language."""
    return in_words(str(thing.get("message") or ""), thing.get("messageParts"))


@register.filter
def alert_task_name(alert: Mapping[str, Any]) -> str:
    """The task's name and, from the second attempt on, its number; the id if an earlier version stored no name."""
    name = plain_text(str(alert.get("taskName") or alert.get("task") or ""))
    attempt = alert.get("attempt") or 0
    return f"{name} #{attempt}" if attempt > 1 else name


@register.simple_tag
def freshness(node: Mapping[str, Any]) -> SafeString:
    """Live while heartbeats arrive; otherwise the time since when the node's state is unknown."""
    is_live, since = node.get("state") == "online", node.get("stateSince")
    word = (
        pgettext("freshness", "live") if is_live else _("since {time}").format(time=_clock(since)) if since else NOTHING
    )
    tone = "good" if is_live else "bad" if node.get("state") == "offline" else "warn"
    return format_html('<span class="fresh" data-field="fresh" data-tone="{}">{}</span>', tone, word)


@register.filter
def node_slots(node: Mapping[str, Any]) -> str:
    """Busy slots of all slots; tasks on unreachable nodes do not count as running."""
    if not node.get("slots"):
        return NOTHING
    if node.get("state") == "online":
        return f"{node['running']} / {node['slots']}"
    return _("{count} unknown").format(count=node["running"]) if node["running"] else f"{NOTHING} / {node['slots']}"


@register.filter
def link_word(node: Mapping[str, Any]) -> str:
    """The round trip time to the node's parent, or what is wrong with the link."""
    link = node["link"]
    if node.get("role") == "leader":
        return NOTHING
    if link["state"] != "ok":
        return pgettext("link", "silent") if link["state"] == "suspect" else pgettext("link", "down")
    return milliseconds(link["rttMs"]) if link["rttMs"] else pgettext("freshness", "live")


@register.simple_tag
def node_chip(state: str) -> SafeString:
    return _chip("state", labels.NODE_STATES.get(state))


@register.simple_tag
def attempt_chip(attempt: Mapping[str, Any]) -> SafeString:
    drawn: SafeString = task_chip(attempt)
    return drawn


@register.simple_tag
def role_icon(role: str) -> SafeString:
    look = labels.NODE_ROLES.get(role, labels.NODE_ROLES["edge"])
    drawn: SafeString = icon(look.icon, "icon role-icon")
    return drawn


@register.simple_tag
def alert_icon(level: str) -> SafeString:
    return format_html('<use href="#{}"></use>', "circle-x" if level == "error" else "triangle-alert")


@register.filter
def role_label(role: str) -> str:
    look = labels.NODE_ROLES.get(role)
    return str(look.label) if look else role


@register.filter
def state_label(state: str) -> str:
    look = labels.TASK_STATES.get(state)
    return str(look.label) if look else state


@register.filter
def command_state_label(state: str) -> str:
    return str(labels.COMMAND_STATES.get(state, state))


@register.filter
def action_label(kind: str) -> str:
    look = labels.ACTIONS.get(kind)
    return str(look.label) if look else str(labels.START)


@register.filter
def command_reason(command: Mapping[str, Any]) -> str:
    """Why a command failed, wholly or in part: in the reader's language for a known code, else the node's text."""
    known, said = labels.REASONS.get(command["code"]), message_text(command)
    if known:
        return str(known).replace("{message}", said)
    return "" if command["state"] == "succeeded" else said or command["code"]


@register.filter
def command_said(command: Mapping[str, Any]) -> str:
    """The node's message, if no other text explains the result."""
    said = message_text(command)
    return "" if command["code"] in labels.REASONS or said == command_reason(command) else said


@register.simple_tag
def command_chip(command: Mapping[str, Any]) -> SafeString:
    picture, tone = labels.COMMAND_LOOKS.get(str(command.get("state")), ("circle-help", "calm"))
    return _chip("commandState", labels.Look(command_state_label(str(command.get("state"))), picture, tone))


@register.simple_tag
def task_command(task: Mapping[str, Any], commands: Sequence[Mapping[str, Any]]) -> SafeString:
    """The newest unfinished command of the task that a person requested; the script shows how it ends."""
    command = next((c for c in commands or () if c["task"] == task["id"] and c["kind"] != "start"), None)
    if command is None or command["state"] not in ("pending", "sent", "acked"):
        return format_html('<p class="sub request" data-field="request" hidden>{}<span></span></p>', icon("send"))
    picture, tone = labels.COMMAND_LOOKS[command["state"]]
    text = f"{action_label(command['kind'])}: {command_state_label(command['state'])}"
    who = f" · {command['actor']}" if command["actor"] else ""
    return format_html(
        '<p class="sub request" data-field="request" data-tone="{}">{}<span>{}{}</span></p>',
        tone,
        icon(picture),
        text,
        who,
    )


@register.simple_tag
def is_offered(action: str, task: Mapping[str, Any]) -> bool:
    """Whether the action is offered for the task in its present state."""
    if action == "input" and not task.get("acceptsInput"):
        return False
    return task.get("state") in labels.OFFERED[action]


@register.filter
def whole_percent(value: float | None) -> str:
    """43.2 → "43%"."""
    return NOTHING if value is None else f"{value:.0f}%"


@register.filter
def progress_percent(fraction: float | None) -> str:
    """0.432 → "43%"; empty when unknown."""
    return "" if fraction is None else f"{int(fraction * 100)}%"


@register.filter
def usage_percent(usage: Mapping[str, Any] | None) -> float | None:
    return usage.get("percent") if usage else None


@register.filter
def gibibytes(count: Any) -> str:
    """Bytes in powers of 1024, for display."""
    if count in (None, ""):
        return NOTHING
    size = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if size >= 100 or unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"


@register.filter
def milliseconds(value: float | None) -> str:
    if not value:
        return NOTHING
    return f"{value:.0f} ms" if value >= 10 else f"{value:.1f} ms"


@register.filter
def clock_duration(seconds: float | None) -> str:
    """75 → "1:15", 3700 → "1:01:40": the same in every language."""
    if seconds is None:
        return ""
    minutes, second = divmod(int(max(0, seconds)), 60)
    hour, minute = divmod(minutes, 60)
    return f"{hour}:{minute:02}:{second:02}" if hour else f"{minute}:{second:02}"


@register.filter
def elapsed(task: Mapping[str, Any], now_ms: int) -> str:
    """Running time of a task: from its start to its end, or until now."""
    started = task.get("startedAt")
    if not started:
        return ""
    return clock_duration(((task.get("endedAt") or now_ms) - started) / 1000)


@register.simple_tag
def moment(at_ms: float | None, field: str = "", style: str = "time") -> SafeString:
    """A point in time. The script shows it in the reader's own time zone, or as an age if style is "age"."""
    name = format_html(' data-field="{}"', field) if field else ""
    if not at_ms:
        return format_html('<time{} data-style="{}">{}</time>', name, style, NOTHING)
    when = datetime.fromtimestamp(at_ms / 1000, UTC)
    # Without scripts: absolute, in the server's time zone.
    shown = date_format(localtime(when), "Y-m-d H:i:s")
    return format_html(
        '<time{} data-style="{}" data-at="{}" datetime="{}" title="{}">{}</time>',
        name,
        style,
        int(at_ms),
        when.isoformat(timespec="seconds"),
        shown,
        shown if style != "clock" else _clock(at_ms),
    )


@register.filter
def command_text(argv: Sequence[str]) -> str:
    return shlex.join(argv)


@register.filter
def without_colours(text: str) -> str:
    return plain_text(text)


@register.filter
def as_json(value: Any) -> str:
    """For a data attribute; the template escapes it like any other text."""
    return json.dumps(value, ensure_ascii=False)


@register.simple_tag
def theme_attribute(request: object = None) -> SafeString | str:
    """The theme that the reader chose; empty = that of the reader's system.

    The page for server errors is rendered without a request.
    """
    chosen = request.COOKIES.get("agentflow_theme", "") if isinstance(request, HttpRequest) else ""
    return format_html(' data-theme="{}"', chosen) if chosen in THEMES else ""


def _clock(at_ms: float) -> str:
    """14:03:22, or the date and 14:03 for another day."""
    when = localtime(datetime.fromtimestamp(at_ms / 1000, UTC))
    return date_format(when, "H:i:s" if when.date() == localtime().date() else "Y-m-d H:i")


def _chip(field: str, look: labels.Look | None) -> SafeString:
    if look is None:
        return format_html(
            '<span class="chip" data-field="{}" hidden><svg class="icon" aria-hidden="true">'
            '<use href="#circle-help"></use></svg><span class="chip-label"></span></span>',
            field,
        )
    return format_html(
        '<span class="chip" data-field="{}" data-tone="{}"><svg class="icon" aria-hidden="true"><use href="#{}"></use>'
        '</svg><span class="chip-label">{}</span></span>',
        field,
        look.tone,
        look.icon,
        look.label,
    )
