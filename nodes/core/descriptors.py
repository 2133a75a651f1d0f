"""The number of files and connections that a process may have open."""

from __future__ import annotations

import resource


def allow_many_connections() -> None:
    """Raises the soft limit, often 1,024, to the hard one: above it, the kernel refuses connections without a reason.

    Not for a process that starts tasks: they would inherit it, and programs that use `select` fail above 1,024.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
