"""gRPC options of both ends: sizes, keepalive, and settings needed before the library is loaded."""

from __future__ import annotations

import os

from nodes.stream.wire.limits import MAX_MESSAGE_BYTES, Window

Options = list[tuple[str, int | str]]

_PING_ANSWER_MS = 5_000
_KEEPALIVE_GRACE_MS = 2_000


def prepare_grpc() -> None:
    """Sets variables that grpc reads only while it is loaded; packages that use grpc call this before importing it."""
    # Its fork handlers can deadlock an agent that starts tasks.
    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
    # Its own log would repeat our log messages on standard error.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")


def common_options(heartbeat_seconds: float) -> Options:
    """HTTP/2 keepalive at about the heartbeat interval, for base clients and for a session that is stuck.

    It waits slightly longer than a heartbeat: on a healthy link the session's Ping and Pong come first.
    """
    return [
        ("grpc.keepalive_time_ms", int(heartbeat_seconds * 1000) + _KEEPALIVE_GRACE_MS),
        ("grpc.keepalive_timeout_ms", _PING_ANSWER_MS),
        # Undocumented but decisive: without it, a frozen peer is noticed a minute late. A test verifies it.
        ("grpc.http2.ping_timeout_ms", _PING_ANSWER_MS),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_pings_without_data", 0),
        # No bandwidth probing, which doubles the packets of an idle link; instead, room for one session window.
        ("grpc.http2.bdp_probe", 0),
        ("grpc.http2.lookahead_bytes", Window().max_bytes),
        ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
        ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ]


def client_options(heartbeat_seconds: float) -> Options:
    """Options of a client channel. A channel is used for one attempt, so its own reconnecting is switched off."""
    return [
        *common_options(heartbeat_seconds),
        ("grpc.initial_reconnect_backoff_ms", 500),
        ("grpc.min_reconnect_backoff_ms", 5_000),  # Also the limit for one connection attempt.
        ("grpc.max_reconnect_backoff_ms", 5_000),
        ("grpc.enable_http_proxy", 0),
        ("grpc.enable_retries", 0),
        ("grpc.use_local_subchannel_pool", 1),
    ]


def server_options(heartbeat_seconds: float) -> Options:
    return [
        *common_options(heartbeat_seconds),
        # By default, two servers can share a port without an error.
        ("grpc.so_reuseport", 0),
        # Must be below any heartbeat that a client may have, else its keepalive counts as an attack.
        ("grpc.http2.min_ping_interval_without_data_ms", 2_000),
        ("grpc.http2.max_ping_strikes", 2),
        ("grpc.max_concurrent_streams", 32),
        ("grpc.max_metadata_size", 8192),
        ("grpc.max_allowed_incoming_connections", 4096),
        ("grpc.server_handshake_timeout_ms", 10_000),
    ]
