"""Hit ratios of a quarter of an hour and a day, from what history recorded and what it did not."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from perftui.draw.hitpast import words
from perftui.model.reading import Measure, Reading
from perftui.model.series import SeriesKey
from perftui.runtime.clock import Clock
from perftui.runtime.history import History
from perftui.runtime.hitpast import HitRecords
from perftui.runtime.store import Store

NOW = 1_800_000_030.0
SHOP = (("namespace", "shop"),)


@pytest.fixture
async def history(tmp_path: Path) -> AsyncIterator[History]:
    store = Store.open(str(tmp_path / "store.sqlite"), "test")
    await store.ready()
    yield History(store, Clock(lambda: NOW))
    await store.close()


def records(history: History) -> HitRecords:
    return HitRecords(history, Clock(lambda: NOW))


def recorded(history: History, at: float, hits: float, misses: float) -> None:
    rates = {("hits_per_s", ()): hits, ("misses_per_s", ()): misses}
    rates |= {("requests_per_s", ()): 100.0, ("l1_hits_per_s", ()): 25.0}
    rates |= {("requests_per_s", SHOP): 50.0, ("fresh_per_s", SHOP): 40.0}
    measures = [
        Measure(SeriesKey("main", name, labels), rate, "1/s") for (name, labels), rate in rates.items()
    ]
    history.record(Reading("main", at, 0.0, tuple(measures), None))


async def test_ratios_weigh_by_lookups(history: History) -> None:
    for second in range(0, 86_400, 20):  # a day of few lookups that all miss, then minutes of many that hit
        late = second >= 86_400 - 900
        recorded(history, NOW - 86_400 + second, 980.0 if late else 0.0, 20.0 if late else 10.0)
        if second % 20_000 == 0:
            await history.tick()
    told = await records(history).hits("main")
    quarter, day = told.l2
    assert quarter.ratio == pytest.approx(0.98, abs=0.002)
    lookups = 900 * 1000 + (86_400 - 900) * 10
    assert day.ratio == pytest.approx(900 * 980 / lookups, abs=0.02)  # the mean of ratios would be 0.01
    assert (quarter.whole, day.whole) == (True, True)
    assert [past.ratio for past in told.l1] == [pytest.approx(0.25), pytest.approx(0.25)]
    assert [past.ratio for past in told.of("shop")] == [pytest.approx(0.8), pytest.approx(0.8)]
    assert told.of("another") == ()
    assert words(told.l2).startswith("15 m 98.")
    assert "recorded" not in words(told.l2)


async def test_what_is_not_recorded_is_said(history: History) -> None:
    for ago in (*range(7200, 3600, -10), *range(600, 0, -10)):  # an hour, a gap of fifty minutes, ten minutes
        recorded(history, NOW - ago, 9.0, 1.0)
    quarter, day = (await records(history).hits("main")).l2
    assert (quarter.whole, day.whole) == (False, False)
    assert 600 <= quarter.seen_s <= 660
    assert 4200 <= day.seen_s <= 4320
    assert words((quarter, day)) == "15 m 90.0% (11 m recorded), 24 h 90.0% (1 h recorded)"


async def test_nothing_recorded(history: History) -> None:
    told = await records(history).hits("main")
    assert (told.l2, told.l1, told.namespaces) == ((), (), ())
    recorded(history, NOW - 5, 0.0, 0.0)
    quarter, _ = (await records(history).hits("main")).l2
    assert quarter.ratio is None
