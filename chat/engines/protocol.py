"""The interface of an engine, which turns a conversation into the next answer. Only the tool executor runs tools."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from chat.contexts import Context
from chat.phrases import Phrase, Phrases

Block = dict[str, Any]

ANSWER_TOKENS = 4_096  # Limit of an analyst's answer.


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Everything an answer depends on. A model gets `messages`; the other fields help an engine without a model."""

    system: str
    tools: Sequence[Mapping[str, Any]]
    messages: Sequence[Mapping[str, Any]]
    context: Context
    text: str  # The person's message in this turn.
    language: str
    # The task of this person's latest tool call in earlier turns: what "it" may mean.
    last_task: str = ""
    # Tool and arguments of the one call of a turn that a click on a proposal started.
    given: tuple[str, Mapping[str, Any]] | None = None
    # Why calls of this turn were not carried out, by tool use id.
    refusals: Mapping[str, Phrase] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    input: int = 0  # Without the tokens read from or written to the cache.
    cache_read: int = 0
    cache_write: int = 0
    output: int = 0

    def fields(self) -> dict[str, int]:
        return {
            "input": self.input,
            "cacheRead": self.cache_read,
            "cacheWrite": self.cache_write,
            "output": self.output,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    content: list[Block]  # As received; tool_use blocks only if they are to be executed.
    stop_reason: str
    usage: Usage = field(default_factory=Usage)
    cost_microusd: int = 0
    model: str = ""
    phrases: Phrases = field(default_factory=dict)  # The phrase of `text`, unless it answers a person's sentence.
    is_sure: bool = True  # False: a guess, so every action in it needs an approval.


class Progress(Protocol):
    """Receives an engine's progress."""

    def text(self, piece: str) -> None:
        """Appends to the answer."""

    def reset(self) -> None:
        """Discards this answer's text; it starts again."""

    def retrying(self, delay_seconds: float, reason: str) -> None:
        """The endpoint failed; the next try is in `delay_seconds`."""

    def sending(self, body: bytes) -> None:
        """The exact request body that is sent now."""


class Analyst(Protocol):
    """Answers one question as JSON of a given schema, outside any conversation and without tools."""

    @property
    def name(self) -> str: ...

    async def structured(self, system: str, text: str, schema: Mapping[str, Any], progress: Progress) -> Reply:
        """Asks for JSON that matches the schema; the caller validates it. Raises `EngineError`."""


class Engine(Protocol):
    @property
    def name(self) -> str: ...

    async def reply(self, request: Request, progress: Progress) -> Reply:
        """The next answer. Cancelling ends the request at once. Raises `EngineError`."""

    async def aclose(self) -> None: ...
