"""JSON only, in and out. Bodies are bounded; NaN is refused in requests and becomes null in responses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import IO, Any

import orjson
from rest_framework.exceptions import APIException, ParseError
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer

from nodes.domain.unseen import escaped_json

# Four times a WebSocket message, to allow a whole file as a task's input.
MAX_BODY_BYTES = 256 << 10


class BodyTooLarge(APIException):
    status_code = 413
    default_detail = f"The body is larger than {MAX_BODY_BYTES} bytes."
    default_code = "too-large"


class JsonParser(BaseParser):
    media_type = "application/json"

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        body = stream.read(MAX_BODY_BYTES + 1)
        if len(body) > MAX_BODY_BYTES:
            raise BodyTooLarge
        try:
            return orjson.loads(body)
        except orjson.JSONDecodeError:
            raise ParseError("The body is not JSON.", code="not-json") from None


class JsonRenderer(BaseRenderer):
    media_type = "application/json"
    format = "json"
    charset = None  # JSON is UTF-8 by definition.

    def render(
        self, data: Any, accepted_media_type: str | None = None, renderer_context: Mapping[str, Any] | None = None
    ) -> bytes:
        if data is None:
            return b""
        body = orjson.dumps(data, option=orjson.OPT_NON_STR_KEYS)
        # People read responses on a terminal.
        return body if body.isascii() and b"\x7f" not in body else escaped_json(body.decode()).encode()
