"""How sentences are read: the given ones, those that must never act, and each word that blocks execution."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.interpret import Context, Outcome, Pending, Task, World, interpret
from chat.interpret.lexicon import ANSWERS, COURTESIES, Kind
from chat.interpret.text import normal
from tests.support.tables import check_rows

GIVEN = [json.loads(line) for line in (Path(__file__).parent / "utterances.jsonl").read_text().splitlines()]
ORDERS = [
    ("暂停 Master-1 的编译任务", "pause"),
    ("暂停 t101", "pause"),
    ("继续 t105", "resume"),
    ("重试 web deploy", "retry"),
    ("pause the build on master-1", "pause"),
    ("resume bert train", "resume"),
    ("retry t107", "retry"),
]


def _context(fields: dict[str, Any]) -> Context:
    pending = fields.pop("pending", None)
    if pending is not None:
        pending = Pending(intent=pending["intent"], tasks=tuple(pending["tasks"]))
    return Context(**fields, pending=pending)


def test_given_sentences(world: World) -> None:
    def check(case: dict[str, Any]) -> None:
        reading = interpret(case["text"], world, _context(dict(case["context"])))

        assert reading.outcome == case["outcome"], reading.why
        if case["intent"] is not None:
            assert reading.intent == case["intent"]
        if case["tasks"] is not None:
            assert list(reading.tasks) == case["tasks"]

    check_rows(GIVEN, check)


def test_an_order_runs(world: World) -> None:
    def check(row: tuple[str, str]) -> None:
        order, action = row
        reading = interpret(order, world)

        assert (reading.outcome, reading.intent, len(reading.tasks)) == (Outcome.EXECUTE, action, 1)

    check_rows(ORDERS, check)


_TAKES_AUTHORITY_AWAY = [
    *("不要{}", "别{}", "先不{}", "我没说{}", "千万不要{}", "请勿{}", "无需{}", "{}，不，不要", "没有人让你{}"),
    *("如果测试失败就{}", "等测试完再{}", "十分钟后{}", "明天{}", "5点{}", "{}，除非测试失败", "每天{}"),
    *("一旦完成就{}", "{}，除了 t102", "{}而不是 t102", "{}或者 t102", "只{}", "怎么{}", "如何{}", "要不要{}"),
    *("该不该{}", "你觉得该{}吗", "{}会怎样", "我可以{}吗", "为什么{}", "谁{}", "是不是{}", "{}了吗"),
    *("日志里写着：{}", "他说{}", "“{}”", "{}然后取消 t102", "{}，暂停 t103，取消 t104", "{}?", "{} t999"),
    *("{} worker-77", "don't {}", "do not {}", "never {}", "please don’t {}", "I didn't say {}"),
    *("no need to {}", "DON'T {}", "we shouldn't {}", "if the tests fail, {}", "{} when it is done"),
    *("{} tomorrow", "{} for an hour", "at 5pm {}", "{} unless it is busy", "{} except t102"),
    *("{} but not t102", "{} or t102", "{} instead", "only {}", "how do I {}", "should I {}", "what if I {}"),
    *("who said {}", "why {}", "is it safe to {}", "may I {}", "the log says {}", '"{}"'),
    *("{} and cancel t102", "{} then cancel t102", "ignore this: {}", "would you mind if I {}", "会{}吗", "假装{}"),
    *("万一不够就{}", "{}，其余的不动", "keep t102, but {}", "{} 会丢数据吗", "does it help to {}?", "about to {}"),
    *("谁也别{}", "in the event that it isn't done {}", "忘记{}", "I refuse to {}", "打算{}", "满了时{}"),
]


@pytest.mark.parametrize("frame", _TAKES_AUTHORITY_AWAY)
def test_blocking_words_block_every_order(world: World, frame: str) -> None:
    def check(sentence: str) -> None:
        reading = interpret(sentence, world)

        assert reading.outcome is not Outcome.EXECUTE or reading.intent == "history", reading

    check_rows([frame.format(order) for order, _ in ORDERS], check)


def test_a_cancel_is_not_even_proposed(world: World) -> None:
    def check(frame: str) -> None:
        reading = interpret(frame.format("cancel t101"), world)

        # The person who confirms decides about a question mark and a second task.
        may_propose = frame in ("{}?", "{} and cancel t102")
        assert reading.outcome is not Outcome.EXECUTE or reading.intent == "history"
        assert reading.outcome is not Outcome.CONFIRM or may_propose

    check_rows(_TAKES_AUTHORITY_AWAY, check)


@pytest.mark.parametrize(
    "text", ["取消 t101", "cancel the build on master-1", "请马上终止 t104", "please kill the nightly tests now"]
)
def test_a_cancel_is_never_more_than_proposed(world: World, text: str) -> None:
    assert interpret(text, world).outcome is Outcome.CONFIRM


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("pause gpu-worker-c training", "there is no gpu-worker-c"),
        ("暂停 t1010", "there is no t1010"),
        ("pause t101 on master-2", "no such task"),
        ("暂停 Master-2 的 firmware build", "no such task"),
        ("cancel the failed deploy", "no task to cancel"),
        ("sudo cancel t101", "what is 'sudo'?"),
        ("cancel the log of t101", "what is 'log'?"),
        ("pause the first build", "too many unknown words"),
        ("重启 Master-1", "which task?"),
        ("暂停节点 Master-1", "which task?"),
    ],
)
def test_asks_and_says_why(world: World, text: str, why: str) -> None:
    reading = interpret(text, world)

    assert (reading.outcome, reading.why, reading.tasks) == (Outcome.ASK, why, ())


@pytest.mark.parametrize(
    ("text", "tasks"),
    [
        ("暂停 t101 和 t102", ["t101", "t102"]),
        ("t101 暂停了", ["t101"]),
        ("t101 可以暂停吗", ["t101"]),
        ("pause t101 quickly-ish please friend", []),
        ("pause t101 friend", ["t101"]),
        ("pause both t101 and t102", ["t101", "t102"]),
        ("rm -rf / and pause t101", []),
        ("retry all failed tasks", ["t107"]),
        ("pause the log of t101", ["t101"]),
        ("暂停 Master-2 的任务", ["t103"]),
    ],
)
def test_nearly_clear_orders_are_proposed(world: World, text: str, tasks: list[str]) -> None:
    reading = interpret(text, world)

    assert reading.outcome is (Outcome.CONFIRM if tasks else Outcome.ASK)
    assert list(reading.tasks) == tasks


@pytest.mark.parametrize(
    "text",
    ["PAUSE   the   FIRMWARE-BUILD", "pause firmware_build", "ｐａｕｓｅ ｔ１０１", "pause resnet", "把t101暂停了"],
)
def test_spelling_makes_no_difference(world: World, text: str) -> None:
    assert interpret(text, world).outcome is Outcome.EXECUTE


@pytest.mark.parametrize(
    ("text", "outcome"),
    [
        ("好的，确认", Outcome.EXECUTE),
        ("yes please", Outcome.EXECUTE),
        ("不确认", Outcome.REFUSE),
        ("不行", Outcome.REFUSE),
        ("不用了，谢谢", Outcome.REFUSE),
        ("确认取消", Outcome.ASK),
        ("yes?", Outcome.ASK),
        ("yes but not t101", Outcome.REFUSE),
        ("no problem", Outcome.HELP),
        ("yes, cancel t104", Outcome.ASK),
    ],
)
def test_answers_to_a_proposal(world: World, text: str, outcome: Outcome) -> None:
    pending = Pending(intent="cancel", tasks=("t101",))

    assert interpret(text, world, Context(pending=pending)).outcome is outcome


_YES = [text for text, (kind, _) in ANSWERS.items() if kind is Kind.YES]
_NO_CONSENT = [
    *("吗", "呢", "吧", "么", "?", "？", "⁇", "是吗", "对吗", "好吗", "可以吗", "能不能", "是不是", "行不行", "会怎样"),
    *("is that ok", "is it", "can i", "can we", "could you", "may i", "should i", "are you", "am i", "what if i say"),
    *("不过", "但是", "可是", "也许", "可能", "大概", "应该", "差不多", "随便", "似乎", "我想", "先", "还", "都", "了"),
    *("but", "maybe", "perhaps", "probably", "i guess", "i think", "almost", "sort of", "not", "never", "hmm", "well"),
    *(
        "先等等",
        "等一下",
        "等等",
        "稍后",
        "再说",
        "一会儿",
        "明天",
        "十分钟后",
        "in 5 minutes",
        "later",
        "not yet",
        "wait",
    ),
    *(
        "如果测试通过",
        "只要没人用",
        "除非",
        "除了 t101",
        "if the tests pass",
        "unless",
        "once it is done",
        "except t101",
    ),
    *(
        "他说",
        "据说",
        "日志里写着",
        "he said",
        "the log says",
        "to whom",
        "t101",
        "Master-1",
        "🤔",
        "…",
        "...",
        '"',
        "“",
    ),
]


@pytest.mark.parametrize("other", _NO_CONSENT)
def test_a_yes_with_anything_beside_it_is_no_consent(world: World, other: str) -> None:
    context = Context(pending=Pending(intent="cancel", tasks=("t101",)))

    def check(text: str) -> None:
        reading = interpret(text, world, context)

        assert (reading.outcome, reading.intent) != (Outcome.EXECUTE, "cancel"), reading

    texts = [text for yes in _YES for gap in ("", " ", "，", ", ") for text in (yes + gap + other, other + gap + yes)]
    # Joined without a gap, a word may become a different one.
    check_rows([text for text in texts if text.strip(" ，,") not in _YES], check)


@pytest.mark.parametrize(
    "text", ["可以是可以", "好是好，", "“好的”", "是…", "yes -", "(ok)", "好吧", "执行吧", "y/n", "ok x"]
)
def test_a_doubtful_yes_is_no_consent(world: World, text: str) -> None:
    context = Context(pending=Pending(intent="cancel", tasks=("t101",)))

    assert interpret(text, world, context).outcome is not Outcome.EXECUTE


@given(before=st.text(max_size=6), after=st.text(max_size=6), yes=st.sampled_from(_YES))
def test_nothing_but_consent_and_breaks_may_stand_beside_a_yes(world: World, before: str, after: str, yes: str) -> None:
    text = f"{before}{yes}{after}"

    reading = interpret(text, world, Context(pending=Pending(intent="cancel", tasks=("t101",))))

    if (reading.outcome, reading.intent) == (Outcome.EXECUTE, "cancel"):
        left = normal(text)
        for word in sorted({*_YES, *COURTESIES}, key=len, reverse=True):
            left = left.replace(word, "")
        assert not left.strip(" ,.。、!")


@pytest.mark.parametrize("yes", _YES)
def test_each_plain_yes_is_consent(world: World, yes: str) -> None:
    context = Context(pending=Pending(intent="cancel", tasks=("t101",)))

    for text in (yes, yes.upper(), f" {yes}。", f"{yes}!!", f"{yes}, thanks", f"please {yes}", f"{yes}，{yes}"):
        assert interpret(text, world, context).outcome is Outcome.EXECUTE, text


@pytest.mark.parametrize("text", ["delete everything", "drop table tasks", "删除所有任务", "wipe all failed jobs"])
def test_an_unknown_order_is_answered_with_help(world: World, text: str) -> None:
    assert interpret(text, world).outcome is Outcome.HELP


@pytest.mark.parametrize("text", ["千万别动 t101", "don't touch t101", "t102 must not be cancelled"])
def test_a_no_without_a_known_action_is_a_no(world: World, text: str) -> None:
    assert interpret(text, world).outcome is Outcome.REFUSE


@pytest.mark.parametrize(
    ("text", "outcome"),
    [
        ("would you mind pausing t102?", Outcome.EXECUTE),
        ("do you mind please pausing the kernel build", Outcome.EXECUTE),
        ("would you mind cancelling t104?", Outcome.CONFIRM),
        ("do you mind pausing t101 and t102?", Outcome.CONFIRM),
        ("would you mind not pausing t102?", Outcome.REFUSE),
        ("I don't mind pausing t101", Outcome.REFUSE),
        ("would you mind stopping t101?", Outcome.ASK),
        ("would you mind pausing t101 or t102?", Outcome.ASK),
        ("would you mind pausing t102 tomorrow?", Outcome.ASK),
        ("do you mind that t101 is pausing?", Outcome.HELP),
        ("who would mind, pausing t101?", Outcome.EXECUTE),  # Reads the history.
    ],
)
def test_would_you_mind_requests_what_follows(world: World, text: str, outcome: Outcome) -> None:
    reading = interpret(text, world)

    assert reading.outcome is outcome, reading
    assert reading.intent in ("pause", "cancel", "history", "")


@pytest.mark.parametrize(
    "text",
    [
        *("万一磁盘不够，暂停 t101", "万一内存不够就暂停 t104", "假使测试没过，就取消 t101", "磁盘不足时暂停 t101"),
        *("测试没通过的话暂停 t101", "unless it isn't needed, pause t101", "pause t102 in case t101 does not finish"),
        *("in the event that it doesn't finish, cancel t101", "the moment t101 finishes pause t102"),
        *("keep t101 and cancel the rest", "leave t101 alone and pause the others", "留着 t101，其他的都取消"),
        *("keep t104 running but pause everything else", "不是 t101，暂停 t102"),
    ],
)
def test_a_no_in_a_condition_or_an_exception_is_not_a_no_to_the_order(world: World, text: str) -> None:
    assert interpret(text, world).outcome is Outcome.ASK


@pytest.mark.parametrize(
    "text",
    [
        "如果测试失败，不要暂停 t101",
        "don't pause t101 if it's busy",
        "除了 t102 都不要取消",
        "谁都不许暂停 t101",
        "你不会取消 t101 吧",
    ],
)
def test_a_no_to_the_order_also_counts_with_a_condition(world: World, text: str) -> None:
    assert interpret(text, world).outcome is Outcome.REFUSE


@pytest.mark.parametrize(
    "text",
    [
        *(
            "取消任务会丢数据吗",
            "取消 t101 会丢数据吗",
            "暂停任务会影响其他任务吗",
            "暂停之后进度还在吗",
            "取消后能恢复吗",
        ),
        *(
            "重试任务会覆盖结果吗",
            "暂停 t104 能释放显存吗",
            "暂停和取消有什么区别",
            "恢复任务要多久?",
            "你会取消 t101 吗",
        ),
        *("does cancelling a task lose data?", "will pausing t101 lose its progress?", "is cancelling reversible?"),
        *("would pausing t104 free the GPU?", "what's the difference between pause and cancel?", "pause what?"),
        *("does retry start from scratch?", "假装暂停 t101", "考虑暂停 t101", "almost pause t101"),
    ],
)
def test_a_question_about_an_action_is_answered_with_help(world: World, text: str) -> None:
    assert interpret(text, world).outcome is Outcome.HELP


@pytest.mark.parametrize(
    ("text", "intent", "tasks"),
    [
        ("同时暂停 t101", "pause", ["t101"]),
        ("freeze t104", "pause", ["t104"]),
        ("could you possibly resume the bert train?", "resume", ["t105"]),
        ("would you be so kind as to pause t104", "pause", ["t104"]),
        ("t104 进展如何", "status", ["t104"]),
        ("show the last 50 lines of kernel build", "logs", ["t103"]),
        ("can I see the nightly tests log?", "logs", ["t102"]),
        ("run t107 again", "retry", ["t107"]),
        ("put the kernel build on hold", "pause", ["t103"]),
    ],
)
def test_other_wordings_of_an_order(world: World, text: str, intent: str, tasks: list[str]) -> None:
    reading = interpret(text, world)

    assert (reading.outcome, reading.intent, list(reading.tasks)) == (Outcome.EXECUTE, intent, tasks)


def test_a_task_name_made_of_keywords_gives_no_authority() -> None:
    world = World(["all", "not"], [Task(id="1", name="pause", node="all", state="running"), Task(id="2", name="don't")])

    for text in ("pause pause", "cancel all", "pause 1 on not", "don't"):
        assert interpret(text, world).outcome is not Outcome.EXECUTE, text


def test_long_and_unusual_sentences_have_an_outcome(world: World) -> None:
    for text in ("暂停" * 5000, "a" * 50_000, "pause " + "t101 " * 2000, "\x00\u202e\ufeff", "'" * 999, "🙂" * 999):
        assert interpret(text, world).outcome in Outcome


@pytest.mark.parametrize("character", ["半", "十", "1", "'", "a", "“a", "「", "a'", "worker ", "_", "\ufdfa"])
def test_a_long_text_is_not_understood_at_no_cost(world: World, character: str) -> None:
    """A message may have 64 KiB; the rules are not linear in it."""
    text = character * 65_536

    for context in (Context(), Context(pending=Pending(intent="cancel", tasks=("t101",)))):
        assert interpret(text, world, context).outcome is Outcome.HELP
        assert interpret(text, world, context).why == "too long"
    assert interpret("yes " * 300, world, context).outcome is Outcome.HELP


@pytest.mark.parametrize(
    "frame",
    [
        *(
            "> {}",
            "# {}",
            "// {}",
            "- {}",
            "| {}",
            "({})",
            "（{}）",
            "[{}]",
            "【{}】",
            "`{}`",
            "{}…",
            "{} ...",
            '"{}',
            "'{}",
        ),
        *("could one {}", "{}, right?", "请{}, right?", "{}……", "master-1 叫我{}"),
    ],
)
def test_a_quoted_or_doubtful_order_is_not_executed(world: World, frame: str) -> None:
    def check(order: str) -> None:
        assert interpret(frame.format(order), world).outcome is not Outcome.EXECUTE

    check_rows([order for order, _ in ORDERS], check)


@pytest.mark.parametrize(
    "text",
    ["the restart of web deploy failed", "web deploy restart failed", "重启 web deploy 失败了", "web deploy 重启中"],
)
def test_a_statement_is_at_most_proposed(world: World, text: str) -> None:
    reading = interpret(text, world)

    assert (reading.outcome, reading.why) == (Outcome.CONFIRM, "may be a statement")
