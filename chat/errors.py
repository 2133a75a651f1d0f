"""Errors of the conversation."""

from __future__ import annotations

from chat.phrases import phrase, say
from nodes.errors import AgentFlowError, TaskRejected


class ChatRejected(TaskRejected):
    """A request to the conversation is refused; `code` is for programs. Crosses the gateway as its parent."""


class EngineError(AgentFlowError):
    """An engine cannot answer. `problem` is for programs; the phrase `problem.<problem>` with `values` says it."""

    def __init__(self, problem: str, *, is_cost_partial: bool = False, **values: str | int) -> None:
        super().__init__(problem, values)
        self.problem = problem
        self.said = phrase(f"problem.{problem}", **values)
        self.is_cost_partial = is_cost_partial

    def __str__(self) -> str:
        return say(self.said, "en")


class HistoryRefused(EngineError):
    """The endpoint rejects this history; a new epoch may help."""


class MemoryRefused(ChatRejected):
    """The memory was not changed; the message is for the caller, a model or a person."""
