"""Turns exceptions into the API's error answers, `{"error": {"code", "message", "field"}}`. No other code does.

`code` is for programs and does not change; `message` is for people; `field` is set when one field caused the error;
`details`, if present, has facts that depend on the code.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from typing import Any

from django.core.exceptions import BadRequest, PermissionDenied, SuspiciousOperation
from django.http import Http404
from rest_framework import exceptions
from rest_framework.response import Response

from dashboard import outage
from nodes.domain.incoming import BadInput, shown
from nodes.domain.phrases import Phrase, phrases_of
from nodes.errors import AgentFlowError, Conflict, NotFound, TaskRejected
from nodes.outages import is_outage

logger = logging.getLogger(__name__)

# HTTP status by rejection code. The default is 409: a valid request that conflicts with the current state.
_REJECTED_STATUS: Mapping[str, int] = {"forbidden": 403, "bad-field": 400, "invalid": 400}

_CODES: Mapping[type[exceptions.APIException], str] = {
    exceptions.NotAuthenticated: "not-authenticated",
    exceptions.AuthenticationFailed: "bad-token",
    exceptions.PermissionDenied: "forbidden",
    exceptions.NotFound: "not-found",
    exceptions.MethodNotAllowed: "method-not-allowed",
    exceptions.NotAcceptable: "not-acceptable",
    exceptions.UnsupportedMediaType: "not-json",
    exceptions.Throttled: "too-many-requests",
}


def answer_error(exc: Exception, context: Mapping[str, Any]) -> Response:
    """DRF's exception handler. Logs unexpected errors with a traceback, which the answer does not contain."""
    if isinstance(exc, BadInput):
        return _answer(400, exc.code, str(exc), shown(exc.path), parts=(exc.part,))
    if isinstance(exc, exceptions.APIException):
        return _answer_api_exception(exc)
    if isinstance(exc, Http404 | NotFound):
        return _answer(404, "not-found", str(exc) or "Not found.")
    if isinstance(exc, PermissionDenied):
        return _answer(403, "forbidden", str(exc) or "Your role does not allow this.")
    if isinstance(exc, BadRequest | SuspiciousOperation):
        # Django's own refusals, such as too many parameters: what anybody can send must not fill the log.
        return _answer(400, "bad-request", str(exc) or "The request is malformed.")
    if isinstance(exc, TaskRejected):
        status = _REJECTED_STATUS.get(exc.code, 409)
        return _answer(status, exc.code, str(exc), parts=exc.parts, details=exc.details)
    if isinstance(exc, Conflict):
        return _answer(409, "conflict", str(exc))
    if isinstance(exc, AgentFlowError):
        return _answer(503, "unavailable", str(exc), headers={"Retry-After": "5"})
    if is_outage(exc):
        logger.warning("a request failed: %s", exc)
        headers = {"Retry-After": str(outage.RETRY_AFTER_SECONDS)}
        return _answer(503, outage.CODE, outage.words(), headers=headers)
    logger.error("a request failed", exc_info=exc)
    return _answer(500, "internal", "Something went wrong on the server; see its log.")


def _answer_api_exception(exc: exceptions.APIException) -> Response:
    headers: dict[str, str] = {}
    if challenge := getattr(exc, "auth_header", None):
        headers["WWW-Authenticate"] = challenge
    if (wait := getattr(exc, "wait", None)) is not None:
        headers["Retry-After"] = str(math.ceil(wait))
    code = _CODES.get(type(exc)) or _code_of(exc.detail, exc.default_code)
    return _answer(exc.status_code, code, str(exc.detail), headers=headers)


def _answer(
    status: int,
    code: str,
    message: str,
    field: str = "",
    headers: dict[str, str] | None = None,
    parts: Sequence[Phrase] = (),
    details: Mapping[str, Any] | None = None,
) -> Response:
    error: dict[str, Any] = {"code": code, "message": message, "field": field or None}
    if details:
        error["details"] = details
    if parts:
        error["phrases"] = phrases_of(message=parts)
    return Response({"error": error}, status=status, headers=headers)


def _code_of(detail: Any, default: str) -> str:
    """AgentFlow's codes contain hyphens; DRF's ("invalid", "min_value" …) are all mapped to one."""
    code = getattr(detail, "code", None) or default
    return code if "-" in code else default
