"""Errors of the conversation."""

from __future__ import annotations

from chat.phrases import phrase, render
from nodes.errors import AgentFlowError, TaskRejected


class ChatRejected(TaskRejected):
    """A request to a conversation was refused; `code` is for programs. The gateway turns it into `TaskRejected`."""


class EngineError(AgentFlowError):
    """An engine cannot answer. `problem` is the code; `text` is the phrase `problem.<problem>` with `values`.

    `detail`: the endpoint's own words, without secrets, for administrators and the log.
    """

    def __init__(self, problem: str, *, is_cost_partial: bool = False, **values: str | int) -> None:
        super().__init__(problem, values)
        self.problem = problem
        self.text = phrase(f"problem.{problem}", **values)
        self.is_cost_partial = is_cost_partial
        self.detail = ""

    def __str__(self) -> str:
        return render(self.text, "en")


class HistoryRefused(EngineError):
    """The endpoint rejects this history; a new epoch may help."""


class MemoryRefused(ChatRejected):
    """The memory was not changed; the message explains why to the caller, a model or a person."""
