"""`perftui cache` against a real server: data on stdout, plans first, exit codes that can be scripted."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from perftui.analysis.quantile import Sketch
from perftui.backends.valkey.link import Link, parse_url
from perftui.cli import cachehot, main
from perftui.cli.cachepurge import seconds
from perftui.instrument.cache import stats as publishing
from perftui.instrument.cache.envelope import Sealer
from perftui.instrument.cache.face import Cache
from perftui.instrument.cache.warming import Warming
from perftui.model.cache import CommandSample, HotKey
from perftui.model.errors import ConfigError
from perftui.model.misscurve import MissCurve, Point
from perftui.model.noderecord import pack
from perftui.model.prefixhits import PrefixHits
from perftui.model.series import SeriesKey
from perftui.model.tiers import TierStats
from tests.cli.stored import fill
from tests.waiting import until

Out = pytest.CaptureFixture[str]


@pytest.fixture
async def raw(valkey: Any) -> AsyncIterator[Link]:
    link = Link(parse_url(valkey.url))
    commands: list[tuple[Any, ...]] = [("FLUSHALL",)]
    commands += [("SET", f"page:{i}", b"x" * 100, "EX", 500) for i in range(300)]
    commands += [("SET", b"\x1b[31mred", b"x"), ("SET", b"bin:\xff", b"x")]
    await link.ask(commands, 10)
    yield link
    await link.close()


async def cache(config: str, *words: str) -> int:
    """The command in a thread: it runs a loop of its own."""
    return await asyncio.to_thread(main, ["cache", words[0], "--config", config, *words[1:]])


async def test_status_agrees_with_the_server(config: str, raw: Link, capsys: Out) -> None:
    assert await cache(config, "status", "--json") == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["source"], row["role"], row["link"], row["keys"]) == ("main", "primary", "live", 302)
    assert row["ops_per_s"] is not None
    assert await cache(config, "status") == 0
    assert "302 keys" in capsys.readouterr().out


async def test_keys_match_limit_and_are_inert(config: str, raw: Link, capsys: Out) -> None:
    assert await cache(config, "keys", "page:*", "--json", "--limit", "5") == 0
    rows = json.loads(capsys.readouterr().out)
    assert len(rows) == 5
    assert all(row["key"].startswith("page:") and row["bytes"] > 100 for row in rows)
    assert await cache(config, "keys", "*red") == 0
    out = capsys.readouterr().out
    assert "\\x1b[31mred" in out
    assert "\x1b" not in out
    assert await cache(config, "keys", "nothing:*") == 1


async def test_prefixes_big_hot_and_slowlog(config: str, raw: Link, capsys: Out) -> None:
    assert await cache(config, "keys", "--prefixes") == 0
    assert "page:" in capsys.readouterr().out
    assert await cache(config, "big", "--json") == 0
    assert len(json.loads(capsys.readouterr().out)) == 50
    assert await cache(config, "hot", "--json") == 0
    hot = json.loads(capsys.readouterr().out)
    assert hot["took_s"] < 1.5
    assert all(row["moved"] is None for row in hot["keys"])  # there was no look before
    assert (hot["prefixes"], hot["prefixes_limit"]) == ([], "")
    assert await cache(config, "slowlog", "--json") == 0
    assert isinstance(json.loads(capsys.readouterr().out), list)


def test_hot_ranks_move_from_look_to_look(capsys: Out) -> None:
    args = argparse.Namespace(json=None)
    for shares in ({"a": 0.6, "b": 0.2}, {"b": 0.5, "a": 0.3, "c\x1b": 0.1}):
        keys = tuple(HotKey(name.encode(), 9, share, 0.01) for name, share in shares.items())
        assert cachehot.show(CommandSample(len(keys), 0.5, 100, keys, ()), "main", args) == 0
    first, _, up, down, new = capsys.readouterr().out.splitlines()
    assert first.endswith("%  a")
    assert up.endswith("▲ 1  b")
    assert down.endswith("▼ 1  a")
    assert new.endswith("new  c\\x1b")


def test_what_reads_found_is_told_by_prefix_with_its_interval(capsys: Out) -> None:
    rows = (
        PrefixHits(b"page:", 1200, 1080, 60, 1080 / 1140, 0.88, 0.96),
        PrefixHits(b"cart\x1b:", 1, 0, 0, None, 0.0, 1.0),
    )
    sample = CommandSample(1.0, 0.5, 1500, (), (), hits=rows, hits_limit="main has no EXISTS")
    assert cachehot.show(sample, "main", argparse.Namespace(json=None)) == 0
    assert capsys.readouterr().out.splitlines() == [
        "hit  94.7% (88.0–96.0%) of 1,200 reads, 60 unsure  page:",
        "hit      – (0–100%) of 1 read, 1 unsure  cart\\x1b:",
        "hits by prefix: main has no EXISTS",
    ]
    assert cachehot.show(sample, "main", argparse.Namespace(json=True)) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["prefixes_limit"] == "main has no EXISTS"
    assert told["prefixes"][0] | {"hit_ratio": 0.9} == {
        "prefix": "page:", "reads": 1200, "hits": 1080, "misses": 60, "unsure": 60,
        "hit_ratio": 0.9, "low": 0.88, "high": 0.96,
    }  # fmt: skip


async def test_purge_needs_a_yes_and_undo_needs_the_id(config: str, raw: Link, capsys: Out) -> None:
    assert await cache(config, "purge", "page:*", "--dry-run", "--json") == 0
    assert json.loads(capsys.readouterr().out)["plan"]["count"] == 300
    assert await cache(config, "purge", "page:*") == 4
    assert await raw.one("EXISTS", "page:1", deadline=2) == 1
    assert await cache(config, "purge", "page:*", "--yes", "--json") == 0
    receipt = json.loads(capsys.readouterr().out)
    assert receipt["done"] == 300
    assert await raw.one("EXISTS", "page:1", deadline=2) == 0
    kept = receipt["undo"]["quarantine"]
    assert await cache(config, "undo", kept, "--yes") == 0
    assert "300 keys restored" in capsys.readouterr().out
    assert await raw.one("TTL", "page:1", deadline=2) > 400
    assert await cache(config, "undo", kept, "--yes") == 4


async def test_purging_by_namespace_and_by_tag(config: str, raw: Link, valkey: Any, capsys: Out) -> None:
    async def load() -> str:
        return "x"

    assert await cache(config, "purge", "--yes") == 2
    assert await cache(config, "purge", "--tag", "red", "--yes") == 2
    assert "--namespace NAME" in capsys.readouterr().err
    async with Cache("shop", l2=valkey.url) as node:
        for key in "ab":
            await node.get_or_set(key, load, tags=["red"])
        words = ("purge", "--namespace", "shop", "--tag", "red")
        assert await cache(config, *words, "--tag", "none", "--dry-run") == 0
        assert "no entry has them: none" in capsys.readouterr().out
        assert await cache(config, *words, "--yes", "--json") == 0
        kept = json.loads(capsys.readouterr().out)["undo"]["id"]
        assert await node.get("a", default=None) is None
        assert await cache(config, "undo", kept, "--yes") == 0
        assert "1 of 1 tag" in capsys.readouterr().out
        assert await node.get("a", default=None) == "x"
        assert await cache(config, "purge", "b*", "--namespace", "shop", "--yes", "--json") == 0
        assert json.loads(capsys.readouterr().out)["done"] == 1
        assert await cache(config, "purge", "page:*", "--namespace", "shop", "--dry-run", "--json") == 0
        assert json.loads(capsys.readouterr().out)["plan"]["count"] == 0


async def test_delete_and_partly_restored(config: str, raw: Link, capsys: Out) -> None:
    assert await cache(config, "purge", "page:1*", "--delete", "--yes", "--json") == 0
    assert json.loads(capsys.readouterr().out)["undo"] is None
    assert await cache(config, "purge", "page:2*", "--keep", "5m", "--yes", "--json") == 0
    kept = json.loads(capsys.readouterr().out)["undo"]["quarantine"]
    await raw.one("SET", "page:22", "newer", deadline=2)
    assert await cache(config, "undo", kept, "--yes") == 5
    assert "1 left in quarantine" in capsys.readouterr().out
    assert await cache(config, "undo", kept, "--replace", "--yes") == 0
    assert await raw.one("GET", "page:22", deadline=2) != b"newer"


async def test_binary_patterns_arrive_true(config: str, raw: Link, capsys: Out) -> None:
    assert await cache(config, "purge", os.fsdecode(b"bin:\xff"), "--yes", "--json") == 0
    assert json.loads(capsys.readouterr().out)["done"] == 1


async def test_a_server_that_is_not_there_is_three(config: str, valkey: Any, capsys: Out) -> None:
    file = Path(config)
    file.write_text(file.read_text().replace(str(valkey.port), "1"))
    assert await cache(config, "status") == 3
    assert await cache(config, "purge", "x*", "--yes") == 3


@pytest.mark.parametrize(("text", "value"), [("90", 90), ("15m", 900), ("1h", 3600), ("2d", 172800)])
def test_times(text: str, value: float) -> None:
    assert seconds(text) == value


@pytest.mark.parametrize("text", ["", "x", "0", "-1h", "99d", "nan"])
def test_odd_times_are_usage_errors(text: str) -> None:
    with pytest.raises(ConfigError):
        seconds(text)


async def test_nodes_are_told_with_what_they_counted(config: str, raw: Link, capsys: Out) -> None:
    assert await cache(config, "nodes") == 1
    sketch = Sketch()
    sketch.add(0.02)
    stats = TierStats("shop", "n\u00e9", {"hit.l1": 1234}, {"l1.bytes": 5.0}, {"load": sketch.pack()})
    now = time.time()
    await raw.ask([("SET", "__node:x", pack(stats, now)), ("ZADD", "__nodes", now, "__node:x")], 5)
    await raw.ask([("SET", "__node:y", b"\x1b[31m"), ("ZADD", "__nodes", now, "__node:y")], 5)
    capsys.readouterr()
    assert await cache(config, "nodes", "--json") == 0
    told = capsys.readouterr()
    (row,) = json.loads(told.out)
    assert (row["namespace"], row["counters"]) == ("shop", {"hit.l1": 1234})
    assert row["latency_s"]["load"]["p99"] == pytest.approx(0.02, rel=0.01)
    assert "1 record could not be read: no JSON" in told.err
    assert await cache(config, "nodes") == 0
    out = capsys.readouterr().out
    assert "hit.l1 1,234" in out
    assert "load p50 20.0 ms" in out


async def test_warm_sets_are_listed_and_run(
    config: str, raw: Link, valkey: Any, capsys: Out, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def warm(*words: str) -> int:
        return await asyncio.to_thread(main, ["cache", "warm", *words, "--config", config])

    class Rows:
        async def load(self, keys: Any) -> dict[str, str]:
            return dict.fromkeys(keys, "x")

    assert await warm("list") == 1
    assert "Warm from the start" in capsys.readouterr().err
    assert await warm("run", "shop", "--yes") == 4
    monkeypatch.setattr(publishing, "EVERY", 0.05)
    async with Cache("shop", l2=valkey.url, source=Rows()) as node:
        assert await Warming(node, ["a", "b"], asked_every=0.05).ready(1.0)
        await until(lambda: node.stats().of("warm.start.runs"))
        assert node._publisher is not None
        await node._publisher.publish()
        assert await warm("list", "--json") == 0
        (row,) = json.loads(capsys.readouterr().out)["sets"]
        assert (row["namespace"], row["name"], row["loaded"], row["left"]) == ("shop", "start", 2, 0)
        await node.remove("b")
        assert await warm("run", "shop", "--dry-run") == 0
        assert node.stats().of("warm.start.runs") == 1
        assert "nodes: 1; keys: 2" in capsys.readouterr().out
        assert await warm("run", "shop", "--yes", "--json") == 0
        assert json.loads(capsys.readouterr().out)["done"] == 1
        assert await warm("list") == 0
        assert "2 of 2 keys; 2 runs: loaded 3, fresh already 1, failed 0" in capsys.readouterr().out


async def test_a_dictionary_is_trained_and_gone_back_from(config: str, raw: Link, capsys: Out) -> None:
    sealer = Sealer()
    values = [sealer.seal({"id": n, "name": f"a product {n * 7919}" * 9}, b"s" * 16) for n in range(300)]
    await raw.ask([("SET", f"shop:{n}", value) for n, value in enumerate(values)], 5)
    assert await cache(config, "dictionary", "shop", "--dry-run") == 0
    assert await raw.one("EXISTS", "__dictionaries:shop", deadline=5) == 0
    assert await cache(config, "dictionary", "shop", "--yes") == 0
    number = await raw.one("HGET", "__dictionaries:shop", "current", deadline=5)
    assert int(number) > 0
    assert "times smaller" in capsys.readouterr().out
    assert await cache(config, "dictionary", "shop", "--back", "--yes") == 0
    assert await raw.one("HGET", "__dictionaries:shop", "current", deadline=5) == b"0"
    assert await cache(config, "dictionary", "nobody", "--yes") == 4


async def test_a_curve_tells_what_other_sizes_cost(config: str, raw: Link, capsys: Out) -> None:
    assert await cache(config, "curve") == 1
    assert "no node publishes a curve" in capsys.readouterr().err
    now = time.time()
    for node, miss in (("a", 0.2), ("b", 0.4)):
        points = tuple(Point(n, miss * 1000 / (n + 1000), 0.01) for n in (125, 250, 500, 1000, 2000, 4000))
        stats = TierStats("sh\u00f6p", node, curve=MissCurve(1000, 2000.0, 500.0, 0.1, points))
        key = f"__node:{node}"
        await raw.ask([("SET", key, pack(stats, now)), ("ZADD", "__nodes", now, key)], 5)
    assert await cache(config, "curve", "--json", "--price-per-gb", "10") == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["nodes"], row["entries"], row["bytes"]) == (2, 2000, 4e6)
    assert row["miss_ratio"] == pytest.approx(0.15)
    assert row["half_costs"] == pytest.approx(0.3 / 1.5 - 0.15)
    assert row["price"] == pytest.approx(0.04)
    assert row["recommended"]["bytes"] == row["recommended"]["entries"] * 2000
    assert await cache(config, "curve", "--namespace", "sh\u00f6p", "--price-per-gb", "1000") == 0
    out = capsys.readouterr().out
    assert "half the memory costs 5.0 points, double brings 5.0" in out
    assert "2,000 entries (3.81 MiB) for 4.00 misses 15.0% ± 0.7 points of 1,000 lookups" in out
    assert await cache(config, "curve", "--namespace", "other") == 1
    assert await cache(config, "curve", "--price-per-gb", "-1") == 2


async def test_a_replica_is_promoted_and_follows_again(
    config: str, valkey: Any, valkey_replica: Any, capsys: Out
) -> None:
    file = Path(config)
    file.write_text(
        file.read_text() + '[env.test.backends.second]\nkind = "valkey"\n'
        f'url = "redis://127.0.0.1:{valkey_replica.port}/0"\npassword = "env:CACHE_PASSWORD"\n'
    )
    assert await cache(config, "promote", "second", "--dry-run") == 0
    assert "there are two then" in capsys.readouterr().out
    assert await cache(config, "promote", "second", "--bound", "soon") == 2
    assert await cache(config, "promote", "main", "--yes") == 4
    assert "is a primary already" in capsys.readouterr().err
    assert await cache(config, "promote", "second", "--yes") == 0
    assert "second is a primary at offset" in capsys.readouterr().out
    assert await cache(config, "follow", "second", f"127.0.0.1:{valkey.port}", "--yes") == 0
    assert f"second follows 127.0.0.1:{valkey.port} at offset" in capsys.readouterr().out


async def test_status_tells_longer_hit_ratios_from_history(config: str, raw: Link, capsys: Out) -> None:
    assert await cache(config, "status") == 0
    assert "nothing recorded of the last 24 h" in capsys.readouterr().out
    now = time.time()
    courses = {SeriesKey("main", "hits_per_s"): lambda _at: 30.0, SeriesKey("main", "misses_per_s"): one}
    env = "test"
    await asyncio.to_thread(fill, env, courses, [now - ago for ago in range(3600, 0, -5)])
    assert await cache(config, "status", "--json") == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert row["hit_ratio_15m"] == row["hit_ratio_24h"] == pytest.approx(0.9677, abs=0.001)
    assert row["hit_ratio_15m_recorded_s"] == 900
    assert 3540 <= row["hit_ratio_24h_recorded_s"] <= 3660
    assert await cache(config, "status") == 0
    assert "hit ratio of the last 15 m 96.8%, 24 h 96.8% (1 h recorded)" in capsys.readouterr().out


def one(_at: float) -> float:
    return 1.0


async def test_purge_keeps_a_rate(config: str, raw: Link, capsys: Out) -> None:
    assert await cache(config, "purge", "page:*", "--rate", "300", "--pause-over", "1s", "--dry-run") == 0
    plan = capsys.readouterr().out
    assert "at most 300 keys/s: 1.00 s or more" in plan
    assert "pauses while a probe's p99 is 1.00 s above what it is now" in plan
    started = time.monotonic()
    assert await cache(config, "purge", "page:*", "--rate", "300", "--yes") == 0
    assert time.monotonic() - started > 0.9
    assert "at most 300 keys/s" in capsys.readouterr().out
    assert await cache(config, "purge", "page:*", "--pause-over", "soon", "--yes") == 2
    assert await cache(config, "purge", "--tag", "a", "--namespace", "b", "--rate", "5", "--yes") == 2
