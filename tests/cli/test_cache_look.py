"""`perftui cache latency`, `memory`, `doctor`, `--csv` and `--watch` against real servers."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from perftui.backends.valkey.link import Link, parse_url
from perftui.cli import main
from perftui.cli.cachewatch import CLEAR
from perftui.instrument.cache import Cache
from perftui.instrument.cache.staleness import Staleness
from tests.waiting import until

Out = pytest.CaptureFixture[str]
SLOW = 30  # seconds in which a process of ours must have said its lines


@pytest.fixture
async def raw(valkey: Any) -> AsyncIterator[Link]:
    link = Link(parse_url(valkey.url))
    kept = [await link.one("CONFIG", "GET", name, deadline=5) for name in ("maxmemory", "maxmemory-policy")]
    commands: list[tuple[Any, ...]] = [("FLUSHALL",), ("SLOWLOG", "RESET")]
    commands.append(("CONFIG", "SET", "maxmemory", "0"))
    commands.append(("CONFIG", "SET", "maxmemory-policy", "noeviction"))
    commands += [("SET", f"page:{i}", b"x" * 100, "EX", 500) for i in range(300)]
    commands += [("SET", "=1+2:a", b"x" * 5000), ("SET", b"\x1b[31mred", b"x")]
    await link.ask(commands, 10)
    yield link
    await link.ask([("FLUSHALL",), *(("CONFIG", "SET", *pair) for pair in kept)], 5)
    await link.close()


async def cache(config: str, *words: str) -> int:
    return await asyncio.to_thread(main, ["cache", words[0], "--config", config, *words[1:]])


def table(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


async def test_latency_tells_what_each_command_costs(config: str, raw: Link, capsys: Out) -> None:
    assert await cache(config, "latency", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["source"] == "main"
    info = next(row for row in told["commands"] if row["name"] == "info")
    assert info["calls_per_s"] > 0
    assert 0 < info["seconds_per_call"] < 0.1
    assert await cache(config, "latency") == 0
    out = capsys.readouterr().out
    assert "time in the server alone" in out
    assert " info" in out


async def test_memory_tells_what_holds_it(config: str, raw: Link, capsys: Out) -> None:
    await raw.one("CONFIG", "SET", "maxmemory", 64 << 20, deadline=5)
    assert await cache(config, "memory", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["max_bytes"] == 64 << 20
    assert told["used_bytes"] < told["max_bytes"]
    assert (told["exact"], told["sampled"]) == (True, 302)
    pages = next(row for row in told["prefixes"] if row["prefix"] == "page:")
    assert pages["keys"] == 300
    assert await cache(config, "memory") == 0
    out = capsys.readouterr().out
    assert "of 64.0 MiB used" in out
    assert "page:" in out
    assert "\x1b" not in out


async def test_csv_is_one_table_and_no_formula(config: str, raw: Link, capsys: Out) -> None:
    assert await cache(config, "status", "--csv") == 0
    (row,) = table(capsys.readouterr().out)
    assert (row["source"], row["role"], row["keys"]) == ("main", "primary", "302")
    assert await cache(config, "keys", "*", "--csv", "--limit", "1000") == 0
    rows = {row["key"]: row for row in table(capsys.readouterr().out)}
    assert len(rows) == 302
    assert "'=1+2:a" in rows
    assert "\x1b" not in "".join(rows)
    assert await cache(config, "memory", "--csv") == 0
    rows = {row["prefix"]: row for row in table(capsys.readouterr().out)}
    assert rows["page:"]["keys"] == "300"
    assert rows["page:"]["policy"] == "noeviction"
    assert await cache(config, "tiers", "--csv") == 1
    (row,) = table(capsys.readouterr().out)
    assert (row["source"], row["l3_hit_ratio"]) == ("main", "")


async def test_the_doctor_is_one_with_findings_as_bad_as_asked(config: str, raw: Link, capsys: Out) -> None:
    assert await cache(config, "doctor", "--json") == 1
    (found,) = json.loads(capsys.readouterr().out)
    assert (found["id"], found["severity"]) == ("cache.no-memory-limit", "warning")
    assert found["evidence"]
    assert await cache(config, "doctor", "--fail-on", "critical") == 0
    assert "main: No memory limit" in capsys.readouterr().out
    used = await raw.one("INFO", "memory", deadline=5)
    now = int(next(line for line in used.split(b"\r\n") if line.startswith(b"used_memory:"))[12:])
    await raw.one("CONFIG", "SET", "maxmemory", int(now * 1.02), deadline=5)
    assert await cache(config, "doctor", "--fail-on", "critical", "--csv") == 1
    rows = {row["id"]: row for row in table(capsys.readouterr().out)}
    assert rows["cache.memory-near-limit"]["severity"] == "critical"
    assert rows["cache.noeviction"]["action"] == "cache.configure"


async def test_the_doctor_tells_of_nodes(config: str, raw: Link, valkey: Any, capsys: Out) -> None:
    await raw.ask(
        [("CONFIG", "SET", "maxmemory", 1 << 30), ("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")], 5
    )
    async with Cache("shop", l2=valkey.url) as a, Cache("shop", l2=valkey.url) as b:
        meters = [Staleness(one, every=0.05) for one in (a, b)]
        await until(lambda: any(meter.delays.count > 5 for meter in meters), 15)
        for one in (a, b):
            await one._publisher.publish()  # type: ignore[union-attr]
        assert await cache(config, "doctor", "--nodes", "--json") == 0
        told = json.loads(capsys.readouterr().out)
        (late,) = told["staleness"]
        assert (late["source"], late["namespace"], late["nodes"], late["lost"]) == ("main", "shop", 2, 0)
        assert 0 <= late["p50_s"] <= late["p99_s"] <= 1.02 * late["max_s"]
        assert {node["node"] for node in told["nodes"]} == {a.node, b.node}
        assert [finding for finding in told["findings"] if finding["severity"] == "critical"] == []
        assert await cache(config, "doctor", "--nodes", "--fail-on", "critical") == 0
        assert "main: shop: changes heard after p50 " in capsys.readouterr().out


async def test_a_doctor_without_a_patient_is_three(
    config: str, raw: Link, valkey: Any, tmp_path: Path, capsys: Out
) -> None:
    await raw.ask(
        [("CONFIG", "SET", "maxmemory", 1 << 30), ("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")], 5
    )
    file = Path(config)
    more = '[env.test.backends.gone]\nkind = "valkey"\nurl = "redis://127.0.0.1:1/0"\n'
    file.write_text(file.read_text() + more)
    assert await cache(config, "doctor") == 3
    assert "gone is lost and was not judged" in capsys.readouterr().err
    file.write_text('[env.test]\nkind = "test"\n' + more)
    assert await cache(config, "doctor") == 3


async def test_watching_looks_again_until_it_is_interrupted(config: str, raw: Link, valkey: Any) -> None:
    words = ["-m", "perftui", "cache", "status", "--config", config, "--csv", "--watch", "0.5s"]
    process = await asyncio.create_subprocess_exec(
        sys.executable, *words, stdout=asyncio.subprocess.PIPE, env={**os.environ}
    )
    assert process.stdout is not None
    async with asyncio.timeout(SLOW):
        head = (await process.stdout.readline()).decode()
        lines = [(await process.stdout.readline()).decode() for _ in range(3)]
        process.send_signal(signal.SIGINT)
        assert await process.wait() == 130
    names = next(csv.reader([head]))
    rows = [dict(zip(names, row, strict=True)) for row in csv.reader(lines)]
    assert [row["source"] for row in rows] == ["main"] * 3
    assert CLEAR not in head


async def test_a_watch_is_no_faster_than_a_screen(config: str, capsys: Out) -> None:
    assert await cache(config, "status", "--watch", "0.1s") == 2
    assert "between 0.5s and 1h" in capsys.readouterr().err
