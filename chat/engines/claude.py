"""Answers with a model behind the Messages API: Anthropic's, or any compatible endpoint.

The only module that uses the SDK. The SDK's own retries are off: `_failure` decides every retry, with a cap and jitter,
and each one is shown. A tool call counts only if the model reported a stop reason, because a cut stream looks complete.
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import anthropic
import httpx2
from anthropic import AsyncAnthropic, DefaultAsyncHttpxClient
from anthropic.types import Message

from chat.config import ChatConfig
from chat.engines.protocol import ANSWER_TOKENS, Block, Progress, Reply, Request, Usage
from chat.errors import EngineError, HistoryRefused
from chat.memory.commands import BUILT_IN, NAME
from chat.pricing import cost_microusd
from chat.untrusted import clean
from nodes.core.secrets import hide
from nodes.domain.unseen import without_unseen

logger = logging.getLogger(__name__)

MAX_TRIES = 4
MAX_DELAY_SECONDS = 60.0
FIRST_DELAY_SECONDS = 1.0
MAX_TOKENS = 8_192
SILENCE_SECONDS = 90.0
_OFFICIAL_URL = "https://api.anthropic.com"

# Exceptions that the SDK raises for broken streams and malformed responses, found by experiment.
_BROKEN = (
    httpx2.HTTPError,
    anthropic.APIError,
    AssertionError,
    AttributeError,
    IndexError,
    KeyError,
    RecursionError,
    TypeError,
    ValueError,
)
# Content types of an answer that is no stream of events.
_WHOLE_TYPES = ("application/json", "text/html", "text/plain")
_MAX_ANSWER_BYTES = 8 << 20
_DETAIL_CHARACTERS = 500
# https://docs.anthropic.com/en/api/errors
_STATUS_OF: Mapping[str, int] = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
}
_TRANSIENT = frozenset({"overloaded_error", "api_error", "rate_limit_error", "timeout_error"})


# Where to report the bytes of the current turn's request: all turns share the client.
_progress: ContextVar[Progress | None] = ContextVar("progress", default=None)


async def _report_bytes(request: httpx2.Request) -> None:
    progress = _progress.get()
    if progress is not None:
        progress.sending(request.content)


class _StreamCut(Exception):
    """The stream ended without a stop reason."""


class _NotAStream(Exception):
    """The endpoint answered the request for a stream with something else, which is neither a message nor an error."""


class _ErrorAnswer(Exception):
    """An error of the API in a response with the status 200."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


@dataclass(frozen=True, slots=True, kw_only=True)
class _Failure:
    error: EngineError
    is_transient: bool
    retry_after_seconds: float = 0.0


class ClaudeEngine:
    name = "claude"

    def __init__(self, config: ChatConfig) -> None:
        self._config = config
        self._client = AsyncAnthropic(
            api_key=config.api_key,
            base_url=config.base_url or _OFFICIAL_URL,
            max_retries=0,
            timeout=httpx2.Timeout(600.0, connect=10.0, read=SILENCE_SECONDS),
            open_telemetry=False,
            http_client=DefaultAsyncHttpxClient(event_hooks={"request": [_report_bytes]}),
        )

    async def aclose(self) -> None:
        await self._client.close()

    async def reply(self, request: Request, progress: Progress) -> Reply:
        return await self._with_retries(self._body(request), progress)

    async def structured(self, system: str, text: str, schema: Mapping[str, Any], progress: Progress) -> Reply:
        body: dict[str, Any] = {
            "model": self._config.model,
            "max_tokens": ANSWER_TOKENS,
            "system": system,
            "messages": [{"role": "user", "content": [{"type": "text", "text": text}]}],
        }
        if self._config.is_compatible:
            body["system"] = (
                f"{system}\n\nAnswer with one JSON object and nothing else, by this schema:\n{json.dumps(schema)}"
            )
        else:
            body["thinking"] = {"type": "adaptive"}
            body["output_config"] = {"format": {"type": "json_schema", "schema": dict(schema)}}
        return await self._with_retries(body, progress)

    async def _with_retries(self, body: Mapping[str, Any], progress: Progress) -> Reply:
        is_cost_partial = False
        for attempt in range(1, MAX_TRIES + 1):
            state = _StreamState()
            try:
                return await self._once(body, progress, state)
            except (*_BROKEN, _StreamCut, _NotAStream, _ErrorAnswer, HistoryRefused) as exc:
                is_cost_partial |= state.has_begun
                failure = _failure(exc, self._config.model)
                failure.error.detail = self._detail(exc)
                delay = _delay(attempt, failure.retry_after_seconds)
                if not failure.is_transient or attempt == MAX_TRIES or delay > MAX_DELAY_SECONDS:
                    failure.error.is_cost_partial = is_cost_partial
                    raise failure.error from exc
                logger.warning(
                    "the model's endpoint failed (%s: %s); attempt %d of %d in %.1f s",
                    failure.error.problem,
                    failure.error.detail,
                    attempt + 1,
                    MAX_TRIES,
                    delay,
                )
            progress.reset()
            progress.retrying(delay, failure.error.problem)
            await asyncio.sleep(delay)
        raise AssertionError("the last attempt returns or raises")

    def _detail(self, exc: Exception) -> str:
        """The endpoint's own words: one capped line without secrets."""
        said = exc.api_message if isinstance(exc, anthropic.APIStatusError) else None
        # Hidden characters first: they could split a key.
        words = " ".join(without_unseen(str(said or exc)).split())
        return clean(hide(words, {"API_KEY": self._config.api_key}), _DETAIL_CHARACTERS)

    def _body(self, request: Request) -> dict[str, Any]:
        body: dict[str, Any] = {
            "model": self._config.model,
            "max_tokens": MAX_TOKENS,
            "system": request.system,
            "tools": list(request.tools),
            "messages": list(request.messages),
        }
        if not self._config.is_compatible:
            # Without "summarized" nothing is streamed between tool calls.
            body["thinking"] = {"type": "adaptive", "display": "summarized"}
            body["cache_control"] = {"type": "ephemeral"}
            body["tools"] = [BUILT_IN if tool["name"] == NAME else tool for tool in request.tools]
        return body

    async def _once(self, body: Mapping[str, Any], progress: Progress, state: _StreamState) -> Reply:
        _progress.set(progress)
        async with self._client.messages.stream(**body) as stream:
            if stream.response.headers.get("content-type", "").startswith(_WHOLE_TYPES):
                return self._reply_of(await _whole_message(stream.response, progress, state))
            async for event in stream:
                state.has_begun = True
                if event.type == "text":
                    progress.text(event.text)
            return self._reply_of(stream.current_message_snapshot)

    def _reply_of(self, message: Message) -> Reply:
        if message.stop_reason is None:
            raise _StreamCut
        if message.stop_reason == "model_context_window_exceeded":
            raise HistoryRefused("context-overflow")
        usage = Usage(
            input=message.usage.input_tokens or 0,
            cache_read=message.usage.cache_read_input_tokens or 0,
            cache_write=message.usage.cache_creation_input_tokens or 0,
            output=message.usage.output_tokens or 0,
        )
        content = [block.to_dict(mode="json") for block in message.content]
        is_tool_use = message.stop_reason == "tool_use" and _are_complete(content)
        return Reply(
            content=_sendable(content, has_calls=is_tool_use),
            stop_reason="tool_use" if is_tool_use else _ending(message.stop_reason),
            usage=usage,
            cost_microusd=cost_microusd(self._config.model, usage),
            model=self._config.model,
        )


class _StreamState:
    has_begun = False


async def _whole_message(response: httpx2.Response, progress: Progress, state: _StreamState) -> Message:
    """The answer of an endpoint that does not stream. Raises `_ErrorAnswer`, `_NotAStream`."""
    body = b""
    async for piece in response.aiter_bytes():
        body += piece
        if len(body) > _MAX_ANSWER_BYTES:
            break
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        answer = None
    error = answer.get("error") if isinstance(answer, dict) and answer.get("type") == "error" else None
    if isinstance(error, dict):
        raise _ErrorAnswer(str(error.get("type")), str(error.get("message")))
    if not isinstance(answer, dict) or answer.get("type") != "message":
        raise _NotAStream(body[:_DETAIL_CHARACTERS].decode(errors="replace"))
    message = Message.model_validate(answer)
    state.has_begun = True
    for block in message.content:
        if block.type == "text":
            progress.text(block.text)
    return message


def _are_complete(content: list[Block]) -> bool:
    calls = [block for block in content if block.get("type") == "tool_use"]
    ids = {call.get("id") for call in calls}
    return bool(calls) and len(ids) == len(calls) and all(_is_complete(call) for call in calls)


def _is_complete(call: Block) -> bool:
    return (
        isinstance(call.get("id"), str)
        and 0 < len(call["id"]) <= 200
        and isinstance(call.get("name"), str)
        and isinstance(call.get("input"), dict)
    )


def _sendable(content: list[Block], *, has_calls: bool) -> list[Block]:
    """The blocks that may be sent back: without calls that are not executed, and without empty texts, which the API
    rejects.
    """
    kept = [block for block in content if has_calls or block.get("type") != "tool_use"]
    kept = [block for block in kept if block.get("type") != "text" or block.get("text", "").strip()]
    # The API rejects a message that contains only thinking.
    return kept if any(block.get("type") in ("text", "tool_use") for block in kept) else []


def _ending(stop_reason: str) -> str:
    return "end_turn" if stop_reason == "tool_use" else stop_reason


def _delay(attempt: int, retry_after_seconds: float) -> float:
    backoff = FIRST_DELAY_SECONDS * float(1 << (attempt - 1))
    spread: float = random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, not a secret
    return max(retry_after_seconds, backoff * spread)


def _failure(exc: Exception, model: str) -> _Failure:
    """The only place that looks at the endpoint's HTTP status. Unknown errors are final."""
    if isinstance(exc, anthropic.APIStatusError):
        status, kind, code = exc.status_code, str(exc.type or ""), str(exc.error_code or "")
        words = str(exc.api_message or "")
        return _status_failure(status, kind, code, words, model=model, retry_after=_retry_after(exc))
    if isinstance(exc, _ErrorAnswer):
        return _status_failure(200, exc.kind, "", str(exc), model=model)
    if isinstance(exc, HistoryRefused):
        return _Failure(error=exc, is_transient=False)
    if isinstance(exc, anthropic.APIConnectionError | httpx2.TransportError | _StreamCut):
        error = EngineError("unreachable")
        return _Failure(error=error, is_transient=True)
    error = EngineError("bad-endpoint")
    return _Failure(error=error, is_transient=True)


def _status_failure(status: int, kind: str, code: str, words: str, *, model: str, retry_after: float = 0.0) -> _Failure:
    if status == 200:  # An error within a response; its type says what the status would be.
        status = _STATUS_OF.get(kind, status)
    message = words.lower()
    if status in (401, 403):
        error = EngineError("bad-key")
    elif status == 402 or "spend" in code or "ramp" in code or kind == "billing_error":
        error = EngineError("spend-limit")
    elif status == 413 or (status == 400 and ("too long" in message or "context" in message)):
        return _Failure(error=HistoryRefused("context-overflow"), is_transient=False)
    elif status == 400 and ("thinking" in message or "signature" in message):
        return _Failure(error=HistoryRefused("thinking-refused"), is_transient=False)
    elif status == 404 or (status == 400 and "model" in message and model.lower() in message):
        error = EngineError("no-such-model", model=model)
    elif status == 429 or status == 529 or status in (408, 409) or status >= 500 or kind in _TRANSIENT:
        return _busy(retry_after)
    else:
        error = EngineError("refused", status=status)
    return _Failure(error=error, is_transient=False)


def _retry_after(exc: anthropic.APIStatusError) -> float:
    try:
        return float(exc.response.headers.get("retry-after") or 0)
    except ValueError:
        return 0.0  # A date: use our own delays.


def _busy(retry_after: float) -> _Failure:
    if retry_after > MAX_DELAY_SECONDS:
        minutes = round(retry_after / 60) or 1
        error = EngineError("rate-limited", minutes=minutes)
        return _Failure(error=error, is_transient=True, retry_after_seconds=retry_after)
    return _Failure(error=EngineError("overloaded"), is_transient=True, retry_after_seconds=retry_after)
