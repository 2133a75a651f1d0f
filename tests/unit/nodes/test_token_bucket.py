from __future__ import annotations

from nodes.token_bucket import TokenBucket


def test_a_burst_then_the_rate() -> None:
    bucket = TokenBucket(burst=3, per_second=2, now=100.0)

    assert [bucket.take(100.0) for _ in range(4)] == [True, True, True, False]
    assert bucket.wait_seconds(100.0) == 0.5
    assert [bucket.take(100.5) for _ in range(2)] == [True, False]


def test_it_never_holds_more_than_its_burst() -> None:
    bucket = TokenBucket(burst=2, per_second=1, now=0.0)
    bucket.take(0.0)

    assert bucket.level(1000.0) == 2
    assert bucket.wait_seconds(1000.0) == 0


def test_overspending_is_paid_back_over_time() -> None:
    bucket = TokenBucket(burst=2, per_second=1, now=0.0)
    bucket.level(0.0)
    bucket.spend(5)

    assert bucket.level(1.0) == -2
    assert not bucket.take(3.0)
    assert bucket.take(4.0)
