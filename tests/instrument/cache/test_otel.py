"""Metrics and spans of a cache on a real L2, as a collector receives them."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from perftui.instrument.cache import Cache, EntryOptions, cached
from perftui.instrument.cache.otel import INSTALL, WITHIN, Telemetry
from perftui.instrument.cache.ports import Store
from perftui.model.errors import ConfigError
from tests.house.tree import ROOT
from tests.instrument.cache.collector import Collector, labels
from tests.instrument.cache.test_alone import Source
from tests.waiting import until

SAFE = EntryOptions(ttl=60, fail_safe=True)


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as made:
        yield made


async def test_what_a_cache_does_reaches_the_collector(collector: Collector, store: Store) -> None:
    telemetry = Telemetry(collector.url, service="shop", headers={"x-token": "t0k"})
    async with Cache("shop", l2=store) as cache:
        telemetry.follow(cache)
        assert await cache.get("secret-key") is not None
        await cache.set("secret-key", 1)
        assert await cache.get("secret-key") == 1
        assert await cache.get_or_set("other", Source(2)) == 2
        assert await cache.get_or_set("other", Source(3)) == 2
        stats = cache.stats()
    await telemetry.close()
    await telemetry.close()
    assert {path for path, _, _ in collector.requests} == {"/v1/metrics", "/v1/traces"}
    for path, said, headers in collector.requests:
        assert headers["X-Token" if "X-Token" in headers else "x-token"] == "t0k"
        (resource,) = said.resource_metrics if path == "/v1/metrics" else said.resource_spans
        assert labels(resource.resource)["service.name"] == "shop"
        assert b"secret-key" not in said.SerializeToString()
    counts = collector.counts()
    for name in ("hit.l1", "miss.l1", "miss", "set", "load", "load.ok"):
        assert counts[f"perftui.cache.{name}"] == stats.of(name) > 0
    took = collector.durations()
    assert {place: point.count for place, point in took.items()} == {
        ("get", "miss"): 1,
        ("get", "hit"): 1,
        ("get_or_set", "miss"): 1,
        ("get_or_set", "hit"): 1,
        ("set", ""): 1,
        ("load", ""): 1,
    }
    assert 0 < took["load", ""].sum <= took["get_or_set", "miss"].sum < 5
    quantiles = {
        (said["perftui.cache.operation"], said["quantile"])
        for name, said, _ in collector.points()
        if name == "perftui.cache.latency"
    }
    assert {("load", "0.99"), ("l2.get", "0.5"), ("l2.set", "0.999")} <= quantiles


async def test_spans_hang_together(collector: Collector) -> None:
    telemetry = Telemetry(collector.url, keys=True)
    async with Cache("shop") as cache:
        telemetry.follow(cache)
        gate = asyncio.Event()
        asked = [asyncio.ensure_future(cache.get_or_set("k", Source("v", gate=gate))) for _ in range(3)]
        await until(lambda: cache.stats().of("coalesced") == 2)
        gate.set()
        assert await asyncio.gather(*asked) == ["v"] * 3
        with pytest.raises(OSError, match="db"):
            await cache.get_or_set("bad", Source(OSError("db")))
        await cache.set("old", 1, ttl=0.001, options=SAFE.but(ttl=0.001))
        await until(lambda: cache.peek("old") != 1)
        assert await cache.get_or_set("old", Source(OSError("db")), options=SAFE) == 1

        @cached(cache, key="f")
        async def seven() -> int:
            return 7

        assert await seven() == 7
    await telemetry.close()
    spans = collector.spans()
    assert {labels(s)["perftui.cache.name"] for s in spans} == {"shop"}
    of_k = [s for s in spans if labels(s)["perftui.cache.key"] == "k"]
    (load,) = [s for s in of_k if s.name == "cache load"]
    (first,) = [s for s in of_k if s.span_id == load.parent_span_id]
    assert (first.name, labels(first)["perftui.cache.outcome"]) == ("cache get_or_set", "miss")
    assert first.trace_id == load.trace_id
    assert (
        first.start_time_unix_nano
        <= load.start_time_unix_nano
        < load.end_time_unix_nano
        <= first.end_time_unix_nano
    )
    assert sorted(labels(s)["perftui.cache.outcome"] for s in of_k if s is not load) == [
        "coalesced",
        "coalesced",
        "miss",
    ]
    bad = {s.name: s for s in spans if labels(s)["perftui.cache.key"] == "bad"}
    for span in bad.values():
        assert labels(span)["error.type"] == "OSError"
        assert span.status.code == span.status.STATUS_CODE_ERROR
    assert bad.keys() == {"cache get_or_set", "cache load"}
    old = {s.name: s for s in spans if labels(s)["perftui.cache.key"] == "old"}
    assert labels(old["cache get_or_set"])["perftui.cache.outcome"] == "stale"
    assert [s.name for s in spans if labels(s)["perftui.cache.key"] == "f"] == [
        "cache load",
        "cache get_or_set",
    ]


async def test_providers_of_the_service_are_used_and_its_own_spans_left_alone() -> None:
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    kept, reader = InMemorySpanExporter(), InMemoryMetricReader()
    tracers = TracerProvider()
    tracers.add_span_processor(SimpleSpanProcessor(kept))
    telemetry = Telemetry(meters=MeterProvider([reader]), tracers=tracers)
    cache = Cache("shop")
    telemetry.follow(cache)
    with tracers.get_tracer("t").start_as_current_span("request"):
        await cache.set("k", 1)
        assert (cache.peek("k"), await cache.get("k")) == (1, 1)
    spans = {s.name: s for s in kept.get_finished_spans()}
    assert spans["cache get"].parent.span_id == spans["request"].context.span_id
    assert not spans["request"].attributes
    await telemetry.close()
    assert "get" not in vars(cache)
    assert await cache.get("k") == 1
    assert len(kept.get_finished_spans()) == 3
    names = {
        m.name for r in reader.get_metrics_data().resource_metrics for s in r.scope_metrics for m in s.metrics
    }
    assert {"perftui.cache.operation.duration", "perftui.cache.hit.l1", "perftui.cache.l1.bytes"} <= names
    await cache.close()


@pytest.mark.slow
@pytest.mark.parametrize("hung", [True, False])
async def test_a_collector_that_is_away_costs_callers_nothing(hung: bool) -> None:
    with Collector(hung=True) as collector:
        telemetry = Telemetry(collector.url if hung else "http://127.0.0.1:9", every=0.05)
        async with Cache("shop") as cache:
            telemetry.follow(cache)
            took = []
            for n in range(3000):
                began = time.monotonic()
                await cache.get_or_set(f"k{n}", Source(n))
                took.append(time.monotonic() - began)
            took.sort()
            assert took[-1] < WITHIN  # which is what one who waits for the collector would wait
            assert took[len(took) // 2] < 0.05
        began = time.monotonic()
        await telemetry.close()
        assert time.monotonic() - began < 8


async def test_metrics_alone_and_a_share_of_traces(collector: Collector) -> None:
    for how in ({"spans": False}, {"sample": 0.0}):
        telemetry = Telemetry(collector.url, **how)  # type: ignore[arg-type]
        async with Cache("shop") as cache:
            telemetry.follow(cache)
            await cache.set("k", 1)
        await telemetry.close()
        assert collector.durations()["set", ""].count == 1
    assert collector.spans() == []


async def test_two_caches_and_one_that_is_made_anew(collector: Collector) -> None:
    telemetry = Telemetry(collector.url, spans=False)
    for _ in range(2):
        async with Cache("a") as a, Cache("b") as b:
            telemetry.follow(a)
            telemetry.follow(b)
            await a.set("k", 1)
    await telemetry.close()
    sets = {
        said["perftui.cache.name"]: p.as_int
        for name, said, p in collector.points()
        if name == "perftui.cache.set"
    }
    assert sets == {"a": 1}
    assert collector.durations()["set", ""].count == 2


def test_what_is_no_collector_is_refused() -> None:
    with pytest.raises(ConfigError, match="no collector"):
        Telemetry("localhost:4318")


CODE = """
import sys
sys.modules["opentelemetry"] = None
import perftui.instrument.cache as c, perftui.instrument.cache.otel as o
for name in c.__all__: getattr(c, name)
try: o.Telemetry("http://127.0.0.1:1")
except Exception as error: print(type(error).__name__, error)
"""


def test_without_the_extra_it_says_what_to_install() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], check=True, capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.strip() == f"Unsupported {INSTALL}"
