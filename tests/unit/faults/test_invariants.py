"""The fault suite's checks: each invariant passes for correct data, and fails for each possible error."""

from __future__ import annotations

import os
from copy import deepcopy

import pytest

from tests.faults import invariants
from tests.faults.evidence import Attempt, Command, Database, Event, JournalFile, Line
from tests.faults.invariants import Resources
from tests.faults.truth import Run, start_ticks
from tests.faults.view import View

KEY = ("t1", 1)


def event(seq: int, kind: str = "task", **detail: object) -> Event:
    return Event("j1", seq, kind, "t1", {"attempt": 1, **detail})


class TestDelivery:
    def journals(self) -> list[JournalFile]:
        return [JournalFile("j1", "states.db", True, 3, {1: "task", 2: "task", 3: "result"})]

    def database(self) -> Database:
        return Database(marks={"j1": 3}, events=[event(1), event(2), event(3, "result")])

    def test_holds(self) -> None:
        assert invariants.delivery(self.journals(), self.database()) == []

    def test_an_entry_is_missing(self) -> None:
        database = self.database()
        del database.events[1]

        assert "are missing: [2]" in invariants.delivery(self.journals(), database)[0]

    def test_an_entry_that_was_trimmed_must_be_stored_too(self) -> None:
        journals, database = self.journals(), self.database()
        journals[0].entries.clear()
        del database.events[0]

        assert "are missing: [1]" in invariants.delivery(journals, database)[0]

    def test_a_gap_covers_what_it_names_and_nothing_else(self) -> None:
        database = self.database()
        database.events[:2] = [event(2, "gap", from_seq=1, to_seq=2)]
        assert invariants.delivery(self.journals(), database) == []

        database.events[0].detail["from_seq"] = 2
        assert "are missing: [1]" in invariants.delivery(self.journals(), database)[0]

    def test_an_entry_is_stored_twice(self) -> None:
        database = self.database()
        database.events.append(event(2))

        assert "stored twice" in invariants.delivery(self.journals(), database)[0]

    @pytest.mark.parametrize("mark", [2, 4])
    def test_the_mark_differs(self, mark: int) -> None:
        database = self.database()
        database.marks["j1"] = mark

        assert "mark is" in invariants.delivery(self.journals(), database)[0]

    def test_an_entry_is_stored_as_something_else(self) -> None:
        database = self.database()
        database.events[2].kind = "logs"

        assert "entry 3 is result" in invariants.delivery(self.journals(), database)[0]

    def test_a_dead_letter_that_nobody_expected(self) -> None:
        database = self.database()
        database.events[1].kind = "dead"

        assert "dead letter" in invariants.delivery(self.journals(), database)[0]
        assert invariants.delivery(self.journals(), database, dead_letters=True) == []


class TestStates:
    def told(self, *states: str) -> list[Event]:
        return [event(seq, state=state) for seq, state in enumerate(states, 1)]

    def test_holds(self) -> None:
        assert invariants.states(self.told("running", "paused", "paused", "running", "failed")) == []

    @pytest.mark.parametrize(
        "states", [("failed", "running"), ("running", "succeeded", "failed"), ("paused", "pending")]
    )
    def test_a_state_regressed(self, states: tuple[str, ...]) -> None:
        assert "went from" in invariants.states(self.told(*states))[0]


class TestEnds:
    def attempt(self, state: str, exit_code: int | None = None) -> dict[tuple[str, int], Attempt]:
        return {KEY: Attempt(*KEY, state, exit_code, "n", 7)}

    def run(self, exit_code: int | None) -> dict[tuple[str, int], Run]:
        return {KEY: Run(*KEY, starts=[(7, -1)], exit_code=exit_code)}

    @pytest.mark.parametrize(
        ("state", "stored", "real"),
        [("succeeded", 0, 0), ("failed", 7, 7), ("cancelled", None, None), ("lost", None, None)],
    )
    def test_holds(self, state: str, stored: int | None, real: int | None) -> None:
        assert invariants.ends(self.attempt(state, stored), self.run(real)) == []

    @pytest.mark.parametrize(
        ("state", "stored", "real"),
        [("failed", 7, 0), ("succeeded", 0, 7), ("failed", 8, 7), ("running", None, 7), ("succeeded", 0, None)],
    )
    def test_the_end_is_not_what_happened(self, state: str, stored: int | None, real: int | None) -> None:
        assert "is stored as" in invariants.ends(self.attempt(state, stored), self.run(real))[0]

    def test_it_runs_but_is_reported_as_ended(self) -> None:
        runs = self.run(None)
        runs[KEY].starts = [(os.getpid(), start_ticks(os.getpid()) or 0)]

        found = invariants.ends({KEY: Attempt(*KEY, "lost", None, "n", os.getpid())}, runs)

        assert "runs, but is stored as lost" in found[0]

    def test_it_ran_twice(self) -> None:
        runs = self.run(0)
        runs[KEY].starts.append((8, -1))

        assert "ran 2 times" in invariants.ends(self.attempt("succeeded", 0), runs)[0]

    def test_it_is_not_stored(self) -> None:
        assert "not in the database" in invariants.ends({}, self.run(0))[0]

    def test_another_pid_is_stored(self) -> None:
        attempts = self.attempt("succeeded", 0)
        attempts[KEY].pid = 9

        assert "stored with pid 9" in invariants.ends(attempts, self.run(0))[0]


class TestOutput:
    def lines(self, *texts: str) -> list[Line]:
        return [Line(n, *KEY, n, 3 if text.endswith("suppressed") else 1, text) for n, text in enumerate(texts, 1)]

    def run(self, last: int, exit_code: int | None = 0) -> dict[tuple[str, int], Run]:
        return {KEY: Run(*KEY, starts=[(7, -1)], last_line=last, sure_line=last, exit_code=exit_code)}

    def test_holds(self) -> None:
        assert invariants.output(self.lines("line 1", "line 2 xx", "line 3"), self.run(3)) == []

    def test_suppressed_lines_are_counted(self) -> None:
        lines = self.lines("line 1", "40 lines suppressed", "line 42")

        assert invariants.output(lines, self.run(42)) == []
        assert (
            "line 42 was expected, 43"
            in invariants.output(self.lines(*("line 1", "40 lines suppressed", "line 43")), self.run(43))[0]
        )

    @pytest.mark.parametrize(
        "texts",
        [("line 1", "line 3"), ("line 1", "line 1"), ("line 2", "line 1"), ("line 1", "line 2", "line 2"), ("lime 1",)],
    )
    def test_a_line_is_missing_duplicated_misplaced_or_torn(self, texts: tuple[str, ...]) -> None:
        assert invariants.output(self.lines(*texts), self.run(3)) != []

    def test_the_end_is_missing(self) -> None:
        assert invariants.output(self.lines("line 1", "line 2"), self.run(3), suppressed={KEY: 1}) == []
        assert "2 are accounted for" in invariants.output(self.lines("line 1", "line 2"), self.run(3))[0]

    def test_more_is_stored_than_was_printed(self) -> None:
        assert "3 are accounted for" in invariants.output(self.lines("line 1", "line 2", "line 3"), self.run(2))[0]

    def test_output_that_was_not_printed_before_a_kill_may_be_missing(self) -> None:
        runs = self.run(3, exit_code=None)
        runs[KEY].sure_line = 2

        assert invariants.output(self.lines("line 1", "line 2"), runs) == []
        assert invariants.output(self.lines("line 1"), runs) != []
        assert invariants.output(self.lines("line 1"), runs, lost=[KEY]) == []

    def test_a_number_is_missing(self) -> None:
        lines = self.lines("line 1", "line 2")
        lines[1].number = 3

        assert "has the number 3" in invariants.output(lines, self.run(2))[0]


class TestEffects:
    NOW = "2026-01-01 00:00:00"

    def judge(self, command: Command, run: Run, inputs: dict[str, str] | None = None) -> list[str]:
        return invariants.effects([command], {KEY: run}, inputs or {}, now=self.NOW, online=["n"])

    def command(self, state: str, kind: str = "input", expires_at: str = "2026-02-01 00:00:00") -> Command:
        return Command("c1", kind, *KEY, "n", state, expires_at)

    def test_holds(self) -> None:
        assert self.judge(self.command("succeeded"), Run(*KEY, inputs=["a"]), {"a": "c1"}) == []
        assert self.judge(self.command("pending"), Run(*KEY)) == []

    def test_input_was_written_twice(self) -> None:
        assert "2 times" in self.judge(self.command("succeeded"), Run(*KEY, inputs=["a", "a"]), {"a": "c1"})[0]

    def test_input_is_reported_as_done_but_never_arrived(self) -> None:
        assert "never arrived" in self.judge(self.command("succeeded"), Run(*KEY), {"a": "c1"})[0]

    @pytest.mark.parametrize("state", ["failed", "expired"])
    def test_input_is_reported_as_not_done_but_arrived(self, state: str) -> None:
        assert "but arrived" in self.judge(self.command(state), Run(*KEY, inputs=["a"]), {"a": "c1"})[0]

    def test_a_start_that_expired_has_run(self) -> None:
        assert "but it ran" in self.judge(self.command("expired", "start"), Run(*KEY, starts=[(7, -1)]))[0]

    def test_a_start_that_expired_may_be_followed_by_another(self) -> None:
        commands = [self.command("expired", "start"), Command("c2", "start", *KEY, "n", "succeeded", "")]

        assert invariants.effects(commands, {KEY: Run(*KEY, starts=[(7, -1)])}, {}, now=self.NOW, online=[]) == []

    @pytest.mark.parametrize(("state", "expires_at"), [("acked", "2026-02-01"), ("sent", "2025-12-31")])
    def test_a_command_stays_open_with_its_node_there(self, state: str, expires_at: str) -> None:
        assert "is still" in self.judge(self.command(state, expires_at=expires_at), Run(*KEY))[0]

    def test_a_task_was_asked_to_end_twice(self) -> None:
        assert "2 times" in self.judge(self.command("succeeded", "cancel"), Run(*KEY, signals=[15, 15]))[0]


class TestWatched:
    def both(self) -> tuple[View, Database]:
        node = {"id": "n", "role": "master", "parent": "leader", "state": "online", "version": "3"}
        task = {"id": "t1", "state": "running", "attempt": 1, "version": "4"}
        view = View(store="s", seq=9, nodes={"n": node}, tasks={"t1": task})
        view.lines = {9 << 10: (*KEY, 1, "line 1")}
        view.commands = {"c1": {"state": "sent"}}
        view.alerts = {"1": {}}
        database = Database(
            store_id="s",
            feed_seq=9,
            nodes={"n": {key: value for key, value in node.items() if key != "id"}},
            tasks={"t1": {key: value for key, value in task.items() if key != "id"}},
            open_alerts={"1": "m"},
            lines=[Line(9 << 10, *KEY, 1, 1, "line 1")],
            commands=[Command("c1", "pause", *KEY, "n", "sent", "")],
        )
        return view, database

    def test_holds(self) -> None:
        assert invariants.watched(*self.both()) == []

    @pytest.mark.parametrize(
        "spoil",
        [
            lambda view: setattr(view, "seq", 8),
            lambda view: setattr(view, "store", "other"),
            lambda view: view.nodes["n"].update(state="offline"),
            lambda view: view.nodes.clear(),
            lambda view: view.tasks["t1"].update(state="failed"),
            lambda view: view.tasks.clear(),
            lambda view: view.tasks.update(t2={"id": "t2"}),
            lambda view: view.alerts.clear(),
            lambda view: view.commands["c1"].update(state="failed"),
            lambda view: view.lines.clear(),
            lambda view: view.lines.update({9 << 10: (*KEY, 1, "line 2")}),
            lambda view: view.lines.update({10 << 10: (*KEY, 2, "line 2")}),
            lambda view: setattr(view, "skipped", 1),
        ],
    )
    def test_the_dashboard_differs(self, spoil: object) -> None:
        view, database = deepcopy(self.both())
        spoil(view)  # type: ignore[operator]

        assert invariants.watched(view, database) != []

    def test_lines_older_than_the_snapshot_are_not_expected(self) -> None:
        view, database = self.both()
        view.lines, view.lines_from = {}, 10 << 10

        assert invariants.watched(view, database) == []


class TestProcesses:
    BASE = Resources(rss_bytes=100 << 20, threads=10, descriptors=30, zombies=0)

    def test_holds(self) -> None:
        assert invariants.resources({"leader": self.BASE}, {"leader": self.BASE}) == []

    @pytest.mark.parametrize("what", ["rss_bytes", "threads", "descriptors", "zombies"])
    def test_something_grew(self, what: str) -> None:
        values = {name: getattr(self.BASE, name) for name in ("rss_bytes", "threads", "descriptors", "zombies")}
        values[what] += getattr(invariants.SLACK, what) + 1

        assert f"has {what}" in invariants.resources({"leader": self.BASE}, {"leader": Resources(**values)})[0]

    def test_falls(self) -> None:
        assert invariants.falls({"leader": "all is well"}) == []
        assert "log of leader" in invariants.falls({"leader": "Traceback (most recent call last):\n …"})[0]
        assert "log of leader" in invariants.falls({"leader": "Task exception was never retrieved"})[0]
