"""Conversations over REST: the same data as on `/ws/`, for programs that poll."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from django.utils.translation import get_language
from msgspec import UNSET, Meta, UnsetType, field
from rest_framework.request import Request
from rest_framework.response import Response

from chat import memory_selectors, selectors, services
from dashboard.api.requests import ContextName, Fields, Nothing, Number, PageNumber
from dashboard.api.views import Route, sees_commands
from dashboard.rights import Right
from nodes.domain.incoming import Name, OptionalId, Text, read

_PageSize = Annotated[int, Meta(ge=1, le=200)]


class ConversationQuery(Fields, frozen=True, kw_only=True):
    context: ContextName | UnsetType = UNSET
    limit: _PageSize = 50
    page: PageNumber = 1


class NewConversation(Fields, frozen=True, kw_only=True):
    context: ContextName
    is_fresh: bool | UnsetType = field(default=UNSET, name="fresh")


class TurnQuery(Fields, frozen=True, kw_only=True):
    before: Number | UnsetType = UNSET
    limit: _PageSize = selectors.SNAPSHOT_TURNS


class AuditQuery(Fields, frozen=True, kw_only=True):
    conversation_id: OptionalId | UnsetType = field(default=UNSET, name="conversation")
    limit: _PageSize = 100


class NewMessage(Fields, frozen=True, kw_only=True):
    text: Text


class MemoryQuery(Fields, frozen=True, kw_only=True):
    scope: Name | UnsetType = UNSET
    text: Name | UnsetType = UNSET
    deleted: bool | UnsetType = UNSET


class Decision(Fields, frozen=True, kw_only=True):
    decision: Literal["approve", "deny"]
    seen: OptionalId = ""


class FixRequest(Fields, frozen=True, kw_only=True):
    seen: OptionalId = ""


class Contexts(Route):
    def get(self, request: Request) -> Response:
        self.asked(request)
        return Response({"results": selectors.contexts(), "engine": selectors.engine_status()})


class Conversations(Route):
    rights: ClassVar[dict[str, Right]] = {"GET": Right.VIEW, "POST": Right.OPERATE}
    acts_with_owners_rights = True
    query = ConversationQuery

    def get(self, request: Request) -> Response:
        return Response(selectors.conversation_list(**self.asked(request)))

    def post(self, request: Request) -> Response:
        fields = read(NewConversation, request.data).given()
        conversation_id = services.open_conversation(actor=request.user.get_username(), **fields)
        how: dict[str, Any] = {"language": get_language(), "sees_commands": sees_commands(request)}
        return Response(selectors.conversation(conversation_id, **how), status=201)


class Conversation(Route):
    query = TurnQuery

    def get(self, request: Request, conversation_id: str) -> Response:
        how: dict[str, Any] = {"language": get_language(), "sees_commands": sees_commands(request)}
        return Response(selectors.conversation(conversation_id, **how, **self.asked(request)))


class Step(Route):
    def get(self, request: Request, step_id: str) -> Response:
        self.asked(request)
        return Response(selectors.step(step_id, language=get_language(), sees_commands=sees_commands(request)))


class Messages(Route):
    rights: ClassVar[dict[str, Right]] = {"POST": Right.OPERATE}
    acts_with_owners_rights = True

    def post(self, request: Request, conversation_id: str) -> Response:
        text = read(NewMessage, request.data).text
        return _accepted(services.send_message(conversation_id, text, actor=request.user.get_username()))


class TurnStop(Route):
    rights: ClassVar[dict[str, Right]] = {"POST": Right.OPERATE}
    acts_with_owners_rights = True

    def post(self, request: Request, turn_id: str) -> Response:
        read(Nothing, request.data)
        return _accepted(services.stop_turn(turn_id, actor=request.user.get_username()))


class TurnRetry(Route):
    rights: ClassVar[dict[str, Right]] = {"POST": Right.OPERATE}
    acts_with_owners_rights = True

    def post(self, request: Request, turn_id: str) -> Response:
        read(Nothing, request.data)
        return _accepted(services.retry_turn(turn_id, actor=request.user.get_username()))


class TurnFix(Route):
    """Requests a fix. The Leader checks the right that the action itself needs."""

    rights: ClassVar[dict[str, Right]] = {"POST": Right.OPERATE}
    acts_with_owners_rights = True

    def post(self, request: Request, turn_id: str, number: str) -> Response:
        seen = read(FixRequest, request.data).seen
        return _accepted(services.apply_fix(turn_id, int(number), actor=request.user.get_username(), seen=seen))


class ApprovalAnswer(Route):
    """The Leader checks the right that the action itself needs."""

    rights: ClassVar[dict[str, Right]] = {"POST": Right.OPERATE}
    acts_with_owners_rights = True

    def post(self, request: Request, approval_id: str) -> Response:
        answer = read(Decision, request.data)
        actor, is_yes = request.user.get_username(), answer.decision == "approve"
        return _accepted(services.answer_approval(approval_id, is_yes=is_yes, actor=actor, seen=answer.seen))


class Audit(Route):
    query = AuditQuery

    def get(self, request: Request) -> Response:
        how: dict[str, Any] = {"language": get_language(), "sees_commands": sees_commands(request)}
        return Response({"results": selectors.audit(**how, **self.asked(request))})


class MemoryFiles(Route):
    query = MemoryQuery

    def get(self, request: Request) -> Response:
        return Response({"results": memory_selectors.memory_list(**self.asked(request))})


class MemoryFile(Route):
    def get(self, request: Request, file_id: str) -> Response:
        self.asked(request)
        return Response(memory_selectors.memory_file(int(file_id), language=get_language()))


class Context(Route):
    def get(self, request: Request, conversation_id: str) -> Response:
        self.asked(request)
        return Response(memory_selectors.context_of(conversation_id, sees_commands=sees_commands(request)))


def _accepted(accepted: services.Accepted) -> Response:
    fields: dict[str, Any] = {"conversation": accepted.conversation_id, "turn": accepted.turn_id}
    return Response(fields, status=202)
