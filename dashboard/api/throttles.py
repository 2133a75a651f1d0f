"""Rate limits of the REST API per user: token buckets, in each web process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from nodes.limits import Buckets

if TYPE_CHECKING:  # Circular at run time: DRF's views load these classes from the settings.
    from rest_framework.views import APIView


class _UserThrottle(BaseThrottle):
    buckets: Buckets
    _wait_seconds = 0.0

    def allow_request(self, request: Request, view: APIView) -> bool:
        if request.user.pk is None:  # Anonymous: the permission check refuses it.
            return True
        self._wait_seconds = self.buckets.take(request.user.pk)
        return self._wait_seconds == 0

    def wait(self) -> float:
        return self._wait_seconds


class RequestThrottle(_UserThrottle):
    """Limits all requests of one user; a program may poll often."""

    buckets = Buckets(burst=1000, per_second=60)


class ChangeThrottle(_UserThrottle):
    """An additional limit for requests that change something."""

    buckets = Buckets(burst=200, per_second=10)

    def allow_request(self, request: Request, view: APIView) -> bool:
        return request.method in SAFE_METHODS or super().allow_request(request, view)
