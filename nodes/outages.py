"""Whether an error of the database means that the database itself does not respond, rather than a wrong statement."""

from __future__ import annotations

from django.db import DatabaseError, InterfaceError, OperationalError

# Where the class of the driver's error misleads. https://www.postgresql.org/docs/current/errcodes-appendix.html
# The server ended a transaction that stood still, or accepts no writes.
_OUTAGES = {"25P03", "25P04", "25006"}
# A value that is too long for an index, or a statement with too many parts: it fails however often it is repeated.
_LIMITS = "54"


def is_outage(exc: BaseException | None) -> bool:
    """Locked, full, missing, or gone: the same statement may succeed later."""
    if not isinstance(exc, (DatabaseError, InterfaceError)):
        return False
    state = getattr(exc.__cause__, "sqlstate", None) or ""
    is_of_class = isinstance(exc, (OperationalError, InterfaceError))
    return state in _OUTAGES or (is_of_class and not state.startswith(_LIMITS))
