"""What must hold after every fault, checked from outside. Each function returns the violations as sentences.

Inputs are only observations: files, /proc, a dashboard's view. tests/unit/faults shows that each check can fail.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from nodes.domain.states import TASK_TRANSITIONS, CommandState, TaskState
from tests.faults.evidence import Attempt, Command, Database, Event, JournalFile, Line
from tests.faults.truth import Run
from tests.faults.view import View

# nodes/selectors: a snapshot has only the newest ended tasks.
SNAPSHOT_ENDED_TASKS = 200
_SUPPRESSED = re.compile(r"(\d+) lines suppressed")
_PRINTED = re.compile(r"line (\d+)( x*)?")
_SYSTEM = 3


# --- (a) everything journaled is in the database, once --------------------------------------------


def delivery(journals: Iterable[JournalFile], database: Database, *, dead_letters: bool = False) -> list[str]:
    """Every number of every journal has a row or is in a gap; marks agree. `dead_letters`: some are expected."""
    found: list[str] = []
    rows: dict[str, dict[int, Event]] = defaultdict(dict)
    for event in database.events:
        if event.seq in rows[event.journal_id]:
            found.append(f"journal {event.journal_id}: entry {event.seq} is stored twice")
        rows[event.journal_id][event.seq] = event
        if event.kind == "dead" and not dead_letters:
            found.append(f"journal {event.journal_id}: entry {event.seq} became a dead letter: {event.detail}")
    for journal in journals:
        stored = rows[journal.journal_id]
        if journal.is_own:
            covered = set(stored) | _in_gaps(stored.values())
            missing = sorted(set(range(1, journal.last_seq + 1)) - covered)
            if missing:
                found.append(f"{journal.path}: {len(missing)} of {journal.last_seq} are missing: {missing[:10]}")
            mark = database.marks.get(journal.journal_id, 0)
            if mark != journal.last_seq:
                found.append(f"{journal.path}: the Leader's mark is {mark}, the journal ends at {journal.last_seq}")
        for seq, kind in journal.entries.items():
            event_kind = stored[seq].kind if seq in stored else "gap"
            if event_kind not in (kind, "gap", "dead"):
                found.append(f"{journal.path}: entry {seq} is {kind}, but was stored as {event_kind}")
    return found


def _in_gaps(events: Iterable[Event]) -> set[int]:
    gaps = (event for event in events if event.kind == "gap")
    return {seq for gap in gaps for seq in range(max(1, gap.detail["from_seq"]), gap.detail["to_seq"] + 1)}


# --- (b) tasks: no state regressed, ends and output match what really happened --------------------


def states(events: Iterable[Event]) -> list[str]:
    """The history of each attempt, in journal order, has only transitions of `TASK_TRANSITIONS`."""
    found: list[str] = []
    history: dict[tuple[str, int, str], list[Event]] = defaultdict(list)
    for event in events:
        if event.kind == "task":
            history[event.task_id, event.detail["attempt"], event.journal_id].append(event)
    for (task_id, attempt, _), told in history.items():
        before: TaskState | None = None
        for event in sorted(told, key=lambda event: event.seq):
            state = TaskState(event.detail["state"])
            if before is not None and state != before and state not in TASK_TRANSITIONS[before]:
                found.append(f"task {task_id} attempt {attempt} went from {before} to {state}")
            before = state
    return found


def ends(attempts: Mapping[tuple[str, int], Attempt], runs: Mapping[tuple[str, int], Run]) -> list[str]:
    """The database agrees with what the process of each attempt really did; no attempt ran twice."""
    found: list[str] = []
    for key, run in runs.items():
        name = f"task {key[0]} attempt {key[1]}"
        if len(run.starts) > 1:
            found.append(f"{name} ran {len(run.starts)} times: {run.starts}")
        attempt = attempts.get(key)
        if attempt is None:
            found.append(f"{name} ran, but is not in the database")
            continue
        if attempt.pid and attempt.pid not in (pid for pid, _ in run.starts):
            found.append(f"{name} is stored with pid {attempt.pid}, ran as {run.starts}")
        if problem := _wrong_end(attempt, run):
            found.append(f"{name} {problem}")
    return found


def _wrong_end(attempt: Attempt, run: Run) -> str:
    state = TaskState(attempt.state)
    if run.is_alive:
        return f"runs, but is stored as {state}" if state.is_final else ""
    if run.exit_code is None:  # Killed by a signal.
        is_honest = state.is_final and (state is not TaskState.SUCCEEDED)
        return "" if is_honest else f"was killed, but is stored as {state}"
    expected = TaskState.SUCCEEDED if run.exit_code == 0 else TaskState.FAILED
    if (state, attempt.exit_code) == (expected, run.exit_code):
        return ""
    return f"ended with {run.exit_code}, but is stored as {state} with {attempt.exit_code}"


def output(
    lines: Iterable[Line],
    runs: Mapping[tuple[str, int], Run],
    lost: Iterable[tuple[str, int]] = (),
    suppressed: Mapping[tuple[str, int], int] | None = None,
) -> list[str]:
    """Every printed line is stored once and in order, or counted. The end may be missing for attempts in `lost`.

    `suppressed`: the count in the attempt's state. Lines lost at the very end on a full disk have no notice in the log,
    because there was no room for it.
    """
    found: list[str] = []
    of_attempt: dict[tuple[str, int], list[Line]] = defaultdict(list)
    for line in lines:
        of_attempt[line.task_id, line.attempt].append(line)
    for key, run in runs.items():
        try:
            told, noted = _follow(of_attempt[key])
        except ValueError as exc:
            found.append(f"task {key[0]} attempt {key[1]}: {exc}")
            continue
        told += max(0, (suppressed or {}).get(key, 0) - noted)
        fewest = 0 if key in set(lost) else run.sure_line
        if not run.is_alive and not fewest <= told <= run.last_line:
            found.append(f"task {key[0]} attempt {key[1]} printed {run.last_line} lines, {told} are accounted for")
    return found


def _follow(lines: list[Line]) -> tuple[int, int]:
    """The last line accounted for, and how many lines notices account for.

    Raises ValueError at the first line that is missing, duplicated or misplaced.
    """
    told = noted = 0
    for position, line in enumerate(lines, 1):
        if line.number != position:
            raise ValueError(f"row {position} has the number {line.number}")
        if line.stream == _SYSTEM:
            if match := _SUPPRESSED.fullmatch(line.text):
                told += int(match[1])
                noted += int(match[1])
            continue
        match = _PRINTED.fullmatch(line.text)
        if match is None:
            raise ValueError(f"row {position} reads {line.text[:80]!r}")
        if int(match[1]) != told + 1:
            raise ValueError(f"line {told + 1} was expected, {match[1]} is stored")
        told += 1
    return told, noted


# --- (c) commands ---------------------------------------------------------------------------------


def effects(
    commands: Iterable[Command],
    runs: Mapping[tuple[str, int], Run],
    inputs: Mapping[str, str],
    *,
    now: str,
    online: Iterable[str],
) -> list[str]:
    """Every command had at most one effect, and is in a final state or still open for a valid reason.

    `inputs`: text (each unique) -> id of its command; empty if it is unknown whether the Leader accepted it.
    """
    found: list[str] = []
    by_id = {command.id: command for command in commands}
    # A start that never ran may be followed by another command for another node or a later time.
    started = {
        (command.task_id, command.attempt)
        for command in by_id.values()
        if command.kind == "start" and command.state != CommandState.EXPIRED
    }
    for command in by_id.values():
        state = CommandState(command.state)
        run = runs.get((command.task_id, command.attempt))
        if state.is_final:
            if command.kind == "start" and run and run.starts and (run.task_id, run.attempt) not in started:
                found.append(f"start {command.id} of task {command.task_id} is {state}, but it ran")
        elif command.node_id in set(online) and (state is CommandState.ACKED or command.expires_at < now):
            found.append(f"{command.kind} {command.id} is still {state}, and {command.node_id} is online")
    taken = Counter(text for run in runs.values() for text in run.inputs)
    found += [f"input {text!r} was written {count} times" for text, count in taken.items() if count > 1]
    for text, command_id in inputs.items():
        command = by_id.get(command_id)
        if command is None:
            continue  # Never stored, or stored in another database: at most one effect, as checked above.
        if command.state == CommandState.SUCCEEDED and not taken[text]:
            found.append(f"input {text!r} is reported as done, but never arrived")
        if command.state in (CommandState.FAILED, CommandState.EXPIRED) and taken[text]:
            found.append(f"input {text!r} is reported as {command.state}, but arrived")
    for key, run in runs.items():
        if len(run.signals) > 1:
            found.append(f"task {key[0]} attempt {key[1]} was asked to end {len(run.signals)} times")
    return found


# --- (d) a dashboard shows what the database holds ------------------------------------------------


def watched(view: View, database: Database) -> list[str]:
    """For a dashboard that has everything up to the database's position."""
    found: list[str] = []
    if (view.store, view.seq) != (database.store_id, database.feed_seq):
        return [f"the dashboard is at {view.store}:{view.seq}, not {database.store_id}:{database.feed_seq}"]
    found += _differences("node", view.nodes, database.nodes)
    ended = [task for task in database.tasks.values() if TaskState(task["state"]).is_final]
    shown = database.tasks
    if len(ended) > SNAPSHOT_ENDED_TASKS:
        shown = {key: task for key, task in shown.items() if key in view.tasks or not TaskState(task["state"]).is_final}
    found += _differences("task", view.tasks, shown)
    if set(view.alerts) != set(database.open_alerts):
        found.append(f"open alerts shown {sorted(view.alerts)}, stored {database.open_alerts}")
    stored = {command.id: command.state for command in database.commands}
    for command_id, command in view.commands.items():
        if command["state"] != stored.get(command_id, command["state"]):
            found.append(f"command {command_id} is shown as {command['state']}, stored as {stored[command_id]}")
    return found + _lines_shown(view, database)


def _differences(
    what: str, shown: Mapping[str, Mapping[str, object]], stored: Mapping[str, Mapping[str, object]]
) -> list[str]:
    found = []
    for key in sorted(set(shown) | set(stored)):
        if key not in shown or key not in stored:
            found.append(f"{what} {key} is {'not shown' if key in stored else 'shown, but not stored'}")
            continue
        wrong = {name: (shown[key].get(name), value) for name, value in stored[key].items()}
        wrong = {name: pair for name, pair in wrong.items() if pair[0] != pair[1]}
        if wrong:
            found.append(f"{what} {key} differs (shown, stored): {wrong}")
    return found


def _lines_shown(view: View, database: Database) -> list[str]:
    found = []
    stored = {line.id: (line.task_id, line.attempt, line.number, line.text) for line in database.lines}
    for line_id, line in view.lines.items():
        if stored.get(line_id) != line:
            found.append(f"line {line_id} is shown as {line}, stored as {stored.get(line_id)}")
    missing = [line_id for line_id in stored if line_id >= view.lines_from and line_id not in view.lines]
    if len(missing) != view.skipped:
        found.append(f"{len(missing)} lines are not shown, gaps cover {view.skipped}: {missing[:5]}")
    return found[:10]


# --- (e) resources are back to normal -------------------------------------------------------------


@dataclass(frozen=True)
class Resources:
    rss_bytes: int
    threads: int
    descriptors: int
    zombies: int


# Above the baseline, which is taken after a warm-up. Memory: caches that grow with the number of rows, and what the
# allocator keeps. Threads and descriptors: pools that do not have all their workers yet.
SLACK = Resources(rss_bytes=64 << 20, threads=8, descriptors=16, zombies=0)


def resources(base: Mapping[str, Resources], now: Mapping[str, Resources]) -> list[str]:
    found = []
    for name, before in base.items():
        after = now[name]
        for what in ("rss_bytes", "threads", "descriptors", "zombies"):
            allowed = getattr(before, what) + getattr(SLACK, what)
            if getattr(after, what) > allowed:
                found.append(f"{name} has {what} {getattr(after, what)}, started with {getattr(before, what)}")
    return found


# --- (f) no unexpected exception ------------------------------------------------------------------

_FALLS = ("Traceback (most recent call last)", "was never retrieved", "was never awaited", "Exception ignored in")


def falls(logs: Mapping[str, str]) -> list[str]:
    """Unexpected exceptions in `logs`, which are keyed by process name."""
    found = []
    for name, text in logs.items():
        for fall in _FALLS:
            at = text.find(fall)
            if at >= 0:
                found.append(f"log of {name}: …{text[max(0, at - 500) : at + 3000]}")
                break
    return found
