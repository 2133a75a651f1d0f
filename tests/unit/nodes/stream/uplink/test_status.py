"""How each gRPC status code affects retries."""

from __future__ import annotations

import grpc
import pytest

from nodes.stream.uplink.status import Retry, judge

Code = grpc.StatusCode


@pytest.mark.parametrize(
    ("code", "retry"),
    [
        (Code.OK, Retry.SOON),
        (Code.UNAVAILABLE, Retry.SOON),
        (Code.CANCELLED, Retry.SOON),
        (Code.ABORTED, Retry.SOON),
        (Code.UNKNOWN, Retry.SOON),
        (Code.INTERNAL, Retry.SOON),
        (Code.DEADLINE_EXCEEDED, Retry.SOON),
        (Code.RESOURCE_EXHAUSTED, Retry.SOON),
        (Code.UNAUTHENTICATED, Retry.SLOWLY),
        (Code.PERMISSION_DENIED, Retry.SLOWLY),
        (Code.ALREADY_EXISTS, Retry.SLOWLY),
        (Code.FAILED_PRECONDITION, Retry.SLOWLY),
        (Code.UNIMPLEMENTED, Retry.NEVER),
        (Code.INVALID_ARGUMENT, Retry.NEVER),
        (Code.NOT_FOUND, Retry.NEVER),
        (Code.OUT_OF_RANGE, Retry.NEVER),
        (Code.DATA_LOSS, Retry.NEVER),
    ],
)
def test_each_code_has_a_retry_rule(code: grpc.StatusCode, retry: Retry) -> None:
    assert judge(code, "").retry is retry


def test_every_code_is_covered() -> None:
    for code in Code:
        assert judge(code, "details").reason


@pytest.mark.parametrize(
    ("details", "words"),
    [
        (
            "failed to connect to all addresses; last error: ipv4:127.0.0.1:1: connect: Connection refused (111)",
            "connection refused: nothing is listening there",
        ),
        ("DNS resolution failed for nowhere:1: Domain name not found", "the host name cannot be resolved"),
        ("Ssl handshake failed: SSL_ERROR_SSL: CERTIFICATE_VERIFY_FAILED", "the certificate is not signed"),
        ("something new", "no connection: something new"),
    ],
)
def test_the_librarys_messages_become_plain_words(details: str, words: str) -> None:
    assert judge(Code.UNAVAILABLE, details).reason.startswith(words)
