"""Headers of every response that has none of its own: not stored, no browser features, not for other sites."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import HttpRequest, HttpResponseBase

_UNUSED_FEATURES = (
    "accelerometer",
    "autoplay",
    "camera",
    "display-capture",
    "encrypted-media",
    "geolocation",
    "gyroscope",
    "magnetometer",
    "microphone",
    "midi",
    "payment",
    "usb",
    "xr-spatial-tracking",
)
_HEADERS = {
    # Pages, logs and REST show what only this user may see. Static files have their own rule, set by WhiteNoise.
    "Cache-Control": "no-store",
    "Permissions-Policy": ", ".join(f"{name}=()" for name in _UNUSED_FEATURES),
    "Cross-Origin-Resource-Policy": "same-origin",
}


class ResponseHeadersMiddleware:
    """Supports sync and async, so it never costs an extra thread."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self._get_response = get_response
        self._is_async = iscoroutinefunction(get_response)
        if self._is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        return self._call_async(request) if self._is_async else _with_headers(self._get_response(request))

    async def _call_async(self, request: HttpRequest) -> HttpResponseBase:
        return _with_headers(await self._get_response(request))


def _with_headers(response: HttpResponseBase) -> HttpResponseBase:
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
    return response
