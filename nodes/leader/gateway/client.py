"""The client of the Leader's gateway in a web process: blocking calls, for the threads of views and consumers."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import grpc
from msgspec import UNSET, UnsetType

from nodes.domain.commands import Seen, TaskSpec, spec_to_json
from nodes.domain.phrases import phrase
from nodes.errors import LeaderUnavailable, NotFound, OtherVersion, TaskRejected
from nodes.leader.gateway.auth_metadata import CODE_KEY, FACTS_KEY, metadata_of
from nodes.leader.projection.retention import Pruned
from nodes.leader.scheduler.requests import ControlRequest
from nodes.stream.wire.v1 import leader_pb2 as pb
from nodes.stream.wire.v1 import leader_pb2_grpc as services

_ANSWER_SECONDS = 10.0
_PRUNE_SECONDS = 3600.0
_OPTIONS = (
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.http2.ping_timeout_ms", 5_000),
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    ("grpc.enable_http_proxy", 0),
    # A retried submit would create a second task.
    ("grpc.enable_retries", 0),
)


class RemoteGateway:
    """Implements `nodes.services.Gateway`. Connects at the first call, and again after the Leader restarts."""

    def __init__(self, target: str, *, token_path: Path, ca_path: Path | None = None) -> None:
        self._target = target
        self._token_path = token_path
        self._ca_path = ca_path
        self._lock = threading.Lock()
        self._channel: grpc.Channel | None = None

    @classmethod
    def on_data_dir(cls, data_dir: Path, target: str) -> RemoteGateway:
        """A gateway to the Leader that uses this data folder, which contains its token and certificate."""
        ca_path = data_dir / "leader.crt"
        token_path = data_dir / "tokens" / "web.token"
        return cls(target, token_path=token_path, ca_path=ca_path if ca_path.exists() else None)

    def submit(self, spec: TaskSpec, actor: str, task_id: str = "") -> str:
        request = pb.SubmitRequest(spec=json.dumps(spec_to_json(spec)).encode(), actor=actor, task_id=task_id)
        reply: pb.SubmitReply = self._call(self._stub().Submit, request)
        return reply.task_id

    def control(self, request: ControlRequest) -> str:
        message = pb.ControlRequest(
            task_id=request.task_id,
            action=str(request.action),
            input=request.input,
            close_input=request.close_input,
            reason=request.reason,
            actor=request.actor,
            ref=request.ref,
            command_id=request.command_id,
            may_run_commands=request.may_run_commands,
            definition=request.definition,
            seen=_seen(request.seen),
        )
        reply: pb.ControlReply = self._call(self._stub().Control, message)
        return reply.command_id

    def acknowledge(self, alert_id: int, actor: str, seen: str = "") -> None:
        self._call(self._stub().Acknowledge, pb.AcknowledgeRequest(alert_id=alert_id, actor=actor, seen=seen))

    def retire(self, node_id: str, actor: str) -> bool:
        reply: pb.RetireReply = self._call(self._stub().Retire, pb.RetireRequest(node_id=node_id, actor=actor))
        return reply.is_new

    def prune(self) -> Pruned:
        """Runs retention now. Raises `LeaderUnavailable`."""
        reply: pb.PruneReply = self._call(self._stub().Prune, pb.PruneRequest(), timeout_seconds=_PRUNE_SECONDS)
        return Pruned(removed=dict(reply.removed), freed_bytes=reply.freed_bytes)

    def ask(self, service: str, body: bytes) -> bytes:
        reply: pb.AskReply = self._call(self._stub().Ask, pb.AskRequest(service=service, body=body))
        return reply.body

    def close(self) -> None:
        with self._lock:
            if self._channel is not None:
                self._channel.close()
                self._channel = None

    def _stub(self) -> services.LeaderStub:
        with self._lock:
            if self._channel is None:
                self._channel = self._connect()
            return services.LeaderStub(self._channel)

    def _connect(self) -> grpc.Channel:
        if self._ca_path is None:
            return grpc.insecure_channel(self._target, options=_OPTIONS)
        credentials = grpc.ssl_channel_credentials(self._ca_path.read_bytes())
        return grpc.secure_channel(self._target, credentials, options=_OPTIONS)

    def _call(self, method: Callable[..., Any], request: object, *, timeout_seconds: float = _ANSWER_SECONDS) -> Any:
        try:
            # Read each time: a token may be renewed while this process runs.
            token = self._token_path.read_text().strip()
        except OSError as exc:
            raise LeaderUnavailable(
                f"{self._token_path} cannot be read ({exc.strerror}): the Leader writes it when it starts"
            ) from exc
        try:
            return method(request, timeout=timeout_seconds, metadata=metadata_of(token))
        except grpc.RpcError as exc:
            self._raise(exc)

    def _raise(self, exc: grpc.RpcError) -> NoReturn:
        """Translates a call's status; no other code reads it. Unknown means unavailable; nothing is retried."""
        status, details = exc.code(), exc.details() or ""
        metadata = {item.key: item.value for item in exc.trailing_metadata() or ()}
        code = str(metadata.get(CODE_KEY, ""))
        if status is grpc.StatusCode.FAILED_PRECONDITION and code:
            facts = json.loads(metadata.get(FACTS_KEY, b"{}"))
            parts = [phrase(one["key"], **one["values"]) for one in facts.get("parts", ())]
            raise TaskRejected(code, details, parts, details=facts.get("details")) from exc
        if status is grpc.StatusCode.NOT_FOUND and code:
            raise NotFound(details) from exc
        if status is grpc.StatusCode.UNIMPLEMENTED:
            raise OtherVersion from exc
        if status is grpc.StatusCode.RESOURCE_EXHAUSTED:
            raise TaskRejected("invalid", "The request is too large.") from exc
        raise LeaderUnavailable(
            f"The Leader at {self._target} did not accept the request: {details or status}"
        ) from exc


def _seen(seen: Seen | UnsetType) -> pb.Seen | None:
    if isinstance(seen, UnsetType):
        return None
    return pb.Seen(
        attempt=seen.attempt,
        node=None if seen.node is UNSET else seen.node,
        line=None if seen.line is UNSET else seen.line,
    )
