"""Which client a request comes from, and which source it counts for."""

from __future__ import annotations

import pytest

from nodes.addresses import client_of, grpc_address, networks_of, source_of

PROXIES = networks_of(["10.0.0.0/8", "127.0.0.1", "::1"])


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("192.0.2.7", "", "192.0.2.7"),
        # Not a declared proxy: its header is its own claim.
        ("192.0.2.7", "203.0.113.9", "192.0.2.7"),
        ("127.0.0.1", "203.0.113.9", "203.0.113.9"),
        # What is left of the first foreign hop is the client's claim.
        ("127.0.0.1", "198.51.100.1, 203.0.113.9", "203.0.113.9"),
        ("127.0.0.1", "198.51.100.1, 203.0.113.9, 10.1.2.3", "203.0.113.9"),
        ("127.0.0.1", "10.9.9.9, 10.1.2.3", "10.9.9.9"),
        ("127.0.0.1", "203.0.113.9:4711", "203.0.113.9"),
        ("::1", "[2001:db8::7]:4711", "2001:db8::7"),
        ("::ffff:127.0.0.1", "2001:db8::7", "2001:db8::7"),
        ("127.0.0.1", "203.0.113.9, unknown", "127.0.0.1"),
        ("127.0.0.1", ", ,", "127.0.0.1"),
        ("127.0.0.1", "203.0.113.9" + ", 10.0.0.1" * 30, "10.0.0.1"),
        ("", "203.0.113.9", "-"),
    ],
)
def test_the_client_is_the_last_hop_that_is_no_declared_proxy(peer: str, forwarded: str, client: str) -> None:
    assert client_of(peer, forwarded, PROXIES) == client


def test_an_ipv6_client_counts_with_its_network() -> None:
    assert source_of("2001:db8:1:2:aaaa::1") == source_of("2001:db8:1:2:bbbb::9") == "2001:db8:1:2::/64"
    assert source_of("2001:db8:1:3::1") != source_of("2001:db8:1:2::1")
    assert source_of("192.0.2.7") == source_of("::ffff:192.0.2.7") == "192.0.2.7"
    assert source_of("rubbish") == "-"


def test_addresses_of_grpc_peers() -> None:
    assert grpc_address("ipv4:192.0.2.7:4711") == "192.0.2.7"
    assert grpc_address("ipv6:%5B2001:db8::7%5D:4711") == "2001:db8::7"
    assert grpc_address("ipv6:[::ffff:192.0.2.7]:4711") == "192.0.2.7"
    assert grpc_address("unix:/tmp/x") == "-"
