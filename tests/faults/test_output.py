"""Output that is too much, too long, or hostile."""

from __future__ import annotations

import time
from collections.abc import Callable

from playwright.sync_api import expect

from tests.faults.arena import Arena
from tests.faults.length import short_or_full
from tests.support.browser import Visitors

Record = Callable[[str, object], None]

# A page must show all of these as text only.
HOSTILE = r"""
import os
os.write(1, b"bad utf-8: \xff\xfe\xc3\x28\n")
os.write(1, b"nul: a\x00b\n")
os.write(1, b"surrogate: \xed\xa0\x80\n")
os.write(1, b"\x1b[31mred\x1b[0m \x1b]0;title\x07 \x1b]8;;http://evil.example\x07link\x1b]8;;\x07\n")
os.write(1, b"</script><img src=x onerror=alert(1)><svg/onload=alert(2)>\n")
os.write(1, "right to left: \u202egpj.exe\n".encode())
os.write(1, b"the last line\n")
"""


def test_scenario_26_one_task_floods(arena: Arena, record_property: Record) -> None:
    """Its lines are dropped and counted exactly; other tasks on the same node and Leader are not affected."""
    flood = arena.start_task("master-1", "--pause", "0", "--burst", "5000", "--pad", "100")
    seconds: list[float] = []

    began = time.monotonic()
    while time.monotonic() - began < short_or_full(8.0, 60.0):
        for node in arena.agents:
            asked = time.monotonic()
            task = arena.run(node, "--lines", "3", "--pause", "0")
            arena.wait_end(task, timeout=60)
            seconds.append(time.monotonic() - asked)
    arena.let_end(flood)
    printed, suppressed = arena.truth.run(flood).last_line, arena.cluster.task(flood)["suppressedLines"]

    record_property(
        "flood", f"{printed / (time.monotonic() - began):,.0f} lines/s, {suppressed} of {printed} suppressed"
    )
    record_property("a short task from request to end meanwhile, longest", f"{max(seconds):.2f} s of {len(seconds)}")
    assert suppressed > 0
    arena.check()


def test_scenario_27_endless_lines(arena: Arena) -> None:
    """A megabyte line, and a hundred megabytes without a newline: truncated with a note; the next line is complete."""
    code = (
        "import sys; w = sys.stdout.buffer.write\n"
        "w(b'a' * 1_000_000 + b'\\n'); w(b'after one\\n'); sys.stdout.flush()\n"
        "import time; time.sleep(2)\n"
        f"for _ in range({short_or_full(20, 100)}): w(b'b' * 1_000_000)\n"
        "w(b'\\n'); sys.stdout.flush(); time.sleep(6)\n"
        "w(b'after all\\n')\n"
    )
    task = arena.cluster.run("master-2", "python3", "-c", code)

    arena.wait_state(task, "succeeded", timeout=60)
    lines = arena.cluster.log_lines(task)
    assert lines[0] == "a" * 16384 + f" … [{1_000_000 - 16384} bytes cut]"
    assert lines[1] == "after one"
    assert lines[-1] == "after all"
    assert all(len(line) < 17_000 for line in lines)
    arena.check()


def test_scenario_28_hostile_output(arena: Arena, visitors: Visitors) -> None:
    arena.watch()
    refused = arena.cluster.processes["master-1"].log().count("no stream to ")
    task = arena.cluster.run("master-1", "python3", "-c", HOSTILE)
    arena.wait_state(task, "succeeded")

    page = visitors.open_live(f"/tasks/{task}/")
    dialogs: list[str] = []
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    expect(page.get_by_text("the last line", exact=True)).to_be_visible()
    expect(page.get_by_text("</script><img src=x onerror=alert(1)><svg/onload=alert(2)>", exact=True)).to_be_visible()
    page.reload()
    expect(page.get_by_text("the last line", exact=True)).to_be_visible()

    lines = arena.cluster.log_lines(task)
    assert lines[0] == "bad utf-8: \ufffd\ufffd\ufffd("
    assert lines[1] == "nul: ab"
    assert lines[-1] == "the last line"
    assert not dialogs
    assert arena.cluster.processes["master-1"].log().count("no stream to ") == refused
    arena.check()
