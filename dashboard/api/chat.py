"""Conversations over REST: what `/ws/` says, for programs that ask now and then."""

from __future__ import annotations

from typing import Any, ClassVar

from django.utils.translation import get_language
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from chat import memory_selectors, selectors, services
from dashboard.api.requests import MAX_ID, MAX_NAME, MAX_TEXT, FlagField, StrictSerializer, TextField
from dashboard.api.views import Route, checked
from dashboard.rights import Right


class ConversationQuery(StrictSerializer):
    # DRF keeps another thing under this name on the class, but fields are taken off it.
    context = TextField(max_length=MAX_NAME + MAX_ID + 1, required=False)  # type: ignore[assignment]
    limit = serializers.IntegerField(min_value=1, max_value=200, default=50)
    page = serializers.IntegerField(min_value=1, max_value=10_000, default=1)


class NewConversation(StrictSerializer):
    context = TextField(max_length=MAX_NAME + MAX_ID + 1)  # type: ignore[assignment]  # As above.
    fresh = FlagField(required=False, source="is_fresh")


class TurnQuery(StrictSerializer):
    before = serializers.IntegerField(min_value=1, max_value=1 << 31, required=False)
    limit = serializers.IntegerField(min_value=1, max_value=200, default=selectors.SNAPSHOT_TURNS)


class AuditQuery(StrictSerializer):
    conversation = TextField(max_length=MAX_ID, required=False, source="conversation_id")
    limit = serializers.IntegerField(min_value=1, max_value=200, default=100)


class NewMessage(StrictSerializer):
    text = TextField(max_length=MAX_TEXT)


class MemoryQuery(StrictSerializer):
    scope = TextField(max_length=MAX_NAME, required=False)
    text = TextField(max_length=MAX_NAME, required=False)
    deleted = FlagField(required=False)


class NoFields(StrictSerializer):
    """A request without a body."""


class Decision(StrictSerializer):
    decision = serializers.ChoiceField(choices=["approve", "deny"])


class Contexts(Route):
    def get(self, request: Request) -> Response:
        self.asked(request)
        return Response({"results": selectors.contexts(), "engine": selectors.engine_status()})


class Conversations(Route):
    rights: ClassVar[dict[str, Right]] = {"GET": Right.VIEW, "POST": Right.OPERATE}
    query = ConversationQuery

    def get(self, request: Request) -> Response:
        return Response(selectors.conversation_list(**self.asked(request)))

    def post(self, request: Request) -> Response:
        fields = dict(checked(NewConversation, request.data).validated_data)
        conversation_id = services.open_conversation(actor=request.user.get_username(), **fields)
        return Response(selectors.conversation(conversation_id, language=get_language()), status=201)


class Conversation(Route):
    query = TurnQuery

    def get(self, request: Request, conversation_id: str) -> Response:
        return Response(selectors.conversation(conversation_id, language=get_language(), **self.asked(request)))


class Messages(Route):
    rights: ClassVar[dict[str, Right]] = {"POST": Right.OPERATE}

    def post(self, request: Request, conversation_id: str) -> Response:
        text = checked(NewMessage, request.data).validated_data["text"]
        return _accepted(services.say(conversation_id, text, actor=request.user.get_username()))


class TurnStop(Route):
    rights: ClassVar[dict[str, Right]] = {"POST": Right.OPERATE}

    def post(self, request: Request, turn_id: str) -> Response:
        checked(NoFields, request.data)
        return _accepted(services.stop_turn(turn_id, actor=request.user.get_username()))


class TurnRetry(Route):
    rights: ClassVar[dict[str, Right]] = {"POST": Right.OPERATE}

    def post(self, request: Request, turn_id: str) -> Response:
        checked(NoFields, request.data)
        return _accepted(services.retry_turn(turn_id, actor=request.user.get_username()))


class TurnFix(Route):
    """A click on a proposal. The Leader checks the right that the action itself needs."""

    rights: ClassVar[dict[str, Right]] = {"POST": Right.OPERATE}

    def post(self, request: Request, turn_id: str, number: str) -> Response:
        checked(NoFields, request.data)
        return _accepted(services.apply_fix(turn_id, int(number), actor=request.user.get_username()))


class ApprovalAnswer(Route):
    """The Leader checks the right that the action itself needs."""

    rights: ClassVar[dict[str, Right]] = {"POST": Right.OPERATE}

    def post(self, request: Request, approval_id: str) -> Response:
        decision = checked(Decision, request.data).validated_data["decision"]
        actor = request.user.get_username()
        return _accepted(services.answer_approval(approval_id, is_yes=decision == "approve", actor=actor))


class Audit(Route):
    query = AuditQuery

    def get(self, request: Request) -> Response:
        return Response({"results": selectors.audit(language=get_language(), **self.asked(request))})


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
        return Response(memory_selectors.context_of(conversation_id))


def _accepted(accepted: services.Accepted) -> Response:
    fields: dict[str, Any] = {"conversation": accepted.conversation_id, "turn": accepted.turn_id}
    return Response(fields, status=202)
