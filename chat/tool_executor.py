"""The tool executor: the only module that runs tool calls.

It validates each call, asks `chat.policy`, requests an approval if needed, acts once, and reports the effect. Each step
is stored before the next one starts: a call is RUNNING in the database before anything is sent to the fleet, and the
command's id is derived from the call, so neither a crash nor a repetition can act twice.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from chat import store
from chat.actions import summary_of, version_of
from chat.contexts import Context
from chat.effects import Effects
from chat.errors import MemoryRefused
from chat.memory import files
from chat.memory.commands import MemoryCommand, parse
from chat.memory.files import Author
from chat.memory.paths import scopes_of
from chat.models import ToolCall, Turn
from chat.phrases import Phrase, TextOrPhrase, phrase
from chat.policy import Decision, Question, RequestedAction, Risk, decide
from chat.ports import Rights, Writes
from chat.states import CallState, Trigger
from chat.tools.registry import TOOLS
from chat.tools.tool import RUN_COMMANDS, Arguments, BadArguments, Plan, Reading, Tool
from chat.untrusted import encoded
from nodes import selectors
from nodes.database_threads import DatabaseThreads
from nodes.domain.states import Action
from nodes.errors import NotFound
from nodes.leader.projection.unit_of_work import UnitOfWork
from nodes.models import Alert

logger = logging.getLogger(__name__)

READ_SECONDS = 15.0
MEMORY_CHARACTERS = 40_000
MAX_CALLS = 16  # Per answer; further calls are refused.
_VIEW = "view"
_OPERATE = "operate"
# Calls in these states have had, or may have had, an effect.
_BEGUN = (CallState.RUNNING, CallState.DONE, CallState.FAILED, CallState.UNKNOWN)


class AlertResolved(Exception):
    """The alert of a fix is resolved, so the fix no longer applies."""


class ToolExecutor:
    def __init__(self, *, writes: Writes, rights: Rights, effects: Effects, threads: DatabaseThreads) -> None:
        self._writes = writes
        self._rights = rights
        self._effects = effects
        self._threads = threads

    async def settle(self, turn: Turn, calls: Sequence[ToolCall], requested: RequestedAction | None) -> bool:
        """Runs every call as far as possible. True if all have results, False if one waits for an approval."""
        is_settled = True
        for number, call in enumerate(calls):
            if call.state == CallState.WAITING:
                is_settled = False
            elif not CallState(call.state).is_final:
                if number >= MAX_CALLS:
                    await self._fail(call, phrase("refused.too-many", count=MAX_CALLS))
                else:
                    is_settled &= await self._settle_one(turn, call, requested)
        return is_settled

    async def _settle_one(self, turn: Turn, call: ToolCall, requested: RequestedAction | None) -> bool:
        tool = TOOLS.get(call.name)
        if tool is None:
            await self._fail(call, "There is no such tool.")
            return True
        try:
            arguments = tool.check(call.arguments)
            if tool.risk is Risk.MEMORY:
                await self._remember(turn, call, parse(arguments))
                return True
            if tool.read is not None:
                await self._read(turn, call, tool, arguments)
                return True
            if tool.plan is None:
                raise AssertionError("a tool reads or plans")
            return await self._plan(turn, call, tool, tool.plan(arguments), requested)
        except (BadArguments, NotFound) as exc:
            await self._fail(call, str(exc))
            return True
        except AlertResolved:
            await self._fail(call, phrase("refused.not-stuck"))
            return True

    # --- reading ----------------------------------------------------------------------------------

    async def _read(self, turn: Turn, call: ToolCall, tool: Tool, arguments: Arguments) -> None:
        read = tool.read
        if read is None:
            raise AssertionError("only for tools that read")
        if not await self._may(turn.actor, _VIEW) and turn.trigger == Trigger.PERSON:
            await self._fail(call, phrase("refused.may-not-see"))
            return
        await self._claim(call, acting=turn.actor, summary="", risk=Risk.READ)
        context = Context(project=turn.conversation.project, node=turn.conversation.node)
        result: TextOrPhrase
        try:
            async with asyncio.timeout(READ_SECONDS):
                found = await self._threads.read(lambda: read(arguments, Reading(context=context)))
            state, result = CallState.DONE, encoded(found, tool.max_characters, source=tool.name)
        except NotFound as exc:
            state, result = CallState.FAILED, str(exc)
        except TimeoutError:
            state, result = CallState.FAILED, phrase("refused.slow")
        except Exception:
            logger.exception("the tool %s failed; its engine gets an error", tool.name)
            state, result = CallState.FAILED, phrase("refused.broken")
        is_done = state is CallState.DONE
        await self._finish(call, state, result, is_untrusted=is_done, ends_consent=is_done and tool.is_untrusted)

    # --- remembering ------------------------------------------------------------------------------

    async def _remember(self, turn: Turn, call: ToolCall, command: MemoryCommand) -> None:
        """Stores the change and the end of the call in one transaction: after a crash, both or neither are stored."""
        if command.writes and (turn.trigger != Trigger.PERSON or not await self._may(turn.actor, _OPERATE)):
            await self._fail(call, phrase("refused.may-not-remember"))
            return
        scopes = scopes_of(Context(project=turn.conversation.project, node=turn.conversation.node))

        def remember(unit: UnitOfWork) -> None:
            if not store.claim(unit, call.id, acting=turn.actor, summary=_words(command), risk=_risk(command)):
                return
            now = store.turn_of(turn.id)
            author = Author(
                actor=turn.actor,
                engine="claude" if now.model else "offline",
                conversation_id=turn.conversation_id,
                turn_id=turn.id,
                why=turn.text,
                # Without a model, the text is the person's own.
                is_tainted=bool(now.model) and store.is_tainted_now(now),
            )
            try:
                answer = files.carry_out(unit, command, scopes, author)
            except MemoryRefused as exc:
                store.finish_call(unit, call.id, CallState.FAILED, str(exc), is_error=True)
                return
            tainted = answer.is_untrusted
            text = encoded({"text": answer.text}, MEMORY_CHARACTERS, source="memory") if tainted else answer.text
            store.finish_call(unit, call.id, CallState.DONE, text, is_untrusted=tainted, ends_consent=tainted)

        await self._writes.write(remember)

    # --- acting -----------------------------------------------------------------------------------

    async def _plan(
        self, turn: Turn, call: ToolCall, tool: Tool, plan: Plan, requested: RequestedAction | None
    ) -> bool:
        """Runs the plan, or requests an approval and returns False."""
        tasks = await self._threads.read(lambda: [selectors.task_detail(task_id) for task_id in plan.task_ids])
        await self._threads.read(lambda: _check_alert(turn))
        summary, right = summary_of(plan, tasks), plan.right_for(tasks)
        if call.state == CallState.PROPOSED:
            question = await self._question(turn, call, tool, plan, right, requested)
            if decide(question) is Decision.ASK:
                await self._ask(call, summary=summary, tool=tool, right=right)
                return False
        await self._act(turn, call, tool, plan, right, summary)
        return True

    async def _question(
        self, turn: Turn, call: ToolCall, tool: Tool, plan: Plan, right: str, requested: RequestedAction | None
    ) -> Question:
        # A sentence allows one action: a second call for it is the engine's own idea.
        has_acted = await self._threads.read(
            lambda: (
                ToolCall.objects.filter(turn=turn, state__in=_BEGUN)
                .exclude(risk__in=("", Risk.READ, Risk.MEMORY))
                .exists()
            )
        )
        tainted = await self._threads.read(
            lambda: Turn.objects.values_list("has_read_untrusted", flat=True).get(id=turn.id)
        )
        return Question(
            risk=tool.risk,
            trigger=Trigger(turn.trigger),
            action=str(plan.action or ""),
            task_ids=plan.task_ids,
            input=plan.input,
            requested=None if has_acted else requested,
            is_sure=call.is_sure,
            has_read_untrusted=tainted,
            asker_may=await self._may(turn.actor, right),
        )

    async def _act(self, turn: Turn, call: ToolCall, tool: Tool, plan: Plan, right: str, summary: Phrase) -> None:
        acting = await self._claim(call, acting=turn.actor, summary=summary, risk=tool.risk)
        if acting is None:
            await self._fail(call, phrase("refused.not-any-more"))
            return
        if not await self._may(acting, right):
            # The right was withdrawn in the meantime.
            reason = phrase("refused.may-not", name=acting) if acting else phrase("refused.nobody")
            await self._finish(call, CallState.FAILED, reason)
            return
        effect = await self._effects.carry_out(
            plan,
            command_ids=lambda number: store.command_id(call, number),
            actor=acting,
            may_run_commands=right == RUN_COMMANDS,
        )
        result = encoded(effect.result, tool.max_characters, source=tool.name)
        await self._finish(call, effect.state, result, is_untrusted=True)

    # --- writes -----------------------------------------------------------------------------------

    async def _may(self, actor: str, right: str) -> bool:
        return await self._threads.read(lambda: self._rights.may(actor, right))

    async def _ask(self, call: ToolCall, *, summary: Phrase, tool: Tool, right: str) -> None:
        def ask(unit: UnitOfWork) -> None:
            version = current_version(unit, call)
            store.ask(unit, call.id, summary=summary, risk=str(tool.risk), right=right, target_version=version)

        await self._writes.write(ask)

    async def _claim(self, call: ToolCall, *, acting: str, summary: TextOrPhrase, risk: Risk) -> str | None:
        """Claims the call. Returns the user in whose name it runs; None if it may not run."""

        def claim(unit: UnitOfWork) -> str | None:
            approval = store.approval_of(call)
            if approval is not None and current_version(unit, call) != approval.target_version:
                return None
            is_ours = store.claim(unit, call.id, acting=acting, summary=summary, risk=str(risk))
            return store.call_of(call.id).acting if is_ours else None

        return await self._writes.write(claim)

    async def _finish(
        self,
        call: ToolCall,
        state: CallState,
        result: TextOrPhrase,
        *,
        is_untrusted: bool = False,
        ends_consent: bool = False,
    ) -> None:
        is_error = state is not CallState.DONE

        def finish(unit: UnitOfWork) -> None:
            store.finish_call(
                unit, call.id, state, result, is_error=is_error, is_untrusted=is_untrusted, ends_consent=ends_consent
            )

        await self._writes.write(finish)

    async def _fail(self, call: ToolCall, reason: TextOrPhrase) -> None:
        await self._finish(call, CallState.FAILED, reason)


def _words(command: MemoryCommand) -> Phrase:
    return phrase(f"memory.{command.command}", path=command.path, to=command.new_path)


def _risk(command: MemoryCommand) -> str:
    return str(Risk.MEMORY if command.writes else Risk.READ)


def right_of(tool_name: str, arguments: Arguments) -> str:
    """The right needed to approve this call. Sync; reads its tasks."""
    tool = TOOLS[tool_name]
    if tool.plan is None:
        raise AssertionError("only actions need a right beyond viewing")
    plan = tool.plan(arguments)
    return plan.right_for(selectors.known_tasks(plan.task_ids))


def _check_alert(turn: Turn) -> None:
    """Raises `AlertResolved` if the turn's fix is for an alert that is not open, or asks something else now."""
    analysis = turn.fix_of
    if analysis is None:
        return
    alert = Alert.objects.filter(id=analysis.alert_id, resolved_at=None).first()
    if alert is None or analysis.alert_digest not in ("", alert.digest):
        raise AlertResolved


def targets_of(call: ToolCall) -> set[str]:
    """The targets that `current_version` depends on, as `Published.key`."""
    plan = TOOLS[call.name].plan
    if plan is None:
        raise AssertionError("only actions are approved")
    tasks = {f"task:{task_id}" for task_id in plan(TOOLS[call.name].check(call.arguments)).task_ids}
    alert_id = store.alert_of(call.turn)
    return tasks if alert_id is None else {*tasks, f"alert:{alert_id}"}


def current_version(unit: UnitOfWork, call: ToolCall) -> str:
    """Current version of the call's targets, on the writer's thread. Matches no other version if a target is gone.

    An answer must never reach a later question of the same task: it is for the alert as the person saw it, or, without
    an alert, for the task's last line.
    """
    tool = TOOLS[call.name]
    if tool.plan is None:
        raise AssertionError("only actions are approved")
    plan = tool.plan(tool.check(call.arguments))
    tasks = [unit.cache.task(task_id) for task_id in plan.task_ids]
    version = version_of(
        [(task.id, task.attempt, task.state, task.node_id or "") if task else ("gone", 0, "", "") for task in tasks]
    )
    if (alert_id := store.alert_of(call.turn)) is not None:
        alert = unit.open_alert_of(alert_id)
        return f"{version} alert {alert_id} {alert.digest if alert is not None else 'resolved'}"
    if plan.action is not Action.INPUT:
        return version
    attempts = [unit.cache.attempt(task.id, task.attempt) for task in tasks if task is not None]
    return f"{version} line {[attempt.last_line for attempt in attempts if attempt is not None]}"
