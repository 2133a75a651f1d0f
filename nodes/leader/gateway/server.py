"""Answers web processes: each call needs a token of the role "web"; errors keep their type, code and message."""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import NoReturn, TypeVar

import grpc
from google.protobuf.message import Message
from msgspec import UNSET, UnsetType

from nodes.domain.commands import Seen, spec_from_json
from nodes.domain.states import Action
from nodes.errors import AgentFlowError, LeaderUnavailable, NotFound, OtherVersion, ProtocolViolation, TaskRejected
from nodes.leader.gateway.auth_metadata import CODE_KEY, FACTS_KEY, is_same_version
from nodes.leader.projection.retention import Pruned
from nodes.leader.scheduler.requests import ControlRequest
from nodes.leader.scheduler.scheduler import Scheduler
from nodes.stream.hub.token_check import OnRefused, TokenCheck, TooManyTokens
from nodes.stream.identity import InvalidToken, NodeIdentity, TokenRole
from nodes.stream.wire.v1 import leader_pb2 as pb
from nodes.stream.wire.v1 import leader_pb2_grpc as services

logger = logging.getLogger(__name__)

T = TypeVar("T")
Context = grpc.aio.ServicerContext[object, object]


# A part of the Leader that the gateway does not know: bytes in, bytes out; raises `AgentFlowError`.
Service = Callable[[bytes], Awaitable[bytes]]

_NO_SERVICES: Mapping[str, Service] = MappingProxyType({})
_PATH = f"/{pb.DESCRIPTOR.services_by_name['Leader'].full_name}/"


class GatewayServer(services.LeaderServicer):
    """Added to the hub's server by `add_to`."""

    def __init__(
        self,
        scheduler: Scheduler,
        authenticate: Callable[[str], NodeIdentity],
        *,
        prune: Callable[[], Awaitable[Pruned]],
        parts: Mapping[str, Service] = _NO_SERVICES,
        on_refused: OnRefused | None = None,
    ) -> None:
        """`parts`: the services that `Ask` can call, by name."""
        self._scheduler = scheduler
        self._parts = parts
        self._tokens = TokenCheck(authenticate, on_refused)
        self._prune = prune

    def add_to(self, server: grpc.aio.Server) -> None:
        services.add_LeaderServicer_to_server(self, server)
        server.add_generic_rpc_handlers((_UnknownMethods(self.refuse),))

    async def Submit(self, request: pb.SubmitRequest, context: Context) -> pb.SubmitReply:
        await self._check(context, request)
        task_id = await self._answer(context, lambda: self._submit(request))
        return pb.SubmitReply(task_id=task_id)

    async def Control(self, request: pb.ControlRequest, context: Context) -> pb.ControlReply:
        await self._check(context, request)
        command_id = await self._answer(context, lambda: self._control(request))
        return pb.ControlReply(command_id=command_id, task_id=request.task_id)

    async def Acknowledge(self, request: pb.AcknowledgeRequest, context: Context) -> pb.AcknowledgeReply:
        await self._check(context, request)
        await self._answer(context, lambda: self._acknowledge(request))
        return pb.AcknowledgeReply()

    async def Retire(self, request: pb.RetireRequest, context: Context) -> pb.RetireReply:
        await self._check(context)
        is_new = await self._answer(context, lambda: self._scheduler.retire(request.node_id, actor=request.actor))
        return pb.RetireReply(is_new=is_new)

    async def Prune(self, request: pb.PruneRequest, context: Context) -> pb.PruneReply:
        await self._check(context)
        pruned = await self._answer(context, self._prune)
        return pb.PruneReply(removed=pruned.removed, freed_bytes=pruned.freed_bytes)

    async def Ask(self, request: pb.AskRequest, context: Context) -> pb.AskReply:
        await self._check(context, request)
        return pb.AskReply(body=await self._answer(context, lambda: self._ask(request)))

    async def refuse(self, _request: bytes, context: Context) -> bytes:
        """Answers methods that this version does not have."""
        await self._check(context)
        await _abort_rejected(context, OtherVersion())

    async def _ask(self, request: pb.AskRequest) -> bytes:
        service = self._parts.get(request.service)
        if service is None:
            raise LeaderUnavailable(f"This Leader has no service {request.service[:40]}.")
        return await service(request.body)

    async def _submit(self, request: pb.SubmitRequest) -> str:
        try:
            values = json.loads(request.spec)
            if not isinstance(values, dict):
                raise ProtocolViolation("task spec: expected an object")
            spec = spec_from_json(values)
        except (ValueError, ProtocolViolation) as exc:
            raise TaskRejected("invalid", str(exc)) from exc
        return await self._scheduler.submit(spec, actor=request.actor, task_id=request.task_id)

    async def _acknowledge(self, request: pb.AcknowledgeRequest) -> None:
        await self._scheduler.acknowledge(request.alert_id, actor=request.actor, seen=request.seen)

    async def _control(self, request: pb.ControlRequest) -> str:
        try:
            action = Action(request.action)
        except ValueError as exc:
            raise TaskRejected("invalid", f"There is no action {request.action!r}.") from exc
        return await self._scheduler.control(
            ControlRequest(
                task_id=request.task_id,
                action=action,
                actor=request.actor,
                ref=request.ref,
                input=request.input,
                close_input=request.close_input,
                reason=request.reason,
                command_id=request.command_id,
                may_run_commands=request.may_run_commands,
                definition=request.definition,
                seen=_seen(request),
            )
        )

    async def _check(self, context: Context, request: Message | None = None) -> None:
        try:
            identity = self._tokens.identity(context)
        except TooManyTokens as exc:
            await context.abort(grpc.StatusCode.UNAVAILABLE, str(exc), exc.metadata)
        except InvalidToken as exc:
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, exc.reason)
        if identity.role is not TokenRole.WEB:
            reason = "the gateway is for web processes"
            self._tokens.refused(context, reason)
            await context.abort(grpc.StatusCode.PERMISSION_DENIED, reason)
        if not is_same_version(context.invocation_metadata() or ()):
            await _abort_rejected(context, OtherVersion())
        values = request.ListFields() if request is not None else []
        if any(isinstance(value, str) and "\x00" in value for _, value in values):
            await _abort_rejected(context, TaskRejected("invalid", "The request contains a NUL character."))

    async def _answer(self, context: Context, ask: Callable[[], Awaitable[T]]) -> T:
        try:
            return await ask()
        except TaskRejected as exc:
            await _abort_rejected(context, exc)
        except NotFound as exc:
            await _abort(context, grpc.StatusCode.NOT_FOUND, "not-found", str(exc))
        except AgentFlowError as exc:
            await _abort(context, grpc.StatusCode.UNAVAILABLE, "unavailable", str(exc))
        except Exception:
            # Otherwise gRPC would send the exception's text to the peer.
            logger.exception("a request of a web process failed")
            await _abort(context, grpc.StatusCode.INTERNAL, "internal", "see the Leader's log")


class _UnknownMethods(grpc.GenericRpcHandler):
    """Handles unknown methods, so that a web process of another version gets a clear error."""

    def __init__(self, refuse: Callable[[bytes, Context], Awaitable[bytes]]) -> None:
        self._handler: grpc.RpcMethodHandler[bytes, bytes] = grpc.unary_unary_rpc_method_handler(refuse)

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[bytes, bytes] | None:
        return self._handler if handler_call_details.method.startswith(_PATH) else None


async def _abort_rejected(context: Context, exc: TaskRejected) -> NoReturn:
    facts = json.dumps({"parts": exc.parts, "details": exc.details}).encode()
    await _abort(context, grpc.StatusCode.FAILED_PRECONDITION, exc.code, exc.message, (FACTS_KEY, facts))


async def _abort(
    context: Context, status: grpc.StatusCode, code: str, message: str, *more: tuple[str, bytes]
) -> NoReturn:
    await context.abort(status, message, ((CODE_KEY, code), *more))
    raise AssertionError("abort raises")


def _seen(request: pb.ControlRequest) -> Seen | UnsetType:
    if not request.HasField("seen"):
        return UNSET
    seen = request.seen
    return Seen(
        attempt=seen.attempt,
        node=seen.node if seen.HasField("node") else UNSET,
        line=seen.line if seen.HasField("line") else UNSET,
    )
