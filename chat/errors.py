"""Why the conversation does not do what was asked."""

from __future__ import annotations

from nodes.errors import AgentFlowError, TaskRejected


class ChatRejected(TaskRejected):
    """A request to the conversation is refused; `code` is for programs. Crosses the inner door as its parent."""


class EngineError(AgentFlowError):
    """An engine cannot answer. `problem` is for programs, the text for a person."""

    def __init__(self, problem: str, message: str, *, is_cost_partial: bool = False) -> None:
        super().__init__(problem, message)
        self.problem = problem
        self.message = message
        self.is_cost_partial = is_cost_partial

    def __str__(self) -> str:
        return self.message


class HistoryRefused(EngineError):
    """The endpoint does not take this history (any more): a new epoch may help."""


class MemoryRefused(ChatRejected):
    """Nothing was remembered or changed; the text is for whoever asked, a model or a person."""
