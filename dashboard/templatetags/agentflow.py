"""Renders figures, times and states. The page's script redraws the same cells when a push changes them
(frontend/src/tables). `dashboard.pages.decisions` decides what to show; formats are tested with the same cases.
"""

from __future__ import annotations

import json
import logging
import shlex
from collections.abc import Callable, Mapping, Sequence
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

from dashboard.pages import decisions, formats, labels
from dashboard.pages.ansi import plain_text
from dashboard.pages.formats import NOTHING
from dashboard.pages.sections import SECTIONS, Section
from dashboard.rights import Role, may
from nodes.phrases import worded

logger = logging.getLogger(__name__)
register = template.Library()

register.filter(formats.whole_percent)
register.filter(formats.byte_size)

THEMES = ("dark", "light")


@register.simple_tag
def icon_sprite() -> SafeString:
    """The built sprite, inlined into the page, so that a new icon needs no request."""
    return _read_sprite()


@cache
def _read_sprite() -> SafeString:
    path = finders.find("dist/icons.svg")
    if not isinstance(path, str):
        logger.warning("static/dist/icons.svg is missing: pages have no icons; build the front end")
        return SafeString("")
    # Output of the front end's build, not user input.
    return SafeString(Path(path).read_text(encoding="utf-8"))


@register.simple_tag
def icon(name: str, css_class: str = "icon") -> SafeString:
    """An icon from the sprite. Always beside a label, so it is hidden from screen readers."""
    return format_html('<svg class="{}" aria-hidden="true"><use href="#{}"></use></svg>', css_class, name)


@register.simple_tag
def visible_sections(role: Role) -> list[Section]:
    """The sections that this role may open."""
    return [section for section in SECTIONS if may(role, section.right)]


@register.simple_tag
def task_chip(task: Mapping[str, Any]) -> SafeString:
    """The state of a task or an attempt; "unknown" while its node is unreachable."""
    return _chip("state", labels.SHOWN_STATES.get(decisions.shown_state(task)))


@register.simple_tag
def health_chip(task: Mapping[str, Any]) -> SafeString:
    return _chip("health", labels.TASK_HEALTH.get(decisions.shown_health(task)))


@register.filter
def task_waits(task: Mapping[str, Any]) -> bool:
    return decisions.waits_for_person(task)


@register.filter
def task_note(task: Mapping[str, Any]) -> str:
    """The most important note beside the state."""
    sources = decisions.TASKS[decisions.shown_state(task)].notes
    return next(filter(None, (_NOTES[source](task) for source in sources)), "")


def _unknown_note(task: Mapping[str, Any]) -> str:
    since = _("unknown since {time}").format(time=_clock(task["unknownSince"]))
    return f"{labels.TASK_STATES[task['state']].label} · {since}"


@register.filter
def message_text(thing: Mapping[str, Any]) -> str:
    """The message of a task, an attempt or an alert: AgentFlow's own texts are in the reader's language."""
    return plain_text(worded(thing, "message"))


@register.filter
def alert_task_name(alert: Mapping[str, Any]) -> str:
    """The task's name and, from the second attempt on, its number; the id if an earlier version stored no name."""
    name = plain_text(str(alert.get("taskName") or alert.get("task") or ""))
    attempt = alert.get("attempt") or 0
    return f"{name} #{attempt}" if attempt > 1 else name


_NOTES: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "unknownSince": _unknown_note,
    "pendingReason": lambda task: plain_text(worded(task, "pendingReason")),
    "partialPause": lambda task: (
        _("Partly paused: some of its processes still run.") if task.get("partialPause") else ""
    ),
    "message": message_text,
    "exitCode": lambda task: formats.exit_text(task.get("exitCode")),
}


@register.simple_tag
def alert_look(alert: Mapping[str, Any]) -> labels.Look:
    return labels.ALERT_LEVELS[alert["level"]]


@register.simple_tag
def freshness(node: Mapping[str, Any]) -> SafeString:
    """ "live" while heartbeats arrive; otherwise since when the node's state is unknown."""
    state, since = str(node.get("state")), node.get("stateSince")
    if decisions.NODES[state].is_reachable:
        word = pgettext("freshness", "live")
    else:
        word = _("since {time}").format(time=_clock(since)) if since else _("no data yet")
    return format_html(
        '<span class="fresh" data-field="fresh" data-tone="{}">{}</span>', labels.NODE_STATES[state].tone, word
    )


@register.filter
def node_slots(node: Mapping[str, Any]) -> str:
    """Busy slots of all slots; tasks on unreachable nodes do not count as running."""
    if not node.get("slots"):
        return NOTHING
    if decisions.NODES[node["state"]].is_reachable:
        return f"{node['running']} / {node['slots']}"
    return _("{count} unknown").format(count=node["running"]) if node["running"] else f"{NOTHING} / {node['slots']}"


@register.simple_tag
def node_link(node: Mapping[str, Any], tag: str = "span") -> SafeString:
    """The link to the node's parent: its round-trip time, or its problem."""
    link = node["link"]
    if not decisions.ROLES[node["role"]].is_member:
        return format_html('<{0} data-field="link">{1}</{0}>', tag, NOTHING)
    if link["state"] == "ok":
        word = formats.milliseconds(link["rttMs"]) if link["rttMs"] else pgettext("freshness", "live")
    else:
        word = pgettext("link", "silent") if link["state"] == "suspect" else pgettext("link", "down")
    return format_html('<{0} data-field="link" data-link="{1}">{2}</{0}>', tag, link["state"], word)


@register.simple_tag
def node_chip(state: str) -> SafeString:
    return _chip("state", labels.NODE_STATES.get(state))


@register.simple_tag
def role_icon(role: str) -> SafeString:
    look = labels.NODE_ROLES.get(role, labels.NODE_ROLES["edge"])
    drawn: SafeString = icon(look.icon, "icon role-icon")
    return drawn


@register.filter
def role_label(role: str) -> str:
    look = labels.NODE_ROLES.get(role)
    return str(look.label) if look else role


@register.filter
def action_label(kind: str) -> str:
    look = labels.ACTIONS.get(kind)
    return str(look.label) if look else str(labels.START)


@register.filter
def command_reason(command: Mapping[str, Any]) -> str:
    """Why a command failed, at least partly: in the reader's language for a known code, else the node's text."""
    known, message = labels.REASONS.get(command["code"]), message_text(command)
    if known:
        return str(known).replace("{message}", message)
    return message or str(command["code"]) if decisions.COMMANDS[command["state"]].explains else ""


@register.filter
def command_message(command: Mapping[str, Any]) -> str:
    """The node's message, if no other text explains the outcome."""
    message = message_text(command)
    return "" if command["code"] in labels.REASONS or message == command_reason(command) else message


@register.simple_tag
def command_chip(command: Mapping[str, Any]) -> SafeString:
    return _chip("commandState", labels.COMMAND_STATES[command["state"]])


@register.simple_tag(takes_context=True)
def task_command(context: Mapping[str, Any], task: Mapping[str, Any]) -> SafeString:
    """The command that a person sent to the task, and its state."""
    commands = (context.get("page_data") or {}).get("commands") or ()
    command = decisions.shown_command(commands, task["id"], context["server_now_ms"])
    if command is None:
        return format_html('<p class="sub request" data-field="request" hidden>{}<span></span></p>', icon("send"))
    look = labels.COMMAND_STATES[command["state"]]
    parts = (f"{action_label(command['kind'])}: {look.label}", command_reason(command), command["actor"])
    return format_html(
        '<p class="sub request" data-field="request" data-tone="{}"{}>{}<span>{}</span></p>',
        look.tone,
        format_html(' title="{}"', command["message"]) if command["message"] else "",
        icon(look.icon),
        " · ".join(filter(None, parts)),
    )


@register.simple_tag
def task_actions(task: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Every action with its look, and whether it is offered in the task's current state."""
    return [
        {"name": str(action), "look": look, "is_offered": decisions.is_offered(action, task)}
        for action, look in labels.ACTIONS.items()
    ]


@register.filter
def offers(task: Mapping[str, Any], action: str) -> bool:
    return decisions.is_offered(action, task)


@register.simple_tag
def live_text(
    thing: Mapping[str, Any], field: str, style: str = "text", tag: str = "span", css_class: str = ""
) -> SafeString:
    """A plain field of a task or a node, in one of `formats.FORMATS`; hidden while empty. The script updates it when
    the field changes, so only the template names the field.
    """
    shown = formats.FORMATS[style](thing[field])
    return format_html(
        '<{0}{1} data-text="{2}" data-format="{3}"{4}>{5}</{0}>',
        tag,
        format_html(' class="{}"', css_class) if css_class else "",
        field,
        style,
        "" if shown else SafeString(" hidden"),
        shown,
    )


@register.simple_tag
def live_meter(thing: Mapping[str, Any], field: str, label: str) -> SafeString:
    """A percentage or a usage as a bar with its figure; the script updates it like `live_text`."""
    value = thing[field]
    percent = value["percent"] if isinstance(value, Mapping) else value
    return format_html(
        '<span class="meter-pair" data-meter="{}"><meter min="0" max="100" low="75" high="90" optimum="0" value="{}" '
        'aria-label="{}"></meter><span>{}</span></span>',
        field,
        f"{percent or 0:.0f}",
        label,
        formats.whole_percent(percent),
    )


@register.simple_tag
def task_progress(task: Mapping[str, Any]) -> SafeString:
    """A task's progress, if it reports any."""
    value = task["progress"]
    return format_html(
        '<span class="meter-pair" data-field="progress"{}><progress max="1" value="{}" aria-label="{}"></progress>'
        "<span>{}</span></span>",
        SafeString(" hidden") if value is None else "",
        f"{value or 0:.3f}",
        _("Progress"),
        formats.fraction(value),
    )


@register.simple_tag(takes_context=True)
def running_time(
    context: Mapping[str, Any], task: Mapping[str, Any], css_class: str = "", nothing: str = NOTHING
) -> SafeString:
    """The running time of a task or an attempt; the script's ticker continues it."""
    started = task.get("startedAt")
    ended = task.get(decisions.TASKS[decisions.shown_state(task)].ends)
    seconds = ((ended or context["server_now_ms"]) - started) / 1000 if started else None
    return format_html(
        '<span{} data-field="elapsed"{}{}>{}</span>',
        format_html(' class="{}" title="{}"', css_class, _("Running time")) if css_class else "",
        format_html(' data-started="{}"', started) if started else "",
        format_html(' data-ended="{}"', ended) if ended else "",
        nothing if seconds is None else formats.clock_duration(seconds),
    )


@register.simple_tag
def moment(at_ms: float | None, field: str = "", style: str = "time") -> SafeString:
    """A point in time. The script shows it in the reader's time zone, or as an age if style is "age"."""
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
    """JSON for a data attribute; the template escapes it like any other text."""
    return json.dumps(value, ensure_ascii=False)


@register.simple_tag
def theme_attribute(request: object = None) -> SafeString | str:
    """The theme that the reader chose; empty = the system's. There is no request on the page for server errors."""
    chosen = request.COOKIES.get("agentflow_theme", "") if isinstance(request, HttpRequest) else ""
    return format_html(' data-theme="{}"', chosen) if chosen in THEMES else ""


def _clock(at_ms: float) -> str:
    """14:03:22, or the date and 14:03 on another day."""
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
