"""What an engine is: it turns a conversation into the next answer. It never acts; tools are the broker's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from chat.contexts import Context
from chat.phrases import Phrase, Phrases

Block = dict[str, Any]

ANSWER_TOKENS = 4_096  # The most that an analyst says.


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Everything an answer depends on. `messages` is what a model gets, the rest helps an engine without one."""

    system: str
    tools: Sequence[Mapping[str, Any]]
    messages: Sequence[Mapping[str, Any]]
    context: Context
    text: str  # What the person said in this turn.
    language: str
    # Tasks that this person spoke of before, newest last: what "it" may mean.
    last_task: str = ""
    # The one call of a turn that a click on a proposal began: tool and arguments.
    given: tuple[str, Mapping[str, Any]] | None = None
    # Why calls of this turn were not carried out, by the id of their use.
    refusals: Mapping[str, Phrase] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    input: int = 0  # Without what came from or went into the cache.
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
    content: list[Block]  # As it came; tool_use blocks only when they are to be carried out.
    stop_reason: str
    usage: Usage = field(default_factory=Usage)
    cost_microusd: int = 0
    model: str = ""
    phrases: Phrases = field(default_factory=dict)  # Of its `text`, where it answers nobody's sentence.
    is_sure: bool = True  # False: a guess, so a person decides about every action in it.


class Progress(Protocol):
    """Where an engine says what it is at."""

    def text(self, piece: str) -> None:
        """The next piece of the answer."""

    def reset(self) -> None:
        """What came of this answer is void; it begins again."""

    def retrying(self, delay_seconds: float, reason: str) -> None:
        """The endpoint could not be used; the next try is in so many seconds."""

    def sending(self, body: bytes) -> None:
        """The exact request that goes out now."""


class Analyst(Protocol):
    """Who answers one question in a given shape, outside every conversation and without tools."""

    @property
    def name(self) -> str: ...

    async def structured(self, system: str, text: str, schema: Mapping[str, Any], progress: Progress) -> Reply:
        """The answer's text is meant to be JSON by the schema; the caller checks it. Raises `EngineError`."""


class Engine(Protocol):
    @property
    def name(self) -> str: ...

    async def reply(self, request: Request, progress: Progress) -> Reply:
        """Raises `EngineError`. Cancelling it ends the request at once."""

    async def aclose(self) -> None: ...
