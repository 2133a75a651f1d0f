"""Packets and bytes of TCP connections as the kernel counts them (sock_diag(7), tcp(7) TCP_INFO); needs no rights."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass

NETLINK_SOCK_DIAG = 4
SOCK_DIAG_BY_FAMILY = 20
NLM_F_REQUEST_DUMP = 0x1 | 0x100 | 0x200
NLMSG_ERROR, NLMSG_DONE = 2, 3
INET_DIAG_INFO = 2
ESTABLISHED = 1

# inet_diag_msg: family, state, timer, retrans, ports (network order), addresses, interface, cookie, then five counters.
_DIAG = struct.Struct("=BBBB2s2s16s16sIII IIIII")
# Offsets in struct tcp_info (linux/tcp.h).
_BYTES_RECEIVED, _SEGS_OUT, _SEGS_IN, _BYTES_SENT = 128, 136, 140, 200


@dataclass(frozen=True, slots=True)
class Connection:
    """One end of a connection, counted since it was opened. Payload bytes; segments include bare ACKs."""

    local_port: int
    remote_port: int
    bytes_sent: int
    bytes_received: int
    segments_out: int
    segments_in: int


def connections() -> Iterator[Connection]:
    """Every established connection of this network namespace, both ends where both are local."""
    # gRPC serves IPv4 on IPv6 sockets.
    for family in (socket.AF_INET, socket.AF_INET6):
        yield from _dump(family)


def _dump(family: int) -> Iterator[Connection]:
    request = struct.pack("=BBBBI", family, socket.IPPROTO_TCP, 1 << (INET_DIAG_INFO - 1), 0, 1 << ESTABLISHED)
    request += bytes(48)
    header = struct.pack("=IHHII", 16 + len(request), SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST_DUMP, 1, 0)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_SOCK_DIAG) as netlink:
        netlink.settimeout(5)
        netlink.send(header + request)
        while True:
            data = netlink.recv(1 << 18)
            while data:
                length, kind = struct.unpack_from("=IH", data)
                if kind == NLMSG_DONE:
                    return
                if kind == NLMSG_ERROR:
                    raise OSError(-struct.unpack_from("=i", data, 16)[0], "sock_diag refused")
                yield _connection(data[16:length])
                data = data[(length + 3) & ~3 :]


def _connection(body: bytes) -> Connection:
    local, remote = _DIAG.unpack_from(body)[4:6]
    info, offset = b"", _DIAG.size
    while offset + 4 <= len(body):
        length, kind = struct.unpack_from("=HH", body, offset)
        if kind == INET_DIAG_INFO:
            info = body[offset + 4 : offset + length]
        offset += (length + 3) & ~3
    return Connection(
        local_port=int.from_bytes(local),
        remote_port=int.from_bytes(remote),
        bytes_sent=struct.unpack_from("=Q", info, _BYTES_SENT)[0],
        bytes_received=struct.unpack_from("=Q", info, _BYTES_RECEIVED)[0],
        segments_out=struct.unpack_from("=I", info, _SEGS_OUT)[0],
        segments_in=struct.unpack_from("=I", info, _SEGS_IN)[0],
    )


def served_by(port: int) -> dict[int, Connection]:
    """The server's ends of the connections to `port`, by the client's port."""
    return {c.remote_port: c for c in connections() if c.local_port == port}
