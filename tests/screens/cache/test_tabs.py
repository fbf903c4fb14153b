"""The cache tabs on real servers: what they show, what their keys do, and what a bad day looks like."""

from __future__ import annotations

import asyncio
import json
import re
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from perftui.backends.valkey.link import Link
from perftui.draw.rows import Look, Size, plain
from perftui.model.cache import CacheNode
from perftui.model.health import Health
from perftui.model.health import Link as Link_
from perftui.model.reading import Measure, Reading
from perftui.model.series import SeriesKey
from perftui.runtime.rings import Rings
from perftui.screens.cache.browse.keys import escaped
from perftui.screens.cache.latency import heat_of
from perftui.screens.cache.memory import parent, with_forecast
from perftui.screens.cache.rows import interval, key_text, share_bar
from perftui.screens.cache.tierrows import finding_rows
from tests.cli.stored import fill
from tests.engines.cache.test_findings import CALM
from tests.screens.cache.conftest import Open
from tests.sizes import sizes
from tests.waiting import until

SIZES = [(80, 24), (120, 40), (160, 48), (200, 60)]


def audit(tmp_path: Path) -> list[dict[str, Any]]:
    file = tmp_path / "state" / "audit.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


async def count(raw: Link, pattern: str) -> int:
    return len(await raw.one("KEYS", pattern, deadline=5))


@pytest.mark.parametrize("size", sizes(*SIZES))
async def test_tiers_show_both_servers(console: Open, raw: Link, size: tuple[int, int]) -> None:
    async with console("cache.tiers", size) as it:
        await it.sees(r"main +primary +● live +\d")
        await it.sees(r"second +replica +● live")
        await raw.ask([("GET", "product:1")] * 900 + [("GET", "absent")] * 100, 5)
        await it.sees(r"hit ratio, 1 min +9\d\.\d%")
        text = await it.text()
        assert "Hit ratio" in text
        assert len(text.splitlines()) == size[1]
        assert all(len(line) <= size[0] for line in text.splitlines())


@pytest.mark.parametrize("size", sizes(*SIZES))
async def test_latency_shows_heat_and_slow_log(console: Open, raw: Link, size: tuple[int, int]) -> None:
    await raw.one("CONFIG", "SET", "slowlog-log-slower-than", 0, deadline=2)
    await raw.one("GET", b"\x1b[31mslow", deadline=2)
    await raw.one("CONFIG", "SET", "slowlog-log-slower-than", 5000, deadline=2)
    async with console("cache.latency", size) as it:
        await it.sees(r"GET \\x1b\[31mslow")
        await raw.ask([("GET", "product:1")] * 300, 5)
        await it.sees(r"\d+ ?(ns|µs)│.*█")
        await it.press("v")
        await it.sees(r"get +\d")
        await it.press("m")
        await it.sees("Latency of reads")
        await it.sees("the server's side alone: no process of the cache library publishes")


@pytest.mark.parametrize("size", sizes((80, 24), (120, 40), (200, 60)))
async def test_memory_shows_shares_as_areas(console: Open, raw: Link, size: tuple[int, int]) -> None:
    names = [("SET", f"user:{n}", "v" * 100) for n in range(6000)]
    names += [("SET", f"page/{n}", "v" * 500) for n in range(900)]
    await raw.ask([("UNLINK", b"big:" + b"k" * 300_000), *names], 5)
    async with console("cache.memory", size) as it:
        await it.sees(r"user: +\d+\.\d%")
        await it.press("v")
        await it.sees(r"━ Shares of bytes ━.*░ 95 % · .* of 7,404 keys")
        await it.sees(r"┌[─▸]user: ─+┌")
        await it.sees(r"│\d\d\.\d% ± \d\.\d+% +│")
        text = await it.text()
        assert "░" in text
        assert len(text.splitlines()) == size[1]
        assert all(len(line) <= size[0] for line in text.splitlines())
        if size[0] >= 160:
            await it.sees(r"┌▸user: ─")  # where the cursor of the table is
            it.app.screen.query_one("#shares").focus()
            await it.press("down")
            await it.sees(r"┌▸page/ ─")


async def test_memory_shows_prefixes_and_looks_below(console: Open) -> None:
    async with console("cache.memory") as it:
        await it.sees(r"product: +\d+\.\d%")
        await it.sees("all counted")
        await it.press("tab", "tab")
        await it.press("r")
        await it.sees("product:")


@pytest.mark.slow
async def test_keys_are_paged_filtered_and_inert(console: Open) -> None:
    async with console("cache.keys", (80, 24)) as it:
        await it.sees(r"Keys ─.*of 505|Keys ━.*of 505")
        await it.press("=")
        await it.types("*")
        await it.sees(r"Keys \*")
        await it.press("f")
        await it.sees(r"string")
        for pattern, shown in (
            ("*red*", r"\\x1b\[31mred\\x07:x"),
            ("bidi*", r"bidi:\\u202egnp"),
            ("big:*", "KiB"),
        ):
            await it.press("=", *["backspace"] * 12)
            await it.types(pattern)
            await it.sees(shown)
            assert "\x1b" not in await it.text()
        await it.press("=", *["backspace"] * 12)
        await it.types("nothing:*")
        await it.sees(r"nothing matches nothing:\*: to the end of 505 keys")
        await it.press("escape")
        await it.sees("1/")


async def test_purge_by_pattern_then_undo(console: Open, raw: Link, tmp_path: Path) -> None:
    async with console("cache.keys") as it:
        await it.sees("product:")
        await it.press("p")
        await it.types("product:*")
        await it.sees("400 of 505 keys match")
        assert await count(raw, "product:*") == 400
        await it.types("product:*")
        await it.sees("400 keys moved to quarantine")
        assert await count(raw, "product:*") == 0
        await it.press("u")
        await it.sees("undo: 400 keys moved")
        await it.press("y")
        await it.sees("400 keys restored")
        assert await count(raw, "product:*") == 400
        assert await raw.one("TTL", "product:1", deadline=2) > 400
    assert [line["outcome"] for line in audit(tmp_path)] == ["started", "done", "started", "undone"]


async def test_declined_purge_touches_nothing(console: Open, raw: Link, tmp_path: Path) -> None:
    async with console("cache.tiers") as it:
        await it.sees("● live")
        await it.press("p")
        await it.types("cart:*")
        await it.sees("100 of 505 keys match")
        await it.types("something else")
        await it.sees("not the text asked for")
        await it.press("escape")
        await until(lambda: bool(audit(tmp_path)))
        assert await count(raw, "cart:*") == 100
    assert [line["outcome"] for line in audit(tmp_path)] == ["declined"]


async def test_read_only_refuses(console: Open, raw: Link) -> None:
    async with console("cache.keys", read_only=True) as it:
        await it.sees("product:")
        await it.press("p")
        await it.sees("read-only")
    assert await count(raw, "cart:*") == 100


async def test_delete_the_key_under_the_cursor(console: Open, raw: Link) -> None:
    async with console("cache.keys", (80, 24)) as it:
        await it.press("=")
        await it.types("cart:7")
        await it.sees(r"▸cart:7")
        await it.press("D")
        await it.sees("1 of 1 of the keys named exist")
        await it.types("cart:7")
        await it.sees("1 key moved")
        assert await count(raw, "cart:7") == 0


@pytest.mark.parametrize("size", sizes((80, 24), (120, 40), (200, 60)))
async def test_keys_tell_how_they_are_kept_and_used(console: Open, raw: Link, size: tuple[int, int]) -> None:
    async with console("cache.keys", size) as it:
        await it.sees(r"product:\d+ +string +(raw|embstr) +\d+ m \d+ s")
        assert "Freq" not in await it.text()
        await raw.one("CONFIG", "SET", "maxmemory-policy", "allkeys-lfu", deadline=2)
        try:
            while "Freq" not in await it.text():
                await it.press("r")
            await it.sees(r"product:\d+ +string +(raw|embstr) +\d+ m \d+ s +\d+ B +\d+")
        finally:
            await raw.one("CONFIG", "SET", "maxmemory-policy", "allkeys-lru", deadline=2)
        assert max(map(len, (await it.text()).splitlines())) <= size[0]


async def test_hot_keys_after_their_cost(console: Open, raw: Link) -> None:
    async with console("cache.keys", (80, 24)) as it:
        await it.sees("product:")
        await it.press("H")
        await it.sees("server is slower meanwhile")
        traffic = asyncio.ensure_future(ask_for(raw, "product:7", 4000))
        await it.press("enter")
        await it.sees(r"product:7 +\d+.*%")
        traffic.cancel()


@pytest.mark.parametrize("size", sizes((80, 24), (120, 40), (200, 60)))
async def test_hits_by_prefix_after_a_look(console: Open, raw: Link, size: tuple[int, int]) -> None:
    async with console("cache.keys", size) as it:
        await it.sees("product:")
        await it.press("H")
        await it.sees("Hot keys by MONITOR, hits by EXISTS")
        traffic = asyncio.ensure_future(ask_for(raw, "product:7", 4000, "absent:1"))
        await it.press("enter")
        await it.sees(r"product:7 +\d+.*%")
        traffic.cancel()
        if size[0] < 120:
            assert "Hits by prefix" not in await it.text()
        await it.press("v")
        await it.sees(r"absent: +[\d,]+ +0% +0(\.0)?–\d+(\.\d)?% +0")
        await it.sees(r"product: +[\d,]+ +100% +\d\d(\.\d)?–100% +0")
        await it.sees(r"━ Hits by prefix ━")
        await it.press("down", "enter")  # a prefix' keys
        await it.sees(r"Keys product:\*|Keys absent:\*")
        await it.press("v", "v", "v")
        await it.sees(r"━ Keys ")


async def test_ranks_of_hot_keys_move(console: Open, raw: Link) -> None:
    async with console("cache.keys") as it:
        await it.sees("product:")
        for first, second in (("product:7", "product:8"), ("product:8", "product:7")):
            traffic = asyncio.ensure_future(ask_both(raw, first, second))
            await it.press("H")
            await it.sees("server is slower meanwhile")
            await it.press("enter")
            await it.sees(rf"{first} +(▲ 1 +)?[67]\d.*%")
            traffic.cancel()
        await it.sees(r"product:8 +▲ 1 +[67]\d")
        await it.sees(r"product:7 +▼ 1 +[23]\d")


async def ask_both(raw: Link, often: str, seldom: str) -> None:
    while True:
        await raw.ask([("GET", often)] * 6 + [("GET", seldom)] * 3, 5)


async def ask_for(raw: Link, key: str, times: int, *more: str) -> None:
    for _ in range(times):
        await raw.ask([("GET", one) for one in (key, *more)] * 5, 5)


def test_no_finding_about_a_server_that_does_not_answer_is_not_called_ok():
    look, size = Look(), Size(80, 3)

    def said(known):
        return "".join(plain(finding_rows([], size, look, known=known)))

    assert "not known while the server does not answer" in said(False)
    assert "nothing to say" in said(True)


async def test_a_hung_server_is_lost_and_comes_back(console: Open, valkey: Any) -> None:
    async with console("cache.tiers") as it:
        await it.sees(r"main +primary +● live")
        await valkey.pause()
        try:
            await it.sees(r"main +primary +◌ lost", within=20)
            assert "nothing to say" not in await it.text()
            await it.sees("no answer within")
            assert "second" in await it.text()
        finally:
            await valkey.resume()
        await it.sees(r"main +primary +● live", within=30)


async def test_which_server(console: Open) -> None:
    async with console("cache.memory") as it:
        await it.sees("● ok main")
        await it.press("t")
        await it.sees("second")
        await it.press("down", "enter")
        await it.sees("● ok second")


def test_heat_is_on_absolute_time() -> None:
    history = Rings()
    assert heat_of(history, "a", "all", 1000.0) is None
    assert heat_of(None, "a", "all", 1000.0) is None
    for second in range(30):
        keys = [
            SeriesKey("a", "latency_bucket_per_s", (("class", kind), ("le", le)))
            for kind, le in (("read", "1e-06"), ("read", "8e-06"), ("write", "8e-06"))
        ]
        measures = tuple(Measure(key, 2.0, "1/s") for key in keys)
        history.record(Reading("a", 970.0 + second, 0.0, measures, None))
    assert heat_of(history, "a", "all", 974.0) is None  # no step is whole yet
    heat = heat_of(history, "a", "all", 1000.0)
    assert heat == heat_of(history, "a", "all", 1004.0)
    assert heat is not None
    assert (heat.height, heat.edges[0], heat.edges[-1]) == (4, 0.5e-6, 8e-6)
    assert heat.times[-1] == 1000.0
    assert list(heat.counts[-1]) == [10.0, 0.0, 0.0, 20.0]
    assert list(heat.counts[-7]) == [0.0] * 4
    reads = heat_of(history, "a", "read", 1001.0)
    assert reads is not None
    assert list(reads.counts[-1]) == [10.0, 0.0, 0.0, 10.0]


@pytest.mark.parametrize(
    ("prefix", "glob"), [(b"a:", b"a:*"), (b"*", b"*"), (b"a[1]:", b"a\\[1\\]:*"), (b"*:", b"*:*")]
)
def test_prefix_as_pattern(prefix: bytes, glob: bytes) -> None:
    assert escaped(prefix) == glob


@pytest.mark.parametrize(("prefix", "up"), [(b"a:b:", b"a:"), (b"a:", b""), (b"a/b:c|", b"a/b:")])
def test_parent(prefix: bytes, up: bytes) -> None:
    assert parent(prefix) == up


def test_words_of_cells() -> None:
    assert interval((0.5, 0.0)) == "50.0%"
    assert interval((0.5, 0.01)) == "50.0% ± 1.0%"
    assert share_bar((0.5, 0.25), 8) == ("████░░", "s1")
    assert key_text(b"k" * 1000).endswith("… (1000 B)")


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
async def test_tiers_tell_longer_hit_ratios(console: Open, raw: Link, size: tuple[int, int]) -> None:
    now, key = time.time(), partial(SeriesKey, "main")
    courses = {key("hits_per_s"): lambda _at: 30.0, key("misses_per_s"): lambda _at: 10.0}
    await asyncio.to_thread(fill, "lab", courses, [now - ago for ago in range(4000, 0, -5)])
    async with console("cache.tiers", size, remember=True) as it:
        await it.sees(r"15 m 7\d\.\d%, 24 h 7\d\.\d% \(1 h recorded\)", within=30)


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
async def test_memory_tells_what_is_held_beside_keys_and_when_it_is_full(
    console: Open, raw: Link, size: tuple[int, int]
) -> None:
    now, (used, most) = time.time(), await raw.ask([("INFO", "memory"), ("CONFIG", "GET", "maxmemory")], 5)
    holds = int(re.search(rb"used_memory:(\d+)", used)[1])  # type: ignore[index]
    grown = partial(growth, now, holds, (int(most[1]) - holds) / 600)
    courses = {SeriesKey("main", "used_bytes"): grown}
    await asyncio.to_thread(fill, "lab", courses, [now - ago for ago in range(300, 0, -2)])
    async with console("cache.memory", size, remember=True) as it:
        rest = r" +replicas \d.*B +backlog \d" if size[0] >= 120 else ""  # as many as fit
        await it.sees(r"resident/used \d+\.\d\d +buffers: clients \d.*B" + rest)
        await it.sees(r"full in (9|1\d) m")
        await it.sees(r"─ ahead|━ ahead|ahead \d")


def growth(now: float, holds: int, pace: float, at: float) -> float:
    return holds - pace * (now - at)


def test_a_forecast_goes_to_full_or_a_third_of_the_window() -> None:
    facts = replace(CALM, used_bytes=600, max_bytes=1000)
    node = CacheNode("main", Health(Link_.LIVE, 0.0), facts, at=100.0, full_in_s=200.0)
    lines, ahead = with_forecast([], node, 900.0)
    assert ahead == 200
    assert (list(lines[0].at), list(lines[0].value)) == ([100.0, 300.0], [600.0, 1000.0])
    lines, ahead = with_forecast([], replace(node, full_in_s=600.0), 900.0)
    assert (ahead, list(lines[0].value)) == (300.0, [600.0, 800.0])
    assert with_forecast([], replace(node, full_in_s=None), 900.0) == ([], 0.0)
