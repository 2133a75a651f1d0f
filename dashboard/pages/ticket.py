"""Issues tickets for the live socket. Pages contain none, and a ticket expires after a minute."""

from __future__ import annotations

from django.http import HttpRequest, JsonResponse
from django.utils.translation import gettext as _

from dashboard.methods import only
from dashboard.rights import Right, may, request_role
from dashboard.tickets import issue_ticket


@only("GET")
def live_ticket(request: HttpRequest) -> JsonResponse:
    """JSON {"ticket"}; 401 without a login, 403 without a role. Never redirects, because a script calls it."""
    if not request.user.is_authenticated:
        response = _error("not-authenticated", _("Log in first."), 401)
    elif not may(request_role(request), Right.VIEW):
        response = _error("forbidden", _("Your role does not allow this."), 403)
    else:
        response = JsonResponse({"ticket": issue_ticket(request)})
    response["Cache-Control"] = "no-store"
    return response


def _error(code: str, message: str, status: int) -> JsonResponse:
    return JsonResponse({"error": {"code": code, "message": message}}, status=status)
