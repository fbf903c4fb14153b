"""What callers at nodes wait for, told of the last minutes from sketches that count since the nodes began."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perftui.analysis.quantile import Sketch
from perftui.backends.valkey import Valkey, waits
from perftui.backends.valkey.waits import Waits
from perftui.instrument.cache import Cache, stats
from perftui.model.noderecord import NodeRecord
from perftui.model.options import ValkeyOptions
from perftui.model.tiers import TierStats
from tests.waiting import auntil

TIMES = st.lists(st.floats(1e-7, 100.0) | st.just(0.0), max_size=60)


@given(TIMES, TIMES)
def test_what_came_since_is_what_was_added(before: list[float], after: list[float]) -> None:
    old, now, new = Sketch(), Sketch(), Sketch()
    for value in before:
        old.add(value)
        now.add(value)
    for value in after:
        now.add(value)
        new.add(value)
    found = now.since(old)
    assert (found.buckets, found.zeros, found.count) == (new.buckets, new.zeros, new.count)
    assert new.since(now).count == new.count or new.buckets == now.buckets  # one that began anew


class Node:
    """Counts, and tells of itself."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.sketch = Sketch()

    def record(self, at: float, took: float, times: int) -> NodeRecord:
        self.sketch.add(took, times)
        return NodeRecord(TierStats("shop", self.name, sketches={"l2.get": self.sketch.pack()}), at)


async def test_a_minute_and_the_one_before_are_told() -> None:
    told, a, b = Waits(), Node("a"), Node("b")
    assert await told.told([a.record(1000.0, 5.0, 9000)]) == ()  # how long ago that was is not known
    (one,) = await told.told([a.record(1010.0, 0.001, 500), b.record(1010.0, 9.0, 9000)])
    assert (one.name, one.per_s) == ("l2.get", 50.0)
    assert one.p50_s == one.p999_s == pytest.approx(0.001, rel=0.02)
    (one,) = await told.told([a.record(1020.0, 0.001, 500), b.record(1020.0, 0.1, 20)])
    assert one.p50_s == pytest.approx(0.001, rel=0.02)
    assert one.p99_s == pytest.approx(0.1, rel=0.02)
    at = 1020.0
    for _ in range(40):
        at += 5.0
        (one,) = await told.told([a.record(at, 0.002, 10)])
    assert one.p50_s == one.p99_s == pytest.approx(0.002, rel=0.02)
    assert one.per_s == pytest.approx(2.0, rel=0.1)
    assert await told.told([a.record(at + 1, 7.0, 1)]) == (one,)  # too soon for another look
    assert await told.told([]) == ()


async def test_the_last_seconds_are_told_by_power_of_two() -> None:
    told, a, b = Waits(), Node("a"), Node("b")
    await told.told([a.record(1000.0, 0.001, 10), b.record(1000.0, 0.001, 10)])
    (one,) = await told.told([a.record(1010.0, 0.001, 50), b.record(1005.0, 0.1, 20)])
    bounds = (1024e-6, 131_072e-6)
    assert [bound for bound, _ in one.buckets] == pytest.approx(bounds)
    assert [rate for _, rate in one.buckets] == pytest.approx([5.0, 4.0])
    (one,) = await told.told([a.record(1020.0, 0.1, 10)])  # of the look before nothing is left
    assert one.buckets == (pytest.approx((bounds[1], 1.0)),)
    (one,) = await told.told([a.record(1030.0, 0.1, 0)])
    assert one.buckets == ()


async def test_no_calls_and_a_node_that_began_anew() -> None:
    told, a = Waits(), Node("a")
    await told.told([a.record(1000.0, 0.001, 10)])
    assert await told.told([a.record(1010.0, 0.001, 0)]) == ()
    again = Node("a")
    (one,) = await told.told([again.record(1020.0, 0.5, 4)])
    assert one.p50_s == pytest.approx(0.5, rel=0.02)


async def test_a_record_of_any_time_stops_nothing_once_it_is_gone() -> None:
    told, a, odd = Waits(), Node("a"), Node("odd")
    await told.told([a.record(1000.0, 5.0, 10)])
    await told.told([a.record(1010.0, 5.0, 10), odd.record(1e15, 5.0, 10)])
    at = 1010.0
    for _ in range(40):
        at += 5.0
        (one,) = await told.told([a.record(at, 0.002, 10)])
    assert one.p50_s == one.p999_s == pytest.approx(0.002, rel=0.02)


async def test_many_nodes_are_told_of_a_hundred() -> None:
    told, made = Waits(), [Node(f"n{n}") for n in range(150)]
    draw = random.Random(7)
    for at in (1000.0, 1010.0):
        found = await told.told([node.record(at, draw.uniform(0.001, 0.002), 1) for node in made])
    assert found[0].per_s == pytest.approx(waits.MOST / 10)


async def test_a_real_node_is_told_by_a_real_server(valkey: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stats, "EVERY", 0.05)
    monkeypatch.setattr(waits, "EVERY", 0.05)
    monkeypatch.setattr("perftui.backends.valkey.nodes.EVERY", 0.05)
    how = ValkeyOptions(url=f"redis://127.0.0.1:{valkey.port}/0", password=valkey.password)
    server = Valkey("cache", how)
    async with Cache("shop", l1=None, l2=valkey.url) as cache:

        async def seen() -> bool:
            await cache.set("k", 1)
            await cache.get_or_set("k", _one)
            reading = await server.read()
            names = {measure.key.name for measure in reading.samples}
            client = reading.facts.tiers.client  # type: ignore[union-attr]
            return {"l2.get", "l2.set"} <= {one.name for one in client} and {
                "client.p99_s",
                "client.bucket_per_s",
            } <= names

        await auntil(seen)
    await server.close()


async def _one() -> int:
    return 1


async def test_how_late_changes_are_heard_is_told_by_namespace() -> None:
    def record(namespace: str, node: str, delays: list[float], lost: int, at: float) -> NodeRecord:
        sketch = Sketch()
        for delay in delays:
            sketch.add(delay)
        counts = {"staleness.heard": len(delays), "staleness.lost": lost}
        gauges = {"staleness.max_s": max(delays, default=0.0)}
        sketches = {"staleness": sketch.pack()} if delays else {}
        return NodeRecord(TierStats(namespace, node, counts, gauges, sketches), at)

    looks = Waits()
    old, new = [0.5] * 10, [0.002] * 40
    writer = record("shop", "a", [], 1, 100.0)
    await looks.told([writer, record("shop", "b", old, 2, 100.0), NodeRecord(TierStats("other", "c"), 100.0)])
    (first,) = looks.heard
    assert (first.namespace, first.nodes, first.count, first.lost, first.max_s) == ("shop", 2, 10, 3, 0.5)
    await looks.told([writer, record("shop", "b", old + new, 2, 110.0)])
    (now,) = looks.heard
    assert (now.count, now.p99_s, now.max_s) == (40, pytest.approx(0.002, rel=0.02), 0.5)
    await looks.told([])
    assert looks.heard == ()
