"""Causes and fixes by rules: prompts in English and Chinese, lines, processes, metrics, and earlier results."""

from __future__ import annotations

from typing import Any

import pytest

from chat.phrases import phrase, render
from chat.stalls.prompts import read_prompt
from chat.stalls.rules import find
from chat.stalls.stall_context import Fix, Piece, Remembered, StallContext
from nodes.domain.states import Action, TaskState


def stall(
    *, kind: str = "stalled", lines: str = "", remembered: tuple[Remembered, ...] = (), **pieces: str
) -> StallContext:
    texts = {"lines": lines, **pieces} if lines else pieces
    return StallContext(
        alert_id=1,
        kind=kind,
        task_id="t1",
        node_id="master-1",
        project="shop",
        name="build",
        state=TaskState.RUNNING,
        accepts_input=True,
        reason="r",
        pieces=tuple(Piece(id=f"t1-{name}", kind=name, text=text) for name, text in texts.items()),
        remembered=remembered,
    )


@pytest.mark.parametrize(
    ("lines", "sort", "answers"),
    [
        ("Continue? [y/N]", "yes-no", ["y", "n"]),
        ("Continue? [Y/n] ", "yes-no", ["y", "n"]),
        ("continue connecting (yes/no/[fingerprint])?", "yes-no", ["yes", "no"]),
        ("Overwrite? yes or no:", "yes-no", ["yes", "no"]),
        ("是否继续？[y/N]", "yes-no", ["y", "n"]),
        ("确定覆盖吗（是/否）", "yes-no", ["是", "否"]),
        ("Reset the password? (y/n)", "yes-no", ["y", "n"]),
        ("Press ENTER to continue", "enter", [""]),
        ("Hit any key...", "enter", [""]),
        ("按回车键继续", "enter", [""]),
        ("请按任意键继续. . .", "enter", [""]),
        ("1) dev\n2) staging\n3) prod\nChoose [1-3]:", "choice", ["1", "2", "3"]),
        ("1. dev\n2. prod\nWhich one? [2]", "choice", ["2", "1"]),
        ("1、测试\n2、生产\n请选择：", "choice", ["1", "2"]),
        ("1) a\n2) b\n#? ", "choice", ["1", "2"]),
        ("Version [1.2.3]: ", "default", [""]),
        ("端口 (默认 8080)：", "default", [""]),
        ("Deploy where? ", "input", []),
        ("请输入名称：", "input", []),
        ("[sudo] password for ann: ", "password", []),
        ("Enter passphrase for key '/home/a/id': ", "password", []),
        ("请输入密码：", "password", []),
        ("验证码:", "password", []),
        ("API key [none]:", "password", []),
        ("Password\n:", "password", []),
        ("OTP token:", "password", []),
        ("", "input", []),
    ],
)
def test_what_a_prompt_offers(lines: str, sort: str, answers: list[str]) -> None:
    prompt = read_prompt([line for line in lines.split("\n") if line.strip()])

    assert (prompt.sort, [offered.text for offered in prompt.offers]) == (sort, answers)


@pytest.mark.parametrize(
    ("line", "default"), [("Go? [Y/n]", "y"), ("Go? [y/N]", "n"), ("Go? [y/n]", None), ("Go? [YES/NO]", None)]
)
def test_a_capital_letter_marks_the_default(line: str, default: str | None) -> None:
    offers = read_prompt([line]).offers

    assert next((offered.text for offered in offers if offered.is_default), None) == default


def test_a_password_is_never_proposed_even_when_one_is_remembered() -> None:
    past = Remembered(action=Action.INPUT, answer='"hunter2"', helped=9, failed=0)

    found = find(stall(kind="waiting", lines="Password:", remembered=(past,)))

    assert [fix.action for fix in found.fixes] == [Action.CANCEL]
    assert (found.sort, found.confidence) == ("password", "high")


IDLE = "100.0 output=5 cpu=0.00s read=0 written=0 processes=2\n102.0 output=5 cpu=0.00s read=0 written=0 processes=2"
BUSY = "100.0 output=5 cpu=2.00s read=0 written=0 processes=2\n102.0 output=5 cpu=1.99s read=0 written=0 processes=2"
NODE = " node: cpu=3% memory={memory}/100 disk={disk}/100 load=0.1"


@pytest.mark.parametrize(
    ("pieces", "sort", "confidence"),
    [
        ({"lines": "x\nwrite error: No space left on device"}, "disk-full", "high"),
        ({"lines": "磁盘空间不足"}, "disk-full", "high"),
        ({"lines": "Killed: out of memory\nlater line"}, "memory", "medium"),
        ({"lines": "内存不足"}, "memory", "high"),
        ({"lines": "E: Could not get lock /var/lib/dpkg/lock"}, "lock", "high"),
        ({"lines": "Waiting for cache lock: held by 12"}, "lock", "high"),
        ({"lines": "等待其他进程释放锁"}, "lock", "high"),
        ({"lines": "curl: (6) Could not resolve host: x"}, "network", "high"),
        ({"lines": "连接超时"}, "network", "high"),
        ({"lines": "ok", "processes": "7 parent=1 S locks_lock_inode_wait cpu=0.10s flock x"}, "lock", "medium"),
        ({"lines": "ok", "processes": "7 parent=1 S tcp_recvmsg cpu=0.10s curl x"}, "network", "medium"),
        ({"lines": "ok", "processes": "7 parent=1 D folio_wait_bit cpu=0.10s cp a b"}, "storage", "medium"),
        (
            {"lines": "ok", "processes": "7 parent=1 S hrtimer_nanosleep cpu=0s sleep 9", "metrics": IDLE},
            "blocked",
            "medium",
        ),
        ({"lines": "ok", "metrics": BUSY}, "busy", "medium"),
        ({"metrics": IDLE + NODE.format(memory=10, disk=100)}, "disk-full", "medium"),
        ({"metrics": IDLE + NODE.format(memory=99, disk=10)}, "memory", "medium"),
        ({"lines": "ok"}, "blocked", "low"),
        ({}, "blocked", "low"),
    ],
)
def test_causes_of_a_stall(pieces: dict[str, str], sort: str, confidence: str) -> None:
    given = stall(**pieces)
    found = find(given)

    assert (found.sort, found.confidence) == (sort, confidence)
    assert found.cause == phrase(f"cause.{sort}")
    assert 1 <= len(found.fixes) <= 3
    for citation in found.evidence:
        text = next(piece.text for piece in given.pieces if piece.id == citation.id)
        assert citation.quote in text


@pytest.mark.parametrize(
    ("state", "accepts_input", "actions"),
    [
        (TaskState.RUNNING, True, [Action.INPUT, Action.INPUT, Action.CANCEL]),
        (TaskState.RUNNING, False, [Action.CANCEL]),
        (TaskState.PAUSED, True, [Action.CANCEL]),
        (TaskState.SUCCEEDED, True, []),
    ],
)
def test_only_actions_allowed_by_the_state_are_proposed(
    state: TaskState, accepts_input: bool, actions: list[Action]
) -> None:
    fields: dict[str, Any] = {
        name: getattr(stall(kind="waiting", lines="Go? [y/n]"), name) for name in StallContext.__slots__
    }

    found = find(StallContext(**{**fields, "state": state, "accepts_input": accepts_input}))

    assert [fix.action for fix in found.fixes] == actions


def test_fixes_that_helped_come_first_and_others_last() -> None:
    yes = Remembered(action=Action.INPUT, answer='"y"', helped=0, failed=2)
    no = Remembered(action=Action.INPUT, answer='"n"', helped=3, failed=1)

    fixes = find(stall(kind="waiting", lines="Go? [y/n]", remembered=(yes, no))).fixes

    assert [fix.text for fix in fixes] == ["n", "", "y"]
    assert render(fixes[0].why, "en").startswith("It helped before (3 of 4 times).")
    assert render(fixes[2].why, "en").startswith("It did not help before")


def test_an_answer_that_helped_is_proposed_where_the_prompt_offers_none() -> None:
    past = Remembered(action=Action.INPUT, answer='"prod"', helped=1, failed=0)
    hashed = Remembered(action=Action.INPUT, answer="#0a1b2c3d", helped=5, failed=0)

    fixes = find(stall(kind="waiting", lines="Deploy where?", remembered=(hashed, past))).fixes

    assert [(fix.action, fix.text) for fix in fixes] == [(Action.INPUT, "prod"), (Action.CANCEL, "")]


def test_the_same_problem_has_one_fingerprint_regardless_of_numbers() -> None:
    def of(line: str, kind: str = "waiting") -> str:
        return stall(kind=kind, lines=line).fingerprint

    assert of("Delete /srv/a/1 (12 files)? [y/N]") == of("Delete /srv/b/27 (3 files)? [y/N]")
    assert of("commit 0f3a9c2d1? [y/N]") == of("commit 77a1b2c3f? [y/N]")
    assert of("Delete it? [y/N]") != of("Keep it? [y/N]")
    assert of("Delete it? [y/N]") != of("Delete it? [y/N]", "stalled")
    assert of("earlier line\nGo? [y/N]") == of("another line\nGo? [y/N]")


def test_a_fix_carries_only_what_its_action_takes() -> None:
    assert Fix(action=Action.PAUSE, text="ignored").arguments == {}
    assert Fix(action=Action.INPUT, text="y").arguments == {"text": "y"}
