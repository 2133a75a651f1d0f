"""Finds by rules why a task is stuck and what may help. Used by the offline engine, and when the model fails.

Pure. Its texts are phrases; the task's output is only quoted.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from chat.phrases import Phrase, TextOrPhrase, phrase
from chat.stalls.fix_history import remembered_for
from chat.stalls.measured import Window, read_window
from chat.stalls.prompts import Offered, Prompt, read_prompt
from chat.stalls.stall_context import Citation, Finding, Fix, Remembered, StallContext
from nodes.domain.states import Action

QUOTE_CHARACTERS = 200
MOST_FIXES = 3
_TAIL_LINES = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cause:
    sort: str  # Its phrase is `cause.<sort>`.
    fixes: tuple[Fix, ...]


_STOP = Fix(action=Action.CANCEL, why=phrase("why.stop"))
_HOLD = Fix(action=Action.PAUSE, why=phrase("why.hold"))
_UNTIL = Fix(action=Action.PAUSE, why=phrase("why.until"))

_DISK = _Cause(sort="disk-full", fixes=(_UNTIL, _STOP))
_MEMORY = _Cause(sort="memory", fixes=(_STOP, _HOLD))
_LOCK = _Cause(sort="lock", fixes=(_STOP, _HOLD))
_NETWORK = _Cause(sort="network", fixes=(_UNTIL, _STOP))
_STORAGE = _Cause(sort="storage", fixes=(_STOP,))
_BUSY = _Cause(sort="busy", fixes=(_HOLD, _STOP))
_BLOCKED = _Cause(sort="blocked", fixes=(_STOP, _HOLD))

# Ordered: permanent causes before temporary ones.
_LINES: Sequence[tuple[re.Pattern[str], _Cause]] = (
    (
        re.compile(
            r"no space left on device|disk quota exceeded|\benospc\b|磁盘(?:空间)?(?:已满|不足)|设备上没有空间", re.I
        ),
        _DISK,
    ),
    (
        re.compile(
            r"out of memory|oom[- ]?kill|cannot allocate memory|\benomem\b|memoryerror|内存不足|无法分配内存", re.I
        ),
        _MEMORY,
    ),
    (
        re.compile(
            r"could not get lock|unable to (?:acquire|lock)|waiting for .{0,60}\block\b|\block(?:ed)? (?:is )?held|"
            r"resource temporarily unavailable|database is locked|lock file .{0,80}exists|"
            r"等待.{0,30}锁|无法获得?锁|已被锁定",
            re.I,
        ),
        _LOCK,
    ),
    (
        re.compile(
            r"temporary failure in name resolution|could not resolve|name or service not known|connection (?:timed out|"
            r"refused|reset)|(?:network|host) (?:is )?unreachable|no route to host|tls handshake timeout|"
            r"(?:读|连接)?(?:取)?超时|连接被拒绝|无法解析|网络不可达",
            re.I,
        ),
        _NETWORK,
    ),
)
# By the kernel function that a sleeping process waits in, from `/proc/*/wchan`.
_CHANNELS: Sequence[tuple[re.Pattern[str], _Cause]] = (
    (re.compile(r"flock|fcntl_setlk|locks_|posix_lock|futex"), _LOCK),
    (re.compile(r"tcp_|inet_|sk_wait|unix_stream|skb_|sock_"), _NETWORK),
    (re.compile(r"nfs_|rpc_wait|wait_on_page|io_schedule|folio_wait|jbd2|ext4_|xfs_"), _STORAGE),
)
_PROCESS = re.compile(r"^\d+ parent=\d+ (?P<state>\S+) (?P<channel>\S+) ", re.M)


def find(stall: StallContext) -> Finding:
    found = _waiting(stall) if stall.kind == "waiting" else _stalled(stall)
    fixes = tuple(fix for fix in found.fixes if stall.allows(fix.action))
    ranked = sorted(_with_known(stall, found.sort, fixes), key=lambda fix: _rank(stall, fix))
    kept = [_with_past(stall, fix) for fix in ranked][:MOST_FIXES]
    return Finding(
        cause=found.cause, confidence=found.confidence, evidence=found.evidence, fixes=tuple(kept), sort=found.sort
    )


# --- waiting for a person -------------------------------------------------------------------------


def _waiting(stall: StallContext) -> Finding:
    prompt = read_prompt(stall.tail)
    lines = stall.piece("lines")
    cited = (Citation(id=lines.id, quote=_short(prompt.quote)),) if lines is not None else ()
    fixes = [Fix(action=Action.INPUT, text=offered.text, why=_why(prompt, offered)) for offered in prompt.offers]
    # Leaves room for cancelling.
    fixes = [*fixes[: MOST_FIXES - 1], Fix(action=Action.CANCEL, why=phrase("why.no-answer"))]
    is_clear = prompt.sort not in ("input", "default") and bool(prompt.quote)
    return Finding(
        cause=phrase(f"cause.{prompt.sort}"),
        confidence="high" if is_clear else "medium",
        evidence=cited,
        fixes=tuple(fixes),
        sort=prompt.sort,
    )


def _why(prompt: Prompt, offered: Offered) -> Phrase:
    if prompt.sort == "enter":
        return phrase("why.asked")
    if prompt.sort == "default":
        return phrase("why.own-default")
    return phrase("why.offered-default" if offered.is_default else "why.offered")


# --- stalled --------------------------------------------------------------------------------------


def _stalled(stall: StallContext) -> Finding:
    return _from_lines(stall) or _from_processes(stall) or _from_metrics(stall) or _unknown(stall)


def _from_lines(stall: StallContext) -> Finding | None:
    lines, tail = stall.piece("lines"), stall.tail[-_TAIL_LINES:]
    if lines is None:
        return None
    for pattern, cause in _LINES:
        for line in reversed(tail):
            if pattern.search(line):
                # Only the last line counts; older ones may no longer apply.
                return _finding(
                    cause, "high" if line == tail[-1] else "medium", Citation(id=lines.id, quote=_short(line))
                )
    return None


def _from_processes(stall: StallContext) -> Finding | None:
    processes = stall.piece("processes")
    if processes is None:
        return None
    for found in _PROCESS.finditer(processes.text):
        line = processes.text[found.start() : processes.text.find("\n", found.start()) % (len(processes.text) + 1)]
        cited = Citation(id=processes.id, quote=_short(line))
        if found["state"].upper() in ("D", "DISK-SLEEP"):
            return _finding(_STORAGE, "medium", cited)
        for pattern, cause in _CHANNELS:
            # Idle threads also sleep in a futex.
            if pattern.search(found["channel"]):
                return _finding(cause, "low" if "futex" in found["channel"] else "medium", cited)
    return None


def _from_metrics(stall: StallContext) -> Finding | None:
    metrics = stall.piece("metrics")
    if metrics is None:
        return None
    window = read_window(metrics.text)
    cited = Citation(id=metrics.id, quote=_short(window.last))
    cause = _measured_cause(window)
    return None if cause is None else _finding(cause, "medium", cited)


def _measured_cause(window: Window) -> _Cause | None:
    if window.disk_share is not None and window.disk_share >= 0.99:
        return _DISK
    if window.memory_share is not None and window.memory_share >= 0.97:
        return _MEMORY
    if window.cpu_share is not None and window.cpu_share >= 0.9 and not window.has_printed:
        return _BUSY
    return _BLOCKED if window.cpu_share is not None and window.cpu_share < 0.01 else None


def _unknown(stall: StallContext) -> Finding:
    """Cites the last output and the first process even without a known cause."""
    seen = [("lines", -1), ("processes", 0)]
    pieces = [(piece, place) for kind, place in seen if (piece := stall.piece(kind)) is not None]
    cited = (Citation(id=piece.id, quote=_short(piece.text.strip().split("\n")[place])) for piece, place in pieces)
    return _finding(_BLOCKED, "low", *cited)


def _finding(cause: _Cause, confidence: str, *cited: Citation) -> Finding:
    cause_text = phrase(f"cause.{cause.sort}")
    return Finding(cause=cause_text, confidence=confidence, evidence=cited, fixes=cause.fixes, sort=cause.sort)


# --- results of earlier fixes --------------------------------------------------------------------


def _with_known(stall: StallContext, sort: str, fixes: Sequence[Fix]) -> list[Fix]:
    """Adds fixes that helped before but the rules do not find. Never for a secret."""
    known = [
        Fix(action=past.action, text=past.literal or "")
        for past in stall.remembered
        if past.helped > past.failed and stall.allows(past.action) and sort != "password" and past.literal is not None
    ]
    asked = {(fix.action, fix.text) for fix in fixes}
    return [*(fix for fix in known if (fix.action, fix.text) not in asked), *fixes]


def _rank(stall: StallContext, fix: Fix) -> int:
    past = remembered_for(stall.remembered, fix)
    if past is None or past.helped == past.failed:
        return 1
    return 0 if past.helped > past.failed else 2


def _with_past(stall: StallContext, fix: Fix) -> Fix:
    past = remembered_for(stall.remembered, fix)
    return fix if past is None else Fix(action=fix.action, text=fix.text, why=_history_text(past, fix.why))


def _history_text(past: Remembered, why: TextOrPhrase) -> Phrase:
    key = "why.helped" if past.helped > past.failed else "why.not-helped"
    history = phrase(key, helped=past.helped, all=past.helped + past.failed)
    return phrase("sentences", parts=[history, why]) if why else history


def _short(line: str) -> str:
    return line.strip()[:QUOTE_CHARACTERS]
