"""The words that the rules know, by their role in a sentence. The longest phrase at a position wins.

Chinese phrases match anywhere, English ones at word boundaries. A word in no table is unknown, and a sentence with
unknown words is never executed without approval.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum, auto


class Kind(StrEnum):
    # The action or question.
    ACTION = auto()
    STOP = auto()  # Pause or cancel: a person must choose.
    TOPIC = auto()  # logs, history, stalls, status, help
    THING = auto()  # "nodes" or "tasks" as a noun
    LOOK = auto()  # show, which, how many
    # What the action applies to.
    TASK_KIND = auto()
    STATE = auto()  # the failed one
    ALL = auto()
    EVERYTHING = auto()  # An "all" without a noun.
    PRONOUN = auto()
    ORDINAL = auto()  # the first two
    # Blocks execution.
    NEGATION = auto()
    EXCLUSION = auto()
    CONDITION = auto()
    ADVICE = auto()
    HOW_TO = auto()
    PAST = auto()
    REPORT = auto()
    GERUND = auto()
    DONE = auto()  # "了": part of an order with 把, otherwise maybe of a statement.
    # Has no effect.
    POLITE = auto()
    FILLER = auto()
    YES = auto()
    NO = auto()
    GREETING = auto()


def _words(text: str) -> list[str]:
    return [word.strip().replace("_", " ") for word in text.split() if word.strip()]


_TABLES: Mapping[Kind, Mapping[str, str]] = {
    Kind.ACTION: {
        "pause": (
            "暂停 先停一下 先停一停 停一下 停一停 暂时停下 暂时停止 挂起 冻结 pause suspend freeze on_hold hold_off "
            "put_on_hold"
        ),
        "resume": (
            "继续 恢复 接着跑 接着执行 接着运行 继续跑 继续运行 继续执行 恢复运行 恢复执行 取消暂停 解除暂停 解冻 "
            "unfreeze 结束暂停 停止暂停 取消挂起 解除挂起 resume continue unpause un-pause carry_on cancel_the_pause "
            "end_the_pause lift_the_pause unsuspend"
        ),
        "cancel": "取消 终止 中止 杀掉 杀死 干掉 掐掉 撤销 cancel abort kill terminate",
        "retry": (
            "重试 重跑 重新跑 重新运行 重新执行 重新提交 重新启动 重启 再跑一次 再跑一遍 再试一次 再来一次 "
            "再执行一次 再运行一次 重做 retry rerun re-run run_again try_again restart redo re-execute"
        ),
        "submit": (
            "提交 新建 创建 跑一个 跑个 运行一个 运行个 启动一个 启动 开一个 起一个 起个 发起 新增 try submit "
            "launch start_a start_an start create_a create_an create run_a run_an run kick_off spin_up queue_a "
            "new_task new_job schedule_a enqueue"
        ),
    },
    Kind.STOP: {
        "": "停止 停下 停了 停掉 停 关掉 关闭 关停 结束 stop end halt shut_down shutdown quit stop_it",
    },
    Kind.TOPIC: {
        "logs": "日志 输出 最后几行 行 lines line log logs output outputs tail stdout stderr console",
        "history": (
            "历史 历史记录 记录 昨天 前天 上周 上个月 上次 最近 刚才 之前 以前 history yesterday last_week "
            "last_night last_hour last_month recent recently previous previously past last_time earlier"
        ),
        "stalls": (
            "卡住 卡住了 卡死 卡死了 卡了 停滞 没动静 没动静了 没有动静 没反应 没反应了 没有反应 没进展 "
            "没有进展 不动了 僵住 挂死 挂住 stall stalled stalls stalling stuck hung hanging hangs frozen "
            "unresponsive not_moving no_progress not_progressing blocked"
        ),
        "status": (
            "状态 进度 怎么样 怎么样了 进展 进展如何 怎么样啦 咋样 咋样了 怎样了 情况 情况如何 如何了 到哪了 "
            "到哪一步 跑到哪 跑完了吗 跑完没 完成了吗 完成了没 好了吗 好了没 还在跑吗 status progress how's "
            "how_is hows how_are how_did state doing going eta finished done alive cpu 内存 负载 磁盘 memory "
            "load disk usage healthy health"
        ),
        "help": (
            "帮助 帮助信息 你能做什么 你会做什么 你会什么 你能干什么 你能干啥 你可以做什么 怎么用 使用说明 help "
            "what_can_you_do usage_help commands"
        ),
    },
    Kind.THING: {
        "nodes": (
            "节点 机器 主机 服务器 在线 离线 node nodes machine machines host hosts server servers online offline"
        ),
        "tasks": (
            "任务 作业 task tasks job jobs 跑什么 跑啥 在跑什么 在跑啥 在运行什么 what_is_running "
            "what's_running whats_running"
        ),
    },
    Kind.LOOK: {
        "": (
            "列出 有哪些 哪些 哪个 哪几个 多少 几个 查看 看看 看下 看一下 看一看 看 显示 展示 查询 查一下 查下 "
            "查 什么 啥 告诉我 给我看 给我看看 列表 最后 show list display see view check get what which what's "
            "whats what_is how_many find look_up look_at look tell_me give_me query any anything something last "
            "latest fetch print read"
        ),
    },
    Kind.TASK_KIND: {
        "build": "编译 构建 打包 build builds compile compiling compilation",
        "test": "测试 单测 test tests testing unit_test unit_tests",
        "train": "训练 train training trainings",
        "deploy": "部署 发布 上线 deploy deploys deployment deployments release",
        "backup": "备份 backup backups",
        "index": "索引 index indexing",
        "lint": "静态检查 代码检查 lint linting",
        "migrate": "迁移 migration migrations migrate",
        "sync": "同步 sync syncing",
        "clean": "清理 cleanup clean",
    },
    Kind.STATE: {
        "running": "正在运行 正在跑 运行中 在跑 在跑的 跑着 running active 进行中",
        "paused": "已暂停 暂停中 已挂起 暂停的 挂起的 paused suspended",
        "failed": "失败 失败的 失败了 出错的 报错的 failed failing broken crashed",
        "queued": "排队 排队中 排队的 等待中 queued pending waiting",
        "cancelled": "已取消 取消的 被取消的 终止的 cancelled canceled aborted killed terminated",
        "succeeded": "成功 成功的 完成的 已完成 succeeded successful completed",
    },
    Kind.ALL: {
        "": "所有 所有的 全部 全部的 全都 每个 每一个 都 all every each both 俩 两个都",
    },
    Kind.EVERYTHING: {
        "": (
            "一切 所有任务 全部任务 所有的任务 全部的任务 everything every_task all_tasks all_jobs "
            "all_the_tasks all_the_jobs"
        ),
    },
    Kind.PRONOUN: {
        "": (
            "它 它们 该任务 这个任务 那个任务 刚才那个 刚才那个任务 it them that_one this_one that_task "
            "this_task that_job this_job"
        ),
    },
    Kind.ORDINAL: {
        "": (
            "前两个 前三个 前几个 后两个 第一个 第二个 第三个 最后一个 first second third first_two last_two "
            "two three some 某个 几台 一些 部分"
        ),
    },
    Kind.NEGATION: {
        "": (
            "不会 谁都不 谁也不 谁都别 谁也别 不要 不用 不必 不需要 不想 不想要 先不 不准 不许 不能 不可以 不可 不该 "
            "不应该 勿 切勿 请勿 千万别 千万不要 没让 没叫 没说 没要 没有让 没有 无需 禁止 避免 不 别 没 未 无 免得 "
            "甭 休想 拒绝 放过 保持 留着 don't do_not dont don never not no_need no_longer without can't cannot cant "
            "won't wont shouldn't shouldnt didn't didnt isn't does_not aren't wasn't doesn't doesnt mustn't nobody "
            "none refrain avoid rather_not leave keep forbid prevent let_alone nor neither no undo ignore disregard "
            "stop_pausing no_one forget refuse hands_off 忘记 忘掉 忘了"
        ),
    },
    Kind.EXCLUSION: {
        "": (
            "不含 不算 除了 除外 除 以外 之外 其余 其余的 其他 其他的 其它 其它的 别的 另外的 只保留 只留 只有 只 仅 "
            "仅仅 不是 而不是 而非 或者 或是 还是 或 排除 不包括 剩下的 剩余 except but other_than instead "
            "apart_from only or excluding exclude besides rest the_rest others other not_including rather_than "
            "everything_else anything_else save_for aside_from unlike versus"
        ),
    },
    Kind.CONDITION: {
        "": (
            "如果 要是 假如 假设 假使 倘若 倘使 如若 若 若是 万一 但凡 时 当 一旦 等到 等 之后 以后 后 再 的时候 "
            "时候 的话 稍后 待会 待会儿 等会 等会儿 一会儿 晚点 明天 后天 今晚 今夜 晚上 早上 下午 周末 每天 每小时 "
            "直到 除非 只要 否则 的时候再 完成后 之前先 点钟 分钟 小时 秒钟 定时 到时 hour hours minute minutes day "
            "days week weeks month months if when unless after once until till before while tomorrow tonight later "
            "soon whenever as_soon_as as_long_as so_long_as in_case in_the_event the_moment the_minute the_instant "
            "supposing provided assuming otherwise then daily hourly weekly midnight noon morning evening at_the_end "
            "eventually next_time during"
        ),
    },
    Kind.ADVICE: {
        "": (
            "会 考虑 打算 准备 本来 本想 差点 几乎 假装 假如说 犹豫 要不要 该不该 应不应该 应该 是否需要 是否应该 "
            "是否 需不需要 你觉得 你认为 建议 值得 好不好 行不行 会不会 会怎样 会发生什么 安全吗 可以吗 我可以 我能 "
            "我该 should does do_you_think would_it what_if is_it_safe is_it_ok is_it_okay may_i can_i could_i "
            "must_i shall_i can_one could_one advise recommend suggest what_happens what_would maybe perhaps "
            "也许 可能 或许 大概 "
            "considering wondering thinking wonder think supposed might plan planning intend intending about_to "
            "tempted hesitate pretend almost nearly hardly barely"
        ),
    },
    Kind.HOW_TO: {
        "": (
            "区别 差别 不同 difference differ 怎么 如何 怎样 怎么才能 咋 咋样才能 how_do how_to how_can how_could "
            "how_would how_does how_should how 什么意思 what_does"
        ),
    },
    Kind.PAST: {
        "": (
            "为什么 为何 为啥 谁 谁把 谁给 是不是 有没有 已经 被 了吗 了没 了没有 过吗 过 什么时候 何时 why who "
            "was were did has have had been when_did when_was already ago paused_by cancelled_by resumed "
            "stopped ended restarted retried whose"
        ),
    },
    Kind.REPORT: {
        "": (
            "叫我 要我 催我 命令我 "
            "说 说要 写着 写道 提到 意思 声称 要求 据说 显示说 念 叫做 says say said saying mentions mentioned "
            "told tells according_to claims quote quoted reads_like means meaning asked asks wants wanted wrote "
            "written message"
        ),
    },
    Kind.GERUND: {
        "pause": "pausing suspending",
        "resume": "resuming continuing unpausing",
        "cancel": "cancelling canceling killing aborting terminating",
        "retry": "retrying restarting rerunning",
        "stop": "stopping",
    },
    Kind.DONE: {
        "": "了",
    },
    Kind.POLITE: {
        "": (
            "请 麻烦 麻烦你 劳驾 劳烦 劳烦你 帮我 帮忙 帮 能不能 可不可以 能否 可否 能 可以 吗 请问 能帮我 能帮我把 "
            "谢谢 谢了 多谢 好吗 你 您 你能 您能 请你 给我 please pls plz can_you could_you would_you will_you "
            "would_you_mind do_you_mind would_you_be_so_kind_as_to be_so_kind_as_to kindly can could would thanks "
            "thank_you thx i_want_to i'd_like_to i_would_like_to i_need_to i_need_you_to i_want_you_to let's lets "
            "let_us go_ahead_and go_ahead you_can you"
        ),
    },
    Kind.FILLER: {
        "": (
            "一下 一下吧 先 我 我想 我要 我想要 想 要 把 将 给 给我 让 让它 的 地 得 在 上 上的 上面 上面的 里 "
            "里的 里面 中 中的 那个 这个 那 这 正在 现在 马上 立即 立刻 赶紧 赶快 快 掉 吧 呢 啊 哦 呀 嘛 哈 个 "
            "台 只台 条 名为 叫 名字叫 编号 号 跑 运行 执行 是 和 与 以及 还 也 就 当前 目前 今天 同时 及时 临时 "
            "暂时 到 去 来 请把 put again 再次 一遍 the a an on in at of for from to with now right_away right_now "
            "immediately just named called id number i we me my our us this that these those and is are be it's "
            "there there's currently quickly asap as well too job's task's one ones ok okay hey so also please_now "
            "by possibly today up out"
        ),
    },
    Kind.YES: {
        "": (
            "确认 确定 是 是的 好 好的 可以 同意 批准 执行 行 对 对的 嗯 嗯嗯 没问题 没错 "
            "yes y yep yeah ok okay confirm confirmed sure go_ahead do_it proceed approve approved "
            "yes_please sounds_good fine absolutely"
        ),
    },
    Kind.NO: {
        "": (
            "不 不要 不了 不用 不用了 不行 不是 不对 不同意 取消 算了 否 别 别了 拒绝 停 停下 等等 等一下 no n "
            "nope nah cancel never_mind nevermind stop abort don't do_not dont reject deny wait hold_on "
            "forget_it"
        ),
    },
    Kind.GREETING: {
        "": "你好 您好 嗨 哈喽 早 早上好 晚上好 hello hi hey good_morning good_evening",
    },
}

# Only for answers to a proposal. Elsewhere the other tables apply.
_ANSWERS = frozenset({Kind.YES, Kind.NO})


def _table(kinds: frozenset[Kind] | None) -> dict[str, tuple[Kind, str]]:
    """Maps each phrase to its kind and value. If several tables have a phrase, the first one wins."""
    found: dict[str, tuple[Kind, str]] = {}
    for kind, entries in _TABLES.items():
        if kinds is None and kind in _ANSWERS:
            continue
        if kinds is not None and kind not in kinds:
            continue
        for value, words in entries.items():
            for phrase in _words(words):
                found.setdefault(phrase, (kind, value))
    return found


PHRASES = _table(None)
ANSWERS = {
    **_table(frozenset({Kind.POLITE, Kind.FILLER})),
    **_table(frozenset({Kind.NO})),
    **_table(frozenset({Kind.YES})),
}
# May stand beside a yes without changing it.
COURTESIES = frozenset({"请", "谢谢", "谢了", "多谢", "please", "pls", "plz", "thanks", "thank you", "thx"})
_LONGEST = max(map(len, PHRASES))
# A time or delay for the action.
WHEN = re.compile(
    r"(?:(?:in|after|at|every|for|within) )?"
    r"(?:\d{1,20}|[一二三四五六七八九十两半几]{1,20}|(?:an?|one|two|three|five|ten|half an?|a few|several)(?= ))"
    r"\s*(?:个)?"
    r"(?:分钟|小时|秒钟|秒|点钟|点半|点|天|周|minutes?|mins?|hours?|hrs?|seconds?|secs?|days?|o'clock|[ap]m)(?:之后|以后|后|内)?"
    r"(?![a-z0-9])|\bat \d{1,2}(?::\d\d)?\b|\d{1,2}:\d\d"
)
# Any negative contraction.
NOT = re.compile(r"[a-z]{1,20}n't\b")
WANTED: Mapping[str, frozenset[str]] = {
    "pause": frozenset({"running", "queued", "pending", "dispatched"}),
    "resume": frozenset({"paused"}),
    "cancel": frozenset({"running", "paused", "queued", "pending", "dispatched"}),
    "retry": frozenset({"failed", "cancelled", "canceled", "done", "succeeded", "timed_out", "lost"}),
}
DESTRUCTIVE = frozenset({"cancel"})


def phrase_at(text: str, start: int, table: Mapping[str, tuple[Kind, str]], end: int) -> tuple[Kind, str, int] | None:
    """The longest phrase that starts here and ends at a word boundary: its kind, its value, and its end."""
    for stop in range(min(end, start + _LONGEST), start, -1):
        if not (_inside_word(text, start) or _inside_word(text, stop)) and (found := table.get(text[start:stop])):
            return *found, stop
    return None


def kinds_in(name: str) -> set[str]:
    """The kinds of work that a name mentions."""
    found, index = set(), 0
    while index < len(name):
        phrase = phrase_at(name, index, PHRASES, len(name))
        if phrase is not None and phrase[0] is Kind.TASK_KIND:
            found.add(phrase[1])
        index = phrase[2] if phrase is not None else index + 1
    return found


def _inside_word(text: str, at: int) -> bool:
    """Chinese has no spaces between words, so any position may be a boundary."""
    return 0 < at < len(text) and _is_latin(text[at - 1]) and _is_latin(text[at])


def _is_latin(character: str) -> bool:
    return character.isascii() and (character.isalnum() or character == "'")
