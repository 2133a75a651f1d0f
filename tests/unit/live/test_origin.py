"""docs/websocket.md, "Origin": exactly the site's own scheme, host and port."""

from __future__ import annotations

import pytest

from dashboard.live.origin import Verdict, judge


def headers(**values: str) -> list[tuple[bytes, bytes]]:
    return [(name.replace("_", "-").encode(), value.encode()) for name, value in values.items()]


@pytest.mark.parametrize(
    ("host", "origin", "verdict"),
    [
        ("site.example", "http://site.example", Verdict.SAME),
        ("site.example", "http://SITE.example:80", Verdict.SAME),
        ("site.example:8000", "http://site.example:8000", Verdict.SAME),
        ("[::1]:8000", "http://[::1]:8000", Verdict.SAME),
        ("site.example:8000", "http://site.example", Verdict.FOREIGN),
        ("site.example", "https://site.example", Verdict.FOREIGN),
        ("site.example", "http://evil.site.example", Verdict.FOREIGN),
        ("site.example", "http://site.example.evil", Verdict.FOREIGN),
        ("site.example", "null", Verdict.FOREIGN),
        ("site.example", "http://site.example@evil.example", Verdict.FOREIGN),
        ("site.example", "http://site.example/x", Verdict.FOREIGN),
        ("site.example", "http://site.example:port", Verdict.FOREIGN),
        ("site.example", "", Verdict.FOREIGN),
    ],
)
def test_scheme_host_and_port_must_all_be_the_sites(host: str, origin: str, verdict: Verdict) -> None:
    assert judge(headers(host=host, origin=origin), is_behind_https_proxy=False)[0] is verdict


def test_a_missing_origin_is_a_separate_case() -> None:
    assert judge(headers(host="site.example"), is_behind_https_proxy=False)[0] is Verdict.NONE


def test_two_origins_or_hosts_are_refused() -> None:
    same = headers(host="site.example", origin="http://site.example")

    assert judge([*same, (b"origin", b"http://site.example")], is_behind_https_proxy=False)[0] is Verdict.FOREIGN
    assert judge([*same, (b"host", b"site.example")], is_behind_https_proxy=False)[0] is Verdict.FOREIGN


def test_a_proxy_header_counts_only_behind_a_declared_proxy() -> None:
    claimed = headers(host="site.example", origin="https://site.example", x_forwarded_proto="https")

    assert judge(claimed, is_behind_https_proxy=True)[0] is Verdict.SAME
    assert judge(claimed, is_behind_https_proxy=False)[0] is Verdict.FOREIGN
    plain = headers(host="site.example", origin="http://site.example", x_forwarded_proto="https")
    assert judge(plain, is_behind_https_proxy=True)[0] is Verdict.FOREIGN


def test_a_trusted_origin_may_open_a_socket_as_it_may_send_a_form() -> None:
    dropped_port = headers(host="site.example", origin="https://site.example:8443", x_forwarded_proto="https")

    def verdict(*trusted: str) -> Verdict:
        return judge(dropped_port, is_behind_https_proxy=True, trusted=trusted)[0]

    assert verdict() is Verdict.FOREIGN
    assert verdict("https://site.example:8443") is Verdict.SAME
    assert verdict("https://*.example:8443") is Verdict.SAME
    assert verdict("https://site.example", "http://site.example:8443", "https://*.site.example:844") is Verdict.FOREIGN


def test_the_reason_names_both_origins_and_the_setting() -> None:
    sent = headers(host="site.example", origin="https://site.example:8443\n", x_forwarded_proto="https")

    _, reason = judge(sent, is_behind_https_proxy=True)

    assert reason == (
        "Origin https://site.example:8443?, expected https://site.example or one of AGENTFLOW_CSRF_TRUSTED_ORIGINS"
    )
