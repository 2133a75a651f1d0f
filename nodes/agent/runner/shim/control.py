"""The shim's unix socket: one JSON object per line. Answers requests and notifies watchers; no client can block it.

The socket is in the task's folder (mode 0700). It is opened through /proc/self/fd, because its path may be longer than
the 108 bytes of a socket address.

    → {"id": 1, "do": "pause", "command": "<command id>"}    ← {"id": 1, "ok": true, "code": "", "message": "", …status}
    → {"do": "watch", "after": 1234}                         ← {"event": "grew", "size": 1400, …}  once, when larger
                                                             ← {"event": "state", …status}, {"event": "ended", …}
"""

from __future__ import annotations

import json
import os
import select
import socket

from nodes.agent.runner.shim import layout

TYPE_CHECKING = False  # Type checkers know this name; importing `typing` would cost memory in every task.
if TYPE_CHECKING:
    from collections.abc import Callable

    Answer = Callable[[dict[str, object]], dict[str, object]]

_MAX_CONNECTIONS = 8
_MAX_REQUEST_BYTES = 256 * 1024
_MAX_UNSENT_BYTES = 256 * 1024


class Connection:
    __slots__ = ("received", "socket", "unsent", "watch_after")

    def __init__(self, connected: socket.socket) -> None:
        self.socket = connected
        self.received = bytearray()
        self.unsent = bytearray()
        self.watch_after: int | None = None  # Wants one notification when the output is larger than this.


class ControlServer:
    """`answer` turns a request into a reply; `epoll` is the supervisor's, which calls `handle` for these sockets."""

    def __init__(self, folder: str, *, epoll: select.epoll, answer: Answer) -> None:
        self._path = os.path.join(folder, layout.SOCKET)
        self._epoll = epoll
        self._answer = answer
        self._connections: dict[int, Connection] = {}
        self._listener = _listen(folder)
        epoll.register(self._listener.fileno(), select.EPOLLIN)

    def adopt(self, connected: socket.socket, received: bytes = b"") -> None:
        """Serves a socket that is already connected: the one that the shim was started with."""
        connected.setblocking(False)
        connection = Connection(connected)
        connection.received += received
        self._connections[connected.fileno()] = connection
        self._epoll.register(connected.fileno(), select.EPOLLIN)
        self._serve(connection)

    def owns(self, descriptor: int) -> bool:
        return descriptor == self._listener.fileno() or descriptor in self._connections

    def handle(self, descriptor: int, events: int) -> None:
        if descriptor == self._listener.fileno():
            self._accept()
            return
        connection = self._connections[descriptor]
        if events & select.EPOLLOUT:
            self._flush(connection)
        if events & (select.EPOLLIN | select.EPOLLHUP | select.EPOLLERR):
            self._receive(connection)

    def grew(self, size: int, status: dict[str, object]) -> None:
        """Notifies each watcher once; a watcher asks again after reading."""
        for connection in list(self._connections.values()):
            if connection.watch_after is not None and size > connection.watch_after:
                connection.watch_after = None
                self._send(connection, {"event": "grew", "size": size} | status)

    def broadcast(self, message: dict[str, object]) -> None:
        for connection in list(self._connections.values()):
            self._send(connection, message)

    def close(self) -> None:
        """Sends the remaining messages, waiting briefly, then closes everything."""
        for connection in list(self._connections.values()):
            connection.socket.settimeout(1.0)
            try:
                connection.socket.sendall(connection.unsent)
            except OSError:
                pass  # The client is gone; the exit record has the same information.
            connection.socket.close()
        self._connections.clear()
        self._listener.close()
        try:
            os.unlink(self._path)
        except OSError:
            pass  # The folder was removed first, or the socket stays: without a listener, an agent treats it as absent.

    def _accept(self) -> None:
        try:
            connected, _ = self._listener.accept()
        except OSError:  # The client is gone, or descriptors ran out: it connects again.
            return
        if len(self._connections) >= _MAX_CONNECTIONS:
            connected.close()
            return
        self.adopt(connected)

    def _receive(self, connection: Connection) -> None:
        try:
            data = connection.socket.recv(65536)
        except BlockingIOError:  # Nothing left to read.
            return
        except OSError:  # A broken connection counts as closed.
            data = b""
        if not data or len(connection.received) + len(data) > _MAX_REQUEST_BYTES:
            self._drop(connection)
            return
        connection.received += data
        self._serve(connection)

    def _serve(self, connection: Connection) -> None:
        while (end := connection.received.find(b"\n")) >= 0:
            line = bytes(connection.received[:end])
            del connection.received[: end + 1]
            try:
                request = json.loads(line)
            except ValueError:  # Not JSON: the client is dropped below.
                request = None
            if not isinstance(request, dict):
                self._drop(connection)
                return
            if request.get("do") == "watch":
                after = request.get("after")
                connection.watch_after = after if isinstance(after, int) else 0
                continue
            self._send(connection, {"id": request.get("id")} | self._answer(request))

    def _send(self, connection: Connection, message: dict[str, object]) -> None:
        connection.unsent += json.dumps(message, allow_nan=False).encode() + b"\n"
        if len(connection.unsent) > _MAX_UNSENT_BYTES:
            self._drop(connection)
        else:
            self._flush(connection)

    def _flush(self, connection: Connection) -> None:
        try:
            while connection.unsent:
                del connection.unsent[: connection.socket.send(connection.unsent)]
        except BlockingIOError:  # Sent when the client has read more.
            self._epoll.modify(connection.socket.fileno(), select.EPOLLIN | select.EPOLLOUT)
            return
        except OSError:  # The client is gone.
            self._drop(connection)
            return
        self._epoll.modify(connection.socket.fileno(), select.EPOLLIN)

    def _drop(self, connection: Connection) -> None:
        if self._connections.pop(connection.socket.fileno(), None) is not None:
            self._epoll.unregister(connection.socket.fileno())
            connection.socket.close()


def _listen(folder: str) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        listener.bind(f"/proc/self/fd/{descriptor}/{layout.SOCKET}")
    finally:
        os.close(descriptor)
    listener.listen(_MAX_CONNECTIONS)
    listener.setblocking(False)
    return listener
