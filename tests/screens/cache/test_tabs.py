"""The cache tabs on real servers: what they show, what their keys do, and what a bad day looks like."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from perftui.backends.valkey.link import Link
from perftui.draw.rows import Look, Size, plain
from perftui.model.reading import Measure, Reading
from perftui.model.series import SeriesKey
from perftui.runtime.rings import Rings
from perftui.screens.cache.browse.keys import escaped
from perftui.screens.cache.latency import heat_of
from perftui.screens.cache.memory import parent
from perftui.screens.cache.rows import interval, key_text, share_bar
from perftui.screens.cache.tiers import finding_rows
from tests.screens.cache.conftest import Open
from tests.waiting import until

SIZES = [(80, 24), (120, 40), (160, 48), (200, 60)]


def audit(tmp_path: Path) -> list[dict[str, Any]]:
    file = tmp_path / "state" / "audit.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


async def count(raw: Link, pattern: str) -> int:
    return len(await raw.one("KEYS", pattern, deadline=5))


@pytest.mark.parametrize("size", SIZES)
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


@pytest.mark.parametrize("size", SIZES)
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


async def test_memory_shows_prefixes_and_looks_below(console: Open) -> None:
    async with console("cache.memory") as it:
        await it.sees(r"product: +\d+\.\d%")
        await it.sees("all counted")
        await it.press("tab", "tab")
        await it.press("r")
        await it.sees("product:")


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


async def test_hot_keys_after_their_cost(console: Open, raw: Link) -> None:
    async with console("cache.keys", (80, 24)) as it:
        await it.sees("product:")
        await it.press("H")
        await it.sees("server is slower meanwhile")
        traffic = asyncio.ensure_future(ask_for(raw, "product:7", 4000))
        await it.press("enter")
        await it.sees(r"product:7 +\d+.*%")
        traffic.cancel()


async def ask_for(raw: Link, key: str, times: int) -> None:
    for _ in range(times):
        await raw.ask([("GET", key)] * 5, 5)


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
