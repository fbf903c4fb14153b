"""Warming on real servers: one node loads for all, nothing is loaded twice, and nothing hangs on one key."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from perftui.instrument.cache import warming as warm
from perftui.instrument.cache.ahead import Had
from perftui.instrument.cache.context import MISS, LoadContext
from perftui.instrument.cache.face import Cache
from perftui.instrument.cache.hot import Hot
from perftui.instrument.cache.names import lease_key
from perftui.instrument.cache.ports import Store
from perftui.instrument.cache.wanted import Wanted
from perftui.instrument.cache.warming import Progress, Warming
from perftui.model.noderecord import pack, unpack
from perftui.model.tiers import EntryOptions, Skip
from perftui.model.warmask import ask_key
from tests.instrument.cache.test_shared import linked
from tests.waiting import auntil, until

if TYPE_CHECKING:
    from perftui.lab.valkey import ValkeyServer

KEYS = [f"k{n}" for n in range(100)]


class Rows:
    """A source that counts the loads of each key, fails for some, and waits at its gate."""

    def __init__(self, *bad: str) -> None:
        self.bad = set(bad)
        self.loads: Counter[str] = Counter()
        self.gate = asyncio.Event()
        self.gate.set()
        self.running = self.most = 0

    async def load(self, keys: Sequence[str]) -> dict[str, Any]:
        self.running += 1
        self.most = max(self.most, self.running)
        self.loads.update(keys)
        try:
            await asyncio.sleep(0)
            await self.gate.wait()
        finally:
            self.running -= 1
        if self.bad & set(keys):
            raise OSError("the database is away")
        return {key: f"v{key}" for key in keys if key != "absent"}

    @property
    def total(self) -> int:
        return self.loads.total()


@pytest.fixture
def rows() -> Rows:
    return Rows()


@pytest.fixture
async def a(l2: ValkeyServer, store: Store, rows: Rows) -> AsyncIterator[Cache]:
    async with Cache("shop", l2=l2.url, source=rows) as cache:
        await linked(cache)
        yield cache


@pytest.fixture
async def b(l2: ValkeyServer, store: Store, rows: Rows) -> AsyncIterator[Cache]:
    async with Cache("shop", l2=l2.url, source=rows) as cache:
        await linked(cache)
        yield cache


@pytest.fixture
async def alone(rows: Rows) -> AsyncIterator[Cache]:
    async with Cache("shop", source=rows) as cache:
        yield cache


def counted(cache: Cache) -> tuple[int, ...]:
    return tuple(cache.stats().of(name) for name in ("hit.l1", "hit.l2", "miss", "coalesced"))


class TestAlone:
    async def test_it_loads_all_eight_at_a_time_and_counts_as_nobody_s_use(
        self, alone: Cache, rows: Rows
    ) -> None:
        warming = Warming(alone, KEYS, rate=None)
        assert warming.progress == Progress(None, 0, 0, 0, over=False)
        assert await warming.ready(1.0)
        assert (warming.progress.done, rows.total, rows.most) == (100, 100, 8)
        assert counted(alone) == (0, 0, 0, 0)
        assert alone.peek("k99") == "vk99"
        again = Warming(alone, ["k1", "k2"], name="again")
        assert await again.ready(1.0)
        assert (again.progress.skipped, rows.total) == (2, 100)

    async def test_a_key_that_fails_does_not_stop_the_rest(self, alone: Cache, rows: Rows) -> None:
        rows.bad = {"k5"}
        warming = Warming(alone, [*KEYS, "absent"])
        assert await warming.ready()
        await until(lambda: warming.progress.over)
        assert warming.progress == Progress(101, 99, 0, 2, over=True)
        assert not await warming.ready(1.0)
        assert isinstance(warming.last_error, KeyError | OSError)

    async def test_readiness_is_a_share_or_a_deadline(self, alone: Cache, rows: Rows) -> None:
        rows.gate.clear()
        warming = Warming(alone, KEYS, at_once=50)
        assert not await warming.ready(0.5, deadline=0.01)
        half = asyncio.ensure_future(warming.ready(0.5))
        await until(lambda: rows.running == 50)
        rows.gate.set()
        assert await half
        assert await warming.ready(1.0)

    async def test_no_faster_than_its_rate(self, alone: Cache) -> None:
        clock = asyncio.get_running_loop().time
        began = clock()
        assert await Warming(alone, KEYS[:21], rate=100).ready(1.0)
        assert clock() - began >= 0.19  # no upper bound: the machine may be busy

    async def test_a_load_that_hangs_is_given_up(self, alone: Cache, rows: Rows) -> None:
        rows.gate.clear()
        warming = Warming(alone, ["a", "b", "c"], at_once=1, within=0.01)
        assert not await warming.ready(0.1)
        assert warming.progress.failed == 3
        await until(lambda: rows.running == 0)

    async def test_cancelled_it_gives_up_what_runs(self, alone: Cache, rows: Rows) -> None:
        rows.gate.clear()
        warming = Warming(alone, KEYS)
        ready = asyncio.ensure_future(warming.ready())
        await until(lambda: rows.running == 8)
        await warming.cancel()
        await warming.cancel()
        assert not await ready
        await until(lambda: rows.running == 0)
        rows.gate.set()
        assert rows.total == 8

    async def test_a_caller_who_misses_the_key_waits_for_its_load(self, alone: Cache, rows: Rows) -> None:
        rows.gate.clear()
        warming = Warming(alone, ["a"], within=0.05)
        warming.start()
        await until(lambda: rows.running == 1)
        asked = asyncio.ensure_future(alone.get_or_set("a"))
        await until(lambda: warming.progress.over)
        rows.gate.set()
        assert await asked == "va"
        assert rows.total == 1

    async def test_a_query_that_fails_ends_it(self, alone: Cache) -> None:
        async def query() -> AsyncIterator[str]:
            yield "a"
            raise OSError("no such table")

        warming = Warming(alone, query)
        assert not await warming.ready()
        assert isinstance(warming.last_error, OSError)
        assert warming.progress.over

    async def test_no_keys_are_all_of_them(self, alone: Cache, rows: Rows) -> None:
        assert await Warming(alone, []).ready(1.0)
        off = Cache("off", source=rows, enabled=False)
        assert await Warming(off, KEYS).ready(1.0)
        assert rows.total == 0

    async def test_tags_and_lives_are_those_given(self, alone: Cache) -> None:
        async def load(ctx: LoadContext) -> str:
            if ctx.key == "own":
                ctx.tags, ctx.ttl = ("mine",), 7
            return ctx.key

        keys = [Wanted("said", ("t",), 20.0), Wanted("ever", ("t",), None), "tagged", "own"]
        assert await Warming(alone, keys, loader=load, tags=lambda key: [f"of:{key}"]).ready(1.0)
        lives = [alone.remaining(key)[1] for key in ("said", "ever", "tagged", "own")]  # type: ignore[index]
        assert lives == [20, float("inf"), alone.defaults.ttl, 7]
        for tag, gone in (("t", 2), ("of:tagged", 1), ("mine", 1)):
            held = [key for key in ("said", "ever", "tagged", "own") if alone.peek(key) is not MISS]
            await alone.remove_by_tag(tag)
            assert len([key for key in held if alone.peek(key) is MISS]) == gone

    async def test_nonsense_is_refused(self, alone: Cache) -> None:
        for wrong in ({"name": "a.b"}, {"name": ""}, {"at_once": 0}, {"rate": 0}):
            with pytest.raises(ValueError, match="warm set"):
                Warming(alone, [], **wrong)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="source"):
            Warming(Cache("none"), [])

    async def test_the_keys_of_one_run_begin_the_next(self, rows: Rows, tmp_path: Path) -> None:
        path = tmp_path / "hot.keys"
        async with Cache("shop", source=rows) as first:
            Hot(first, path=path)
            for key in ("a", "b"):
                await first.get_or_set(key, tags=["t"])
        async with Cache("shop", source=rows) as second:
            assert await Warming(second, path).ready(1.0)
            assert (second.peek("a"), rows.total) == ("va", 4)
            await second.remove_by_tag("t")
            assert second.peek("a") is MISS

    async def test_how_far_it_is_is_published(self, alone: Cache, rows: Rows) -> None:
        rows.bad = {"k5"}
        warming = Warming(alone, KEYS[:10])
        assert not await warming.ready(1.0)
        stats = unpack(pack(alone.stats(), 1.0)).stats
        assert (stats.of("warm.start.loaded"), stats.of("warm.start.failed")) == (9, 1)
        assert (stats.gauges["warm.start.total"], stats.gauges["warm.start.left"]) == (10, 0)
        assert stats.of("warm.start.runs") == 1


class TestShared:
    async def test_one_node_loads_and_the_others_have_it_too(self, a: Cache, b: Cache, rows: Rows) -> None:
        both = [Warming(cache, KEYS) for cache in (a, b)]
        assert await asyncio.gather(*(warming.ready(1.0) for warming in both)) == [True, True]
        assert set(rows.loads.values()) == {1}
        assert sorted((w.progress.done, w.progress.skipped) for w in both) == [(0, 100), (100, 0)]
        assert counted(a) == counted(b) == (0, 0, 1, 0)  # the one that `linked` asked for
        there = [cache.peek(key) for cache in (a, b) for key in KEYS]
        assert there.count(MISS) < 20  # a value read as it was written is told of after that, and read again
        assert [await cache.get(key) for cache in (a, b) for key in KEYS] == [f"v{key}" for key in KEYS] * 2
        assert set(rows.loads.values()) == {1}

    async def test_the_others_fill_while_the_one_still_loads(self, a: Cache, b: Cache, rows: Rows) -> None:
        first, second = Warming(a, KEYS), Warming(b, KEYS)
        first.start()
        await until(lambda: a.stats().gauges["warm.start.leads"])
        second.start()
        await until(lambda: rows.total >= 30)
        rows.gate.clear()
        await until(lambda: rows.running == 8)
        await until(lambda: second.progress.skipped >= 20)
        assert not first.progress.over
        rows.gate.set()
        assert await second.ready(1.0)
        assert set(rows.loads.values()) == {1}

    async def test_where_one_stops_another_goes_on(self, a: Cache, b: Cache, rows: Rows) -> None:
        first, second = Warming(a, KEYS), Warming(b, KEYS)
        first.start()
        await until(lambda: a.stats().gauges["warm.start.leads"])
        second.start()
        await until(lambda: first.progress.done >= 20)
        rows.gate.clear()
        await until(lambda: rows.running == 8)
        await first.cancel()
        rows.gate.set()
        assert await second.ready(1.0)
        assert second.progress.done >= 8
        assert rows.total - len(KEYS) <= 8  # those that were given up

    async def test_one_that_died_is_taken_over_from(self, a: Cache, store: Store, rows: Rows) -> None:
        place = lease_key("shop", "__warm:start")
        await store.command("SET", place, "of a dead node", "PX", 300, key=place)
        assert await Warming(a, KEYS).ready(1.0)
        assert rows.total == 100

    async def test_what_is_fresh_in_l2_is_not_loaded_again(
        self, a: Cache, l2: ValkeyServer, rows: Rows
    ) -> None:
        assert await Warming(a, KEYS).ready(1.0)
        async with Cache("shop", l2=l2.url, source=rows) as new:
            warming = Warming(new, [*KEYS, "one more"])
            assert await warming.ready(1.0)
            assert (warming.progress.skipped, rows.total) == (100, 101)

    async def test_an_l1_that_is_not_to_be_written_stays_empty(self, a: Cache, l2: ValkeyServer) -> None:
        await a.set("k", 1)
        async with Cache("shop", l2=l2.url, defaults=EntryOptions(skip=Skip.L1_WRITE)) as new:
            assert (await new.fill("k")).had is Had.FILLED
            assert new.peek("k") is MISS

    async def test_another_set_is_another_s_work(self, a: Cache, store: Store, rows: Rows) -> None:
        place = lease_key("shop", "__warm:start")
        await store.command("SET", place, "busy", "PX", 60_000, key=place)
        assert await Warming(a, KEYS[:5], name="other").ready(1.0)
        waiting = Warming(a, KEYS)
        assert not await waiting.ready(0.5, deadline=0.3)
        assert rows.total == 5
        await waiting.cancel()

    async def test_a_server_that_dies_half_way_costs_no_key_and_no_second_load(
        self, a: Cache, l2: ValkeyServer, rows: Rows
    ) -> None:
        warming = Warming(a, KEYS)
        warming.start()
        await until(lambda: rows.total >= 20)
        rows.gate.clear()
        await until(lambda: rows.running == 8)
        await l2.kill()
        rows.gate.set()
        await until(lambda: rows.total >= 40, 20)
        await l2.start()
        assert await warming.ready(1.0)
        assert (rows.total, warming.progress.failed) == (100, 0)
        await until(lambda: a.stats().gauges["recovery.queue"] == 0, 15)
        assert await Warming(a, KEYS, name="again").ready(1.0)  # the server came back empty, its tags unknown
        async with Cache("shop", l2=l2.url) as new:
            late = [key for key in KEYS if await new.get(key) is MISS]
        assert late == []

    async def test_asked_by_a_console_it_is_done_again(self, a: Cache, store: Store, rows: Rows) -> None:
        await store.put(ask_key("shop", "start"), b"of before", 60)
        warming = Warming(a, KEYS[:10], asked_every=0.01)
        assert await warming.ready(1.0)
        await a.remove("k3")
        for n in (2, 3):
            await store.put(ask_key("shop", "start"), b"again %d" % n, 60)
            await until(lambda n=n: a.stats().of("warm.start.runs") == n)
        assert (rows.loads["k3"], rows.total) == (2, 11)
        assert warming.progress == Progress(10, 0, 10, 0, over=True)
        assert (a.stats().of("warm.start.loaded"), a.stats().of("warm.start.skipped")) == (11, 19)

    async def test_a_lease_that_is_lost_is_another_s_turn_and_then_ours_again(
        self, a: Cache, store: Store, rows: Rows, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(warm, "LEASE", 0.3)
        place = lease_key("shop", "__warm:start")
        warming = Warming(a, KEYS)
        warming.start()
        await until(lambda: rows.total >= 10)
        rows.gate.clear()
        await store.command("SET", place, "of another", "PX", 1000, key=place)
        await auntil(lambda: _released(warming, rows))
        at = rows.total
        assert at < 100
        assert not warming.progress.over
        assert await warming.ready(1.0)
        assert rows.total == 100

    async def test_without_l2_each_warms_for_itself(
        self, a: Cache, l2: ValkeyServer, rows: Rows, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(warm, "PATIENCE", 0.1)
        await l2.kill()
        await until(lambda: a.stats().of("link.down"))
        assert await Warming(a, KEYS[:10]).ready(1.0)
        assert rows.total == 10
        await l2.start()
        await auntil(lambda: _back(a))


async def _released(warming: Warming, rows: Rows) -> bool:
    """What was being loaded is let through until no more is begun."""
    rows.gate.set()
    return not warming.figures().gauges["warm.start.leads"]


async def _back(cache: Cache) -> bool:
    return cache.hears
