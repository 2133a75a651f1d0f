"""`python -m nodes master|edge …`: an agent, without Django."""

from __future__ import annotations

import signal
import sys


def main(arguments: list[str]) -> int:
    """Returns the exit code: 0 after a requested stop, 1 after a fault, 2 when it cannot start."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # It asks for a reload, once there is something to reload.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGHUP])
    _without_openssl(arguments)
    from nodes.agent.roles.options import own_environment, parse_options, print_line
    from nodes.core.private_files import write_privately
    from nodes.errors import ConfigError

    write_privately()
    environ = own_environment()
    try:
        options = parse_options(arguments, environ)
        # Imported only after the options have been checked: gRPC alone takes a quarter of a second to load.
        import asyncio

        from nodes.agent.roles.start import start

        return asyncio.run(start(options, environ))
    except ConfigError as error:
        print_line(str(error))
        return 2


def _without_openssl(arguments: list[str]) -> None:
    """Prevents the import of OpenSSL, which costs five megabytes: asyncio and hashlib work without it, and gRPC has
    its own copy. A Master with a hub verifies tokens and does need it.
    """
    if not any(argument.startswith("--hub") for argument in arguments):
        for name in ("ssl", "_ssl", "_hashlib"):
            sys.modules.setdefault(name, None)  # type: ignore[arg-type] # None makes an import fail


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
