"""Who may write this database: one record in it, changed only by compare-and-swap (docs/decisions).

A holder changes the record's beat in every write transaction, which is also its fence: a transaction of a holder that
has been replaced changes no row and is rolled back. Clocks of machines differ, so nobody compares times: another
process watches the beat, and counts on its own clock how long it stands still.
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from django.db import DatabaseError, connection

from nodes.errors import LeaderRuns, StaleTerm
from nodes.models import LeaderTerm, Store

logger = logging.getLogger(__name__)

# A holder that can write changes the beat at least this often.
BEAT_SECONDS = 2.0
# A beat that stands still for this long has lost its holder. Longer than any lock of a frozen holder lives.
LAPSE_SECONDS = 10.0
_LOOK_SECONDS = 0.25
# Between two looks; after a longer gap the watcher was the one that stood still, or the database.
_GAP_SECONDS = 2.0

_RENEW = "UPDATE nodes_leaderterm SET beat = beat + 1 WHERE id = 1 AND term = %s AND holder = %s"


@dataclass(frozen=True, slots=True)
class Record:
    term: int
    holder: str
    address: str
    beat: int


@dataclass(frozen=True, slots=True)
class Term:
    """The right of this process to write, while the record says so."""

    value: int
    holder: str

    def renew(self) -> None:
        """Within a transaction: its commit proves that no other term began before. Raises `StaleTerm`."""
        with connection.cursor() as cursor:
            cursor.execute(_RENEW, (self.value, self.holder))
            if cursor.rowcount == 1:
                return
        raise StaleTerm(self.value, read().address)

    def give_up(self) -> None:
        """The next Leader need not wait. No effect if the term is over already."""
        LeaderTerm.objects.filter(id=1, term=self.value, holder=self.holder).update(holder="")

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Renews it from another thread while this one is busy with something else."""
        stop = threading.Event()

        def beat() -> None:
            try:
                while not stop.wait(BEAT_SECONDS):
                    try:
                        self.renew()
                    except StaleTerm:
                        return  # The next write of this process finds out.
                    except DatabaseError as exc:
                        logger.debug("the term was not renewed: %s", exc)
                        connection.close()
            finally:
                connection.close()

        thread = threading.Thread(target=beat, name="leader-term", daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()


class Watch:
    """Judges a holder by its beat. Pure: `mono` is the watcher's monotonic clock."""

    def __init__(self) -> None:
        self._seen: Record | None = None
        self._since = self._looked = 0.0

    def look(self, record: Record, mono: float) -> None:
        if record != self._seen or mono - self._looked > _GAP_SECONDS:
            self._since = mono
        self._seen, self._looked = record, mono

    @property
    def has_lapsed(self) -> bool:
        return self._looked - self._since >= LAPSE_SECONDS


def read() -> Record:
    row, _ = LeaderTerm.objects.get_or_create(id=1)
    return Record(row.term, row.holder, row.address, row.beat)


def take(seen: Record, *, address: str, above: int = 0) -> Term | None:
    """Replaces the record if it is still as it was seen; None if it is not. The term exceeds all known ones.

    `above`: the highest epoch known outside this database, which may be a restored backup.
    """
    epochs = Store.objects.values_list("epoch", flat=True)
    term = Term(max(seen.term, above, *epochs) + 1, uuid.uuid4().hex)
    unchanged = LeaderTerm.objects.filter(id=1, term=seen.term, holder=seen.holder, beat=seen.beat)
    changed = unchanged.update(term=term.value, holder=term.holder, address=address[:255], beat=seen.beat + 1)
    return term if changed else None


def acquire(
    *,
    address: str,
    above: int = 0,
    dead_holder: str = "",
    sleep: Callable[[float], None] = time.sleep,
    mono: Callable[[], float] = time.monotonic,
) -> Term:
    """Takes the term, at once if the last holder gave it up or is known to be dead, otherwise when it has lapsed.

    Raises `LeaderRuns` when the holder is alive, and the database's error when it does not respond.
    """
    watch, first = Watch(), None
    while True:
        seen = read()
        watch.look(seen, mono())
        if seen.holder in ("", dead_holder) or watch.has_lapsed:
            if (term := take(seen, address=address, above=above)) is not None:
                return term
            continue  # It has changed since.
        if first is None:
            first = seen
            logger.info(
                "the last Leader on this database (%s) has not given it up: waiting until it beats or its term lapses, "
                "at most %g s",
                seen.address,
                LAPSE_SECONDS,
            )
        elif seen != first:
            raise LeaderRuns(f"a Leader is already running on this database ({seen.address}); stop it first")
        sleep(_LOOK_SECONDS)
