"""When keys come again: told of traffic whose re-use is known, by nodes that have not seen the end of it."""

from __future__ import annotations

import math
import random
from collections import Counter
from itertools import groupby

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perftui.analysis import reuse as analysis
from perftui.analysis.missratio import MASK
from perftui.analysis.quantile import Sketch
from perftui.instrument.cache import Cache, sampling
from perftui.instrument.cache.reuse import Reuse
from perftui.instrument.cache.sampling import KEYS
from perftui.model.noderecord import NodeRecord
from perftui.model.reuse import ENDED, OPEN
from perftui.model.tiers import EntryOptions, TierStats
from tests.instrument.cache.clock import Hand
from tests.instrument.cache.test_sampling import Watched, loaded, named, zipf

LOOK = 2.0  # seconds between two looks of a node at what was used
FEW = settings(max_examples=25)


def streams(draw, keys, seconds, chance):
    """Visits of keys that each come again after a draw of its own, as (instant, key), in order."""
    found = []
    for _ in range(keys):
        key, own = chance.getrandbits(62), draw()
        at = -chance.random() * own()
        while (at := at + own()) < seconds:
            if at >= 0:
                found.append((at, key))
    return sorted(found)


def regular(seconds, chance):
    return lambda: lambda: seconds * chance.uniform(0.9, 1.1)


def memoryless(seconds, chance):
    return lambda: lambda: chance.expovariate(1 / seconds)


def seen(visits, seconds, node="n"):
    """The record of a node that saw these."""
    made = Reuse()
    for look, some in groupby(visits, key=lambda visit: int(visit[0] // LOOK)):
        made.visited([key for _, key in some], look * LOOK, (look + 1) * LOOK)
    return NodeRecord(TierStats("shop", node, sketches=dict(made.packed(seconds))), 0.0)


def told(*records):
    return analysis.by_namespace(records).get("shop")


@FEW
@given(st.floats(20, 3000), st.floats(2.5, 12), st.integers(0, 10**6))
def test_the_median_is_that_of_the_traffic(every, times, seed):
    chance = random.Random(seed)
    watched = times * every
    known = told(seen(streams(regular(every, chance), 60, watched, chance), watched))
    assert analysis.quantile(known, 0.5, every / 3) == pytest.approx(every, rel=0.2)
    assert known.keys == 60


@FEW
@given(st.floats(60, 3000), st.floats(0.6, 5), st.integers(0, 10**6))
def test_what_has_not_come_again_yet_does_not_make_it_look_short(every, times, seed):
    chance = random.Random(seed)
    watched = times * every
    known = told(seen(streams(memoryless(every, chance), 300, watched, chance), watched))
    middle = analysis.quantile(known, 0.5, 1e-6) if known is not None else None
    assert middle is None or middle == pytest.approx(every * math.log(2), rel=0.4)
    if times > 2:
        assert middle is not None


def test_without_those_it_would_look_short():
    chance = random.Random(4)
    visits = streams(memoryless(600.0, chance), 300, 600.0, chance)
    record = seen(visits, 600.0)
    naive = Sketch.unpack(record.stats.sketches[ENDED]).quantile(0.5)
    assert naive < 0.6 * 600 * math.log(2)
    assert analysis.quantile(told(record), 0.5, 1e-6) == pytest.approx(600 * math.log(2), rel=0.25)


def loads(visits, ttl):
    """Loads of a cache whose entries end so long after they were loaded, each key's first left out."""
    until, count = {}, 0
    for at, key in visits:
        if at >= until.get(key, -1.0):
            count += key in until
            until[key] = at + ttl
    return count


@pytest.mark.slow
@FEW
@given(st.floats(1.5, 10), st.integers(0, 10**6), st.sampled_from([regular, memoryless]))
def test_what_a_longer_ttl_is_said_to_spare_it_spares(longer, seed, kind):
    chance = random.Random(seed)

    def mixed():
        return kind(math.exp(chance.uniform(math.log(15), math.log(1500))), chance)()

    visits = streams(mixed, 300, 20_000, chance)
    known = told(seen(visits, 20_000))
    now, then = loads(visits, 120), loads(visits, 120 * longer)
    assert analysis.spared(known, 120, 120 * longer) == pytest.approx(1 - then / now, abs=0.05)
    first = len({key for _, key in visits})
    assert analysis.ended(known, 120) == pytest.approx(now / (now + first), abs=0.05)


@FEW
@given(st.integers(2, 8), st.integers(0, 10**6))
def test_nodes_that_share_their_keys_are_told_as_one(nodes, seed):
    chance = random.Random(seed)
    visits = [
        (at, key, chance.randrange(nodes))
        for at, key in streams(memoryless(200.0, chance), 100, 9000, chance)
    ]
    records = [
        seen([(at, key) for at, key, n in visits if n == node], 9000, str(node)) for node in range(nodes)
    ]
    known = told(*records)
    assert known.nodes == nodes
    assert analysis.quantile(known, 0.5, 1e-6) == pytest.approx(200 * math.log(2), rel=0.25)


LOOKS = st.lists(st.tuples(st.lists(st.integers(0, 30), max_size=20), st.integers(1, 40)), max_size=20)


@given(LOOKS, st.integers(0, 19))
def test_every_visit_is_followed_by_another_or_still_open(looks, narrowed):
    made, now, visits, below = Reuse(), 0.0, Counter(), 31
    for number, (keys, seconds) in enumerate(looks):
        if number == narrowed:
            below = 12
            made.narrow(below, now)
        told = [key for key in keys if key & MASK < below]
        made.visited(told, now, now + seconds)
        now += seconds
        visits.update(set(told))
    packed = made.packed(now)
    counted = [Sketch.unpack(packed[name]).count for name in (ENDED, OPEN)] if packed else [0, 0]
    assert sum(counted) == visits.total()
    if narrowed >= len(looks):
        assert counted[1] == len(visits)


def test_a_node_keeps_no_more_than_the_curve_does():
    watched = Watched(2000, per_s=100.0)
    for n, key in enumerate(zipf(6, 40_000, 20_000)):
        watched.use(key)
        if n % 220 == 0:
            watched.sampling.reuse()
    kept = watched.sampling._reuse._last
    assert 0 < len(kept) <= KEYS
    assert all(key & MASK < watched.sampling._below for key in kept)
    watched.hand.go(sampling.FRESH)
    packed = watched.sampling.reuse()
    assert all(len(data) < 1500 for data in packed.values())


def test_the_sketches_are_drawn_now_and_then():
    watched = Watched(100)
    assert watched.sampling.reuse() == {}
    for n in range(40):
        watched.use(named(n % 20))
    watched.hand.go(sampling.PERIOD)
    before = watched.sampling.reuse()
    for n in range(40):
        watched.use(named(n))
    watched.hand.go(sampling.PERIOD)
    assert watched.sampling.reuse() is before
    watched.hand.go(sampling.FRESH)
    assert Sketch.unpack(watched.sampling.reuse()[OPEN]).count == 40


def test_a_key_that_everybody_wants_is_left_out():
    hot, watched = named("hot"), Watched(2000, per_s=20_000.0)
    hot.number = 1
    watched.curve()  # which says how much room there is
    for cold in zipf(5, 20_000, 20_000, 0.5):
        watched.use(hot)
        watched.use(cold)
    assert 1 in watched.sampling._hot
    assert 1 not in watched.sampling._reuse._last


@pytest.mark.parametrize("curve", [True, False])
async def test_a_cache_tells_it_with_its_counts(curve):
    hand = Hand()
    async with Cache("shop", clock=hand, curve=curve, defaults=EntryOptions(ttl=60.0)) as cache:
        for _ in range(5):
            for n in range(30):
                await cache.get_or_set(f"k{n}", lambda: loaded(1))
            hand.go(2.5)
            cache.stats()
            hand.go(187.5)
        known = told(NodeRecord(cache.stats(), 0.0))
        if not curve:
            assert known is None
            return
        assert (known.seen, known.keys) == (120, 30)
        assert analysis.quantile(known, 0.5, 60.0) == pytest.approx(190, rel=0.1)
        assert analysis.covering(known, 60.0) == 300.0
