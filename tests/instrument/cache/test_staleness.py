"""The canary: written by one node, heard by the others, counted when it is not."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest

from perftui.analysis.quantile import Sketch
from perftui.backends.valkey import Valkey
from perftui.instrument.cache.face import Cache
from perftui.instrument.cache.names import canary_key
from perftui.instrument.cache.ports import Store
from perftui.instrument.cache.staleness import Staleness
from perftui.instrument.cache.stats import Publisher
from perftui.model.options import ValkeyOptions
from tests.instrument.cache.test_shared import linked
from tests.waiting import auntil, until

if TYPE_CHECKING:
    from perftui.lab.valkey import ValkeyServer

EVERY = 0.05


@pytest.fixture
async def nodes(l2: ValkeyServer, store: Store) -> AsyncIterator[list[Cache]]:
    made = [Cache("shop", l2=l2.url) for _ in range(3)]
    for cache in made:
        await linked(cache)
    yield made
    for cache in made:
        await cache.close()


def writer(meters: list[Staleness]) -> Staleness | None:
    return next((meter for meter in meters if meter.writes), None)


async def test_one_writes_and_the_others_measure(nodes: list[Cache]) -> None:
    meters = [Staleness(cache, every=EVERY) for cache in nodes]
    await until(lambda: sum(meter.delays.count >= 20 for meter in meters) == 2, 15)
    assert [meter.delays.count for meter in meters if meter.writes] == [0]
    for meter in meters:
        assert meter.lost == 0
        if not meter.writes:
            assert 0 <= meter.delays.quantile(0.5) <= meter.delays.quantile(0.99) <= meter.longest * 1.01
            assert meter.longest < 5
    assert sum(cache.stats().of("invalidated") for cache in nodes) == 0  # no entry was meant


async def test_where_the_writer_ends_another_writes(nodes: list[Cache]) -> None:
    meters = [Staleness(cache, every=EVERY) for cache in nodes]
    first = await until(lambda: writer(meters))
    await first.close()
    await first.close()
    rest = [meter for meter in meters if meter is not first]
    second = await until(lambda: writer(rest))
    (third,) = (meter for meter in rest if meter is not second)
    before = third.delays.count
    await until(lambda: third.delays.count > before + 5)
    assert third.lost == 0


async def test_what_is_not_heard_is_lost(nodes: list[Cache]) -> None:
    meters = [Staleness(cache, every=EVERY) for cache in nodes[:2]]
    await until(lambda: sum(meter.delays.count > 3 for meter in meters))
    (hears,) = (n for n, meter in enumerate(meters) if not meter.writes)
    deaf = nodes[hears].store
    assert deaf is not None
    assert meters[hears].lost == 0
    await deaf.command("CLIENT", "TRACKING", "OFF", key=b"")
    heard = meters[hears].delays.count
    await until(lambda: meters[hears].lost > 3)
    assert meters[hears].delays.count <= heard + 2
    assert nodes[hears].stats().of("staleness.lost") == meters[hears].lost


async def test_a_link_that_was_down_lost_nothing(nodes: list[Cache], store: Store) -> None:
    meters = [Staleness(cache, every=EVERY) for cache in nodes[:2]]
    await until(lambda: sum(meter.delays.count > 3 for meter in meters))
    (hears,) = (n for n, meter in enumerate(meters) if not meter.writes)
    link = nodes[hears].store
    assert link is not None
    before = meters[hears].delays.count
    for downs in (1, 2):
        id_ = await link.command("CLIENT", "ID", key=b"")
        await store.command("CLIENT", "KILL", "ID", id_, key=b"")
        await until(lambda downs=downs: nodes[hears].stats().of("link.down") == downs)
        await until(lambda: nodes[hears].hears)
    await until(lambda: meters[hears].delays.count > before + 10)
    assert meters[hears].lost == 0


@pytest.mark.parametrize(
    "bytes_",
    [
        b"",
        b"\xff\xfe x 1 1",
        b"a b c d",
        b"n 1 1",
        b"n " + b"9" * 80 + b" 1 1",
        b"x" * 5000,
        b"n -5 99999999999999 1",
    ],
)
async def test_a_canary_of_somebody_else_s_harms_nothing(
    nodes: list[Cache], store: Store, bytes_: bytes
) -> None:
    meter = Staleness(nodes[0], every=30)
    meter._attend()
    reads = nodes[0].store
    assert reads is not None
    for _ in range(3):
        await store.put(canary_key("shop"), bytes_, 60)
        await meter._look(reads)
    await until(lambda: not meter._reads)
    assert (meter.lost, meter.delays.count) == (0, 0)
    assert math.isfinite(meter.longest)


async def test_an_l2_that_is_away_is_waited_for(nodes: list[Cache], l2: ValkeyServer) -> None:
    meters = [Staleness(cache, every=EVERY) for cache in nodes[:2]]
    await until(lambda: sum(meter.delays.count > 1 for meter in meters))
    await l2.kill()
    await until(lambda: not any(cache.hears for cache in nodes[:2]))
    await l2.start()
    before = sum(meter.delays.count for meter in meters)
    await until(lambda: sum(meter.delays.count for meter in meters) > before + 5, 15)
    assert sum(meter.lost for meter in meters) == 0


async def test_the_console_reads_it(nodes: list[Cache], l2: ValkeyServer) -> None:
    meters = [Staleness(cache, every=EVERY) for cache in nodes[:2]]
    await until(lambda: sum(meter.delays.count > 3 for meter in meters))
    (hears,) = (n for n, meter in enumerate(meters) if not meter.writes)
    cache = nodes[hears]
    assert cache.store is not None
    await Publisher(cache.store, cache.stats).publish()
    console = Valkey("cache", ValkeyOptions(url=f"redis://127.0.0.1:{l2.port}/0", password=l2.password))

    async def record() -> Sketch | None:
        for found in (await console.nodes()).records:
            if found.stats.node == cache.node and "staleness" in found.stats.sketches:
                assert found.stats.gauges["staleness.max_s"] > 0
                return Sketch.unpack(found.stats.sketches["staleness"])
        return None

    sketch = await auntil(record)
    assert sketch.count > 3
    await console.close()


async def test_without_an_l2_there_is_nothing_to_measure(nodes: list[Cache]) -> None:
    async with Cache("alone") as alone:
        with pytest.raises(ValueError, match="L2"):
            Staleness(alone)
    meter = Staleness(nodes[0], every=EVERY)
    store = nodes[0].detach()
    assert store is not None
    assert meter._attend() is None
    await store.close()
