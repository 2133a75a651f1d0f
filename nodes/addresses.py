"""Addresses of clients: which one a request came from, and which source it counts for in limits and in the audit.

Pure. Every entrance (pages, REST, WebSocket, gRPC) uses these functions, so that all of them name a client alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import unquote

Network = IPv4Network | IPv6Network
UNKNOWN = "-"

# The smallest network that a provider gives one customer: a single machine may use any address in it.
_IPV6_PREFIX = 64
# More hops than any chain of proxies has; the rest of a hostile header is not read.
_MAX_HOPS = 20


def networks_of(texts: Sequence[str]) -> tuple[Network, ...]:
    """Raises `ValueError` for anything but addresses and networks such as 10.0.0.0/8."""
    return tuple(ip_network(text.strip()) for text in texts)


def client_of(peer: str, forwarded_for: str, proxies: Sequence[Network]) -> str:
    """The client's address: that of the peer, unless the peer is a declared proxy.

    Each proxy appends the address that it saw to `X-Forwarded-For`. So the header is read from its right end, and only
    as far as declared proxies wrote it: the first other address is the client's. Everything left of it is the client's
    own claim.
    """
    client = _parsed(peer)
    if client is None:
        return UNKNOWN
    # Split from the right: at most so many parts are made, however long the header is.
    hops = forwarded_for.rsplit(",", _MAX_HOPS)[-_MAX_HOPS:] if forwarded_for else []
    while hops and any(client in network for network in proxies):
        before = _parsed(hops.pop())
        if before is None:
            break
        client = before
    return str(client)


def is_proxy(peer: str, proxies: Sequence[Network]) -> bool:
    address = _parsed(peer)
    return address is not None and any(address in network for network in proxies)


def source_of(address: str) -> str:
    """What limits count: an IPv4 address, or the /64 network of an IPv6 address."""
    parsed = _parsed(address)
    if isinstance(parsed, IPv6Address):
        return str(IPv6Network((int(parsed) >> _IPV6_PREFIX << _IPV6_PREFIX, _IPV6_PREFIX)))
    return str(parsed) if parsed is not None else UNKNOWN


def grpc_address(peer: str) -> str:
    """The address in a gRPC peer such as `ipv4:192.0.2.1:4711` or `ipv6:%5B2001:db8::1%5D:4711`."""
    parsed = _parsed(unquote(peer).partition(":")[2])
    return str(parsed) if parsed is not None else UNKNOWN


def _parsed(text: str) -> IPv4Address | IPv6Address | None:
    """With or without a port, brackets or a zone; None if it is not an address."""
    text = text.strip()[:100]
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    # An IPv4 client at a socket that also accepts IPv6.
    return getattr(address, "ipv4_mapped", None) or address
