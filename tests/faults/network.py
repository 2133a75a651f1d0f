"""A network link for a test: a namespace and a veth pair. It can silently drop all packets, in either direction.

Loss is a wrong neighbour entry: packets go to a hardware address that does not exist. This needs no firewall, touches
nothing but the pair, and neither side gets an error, as with a cable that is cut behind a switch.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator

NOBODY = "02:00:00:00:00:99"


class Link:
    """The Leader's end is in the test's namespace, the agent's in a separate one."""

    def __init__(self, number: int) -> None:
        subnet = f"10.231.{number}"
        self.leader_address, self.agent_address = f"{subnet}.1", f"{subnet}.2"
        self.namespace = f"agentflow-{number}"
        self._near, self._far = f"afl{number}", f"afa{number}"
        # Runs an agent at the far end; it execs the agent, so the process id stays the same.
        self.prefix = ("ip", "netns", "exec", self.namespace)

    def make(self) -> None:
        _ip("netns", "add", self.namespace)
        _ip("link", "add", self._near, "type", "veth", "peer", "name", self._far, "netns", self.namespace)
        _ip("addr", "add", f"{self.leader_address}/30", "dev", self._near)
        _ip("link", "set", self._near, "up")
        self._inside("addr", "add", f"{self.agent_address}/30", "dev", self._far)
        self._inside("link", "set", self._far, "up")
        self._inside("link", "set", "lo", "up")

    def remove(self) -> None:
        for words in (("netns", "del", self.namespace), ("link", "del", self._near)):
            with contextlib.suppress(subprocess.CalledProcessError):  # Removing the namespace removes the pair.
                _ip(*words)

    def lose_to_agent(self) -> None:
        _ip("neigh", "replace", self.agent_address, "lladdr", NOBODY, "dev", self._near, "nud", "permanent")

    def lose_to_leader(self) -> None:
        self._inside("neigh", "replace", self.leader_address, "lladdr", NOBODY, "dev", self._far, "nud", "permanent")

    def black_hole(self) -> None:
        self.lose_to_agent()
        self.lose_to_leader()

    def heal(self) -> None:
        with contextlib.suppress(subprocess.CalledProcessError):  # This direction was not broken.
            _ip("neigh", "del", self.agent_address, "dev", self._near)
        with contextlib.suppress(subprocess.CalledProcessError):
            self._inside("neigh", "del", self.leader_address, "dev", self._far)

    def _inside(self, *words: str) -> None:
        _ip("-n", self.namespace, *words)


def _ip(*words: str) -> str:
    return subprocess.run(["ip", *words], check=True, capture_output=True, text=True, timeout=10).stdout


@contextlib.contextmanager
def own_link() -> Iterator[Link]:
    """A new link. Raises `PermissionError` with the reason if namespaces are not allowed."""
    if shutil.which("ip") is None:
        raise PermissionError("no `ip` on PATH (Debian: iproute2)")
    used = _ip("-o", "addr")
    number = next(n for n in ((os.getpid() + i) % 250 + 1 for i in range(250)) if f" 10.231.{n}." not in used)
    link = Link(number)
    try:
        link.make()
    except subprocess.CalledProcessError as exc:
        link.remove()
        raise PermissionError(f"no network namespace: {exc.stderr.strip()}") from exc
    try:
        yield link
    finally:
        link.remove()
