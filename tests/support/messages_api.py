"""A strict fake of the Messages API on a real socket: HTTP/1.1, chunked server-sent events, checks of every history.

A script is a list of steps, one per POST /v1/messages, or a function from the request's body to a step. It rejects what
the real API would reject, because a fake that accepts anything proves nothing.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import json
import socket
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

Block = dict[str, Any]

_ids = itertools.count(1)
_NOT_SUPPORTED = {"temperature", "top_p", "top_k"}
_KNOWN = {
    "model",
    "messages",
    "max_tokens",
    "system",
    "tools",
    "tool_choice",
    "stream",
    "metadata",
    "thinking",
    "output_config",
    "stop_sequences",
    "cache_control",
}
_USAGE = {
    "input_tokens": 100,
    "output_tokens": 20,
    "cache_creation_input_tokens": 0,
    "cache_read_input_tokens": 0,
}


# --- steps ----------------------------------------------------------------------------------------


def text(words: str) -> Block:
    return {"type": "text", "text": words}


def thinking(words: str) -> Block:
    return {"type": "thinking", "thinking": words, "signature": "unsigned"}


def tool_use(name: str, arguments: Mapping[str, Any], *, id: str = "", raw: str | None = None) -> Block:
    """`raw`: the JSON to stream, if it differs from that of the arguments."""
    return {"type": "tool_use", "id": id or f"toolu_{next(_ids):04d}", "name": name, "input": arguments, "_raw": raw}


@dataclass
class Reply:
    blocks: Sequence[Block]
    stop_reason: str | None = None  # None: tool_use if there is such a block, else end_turn.
    usage: dict[str, int] = field(default_factory=lambda: dict(_USAGE))
    delay_seconds: float = 0.0  # Between events.

    @property
    def ending(self) -> str:
        has_calls = any(block["type"] == "tool_use" for block in self.blocks)
        return self.stop_reason or ("tool_use" if has_calls else "end_turn")


@dataclass
class HttpError:
    status: int
    kind: str
    message: str = "no"
    headers: dict[str, str] = field(default_factory=dict)
    error_code: str = ""


@dataclass
class Cut:
    """The stream ends early: by a reset, by the end of the connection, or without the end of the message."""

    reply: Reply
    after_events: int
    how: Literal["reset", "eof", "clean"] = "reset"


@dataclass
class ErrorEvent:
    reply: Reply
    after_events: int = 3
    kind: str = "overloaded_error"


@dataclass
class Silence:
    reply: Reply
    after_events: int = 3
    seconds: float = 30.0


@dataclass
class Page:
    """The error page of a gateway: HTML with its own status."""

    status: int = 200
    body: str = "<html><body>Sign in</body></html>"


@dataclass
class Whole:
    """An endpoint that cannot stream: the message, or the error, as one JSON response with the status 200."""

    answer: Reply | HttpError


Step: TypeAlias = Reply | HttpError | Cut | ErrorEvent | Silence | Page | Whole
Script: TypeAlias = Sequence[Step] | Callable[[dict[str, Any]], Step]


# --- validation -----------------------------------------------------------------------------------


def problem_of(body: dict[str, Any]) -> str:
    """Why this request is invalid; empty if it is valid."""
    for name in body:
        if name in _NOT_SUPPORTED:
            return f"{name}: not supported on this version"
        if name not in _KNOWN:
            return f"{name}: Extra inputs are not permitted"
    for name in ("model", "messages", "max_tokens"):
        if name not in body:
            return f"{name}: Field required"
    if (body.get("tool_choice") or {}).get("type") in ("any", "tool"):
        return "tool_choice: forced tool use is not supported on this model"
    return _tools_problem(body) or _format_problem(body) or _messages_problem(body["messages"])


_SCHEMA_WORDS = {"type", "properties", "required", "additionalProperties", "items", "enum", "description"}


def _format_problem(body: dict[str, Any]) -> str:
    """Structured outputs: a JSON schema with only closed objects and supported keywords."""
    wanted = (body.get("output_config") or {}).get("format")
    if wanted is None:
        return ""
    if wanted.get("type") != "json_schema" or not isinstance(wanted.get("schema"), dict):
        return "output_config.format: Input should be a json_schema"
    parts = [wanted["schema"]]
    while parts:
        part = parts.pop()
        if unknown := set(part) - _SCHEMA_WORDS:
            return f"output_config.format.schema: {sorted(unknown)} is not supported"
        if part.get("type") == "object" and part.get("additionalProperties") is not False:
            return "output_config.format.schema: 'additionalProperties' must be false for every object"
        parts += [*part.get("properties", {}).values(), *([part["items"]] if "items" in part else [])]
    return ""


def _tools_problem(body: dict[str, Any]) -> str:
    names = [tool["name"] for tool in body.get("tools", ())]
    if len(set(names)) != len(names):
        return "tools: Tool names must be unique."
    for tool in body.get("tools", ()):
        if tool == {"type": "memory_20250818", "name": "memory"}:
            continue  # A built-in tool.
        if tool["input_schema"].get("type") != "object":
            return f"tools.{tool['name']}.input_schema.type: Input should be 'object'"
    return ""


def _messages_problem(messages: list[dict[str, Any]]) -> str:
    if not messages or messages[0]["role"] != "user":
        return "messages: first message must use the user role"
    open_ids: set[str] = set()
    for number, message in enumerate(messages):
        blocks = _blocks(message)
        if not blocks:
            return f"messages.{number}: all messages must have non-empty content"
        if any(block["type"] == "text" and not block["text"].strip() for block in blocks):
            return f"messages.{number}: text content blocks must be non-empty"
        if message["role"] == "user":
            if found := _results_problem(number, blocks, open_ids):
                return found
            open_ids = set()
        elif open_ids:
            return f"messages.{number}: tool_use ids were found without tool_result blocks: {sorted(open_ids)}"
        else:
            open_ids = {block["id"] for block in blocks if block["type"] == "tool_use"}
    if messages[-1]["role"] == "assistant":
        return "This model does not support assistant message prefill."
    return ""


def _results_problem(number: int, blocks: list[Block], open_ids: set[str]) -> str:
    got = [block["tool_use_id"] for block in blocks if block["type"] == "tool_result"]
    if open_ids - set(got):
        return f"messages.{number}: tool_use ids without tool_result blocks: {sorted(open_ids - set(got))}"
    if set(got) - open_ids:
        return f"messages.{number}: unexpected tool_use_id in tool_result blocks: {sorted(set(got) - open_ids)}"
    if len(got) != len(set(got)):
        return f"messages.{number}: each tool_use must have a single result"
    if [block["type"] for block in blocks[: len(got)]] != ["tool_result"] * len(got):
        return f"messages.{number}: tool_result blocks must come first"
    return ""


def _blocks(message: dict[str, Any]) -> list[Block]:
    content = message["content"]
    return content if isinstance(content, list) else [{"type": "text", "text": content}]


def signature_of(body: dict[str, Any], count: int) -> str:
    """A signature over everything before the thinking: system, tools, and the first `count` messages."""
    before = [
        {"role": message["role"], "content": [b for b in _blocks(message) if b["type"] != "thinking"]}
        for message in body["messages"][:count]
    ]
    bytes_before = json.dumps([body.get("system"), body.get("tools"), before], sort_keys=True).encode()
    return f"sig_{hashlib.sha256(bytes_before).hexdigest()[:16]}"


def _thinking_problem(body: dict[str, Any]) -> str:
    for number, message in enumerate(body["messages"]):
        for place, block in enumerate(_blocks(message)):
            if block["type"] == "thinking" and block["signature"] != signature_of(body, number):
                return (
                    f"messages.{number}.content.{place}: Invalid `signature` in `thinking` block. "
                    "The block is bound to a different conversation."
                )
    return ""


# --- responses ------------------------------------------------------------------------------------


def _event(kind: str, fields: dict[str, Any]) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields}, ensure_ascii=False)}\n\n".encode()


def _events(reply: Reply, model: str) -> Iterator[bytes]:
    message = {"id": f"msg_{next(_ids):06d}", "type": "message", "role": "assistant", "model": model, "content": []}
    usage = {**reply.usage, "output_tokens": 1}
    ends = {"stop_reason": None, "stop_sequence": None}
    yield _event("message_start", {"message": {**message, **ends, "usage": usage}})
    yield _event("ping", {})
    for index, block in enumerate(reply.blocks):
        start, deltas = _parts(block)
        yield _event("content_block_start", {"index": index, "content_block": start})
        for delta in deltas:
            yield _event("content_block_delta", {"index": index, "delta": delta})
        yield _event("content_block_stop", {"index": index})
    ending = {"stop_reason": reply.ending, "stop_sequence": None}
    yield _event("message_delta", {"delta": ending, "usage": reply.usage})
    yield _event("message_stop", {})


def _parts(block: Block) -> tuple[Block, list[Block]]:
    if block["type"] == "text":
        pieces = [block["text"][i : i + 6] for i in range(0, len(block["text"]), 6)]
        return {"type": "text", "text": ""}, [{"type": "text_delta", "text": piece} for piece in pieces]
    if block["type"] == "thinking":
        words = [{"type": "thinking_delta", "thinking": block["thinking"]}] if block["thinking"] else []
        signed = {"type": "signature_delta", "signature": block["signature"]}
        return {"type": "thinking", "thinking": "", "signature": ""}, [*words, signed]
    raw = block["_raw"] if block["_raw"] is not None else json.dumps(block["input"], ensure_ascii=False)
    # Fragments end anywhere, even within a key; the first is empty.
    pieces = ["", *(raw[i : i + 7] for i in range(0, len(raw), 7))]
    start = {"type": "tool_use", "id": block["id"], "name": block["name"], "input": {}}
    return start, [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]


class MessagesApi:
    """`async with MessagesApi(script) as api`: `api.url`, `api.bodies` (all requests), `api.refusals`."""

    def __init__(
        self, script: Script = (), *, key: str = "key-1", strict_thinking: bool = True, models: Sequence[str] = ()
    ) -> None:
        """`models`: the only ones that it knows; empty = all."""
        self.script = script
        self.models = models
        self.key = key
        self.strict_thinking = strict_thinking
        self.bodies: list[dict[str, Any]] = []
        self.raw_bodies: list[bytes] = []
        self.headers: list[dict[str, str]] = []
        self.refusals: list[str] = []
        self.disconnects = 0
        self._steps = iter(script) if not callable(script) else None
        self._connections: set[asyncio.Task[Any]] = set()

    async def __aenter__(self) -> MessagesApi:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *details: object) -> None:
        self._server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        await self._server.wait_closed()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            while await self._one_request(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            self.disconnects += 1
        except asyncio.CancelledError:
            pass  # The fake is closed, and the stream's own callback would log it.
        finally:
            self._connections.discard(task)
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    async def _one_request(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        first = await reader.readline()
        if not first:
            return False
        _, path, _ = first.decode().split(" ", 2)
        headers: dict[str, str] = {}
        while line := (await reader.readline()).decode().strip():
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        raw = await reader.readexactly(int(headers.get("content-length", 0)))
        self.headers.append(headers)
        if path.partition("?")[0] != "/v1/messages":
            return await self._error(writer, HttpError(404, "not_found_error", f"no route {path}"))
        if headers.get("authorization") != f"Bearer {self.key}":
            return await self._error(writer, HttpError(401, "authentication_error", "invalid x-api-key"))
        body = json.loads(raw)
        self.raw_bodies.append(raw)
        self.bodies.append(body)
        if self.models and body.get("model") not in self.models:
            return await self._error(writer, HttpError(404, "not_found_error", f"model: {body.get('model')}"))
        bad = problem_of(body) or (_thinking_problem(body) if self.strict_thinking else "")
        if bad:
            self.refusals.append(bad)
            return await self._error(writer, HttpError(400, "invalid_request_error", bad))
        return await self._step(self._next(body), body, writer)

    def _next(self, body: dict[str, Any]) -> Step:
        if callable(self.script):
            return self.script(body)
        assert self._steps is not None
        return next(self._steps, HttpError(400, "invalid_request_error", "the script has ended"))

    async def _step(self, step: Step, body: dict[str, Any], writer: asyncio.StreamWriter) -> bool:
        if isinstance(step, HttpError):
            return await self._error(writer, step)
        if isinstance(step, Page):
            return await self._respond(writer, step.status, "text/html", step.body.encode(), {})
        if isinstance(step, Whole):
            answer = step.answer
            fields = _error_body(answer) if isinstance(answer, HttpError) else _whole(answer, body["model"])
            return await self._respond(writer, 200, "application/json", json.dumps(fields).encode(), {})
        reply = step if isinstance(step, Reply) else step.reply
        signed = [
            {**block, "signature": signature_of(body, len(body["messages"]))} if block["type"] == "thinking" else block
            for block in reply.blocks
        ]
        reply = Reply(signed, reply.stop_reason, reply.usage, reply.delay_seconds)
        head = ("HTTP/1.1 200 OK", "content-type: text/event-stream", "request-id: req_1", "transfer-encoding: chunked")
        writer.write("\r\n".join((*head, "", "")).encode())
        for number, event in enumerate(_events(reply, body["model"])):
            if not isinstance(step, Reply) and number == step.after_events:
                if isinstance(step, Silence):
                    await asyncio.sleep(step.seconds)
                else:
                    return await self._break(step, writer)
            # In two writes, so that the reader must join them.
            middle = len(event) // 2
            await self._chunk(writer, event[:middle])
            await self._chunk(writer, event[middle:])
            if reply.delay_seconds:
                await asyncio.sleep(reply.delay_seconds)
        return await self._end(writer)

    async def _break(self, step: Cut | ErrorEvent, writer: asyncio.StreamWriter) -> bool:
        if isinstance(step, ErrorEvent):
            await self._chunk(writer, _event("error", _error_body(HttpError(200, step.kind, "Overloaded"))))
            return await self._end(writer)
        if step.how == "clean":
            return await self._end(writer)
        if step.how == "reset":
            linger = struct.pack("ii", 1, 0)
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        return False

    async def _chunk(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        writer.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        await writer.drain()

    async def _end(self, writer: asyncio.StreamWriter) -> bool:
        writer.write(b"0\r\n\r\n")
        await writer.drain()
        return True

    async def _error(self, writer: asyncio.StreamWriter, error: HttpError) -> bool:
        body = json.dumps(_error_body(error)).encode()
        return await self._respond(writer, error.status, "application/json", body, error.headers)

    async def _respond(
        self, writer: asyncio.StreamWriter, status: int, kind: str, body: bytes, headers: dict[str, str]
    ) -> bool:
        lines = {"content-type": kind, "content-length": str(len(body)), "request-id": "req_1", **headers}
        head = f"HTTP/1.1 {status} X\r\n" + "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        writer.write(head.encode() + b"\r\n" + body)
        await writer.drain()
        return True


def _whole(reply: Reply, model: str) -> dict[str, Any]:
    blocks = [{name: part for name, part in block.items() if name != "_raw"} for block in reply.blocks]
    about = {"id": f"msg_{next(_ids):06d}", "type": "message", "role": "assistant", "model": model}
    return {**about, "content": blocks, "stop_reason": reply.ending, "stop_sequence": None, "usage": reply.usage}


def _error_body(error: HttpError) -> dict[str, Any]:
    fields: dict[str, Any] = {"type": error.kind, "message": error.message}
    if error.error_code:
        fields["details"] = {"error_code": error.error_code}
    return {"type": "error", "error": fields, "request_id": "req_1"}
