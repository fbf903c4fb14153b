"""A node's counts in a real server, read by the console, and as OpenMetrics read by Prometheus' own parser."""

import asyncio
import json

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from perftui.analysis.codec import Codec, Packer
from perftui.analysis.quantile import Sketch
from perftui.backends.valkey import Valkey
from perftui.instrument.cache import stats as publishing
from perftui.instrument.cache.counters import Latencies
from perftui.instrument.cache.stats import Publisher, of_savings, of_writes, open_metrics
from perftui.instrument.cache.writebehind import WriteBehind
from perftui.model.options import ValkeyOptions
from perftui.model.tiers import TierStats
from tests.waiting import auntil, until


@pytest.fixture
async def console(l2, store):
    made = Valkey("cache", ValkeyOptions(url=f"redis://127.0.0.1:{l2.port}/0", password=l2.password))
    yield made
    await made.close()


def counted(node="n1", hits=3):
    latencies = Latencies()
    for n in range(1, 101):
        latencies.observe("load", n / 1000)
    return TierStats("shop", node, {"hit.l1": hits, "miss": 1}, {"l1.bytes": 512.0}, latencies.packed())


async def test_the_console_reads_what_nodes_publish(store, other, console):
    for made, stats in ((store, counted("n1")), (other, counted("n2", 9))):
        await Publisher(made, lambda stats=stats: stats).publish()
    look = await console.nodes()
    assert {r.stats.node: r.stats.of("hit.l1") for r in look.records} == {"n1": 3, "n2": 9}
    assert look.unreadable == {}
    assert Sketch.unpack(look.records[0].stats.sketches["load"]).quantile(0.99) == pytest.approx(
        0.099, rel=0.02
    )
    assert abs(look.records[0].at - store.now()) < 5


async def test_it_is_published_again_and_gone_with_its_node(store, console, l2, monkeypatch):
    monkeypatch.setattr(publishing, "EVERY", 0.05)
    hits = iter(range(10**6))
    publisher = Publisher(store, lambda: counted(hits=next(hits)))
    publisher.start()
    publisher.start()

    async def later():
        records = (await console.nodes()).records
        return records and records[0].stats.of("hit.l1") >= 5

    await auntil(later)
    async with l2.client() as client:
        assert 0 < await client.pttl("__node:shop:n1") <= 10_000
        await publisher.close()
        await publisher.close()
        assert await client.exists("__node:shop:n1", "__nodes") == 0
    assert (await console.nodes()).records == ()


async def test_a_server_that_is_away_costs_nothing(store, l2, monkeypatch):
    monkeypatch.setattr(publishing, "EVERY", 0.05)
    await l2.kill()
    publisher = Publisher(store, counted)
    publisher.start()
    await until(lambda: publisher.failed >= 2)
    await publisher.close()
    await l2.start()


async def test_hostile_records_are_counted_not_shown(store, console, l2):
    await Publisher(store, counted).publish()
    bad = {
        "__node:a": b"\x1b[2J", "__node:b": b"{" * 70_000, "__node:c": b"[" * 60_000, "secret": b"{}",
        "__node:d": json.dumps({"v": 9}).encode(), "__node:e" + "x" * 2000: b"{}",
        "__node:s": json.dumps({"v": 1, "namespace": "a", "node": "b", "at": 1, "sketches": {"get": "AAAA"}}).encode(),
    }  # fmt: skip
    async with l2.client() as client:
        for name, value in bad.items():
            await client.set(name, value)
            await client.zadd("__nodes", {name: store.now()})
        await client.lpush("__node:list", "x")
        await client.zadd("__nodes", {"__node:list": store.now(), "__node:gone": store.now()})
        await client.zadd("__nodes", {"__node:old": store.now() - 11})
        look = await console.nodes()
        assert [r.stats.node for r in look.records] == ["n1"]
        assert look.unreadable == {
            "another name": 2,
            "no JSON": 2,
            "too large": 1,
            "another version": 1,
            "another shape": 2,
        }
        await client.zadd("__nodes", {f"__node:{n}": store.now() for n in range(600)})
        assert (await console.nodes()).more
        await client.delete("__nodes")
        await client.set("__nodes", "x")
        assert (await console.nodes()).unreadable == {"another shape": 1}


def test_open_metrics_are_what_prometheus_reads():
    two = TierStats('we"ird\\\n', "n", {"hit.l1": 5}, {"l1.bytes": 1.5})
    text = open_metrics([counted(), two])
    families = {f.name: f for f in text_string_to_metric_families(text)}
    hits = families["perftui_cache_hit_l1"]
    assert hits.type == "counter"
    assert {s.labels["namespace"]: s.value for s in hits.samples} == {"shop": 3, 'we"ird\\\n': 5}
    load = {s.labels.get("quantile", s.name): s.value for s in families["perftui_cache_load_seconds"].samples}
    assert load["0.5"] == pytest.approx(0.05, rel=0.03)
    assert load["perftui_cache_load_seconds_count"] == 100
    assert load["perftui_cache_load_seconds_sum"] == pytest.approx(5.05)
    assert open_metrics([]) == "# EOF\n"


async def test_packing_and_write_behind_are_counted_too():
    packer = Packer(Codec.LZ4)
    packer.pack(b"a" * 5000)
    counts = of_savings(packer.savings)
    assert (counts["codec.bytes_in"], counts["codec.by.lz4"]) == (5000, 1)
    gate = asyncio.Event()

    class Slow:
        async def write(self, items):
            await gate.wait()

    behind = WriteBehind(Slow())
    await behind.start()
    await behind.put("a", 1)
    counts, gauges = of_writes(behind)
    assert counts["writes.acknowledged"] == gauges["writes.waiting"] == 1
    gate.set()
    await behind.close()
