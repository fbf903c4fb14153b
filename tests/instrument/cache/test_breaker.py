"""When L2 is left alone, and who may try it again."""

from __future__ import annotations

from perftui.instrument.cache.breaker import FAILURES, OPEN_S, Breaker


class Hours:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def opened() -> tuple[Breaker, Hours]:
    clock = Hours()
    made = Breaker(clock)
    for _ in range(FAILURES):
        assert made.allows()
        made.failed()
    return made, clock


def test_only_failures_in_a_row_open_it() -> None:
    made = Breaker(Hours())
    for _ in range(3):
        for _ in range(FAILURES - 1):
            made.failed()
        made.worked()
    assert made.state == "closed"
    assert made.allows()
    assert (made.opened, made.refused) == (0, 0)


def test_open_it_lets_nobody_through_and_counts_them() -> None:
    made, clock = opened()
    assert made.state == "open"
    clock.now += OPEN_S - 0.001
    assert not any(made.allows() for _ in range(50))
    assert (made.opened, made.refused) == (1, 50)


def test_one_may_try_and_decides_for_all() -> None:
    made, clock = opened()
    clock.now += OPEN_S
    assert [made.allows() for _ in range(4)] == [True, False, False, False]
    made.failed()
    assert not made.allows()
    clock.now += OPEN_S
    assert made.allows()
    made.worked()
    assert made.state == "closed"
    assert all(made.allows() for _ in range(4))


def test_a_link_known_to_be_well_closes_it() -> None:
    made, _ = opened()
    made.reset()
    assert made.allows()
