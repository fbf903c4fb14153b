"""The live curve: near LRU whatever the load, never dearer than its bounds, and it changes nothing of the cache."""

from __future__ import annotations

import random
from hashlib import blake2b

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perftui.analysis.policies import Lru
from perftui.analysis.s3fifo import S3Fifo
from perftui.backends.valkey import Valkey
from perftui.instrument.cache import Cache, sampling
from perftui.instrument.cache.entry import Entry
from perftui.instrument.cache.memory import Memory
from perftui.instrument.cache.sampling import KEYS, TAKEN, Sampling
from perftui.model.misscurve import FACTORS
from perftui.model.options import ValkeyOptions
from tests.instrument.cache.clock import Hand
from tests.instrument.cache.test_memory import acts, use
from tests.waiting import auntil


class Name(str):
    """A key whose hash is the same in every run."""

    __slots__ = ("number",)

    def __hash__(self):
        return self.number


def named(n):
    name = Name(f"k{n}")
    name.number = int.from_bytes(blake2b(name.encode(), digest_size=7).digest(), "little")
    return name


class Watched:
    """A memory whose uses are sampled, at so many uses a second of a clock turned by hand."""

    def __init__(self, room, policy="s3fifo", per_s=100.0, **bounds):
        self.memory, self.hand, self.step, self.uses = Memory(room, policy=policy), Hand(), 1 / per_s, 0
        self.sampling = Sampling(self.hand.monotonic, lambda: self.uses)
        self.memory.sampled_by(self.sampling)

    def use(self, key):
        self.hand.go(self.step)
        self.uses += 1
        return use(self.memory, key)

    def curve(self):
        return self.sampling.curve(self.memory.room, 0.0)


def misses(stream, room):
    access = Lru(room).access
    return 1 - sum(map(access, stream)) / len(stream)


def zipf(seed, n, keys, alpha=0.8):
    chance = random.Random(seed)
    names = [named(n) for n in range(keys)]
    return chance.choices(names, [1 / (k + 1) ** alpha for k in range(keys)], k=n)


@given(acts, st.integers(1, 9))
def test_a_sampled_memory_is_s3fifo_all_the_same(acts, room):
    watched, model = Watched(room), S3Fifo(room)
    watched.sampling._below >>= 1  # so that some keys are marked
    for act, key in acts:
        if act == "drop":
            assert (watched.memory.drop(key) is not None) == model.drop(key)
        else:
            assert watched.use(key) == model.access(key)


@given(st.lists(st.integers(0, 14).map(str), max_size=150), st.integers(1, 12))
def test_a_sampled_memory_is_lru_where_that_was_chosen(trace, room):
    watched, model = Watched(room, "lru"), Lru(room)
    watched.sampling._below >>= 1
    assert [watched.use(key) for key in trace] == [model.access(key) for key in trace]


@pytest.mark.parametrize("policy", ["s3fifo", "lru"])
def test_few_keys_are_counted_exactly(policy):
    stream, watched = zipf(1, 6000, 300), Watched(60, policy)
    for key in stream:
        watched.use(key)
        watched.curve()
    curve = watched.curve()
    assert curve.rate == 1.0
    assert len(curve.points) == len(FACTORS)
    watched.hand.go(sampling.FRESH)
    for point in watched.curve().points:
        assert point.miss_ratio == pytest.approx(misses(stream, point.entries), abs=0.012), "a little fades"


@pytest.mark.parametrize("per_s", [100.0, 20_000.0])
def test_many_keys_are_sampled_within_the_bounds(per_s):
    stream, watched = zipf(2, 60_000, 20_000), Watched(2000, per_s=per_s)
    for n, key in enumerate(stream):
        watched.use(key)
        assert len(watched.sampling._waiting) <= TAKEN
        if n % int(2.1 * per_s) == 0:
            watched.curve()
    watched.hand.go(sampling.FRESH)
    curve = watched.curve()
    assert watched.sampling._ratio.sampled <= KEYS
    assert curve.rate < 0.2
    assert curve.seen == pytest.approx(60_000, rel=0.3)
    for point in curve.points:
        assert abs(point.miss_ratio - misses(stream, point.entries)) <= max(0.06, 1.5 * point.error)


def test_a_busy_second_takes_no_more_than_allowed_and_marks_are_taken_back():
    watched = Watched(5000, per_s=1e6)
    for key in zipf(3, 40_000, 4000):
        watched.use(key)
    assert watched.sampling._below < 1 << 20
    watched.hand.go(5)
    watched.curve()
    held = watched.memory.keys()
    for key in held:
        watched.memory.get(key)
    marked = [key for key in held if watched.memory.look(key).uses < 0]
    assert all(watched.sampling.takes(key) for key in marked)
    assert len(marked) < len(held) / 10


def test_a_key_that_everybody_wants_does_not_take_the_others_places():
    hot, watched = named("hot"), Watched(2000, per_s=20_000.0)
    hot.number = 1  # it would be looked at until the end
    stream = [key for cold in zipf(5, 40_000, 20_000, 0.5) for key in (hot, cold)]
    for n, key in enumerate(stream):
        watched.use(key)
        if n % 42_000 == 0:
            watched.curve()
    watched.hand.go(sampling.FRESH)
    curve = watched.curve()
    assert curve.rate > 1 / 512
    for point in curve.points:
        assert abs(point.miss_ratio - misses(stream, point.entries)) <= max(0.05, 1.5 * point.error)


def test_nothing_is_said_of_next_to_nothing():
    watched = Watched(10)
    assert watched.curve() is None
    for n in range(50):
        watched.use(str(n))
    assert watched.curve() is None


def test_the_past_fades():
    watched = Watched(100)
    for key in zipf(4, 2000, 50):
        watched.use(key)
    watched.hand.go(sampling.FRESH)
    before = watched.curve().seen
    watched.hand.go(sampling.HALF_LIFE)
    watched.curve()
    watched.hand.go(sampling.FRESH)
    assert watched.curve().seen == pytest.approx(before / 2, rel=0.05)


def test_room_in_bytes_is_told_in_entries():
    memory = Memory(1000, bytes_=1000)
    assert memory.room == 1000
    for n in range(10):
        memory.put(str(n), Entry(n), 50)
    assert memory.room == 20


async def test_every_way_of_reading_counts_once():
    async with Cache("shop", l1=50, clock=Hand()) as cache:
        for n in range(140):
            await cache.get_or_set(f"k{n % 70}", lambda: loaded(1))
        for n in range(50):
            await cache.get(f"k{n}")
            cache.peek(f"k{n}")
        counts = cache.stats().counters
        assert counts["hit.l1"] + counts["miss.l1"] == 240
        curve = cache.stats().curve
        assert (curve.room, curve.seen, curve.rate) == (50, 240, 1.0)


async def loaded(value):
    return value


async def test_it_can_be_left_out():
    async with Cache("shop", curve=False) as cache:
        for n in range(500):
            await cache.get_or_set(f"k{n}", lambda: loaded(1))
        assert cache.stats().curve is None
        memory = cache._core.memory
        assert all(memory.look(f"k{n}").uses >= 0 for n in range(500))


async def test_the_console_reads_the_curve_that_a_cache_publishes(l2, store):
    console = Valkey("cache", ValkeyOptions(url=f"redis://127.0.0.1:{l2.port}/0", password=l2.password))
    async with Cache("shop", l1=100, l2=store) as cache:
        for n in range(400):
            await cache.get_or_set(f"k{n % 150}", lambda: loaded("x" * 100))
        await cache._publisher.publish()

        async def known():
            records = (await console.nodes()).records
            return records and records[0].stats.curve

        await auntil(known)
        curve = await known()
        assert curve.room == 100
        assert curve.entry_bytes > 100
        assert curve.points[0].miss_ratio >= curve.points[-1].miss_ratio
    await console.close()
