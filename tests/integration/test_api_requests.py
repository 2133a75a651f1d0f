"""Which requests the REST API accepts and how it refuses others, without a fleet."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

import msgspec
import pytest
from django.core.exceptions import BadRequest, TooManyFieldsSent
from django.http import QueryDict
from msgspec import Struct
from rest_framework import exceptions

from dashboard.api.bodies import JsonRenderer
from dashboard.api.chat import MemoryQuery
from dashboard.api.errors import answer_error
from dashboard.api.requests import AlertQuery, LogQuery, TaskQuery, read_query
from nodes.domain.commands import WAYS_TO_RUN, ControlSpec, NewTask, TaskSpec
from nodes.domain.incoming import BadInput, read
from nodes.domain.states import TaskState
from nodes.errors import LeaderUnavailable, NotFound, TaskRejected
from tests.support.filled import filled


def refusal(kind: type[Struct], sent: Any) -> tuple[str, str | None]:
    """The code and field of the refusal."""
    with pytest.raises(BadInput) as caught:
        read_query(kind, QueryDict(urlencode(sent))) if issubclass(kind, LogQuery | TaskQuery) else read(kind, sent)
    answer = answer_error(caught.value, {})
    assert answer.status_code == 400
    error = answer.data["error"]
    assert error["message"]
    return error["code"], error["field"]


@pytest.mark.parametrize("way", WAYS_TO_RUN)
def test_a_whole_task_becomes_its_spec(way: str) -> None:
    others: dict[str, Any] = {name: () if name == "argv" else "" for name in WAYS_TO_RUN if name != way}
    spec = filled(TaskSpec, name=" spaces stay ", **others)

    sent = json.loads(msgspec.json.encode(spec))

    assert {"workingDirectory", "timeoutSeconds"} <= sent.keys()
    assert read(NewTask, sent).spec == spec


def test_a_query_is_text_and_becomes_what_is_declared() -> None:
    asked = read_query(TaskQuery, QueryDict("state=running&state=paused&node=null&limit=5&text=3&text=4"))

    states = (TaskState.RUNNING, TaskState.PAUSED)
    assert asked.given() == {"state": states, "node": "null", "limit": 5, "page": 1, "text": "4"}
    assert read_query(AlertQuery, QueryDict("open=true")).open is True
    assert read_query(MemoryQuery, QueryDict("deleted=1")).given() == {"deleted": True}


@pytest.mark.parametrize(
    ("sent", "code", "field"),
    [
        ({"argv": ["x"], "timeout": 5}, "unknown-field", "timeout"),
        ({}, "bad-field", None),
        ({"argv": []}, "bad-field", None),
        ({"argv": ["x"], "shellLine": "x"}, "bad-field", None),
        ({"argv": "x"}, "bad-field", "argv"),
        ({"argv": ["x", 5]}, "bad-field", "argv.1"),
        ({"argv": ["a\0b"]}, "bad-field", "argv.0"),
        ({"argv": ["x"] * 1001}, "bad-field", "argv"),
        ({"argv": ["x"], "name": 5}, "bad-field", "name"),
        ({"argv": ["x"], "name": None}, "bad-field", "name"),
        ({"argv": ["x"], "name": "x" * 201}, "bad-field", "name"),
        ({"argv": ["x"], "timeoutSeconds": "nan"}, "bad-field", "timeoutSeconds"),
        ({"argv": ["x"], "timeoutSeconds": -1}, "bad-field", "timeoutSeconds"),
        ({"argv": ["x"], "timeoutSeconds": True}, "bad-field", "timeoutSeconds"),
        ({"argv": ["x"], "timeoutSeconds": 1e300}, "bad-field", "timeoutSeconds"),
        ({"argv": ["x"], "closeInput": "yes"}, "bad-field", "closeInput"),
        ({"argv": ["x"], "environment": {"A=B": "1"}}, "bad-field", "environment"),
        ({"argv": ["x"], "environment": {"A": 1}}, "bad-field", "environment.A"),
        ({"argv": ["x"], "environment": ["A"]}, "bad-field", "environment"),
        ([], "bad-field", None),
        ("text", "bad-field", None),
        (None, "bad-field", None),
    ],
)
def test_an_invalid_task_is_refused_with_the_field(sent: Any, code: str, field: str | None) -> None:
    assert refusal(NewTask, sent) == (code, field)


@pytest.mark.parametrize(
    ("sent", "field"),
    [({}, "action"), ({"action": "explode"}, "action"), ({"action": ["pause"]}, "action"), ({"action": {}}, "action")],
)
def test_a_wrong_action_is_refused(sent: Any, field: str) -> None:
    assert refusal(ControlSpec, sent) == ("bad-field", field)


@pytest.mark.parametrize(
    ("form", "sent", "field"),
    [
        (TaskQuery, {"limit": "0"}, "limit"),
        (TaskQuery, {"limit": "100000"}, "limit"),
        (LogQuery, {"after": "-1"}, "after"),
        (LogQuery, {"after": str(1 << 64)}, "after"),
        (LogQuery, {"after": "1" * 2000}, "after"),
        (LogQuery, {"limit": "x"}, "limit"),
        (LogQuery, {"limit": "null"}, "limit"),
        (LogQuery, {"level": "loud"}, "level"),
        (TaskQuery, {"state": "sleeping"}, "state"),
        (TaskQuery, {"node": "a\0"}, "node"),
    ],
)
def test_a_wrong_query_is_refused(form: type, sent: Any, field: str) -> None:
    assert refusal(form, sent) == ("bad-field", field)


@pytest.mark.parametrize(
    ("exc", "status", "code"),
    [
        (exceptions.NotAuthenticated(), 401, "not-authenticated"),
        (exceptions.AuthenticationFailed(), 401, "bad-token"),
        (exceptions.PermissionDenied(), 403, "forbidden"),
        (exceptions.MethodNotAllowed("PUT"), 405, "method-not-allowed"),
        (exceptions.UnsupportedMediaType("text/plain"), 415, "not-json"),
        (NotFound("no task x"), 404, "not-found"),
        (TaskRejected("finished", "It has ended."), 409, "finished"),
        (TaskRejected("forbidden", "This node takes no commands."), 403, "forbidden"),
        (LeaderUnavailable("no Leader"), 503, "unavailable"),
        (TooManyFieldsSent("too many"), 400, "bad-request"),
        (BadRequest(), 400, "bad-request"),
    ],
)
def test_every_error_has_one_shape(exc: Exception, status: int, code: str) -> None:
    answer = answer_error(exc, {})

    assert answer.status_code == status
    assert answer.data["error"]["code"] == code
    assert answer.data["error"]["message"]
    assert answer.data["error"]["field"] is None


def test_unexpected_errors_are_logged_and_not_shown(caplog: pytest.LogCaptureFixture) -> None:
    try:
        raise KeyError("secret detail")
    except KeyError as exc:
        answer = answer_error(exc, {})

    assert (answer.status_code, answer.data["error"]["code"]) == (500, "internal")
    assert "secret detail" not in str(answer.data)
    assert "secret detail" in caplog.text


def test_nan_becomes_null() -> None:
    assert JsonRenderer().render({"cpu": float("nan"), "load": float("inf")}) == b'{"cpu":null,"load":null}'
