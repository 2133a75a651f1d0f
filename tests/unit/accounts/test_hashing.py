"""Passwords are hashed on a bounded pool, with the hashes that Django makes."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from django.contrib.auth.hashers import PBKDF2PasswordHasher

from dashboard.accounts import hashing
from dashboard.accounts.hashing import HashingBusy, HashPool, PooledPasswordHasher


@pytest.fixture
def pool(monkeypatch: pytest.MonkeyPatch) -> Iterator[HashPool]:
    pool = HashPool(threads=1, max_waiting=2, max_logins=1)
    monkeypatch.setattr(hashing, "pool", pool)
    yield pool
    pool.close()


def test_hashes_are_djangos(pool: HashPool) -> None:
    made = PooledPasswordHasher().encode("secret", "salt", 10)

    assert made == PBKDF2PasswordHasher().encode("secret", "salt", 10)
    assert PooledPasswordHasher().verify("secret", made)


def test_the_hash_runs_on_the_pools_thread(pool: HashPool) -> None:
    assert pool.run(lambda: threading.current_thread().name).startswith("hashing")


def test_a_full_queue_refuses_at_once(pool: HashPool) -> None:
    entered, go = threading.Semaphore(0), threading.Event()

    def block() -> None:
        entered.release()
        go.wait(10)

    threads = [threading.Thread(target=pool.run, args=(block,)) for _ in range(2)]
    threads[0].start()
    entered.acquire()
    threads[1].start()
    while pool._room.acquire(blocking=False):  # Until the second one waits, too.
        pool._room.release()

    with pytest.raises(HashingBusy):
        PooledPasswordHasher().encode("secret", "salt", 10)

    go.set()
    for thread in threads:
        thread.join()
    assert PooledPasswordHasher().encode("secret", "salt", 10)


def test_a_flood_of_logins_leaves_room_for_known_people_and_for_sessions(pool: HashPool) -> None:
    with pool.login(is_known=lambda: False):
        with pytest.raises(HashingBusy), pool.login(is_known=lambda: False):
            raise AssertionError("there is only one place")
        with pool.login(is_known=lambda: True):
            assert pool.run(lambda: 1) == 1
    with pool.login(is_known=lambda: False):
        pass
