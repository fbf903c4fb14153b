"""Hot keys refreshed ahead of their end: within a budget, spread, and not while the source is in trouble."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Any

import pytest

from perftui.instrument.cache.context import MISS, LoadContext
from perftui.instrument.cache.face import Cache
from perftui.instrument.cache.hot import Asked, Hot
from perftui.instrument.cache.ports import Store
from perftui.instrument.cache.refresh import Refreshing
from perftui.instrument.cache.sourcehealth import ENOUGH, WINDOW, Fit, Judged, SourceHealth
from perftui.model.tiers import EntryOptions
from tests.instrument.cache.clock import Hand
from tests.instrument.cache.test_shared import linked
from tests.waiting import until

if TYPE_CHECKING:
    from perftui.lab.valkey import ValkeyServer

SHORT = EntryOptions(ttl=100, fail_safe=True, fail_safe_max=1000)


class Rows:
    """A source whose values say how often they were loaded."""

    def __init__(self, hand: Hand | None = None) -> None:
        self.loads: Counter[str] = Counter()
        self.failing = False
        self.took = 0.0
        self.hand = hand

    async def load(self, keys: Sequence[str]) -> dict[str, Any]:
        self.loads.update(keys)
        if self.hand is not None:
            self.hand.go(self.took)
        if self.failing:
            raise OSError("the database is away")
        return {key: (key, self.loads[key]) for key in keys if not key.startswith("strange")}


@pytest.fixture
def hand() -> Hand:
    return Hand()


@pytest.fixture
def rows(hand: Hand) -> Rows:
    return Rows(hand)


@pytest.fixture
async def cache(hand: Hand, rows: Rows) -> AsyncIterator[Cache]:
    async with Cache("shop", clock=hand, source=rows, defaults=SHORT) as made:
        yield made


async def asked(cache: Cache, *keys: str, times: int = 20) -> None:
    for key in keys:
        for _ in range(times):
            await cache.get_or_set(key)


def done(cache: Cache) -> tuple[int, int]:
    stats = cache.stats()
    return stats.of("refresh.loaded"), stats.of("refresh.failed")


async def looked(refreshing: Refreshing, loads: int) -> None:
    """One look, and the loads it began are over."""
    refreshing.look()
    assert len(refreshing._running) == loads
    await until(lambda: not refreshing._running)


async def known(cache: Cache, hand: Hand) -> None:
    """Enough is known of the source, at least as long as needed here."""
    for n in range(ENOUGH):
        await cache.refresh(f"probe{n}")
    hand.go(0.5)


class TestAlone:
    async def test_a_hot_key_is_new_before_it_ends_and_a_cold_one_is_not(
        self, cache: Cache, hand: Hand, rows: Rows
    ) -> None:
        await cache.get_or_set("hot", ttl=100, tags=["t"])
        refreshing = Refreshing(cache, Hot(cache))
        await asked(cache, "hot")
        await cache.get_or_set("cold", ttl=100)
        hits = cache.stats().of("hit.l1")
        await looked(refreshing, 0)
        hand.go(99.5)
        await looked(refreshing, 1)
        assert (cache.peek("hot"), done(cache)) == (("hot", 2), (1, 0))
        assert cache.remaining("hot") == (100, 100)
        assert rows.loads["cold"] == 1
        assert (cache.stats().of("miss"), cache.stats().of("hit.l1")) == (2, hits + 1)
        hand.go(1)
        assert cache.peek("cold") is MISS
        await cache.remove_by_tag("t")
        assert cache.peek("hot") is MISS

    async def test_a_key_that_would_not_be_asked_for_again_is_let_go(self, cache: Cache, hand: Hand) -> None:
        refreshing = Refreshing(cache, Hot(cache, half_life=20))
        await asked(cache, "k", times=50)
        for _ in range(30):
            hand.go(30)
            await asked(cache, "other", times=1)
            refreshing._hot.top()
        await cache.refresh("k")
        hand.go(99.5)
        await looked(refreshing, 0)

    async def test_what_was_stored_together_is_not_refreshed_together(self, cache: Cache, hand: Hand) -> None:
        keys = [f"k{n}" for n in range(400)]
        refreshing = Refreshing(cache, Hot(cache), ahead=0.2)
        for key in keys:
            await cache.set(key, 1, ttl=100)

        def due() -> int:
            return sum(refreshing._due(Asked(key, 1.0), hand.monotonic()) for key in keys)

        hand.go(79.9)
        assert due() == 0
        hand.go(5)
        assert 120 < due() < 280  # half of them, give or take eight deviations
        hand.go(5.2)
        assert due() == 400

    async def test_no_more_loads_than_the_budget(self, cache: Cache, hand: Hand, rows: Rows) -> None:
        keys = [f"k{n}" for n in range(60)]
        refreshing = Refreshing(cache, Hot(cache), budget=8, at_once=3)
        await asked(cache, *keys, times=5)
        hand.go(91)
        await known(cache, hand)
        begun = []
        for _ in range(12):
            before = rows.loads.total()
            refreshing.look()
            assert len(refreshing._running) <= 3
            await until(lambda: not refreshing._running)
            begun.append(rows.loads.total() - before)
            hand.go(0.25)
        assert sum(begun) <= 8 * 3 + 4
        assert sum(begun) >= 20
        assert cache.stats().gauges["refresh.waiting"] > 10

    async def test_it_pauses_while_the_source_fails_and_goes_on_by_itself(
        self, cache: Cache, hand: Hand, rows: Rows
    ) -> None:
        await asked(cache, "hot")
        refreshing = Refreshing(cache, Hot(cache))
        await asked(cache, "hot")
        hand.go(90)
        rows.failing = True
        for n in range(ENOUGH):
            with pytest.raises(OSError, match="away"):
                await cache.get_or_set(f"new{n}")
        assert refreshing.paused
        hand.go(4)
        await looked(refreshing, 0)
        assert cache.stats().gauges["refresh.paused"] == 1
        rows.failing = False
        hand.go(5)
        await looked(refreshing, 0)
        await cache.refresh("hot")
        hand.go(WINDOW + 60)
        assert not refreshing.paused
        await looked(refreshing, 1)
        assert cache.stats().gauges["refresh.paused"] == 0

    async def test_it_pauses_while_the_source_is_slow(self, cache: Cache, hand: Hand, rows: Rows) -> None:
        refreshing = Refreshing(cache, Hot(cache), p95=0.5)
        rows.took = 0.6
        await known(cache, hand)
        assert refreshing.paused
        rows.took = 0.1
        hand.go(WINDOW)
        await known(cache, hand)
        assert not refreshing.paused

    async def test_nothing_known_of_the_source_one_load_a_second_tries(
        self, cache: Cache, hand: Hand, rows: Rows
    ) -> None:
        keys = [f"k{n}" for n in range(20)]
        refreshing = Refreshing(cache, Hot(cache), budget=50)
        for key in keys:
            await cache.set(key, 0)
            await asked(cache, key)
        hand.go(95)
        for loads in (1, 0, 0, 0, 1):
            await looked(refreshing, loads)
            hand.go(0.25)

    async def test_a_key_the_source_does_not_know_is_left_alone(
        self, cache: Cache, hand: Hand, rows: Rows
    ) -> None:
        refreshing = Refreshing(cache, Hot(cache))
        await cache.set("strange", "of a request", ttl=100)
        await asked(cache, "strange")
        hand.go(95)
        await looked(refreshing, 1)
        hand.go(2)
        await looked(refreshing, 0)
        assert (rows.loads["strange"], done(cache)) == (1, (0, 1))
        assert cache.peek("strange") == "of a request"
        assert not refreshing.paused

    async def test_never_the_loader_of_a_call(self, cache: Cache, hand: Hand, rows: Rows) -> None:
        calls = []

        async def of_a_request() -> str:
            calls.append(1)
            return "hers"

        refreshing = Refreshing(cache, Hot(cache))
        for _ in range(20):
            await cache.get_or_set("k", of_a_request)
        hand.go(99)
        await looked(refreshing, 1)
        assert (cache.peek("k"), len(calls)) == (("k", 1), 1)

    async def test_a_loader_of_its_own_is_judged_too(self, hand: Hand) -> None:
        failing = False

        async def load(ctx: LoadContext) -> str:
            if failing:
                raise OSError("away")
            return f"new {ctx.key} after {ctx.stale}"

        async with Cache("own", clock=hand, defaults=SHORT) as cache:
            refreshing = Refreshing(cache, Hot(cache), loader=load)
            for n in range(ENOUGH + 2):
                await cache.set(f"k{n}", "old")
                for _ in range(20):
                    cache.peek(f"k{n}")
            hand.go(91)
            await looked(refreshing, 1)
            assert cache.peek("k0") == "new k0 after old"
            failing = True
            for _ in range(ENOUGH - 1):
                assert not refreshing.paused
                hand.go(1)
                await looked(refreshing, 1)
            assert refreshing.paused
            assert done(cache) == (1, ENOUGH - 1)

    async def test_closed_it_leaves_the_cache_as_it_was(self, cache: Cache, rows: Rows) -> None:
        refreshing = Refreshing(cache, Hot(cache))
        assert isinstance(cache.source, Judged)
        await refreshing.close()
        await refreshing.close()
        assert cache.source is rows
        for wrong in ({"budget": 0}, {"ahead": 1}, {"at_once": 0}, {"p95": 0}, {"errors": 1}):
            with pytest.raises(ValueError, match="above 0"):
                Refreshing(cache, refreshing._hot, **wrong)  # type: ignore[arg-type]
        async with Cache("bare") as bare:
            with pytest.raises(ValueError, match="source"):
                Refreshing(bare, refreshing._hot)


class TestHealth:
    def test_few_calls_say_nothing(self, hand: Hand) -> None:
        health = SourceHealth(hand.monotonic)
        for n in range(ENOUGH):
            assert health.fit() is Fit.UNKNOWN, n
            with health.call():
                pass
        assert health.fit() is Fit.WELL
        hand.go(WINDOW + 1)
        assert health.fit() is Fit.UNKNOWN

    def test_calls_that_hang_are_slow(self, hand: Hand) -> None:
        health = SourceHealth(hand.monotonic, p95=1.0)
        hung = [health.call() for _ in range(ENOUGH)]
        for call in hung:
            call.__enter__()
        assert health.fit() is Fit.WELL
        hand.go(2)
        assert health.fit() is Fit.ILL
        for call in hung:
            call.__exit__(None, None, None)
        hand.go(WINDOW)
        assert health.fit() is Fit.ILL
        hand.go(1)
        assert health.fit() is Fit.UNKNOWN

    def test_a_call_given_up_early_is_no_failure(self, hand: Hand) -> None:
        health = SourceHealth(hand.monotonic, errors=0.0)
        for after, fit in ((0.1, Fit.WELL), (1.5, Fit.ILL)):
            for _ in range(ENOUGH):
                call = health.call()
                call.__enter__()
                hand.go(after)
                assert not call.__exit__(asyncio.CancelledError, asyncio.CancelledError(), None)
            assert health.fit() is fit


class TestShared:
    async def test_one_node_loads_for_all(self, l2: ValkeyServer, store: Store) -> None:
        rows = Rows()
        how = EntryOptions(ttl=4.0)
        async with (
            Cache("shop", l2=l2.url, source=rows, defaults=how) as a,
            Cache("shop", l2=l2.url, source=rows, defaults=how) as b,
        ):
            for cache in (a, b):
                await linked(cache)
                await cache.get_or_set("k")
                Refreshing(cache, Hot(cache), ahead=0.9)
                for _ in range(50):
                    await cache.get_or_set("k")
            assert rows.loads["k"] == 1
            await until(lambda: rows.loads["k"] >= 3, 15)
            made = sum(cache.stats().of("refresh.loaded") for cache in (a, b))
            assert 1 <= rows.loads["k"] - made <= 2  # the first, and one that may still run
            found = await a.get_or_set("k"), await b.get_or_set("k")
            assert min(n for _, n in found) >= rows.loads["k"] - 1
