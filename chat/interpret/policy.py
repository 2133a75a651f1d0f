"""Decides from the words of a sentence what may be executed.

The order of the checks keeps this safe: the checks that block execution come before those that allow it. Only a
sentence that passes all of them, is about one task and has no words left over is executed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from chat.interpret.lexicon import ANSWERS, COURTESIES, DESTRUCTIVE, WANTED, Kind
from chat.interpret.reading import Context, Outcome, Pending, Reading
from chat.interpret.sentence import Sentence, cut
from chat.interpret.text import normal
from chat.interpret.world import Task, World

_LONGEST = 1_000  # Characters. A longer text is a pasted log or an essay, not an order.
_MANY = 2  # With more unknown words than this, not even a proposal is made.
_MISSPELT = 10  # With more unknown words than this, none is compared with all names of nodes.
_UNDO = frozenset({"取消", "cancel", "stop", "abort", "停", "停下"})
# A break between words of consent. "…" becomes "...", which hesitates.
_PAUSE = re.compile(r"\s*(?:[,.。、]|!+)?\s*")
_IS = "是"
# Around an order: a quotation, a comment, an aside or hesitation.
_ASIDE = re.compile(r"^\s*(?:[>#|*$%/;\"'“”「『《-])|[()\[\]{}<>【】〔〕`|]|\.\.|。。")
_ARTICLES = frozenset({"the", "a", "an", "our"})
_WHY = (
    "为什么",
    "为何",
    "为啥",
    "谁",
    "谁把",
    "谁给",
    "why",
    "who",
    "whose",
    "when did",
    "when was",
    "什么时候",
    "何时",
)
_STATES = {"queued": frozenset({"queued", "pending", "dispatched"}), "cancelled": frozenset({"cancelled", "canceled"})}


def interpret(text: str, world: World, context: Context | None = None) -> Reading:
    """What `text` asks for. Never raises: every possible input has an outcome."""
    context = context or Context()
    normalized = normal(text[: _LONGEST + 1])
    if len(text) > _LONGEST or len(normalized) > _LONGEST:  # NFKC may lengthen it.
        return Reading(outcome=Outcome.HELP, why="too long")
    if context.pending is not None and (answer := _answer(normalized, context.pending)):
        return answer
    sentence = _with_parts_of_names(cut(normalized, world), world)
    if sentence.has(Kind.ACTION, Kind.STOP, Kind.GERUND):
        return _without_authority(sentence) or _order(sentence, world, context)
    return _question(sentence, world, context)


def _answer(normalized: str, pending: Pending) -> Reading | None:
    """A yes or no to a proposal, if the sentence contains nothing else. Only a plain yes executes: a question, a doubt,
    a delay or any other word beside it does not.
    """
    sentence = cut(normalized, table=ANSWERS)
    yes, no = sentence.has(Kind.YES), {phrase.text for phrase in sentence.phrases if phrase.kind is Kind.NO}
    if sentence.left or not (yes or no):
        return None
    if no and not (yes and no <= _UNDO):
        return Reading(outcome=Outcome.REFUSE, why="declined")
    if no or not _is_plain_yes(sentence):
        return Reading(outcome=Outcome.ASK, intent=pending.intent, why="a yes or a no?")
    return Reading(outcome=Outcome.EXECUTE, intent=pending.intent, tasks=pending.tasks, why="approved")


def _is_plain_yes(sentence: Sentence) -> bool:
    """Nothing but words of consent and thanks, and simple breaks: "?", quotes and "…" may mean anything."""
    before, end = "", 0
    for phrase in sentence.phrases:
        between = sentence.text[end : phrase.start]
        is_yes = phrase.kind is Kind.YES or phrase.text in COURTESIES
        # "可以是可以" concedes, and a "but" follows.
        concedes = bool(before) and not between and phrase.text != before and _IS in (before, phrase.text)
        if not is_yes or concedes or not _PAUSE.fullmatch(between):
            return False
        before, end = phrase.text, phrase.start + len(phrase.text)
    return bool(_PAUSE.fullmatch(sentence.text[end:]))


def _with_parts_of_names(sentence: Sentence, world: World) -> Sentence:
    """Matches leftover words with words of task names, and with node names that differ by one typo."""
    left, sentence.left = sentence.left, []
    for word in left:
        if world.having_word(word):
            sentence.words.append(word)
        elif len(left) <= _MISSPELT and (node := world.near_node(word)):
            sentence.near.append(node)
        else:
            sentence.left.append(word)
    return sentence


def _without_authority(sentence: Sentence) -> Reading | None:
    """Finds anything that makes this no order, or none to execute now."""
    actions = set(sentence.values(Kind.ACTION))
    if sentence.has(Kind.HOW_TO, Kind.ADVICE):
        return Reading(outcome=Outcome.HELP, why="asks how or whether")
    if sentence.says(*_WHY):
        return Reading(outcome=Outcome.EXECUTE, intent="history", why="asks about the past")
    # In "If it does not …" and "keep this one and … the rest" the negation does not apply to the order.
    is_limited = sentence.has(Kind.EXCLUSION, Kind.CONDITION)
    if sentence.forbids() or (sentence.has(Kind.NEGATION) and not is_limited):
        return Reading(outcome=Outcome.REFUSE, why="a negation")
    if _asks_about_it(sentence):
        return Reading(outcome=Outcome.HELP, why="asks what it does")
    if is_limited:
        return Reading(outcome=Outcome.ASK, why="an exception, a choice or a condition")
    if sentence.has(Kind.REPORT) or sentence.quotes_an_action():
        return Reading(outcome=Outcome.ASK, why="quotes someone else")
    if sentence.has(Kind.PAST):
        return Reading(outcome=Outcome.EXECUTE, intent="history", why="asks about the past")
    if sentence.has(Kind.STOP):
        return Reading(outcome=Outcome.ASK, why="pause or cancel?")
    if sentence.has(Kind.GERUND) or len(actions) > 1:
        return Reading(outcome=Outcome.ASK, why="which one action?")
    return None


def _asks_about_it(sentence: Sentence) -> bool:
    """A question about the action, not a polite order: it names no task, or more than the action and its task."""
    is_order = sentence.has(Kind.ACTION) and _asks_politely(sentence)
    if is_order or sentence.has(Kind.PAST) or not (_is_question(sentence.text) or sentence.says("吗")):
        return False
    has_target = _says_which(sentence, _is_group(sentence))
    return bool(sentence.left) or not has_target or sentence.has(Kind.GERUND)


def _order(sentence: Sentence, world: World, context: Context) -> Reading:
    action = sentence.values(Kind.ACTION)[0]
    if action == "submit" and sentence.says("again", "再次", "一遍"):
        action = "retry"
    if action == "submit":
        return _submission(sentence, world, context)
    ask = Reading(outcome=Outcome.ASK, intent=action)
    if unknown := [word for word in sentence.left if _is_name(word)]:
        return replace(ask, why=f"there is no {unknown[0]}")
    # An order with a word such as "log" is unclear: "cancel the log".
    odd = sentence.left + [p.text for p in sentence.phrases if p.kind in (Kind.TOPIC, Kind.LOOK)]
    if len(odd) > _MANY or sentence.has(Kind.ORDINAL):
        return replace(ask, why="too many unknown words")
    is_group = _is_group(sentence)
    if odd and (is_group or action in DESTRUCTIVE):
        return replace(ask, why=f"what is {odd[0]!r}?")
    if not _says_which(sentence, is_group):
        return replace(ask, why="which task?")
    meant = _meant(sentence, world, context)
    fit = [task for task in meant if task.state in WANTED[action]]
    if not fit:
        return replace(ask, why=f"no task to {action}" if meant else "no such task")
    explicit = {task for mention in sentence.mentions for task in mention.ids}
    if is_group:
        return _found(Outcome.CONFIRM, action, fit, "several tasks")
    if len(explicit) > 1 and explicit == {task.id for task in fit}:
        return _found(Outcome.CONFIRM, action, fit, "several tasks")
    if len(fit) > 1 or len(explicit) > 1 or len(_nodes(sentence)) > 1:
        return replace(ask, why="which one?")
    doubt = f"what is {odd[0]!r}?" if odd else _doubt(sentence, action, fit[0], context)
    return _found(Outcome.CONFIRM if doubt else Outcome.EXECUTE, action, fit, doubt or "plain")


def _doubt(sentence: Sentence, action: str, task: Task, context: Context) -> str:
    """Why a person must confirm although exactly one task matches; empty if there is no doubt."""
    asks = _is_question(sentence.text) or sentence.says("吗")
    if action in DESTRUCTIVE:
        return "cannot be undone"
    if _ASIDE.search(sentence.without_names()):
        return "may be quoted, or said with doubt"
    if _may_be_statement(sentence):
        return "may be a statement"
    if sentence.near:
        return "a name is misspelt"
    if sentence.has(Kind.PRONOUN):
        return "what the pronoun refers to"
    if asks and not _asks_politely(sentence):
        return "may be only a question"
    if sentence.has(Kind.DONE) and not sentence.says("把", "将", "请", "请把", "帮我"):
        return "may be a statement"
    if not (_names_tasks(sentence) or sentence.has(Kind.TASK_KIND)):
        return "the only task there"
    if context.focus_node and task.node != context.focus_node and not (_nodes(sentence) or _ids(sentence)):
        return "on another node than this conversation's"
    return ""


def _may_be_statement(sentence: Sentence) -> bool:
    """ "The restart of x failed", "x restart failed", "x 重启中": the action is a noun, or it goes on already."""
    for before, after in pairwise(sentence.phrases):
        is_next = not sentence.text[before.start + len(before.text) : after.start].strip()
        is_noun = (after.kind is Kind.ACTION and before.text in _ARTICLES) or (
            before.kind is Kind.ACTION and after.text in ("of", "中")
        )
        if is_next and is_noun:
            return True
    last = sentence.phrases[-1]
    return last.kind is Kind.STATE and any(mention.end <= last.start for mention in sentence.mentions)


def _submission(sentence: Sentence, world: World, context: Context) -> Reading:
    ask = Reading(outcome=Outcome.ASK, intent="submit")
    nodes = _nodes(sentence) or ([context.focus_node] if context.focus_node else [])
    if any(map(_is_name, sentence.left)) or _ids(sentence):
        return replace(ask, why="a new task, or an existing one?")
    if len(nodes) != 1 or not (sentence.has(Kind.TASK_KIND) or _names_tasks(sentence)):
        return replace(ask, why="which task, and on which node?")
    return Reading(outcome=Outcome.CONFIRM, intent="submit", why="a new task")


def _question(sentence: Sentence, world: World, context: Context) -> Reading:
    """Reads change nothing, so the best guess is good enough."""
    topics = sentence.values(Kind.TOPIC)
    named = _names_tasks(sentence) or bool(_nodes(sentence)) or sentence.has(Kind.TASK_KIND, Kind.PRONOUN)
    is_how = sentence.has(Kind.HOW_TO) and (sentence.has(Kind.LOOK) or not named)
    if "help" in topics or is_how:
        return Reading(outcome=Outcome.HELP, why="asks for help")
    looks = topics or sentence.has(Kind.LOOK, Kind.THING, Kind.PAST) or _is_question(sentence.text)
    if sentence.has(Kind.NEGATION) and named and not looks:
        return Reading(outcome=Outcome.REFUSE, why="a negation")
    intent = next((topic for topic in ("stalls", "logs") if topic in topics), "")
    if not intent and ("history" in topics or sentence.has(Kind.PAST)):
        intent = "history"
    things = sentence.values(Kind.THING)
    if not intent and "nodes" in things and "tasks" not in things:
        intent = "nodes"
    if not intent and "status" in topics:
        intent = "status"
    is_of_one = _names_tasks(sentence) or sentence.has(Kind.TASK_KIND, Kind.PRONOUN)
    is_of_many = sentence.has(Kind.EVERYTHING) or (sentence.has(Kind.STATE) and not is_of_one)
    # "Delete everything" is not a question; its verb is unknown.
    may_be_order = bool(sentence.left) and not (topics or sentence.has(Kind.LOOK) or _is_question(sentence.text))
    if not intent and ("tasks" in things or is_of_many) and not may_be_order:
        intent = "tasks"
    if not intent and named and not sentence.left:
        intent = "status"
    if not intent or len(sentence.left) > 2 * _MANY:
        return Reading(outcome=Outcome.HELP, why="not understood")
    tasks = _meant(sentence, world, context) if named and intent in ("logs", "status", "stalls", "history") else []
    if intent == "logs" and len(tasks) != 1:
        return Reading(outcome=Outcome.ASK, intent=intent, why="which task?")
    return _found(Outcome.EXECUTE, intent, tasks, "only looks")


def _is_group(sentence: Sentence) -> bool:
    says_all = sentence.has(Kind.ALL) and (
        sentence.has(Kind.TASK_KIND, Kind.STATE) or "tasks" in sentence.values(Kind.THING) or bool(_nodes(sentence))
    )
    return says_all or sentence.has(Kind.EVERYTHING)


def _says_which(sentence: Sentence, is_group: bool) -> bool:
    if sentence.has(Kind.ALL) and not (is_group or _ids(sentence)):
        return False
    nodes_tasks = bool(_nodes(sentence)) and "tasks" in sentence.values(Kind.THING)
    return is_group or _names_tasks(sentence) or nodes_tasks or sentence.has(Kind.TASK_KIND, Kind.PRONOUN, Kind.STATE)


def _meant(sentence: Sentence, world: World, context: Context) -> list[Task]:
    """Tasks in any state that match all words of the sentence."""
    ids = _ids(sentence)
    if sentence.has(Kind.PRONOUN) and not sentence.mentions:
        ids = [context.last_task]
    nodes = _nodes(sentence)
    if not nodes and not ids and not _names_tasks(sentence) and context.focus_node:
        nodes = [context.focus_node]
    found = [task for task in world.tasks if (not ids or task.id in ids) and (not nodes or task.node in nodes)]
    for mention in sentence.mentions:
        if mention.named and not mention.ids:
            found = [task for task in found if task.id in mention.named]
    for kind in sentence.values(Kind.TASK_KIND):
        found = [task for task in found if world.is_of_kind(task, kind)]
    for state in sentence.values(Kind.STATE):
        found = [task for task in found if task.state in _STATES.get(state, {state})]
    for word in sentence.words:
        found = [task for task in found if task.id in world.having_word(word)]
    return found


def _names_tasks(sentence: Sentence) -> bool:
    return bool(sentence.words) or any(mention.ids or mention.named for mention in sentence.mentions)


def _ids(sentence: Sentence) -> list[str]:
    return [task for mention in sentence.mentions for task in mention.ids]


def _nodes(sentence: Sentence) -> list[str]:
    return [*dict.fromkeys([*(node for mention in sentence.mentions for node in mention.nodes), *sentence.near])]


def _is_name(word: str) -> bool:
    """Whether it looks like an id or a machine's name; an unknown name is never ignored."""
    return any(map(str.isdigit, word)) or "-" in word or "_" in word


def _is_question(normalized: str) -> bool:
    return "?" in normalized


def _asks_politely(sentence: Sentence) -> bool:
    """Starts like "can you pause …?", which is an order."""
    polite = [p.start for p in sentence.phrases if p.kind is Kind.POLITE and p.text != "吗"]
    action = next(p.start for p in sentence.phrases if p.kind is Kind.ACTION)
    first = min([action, *(mention.start for mention in sentence.mentions)])
    return bool(polite) and polite[0] < first


def _found(outcome: Outcome, intent: str, tasks: Sequence[Task], why: str) -> Reading:
    return Reading(outcome=outcome, intent=intent, tasks=tuple(task.id for task in tasks), why=why)
