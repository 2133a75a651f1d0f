"""Routes of the REST API. Each validates the request, calls one selector or service, and returns its result.

docs/api.md lists every route; a test compares them.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, ClassVar

from django.urls import reverse
from rest_framework.exceptions import MethodNotAllowed, NotFound, PermissionDenied
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from dashboard.api.permissions import role_in
from dashboard.api.requests import (
    Acknowledgement,
    AlertQuery,
    Fields,
    HistoryQuery,
    LogQuery,
    Nothing,
    TaskQuery,
    read_query,
)
from dashboard.rights import RIGHTS, Right, may, right_to_submit
from nodes import selectors, services
from nodes.domain.commands import ControlSpec, NewTask
from nodes.domain.incoming import read


class Route(APIView):
    """`rights` maps each method to the right that it needs; it has no other methods."""

    rights: ClassVar[dict[str, Right]] = {"GET": Right.VIEW}
    query: ClassVar[type[Fields]] = Nothing
    # Changes run with the rights of the user, so a token with a lower role of its own may only read.
    acts_with_owners_rights: ClassVar[bool] = False
    metadata_class = None  # No OPTIONS: docs/api.md describes the routes.

    @property
    def allowed_methods(self) -> list[str]:
        return sorted(self.rights)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        # First: that a method does not exist depends on no user and no CSRF token.
        if _method_of(request) not in self.rights:
            raise MethodNotAllowed(request.method or "")
        super().initial(request, *args, **kwargs)

    def asked(self, request: Request) -> dict[str, Any]:
        """The validated query."""
        return read_query(self.query, request.query_params).given()


def sees_commands(request: Request) -> bool:
    """Whether the user may run commands, and so may see what commands run."""
    return may(role_in(request), Right.RUN_COMMANDS)


class Me(Route):
    def get(self, request: Request) -> Response:
        self.asked(request)
        role = role_in(request)
        return Response({"user": request.user.get_username(), "role": role, "rights": sorted(RIGHTS[role])})


class Counts(Route):
    def get(self, request: Request) -> Response:
        self.asked(request)
        return Response(selectors.counts())


class NodeList(Route):
    def get(self, request: Request) -> Response:
        self.asked(request)
        return Response({"results": selectors.node_list()})


class NodeDetail(Route):
    def get(self, request: Request, node_id: str) -> Response:
        self.asked(request)
        return Response(selectors.node_detail(node_id))


class NodeRetire(Route):
    rights: ClassVar[dict[str, Right]] = {"POST": Right.MANAGE}

    def post(self, request: Request, node_id: str) -> Response:
        read(Nothing, request.data)
        services.retire_node(node_id, actor=request.user.get_username())
        return Response(status=204)


class AlertList(Route):
    query = AlertQuery

    def get(self, request: Request) -> Response:
        return Response(selectors.alert_page(**self.asked(request)))


class AlertDetail(Route):
    def get(self, request: Request, alert_id: str) -> Response:
        self.asked(request)
        return Response(selectors.alert_detail(int(alert_id), sees_commands=sees_commands(request)))


class AlertAcknowledge(Route):
    rights: ClassVar[dict[str, Right]] = {"POST": Right.OPERATE}

    def post(self, request: Request, alert_id: str) -> Response:
        seen = read(Acknowledgement, request.data).seen
        services.acknowledge_alert(int(alert_id), actor=request.user.get_username(), seen=seen)
        return Response(status=204)


class TaskList(Route):
    rights: ClassVar[dict[str, Right]] = {"GET": Right.VIEW, "POST": Right.OPERATE}
    query = TaskQuery

    def get(self, request: Request) -> Response:
        return Response(selectors.task_list(**self.asked(request)))

    def post(self, request: Request) -> Response:
        spec = read(NewTask, request.data).spec
        if not may(role_in(request), right_to_submit(spec)):
            raise PermissionDenied("Only administrators run new commands; operators run a project's named tasks.")
        task_id = services.submit_task(spec, actor=request.user.get_username())
        where = reverse("api:task-detail", args=[task_id])
        return Response({"id": task_id}, status=201, headers={"Location": where})


class TaskDetail(Route):
    def get(self, request: Request, task_id: str) -> Response:
        self.asked(request)
        return Response(selectors.task_detail(task_id, sees_commands=sees_commands(request)))


class TaskControl(Route):
    """The Leader checks whether the action needs the right to run commands: only its store knows the task."""

    rights: ClassVar[dict[str, Right]] = {"POST": Right.OPERATE}

    def post(self, request: Request, task_id: str) -> Response:
        asked = read(ControlSpec, request.data)
        command_id = services.control_task(
            task_id,
            asked.action,
            actor=request.user.get_username(),
            ref=asked.ref,
            input=asked.input.encode(),
            close_input=asked.close_input,
            reason=asked.reason,
            may_run_commands=sees_commands(request),
            definition=asked.definition,
            seen=asked.seen,
        )
        return Response({"command": command_id}, status=202)


class TaskAttempts(Route):
    def get(self, request: Request, task_id: str) -> Response:
        self.asked(request)
        return Response({"results": selectors.task_attempts(task_id, sees_commands=sees_commands(request))})


class TaskLog(Route):
    query = LogQuery

    def get(self, request: Request, task_id: str) -> Response:
        return Response(selectors.task_log(task_id, **self.asked(request)))


class History(Route):
    query = HistoryQuery

    def get(self, request: Request) -> Response:
        asked = self.asked(request)
        moments: dict[str, Any] = {
            name: datetime.fromtimestamp(asked[name] / 1000, tz=UTC) for name in ("since", "until") if name in asked
        }
        return Response(selectors.work_log(**{**asked, **moments}, sees_commands=sees_commands(request)))


class NoRoute(APIView):
    """Anything else under /api/v1/."""

    permission_classes = [AllowAny]
    metadata_class = None

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        raise NotFound("There is no such route; docs/api.md lists them.")


def _method_of(request: Request) -> str:
    """Django answers a HEAD as a GET without a body."""
    return "GET" if request.method == "HEAD" else request.method or ""
