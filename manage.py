#!/usr/bin/env python
"""AgentFlow's command line: `manage.py help` lists the commands."""

from __future__ import annotations

import os
import signal
import sys

from nodes.core.private_files import write_privately

# These write files of the program, which the user who runs it must be able to read, and nothing private.
_WRITES_THE_PROGRAM = frozenset({"collectstatic", "compilemessages", "contract", "makemessages", "makemigrations"})
# Commands that keep running. SIGHUP asks them to read their configuration again, or does nothing.
_SERVICES = ("up", "leader", "master", "edge")


def main() -> None:
    if sys.argv[1:2] and sys.argv[1] in _SERVICES:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGHUP])  # `up` starts its children with it blocked.
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "agentflow_site.settings")
    if not _WRITES_THE_PROGRAM.intersection(sys.argv[1:2]):
        write_privately()
    from django.core.management import execute_from_command_line
    from django.db import DatabaseError, OperationalError, ProgrammingError

    try:
        execute_from_command_line(sys.argv)
    except DatabaseError as exc:
        # Unreachable, not set up, or not a database at all. Any other error is ours, and its traceback is wanted.
        is_outage = type(exc) in (OperationalError, ProgrammingError, DatabaseError)
        if not is_outage or "--traceback" in sys.argv:
            raise
        reason = (str(exc).splitlines() or ["no reason given"])[0]
        sys.stderr.write(f"agentflow: the database cannot be used: {reason}; --traceback shows more\n")
        sys.exit(2)


if __name__ == "__main__":
    main()
