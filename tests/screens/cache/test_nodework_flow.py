"""What nodes run and what waits there, on an opened namespace: a load cancelled, letters tried again, by keys."""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import replace
from typing import Any

import pytest

from perftui.backends.valkey.link import Link
from perftui.instrument.cache import Cache, writequeue
from perftui.instrument.cache.context import LoadTimeout
from perftui.instrument.cache.writebehind import WriteBehind
from perftui.model.noderecord import pack
from perftui.model.nodework import LongLoad, NodeWork, WaitingItem, mark_of
from perftui.model.tiers import TierStats
from perftui.model.tierview import TierNode
from perftui.screens.cache import nodework
from tests.instrument.cache.test_orders import Book, Hang, long
from tests.screens.cache.conftest import Open
from tests.screens.cache.test_ttl_flow import SIZES, into
from tests.sizes import sizes
from tests.waiting import until


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writequeue, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(writequeue, "GROWTH", 1.2)


async def fits(it: Any, size: tuple[int, int]) -> None:
    lines = (await it.text()).splitlines()
    assert len(lines) == size[1]
    assert max(map(len, lines)) <= size[0]


@pytest.mark.slow
@pytest.mark.parametrize("size", SIZES)
async def test_a_hanging_load_is_listed_and_cancelled_by_key(
    console: Open, raw: Link, valkey: Any, size: tuple[int, int], tmp_path: Any
) -> None:
    async with Cache("shop", l2=valkey.url) as a, Cache("shop", l2=valkey.url) as b:
        hang = Hang()
        slow, young = (asyncio.ensure_future(a.get_or_set(key, hang)) for key in ("product:slow", "cart:9"))
        other = asyncio.ensure_future(b.get_or_set("product:slow", hang))
        await until(lambda: hang.calls == 3)
        async with console("cache.tiers", size) as it:
            await into(it, size)
            await it.press("x")
            await it.sees("choose a load that runs")
            await it.press("enter")
            long(a, "product:slow", 600.0)
            long(a, "cart:9", 20.0)
            long(b, "product:slow", 300.0)
            await it.sees(rf"load +product:slow +{a.node[:8]} +1\d m", within=20)
            rows = re.findall(r"load +(\S+) +(\w{8}) ", await it.text())
            assert rows == [
                ("product:slow", a.node[:8]),
                ("product:slow", b.node[:8]),
                ("cart:9", a.node[:8]),
            ]
            await fits(it, size)
            await it.press("x")
            await it.sees(r"shop product:slow: end its load, at 2 nodes")
            await it.sees("this cannot be undone")
            await it.sees(r"stale value if there is one, else LoadTimeout")
            await it.press("y")
            await it.sees(r"cancelled at 2 of 2 nodes", within=20)
            for caller in (slow, other):
                with pytest.raises(LoadTimeout):
                    await caller
            await until(lambda: "product:slow" not in {*a.loads(), *b.loads()})
            assert "cart:9" in a.loads()
            hang.gate.set()
            await young
            await it.sees(r"nothing runs long or waits any more", within=20)
            await fits(it, size)
            await it.press("escape")
            await it.sees("Namespaces")
    audit = [json.loads(row) for row in (tmp_path / "state" / "audit.jsonl").read_text().splitlines()]
    assert "cache.cancel-load" in {entry.get("action") for entry in audit}


@pytest.mark.parametrize("size", sizes(*SIZES))
async def test_dead_letters_are_told_and_tried_again_by_key(
    console: Open, raw: Link, valkey: Any, size: tuple[int, int], tmp_path: Any
) -> None:
    book = Book(5)
    behind = WriteBehind(book)
    await behind.start()
    async with Cache("shop", l2=valkey.url, writes=behind) as cache, console("cache.tiers", size) as it:
        await cache.write("order:7", 1, how="behind")
        await until(lambda: cache.stats().gauges["writes.dead"] == 1, 10)
        await into(it, size)
        await it.press("enter")
        await it.sees(r"1 dead letter · x cancel · r retry", within=20)
        await it.press("r")
        await it.sees(r"try again 1 dead letter and 0 writes")
        await it.sees("this cannot be undone")
        await it.sees(r"failed last: ValueError: no such column")
        await it.press("y")
        await it.sees(r"1 write tried again, obeyed at 1 of 1 node", within=20)
        await until(lambda: book.writes == [("order:7", 1)])
        await cache._publisher.publish()  # type: ignore[union-attr]
        await it.press("r")
        await it.sees(r"no write waits, and there is no dead letter", within=20)
        await fits(it, size)
    audit = [json.loads(row) for row in (tmp_path / "state" / "audit.jsonl").read_text().splitlines()]
    assert "cache.retry-writes" in {entry.get("action") for entry in audit}


async def test_where_there_is_room_for_one_v_shows_the_other(console: Open, raw: Link, valkey: Any) -> None:
    async with Cache("shop", l2=valkey.url) as cache, console("cache.tiers", (80, 24)) as it:
        hang = Hang()
        await into(it, (80, 24))
        await it.press("enter")
        await it.sees("Misses by cause")
        running = asyncio.ensure_future(cache.get_or_set("slow", hang))
        await until(lambda: hang.calls == 1)
        long(cache, "slow")
        await it.sees("Runs and waits", within=20)
        assert "Misses by cause" not in await it.text()
        await it.press("v")
        await it.sees("Misses by cause")
        assert "Runs and waits" not in await it.text()
        await it.press("v")
        await it.sees("Runs and waits")
        hang.gate.set()
        await running


async def test_read_only_refuses(console: Open, raw: Link, valkey: Any) -> None:
    async with Cache("shop", l2=valkey.url) as cache, console("cache.tiers", read_only=True) as it:
        hang = Hang()
        running = asyncio.ensure_future(cache.get_or_set("slow", hang))
        await until(lambda: hang.calls == 1)
        long(cache, "slow")
        await into(it, (120, 40))
        await it.press("enter")
        await it.sees(r"load +slow", within=20)
        await it.press("x")
        await it.sees("read-only")
        hang.gate.set()
        assert await running == "loaded"


async def test_a_finding_applies_the_cancel(console: Open, raw: Link, valkey: Any) -> None:
    async with Cache("shop", l2=valkey.url) as cache, console("cache.advisor", (120, 40)) as it:
        hang = Hang()
        running = asyncio.ensure_future(cache.get_or_set("slow", hang))
        await until(lambda: hang.calls == 1)
        long(cache, "slow", 60.0)
        await it.sees("shop: a loader hangs", within=20)
        await it.press("home")
        await it.sees("slow is loaded for")
        await it.press("A")
        await it.sees(r"shop slow: end its load, at 1 node")
        await it.press("y")
        await it.sees(r"cancelled at 1 of 1 node", within=20)
        with pytest.raises(LoadTimeout):
            await running


async def test_hostile_records_show_nothing_raw(console: Open, raw: Link, valkey: Any) -> None:
    seconds, _ = await raw.one("TIME", deadline=5)
    at = int(seconds) + 3600  # beside the index it stands for as long
    key = "\x1b]0;owned\x07\u202e" + "k" * 500
    hostile = NodeWork((LongLoad(key, mark_of(key), 99.0),), 7, (WaitingItem("write\x1b[2J", key, 9.0),), key)
    good = pack(TierStats("shop", "n" * 32, work=hostile), at)
    garbage = json.loads(pack(TierStats("shop", "g" * 32, work=NodeWork()), at))
    garbage["work"]["loads"] = [["\x1b[2Jzzgarbage", mark_of("k"), 1.0]]
    async with console("cache.tiers", (120, 40)) as it:
        for name, record in (("n", good), ("g", json.dumps(garbage).encode())):
            await raw.ask([("SET", f"__node:{name}", record), ("ZADD", "__nodes", at, f"__node:{name}")], 5)
        await into(it, (120, 40))
        await it.sees("Nodes, 1 not readable")
        await it.press("enter")
        await it.sees(r"load +\?\]0;owned\?\?k+… +nnnnnnnn +1 m 39 s", within=20)
        await it.sees(r"Runs and waits, \+6 loads")
        await it.sees(r"write\?… ")
        text = await it.text()
        assert "zzgarbage" not in text
        assert not {"\x1b", "\x07", "\u202e"} & set(text)


NODE = TierNode("shop", "n" * 32, 0.0)


def test_rows_are_loads_first_then_what_waits_each_the_oldest_first() -> None:
    one = NodeWork(
        (LongLoad("a", mark_of("a"), 5.0), LongLoad("b", mark_of("b"), 40.0)),
        9,
        (WaitingItem("write", "w", 90.0), WaitingItem("entry", "e", 95.0)),
    )
    nodes = (
        replace(NODE, work=one, dead=2.0),
        replace(NODE, node="m"),
        replace(NODE, node="o", work=NodeWork()),
    )
    rows = nodework.rows(nodes)
    assert [(row.what, row.key) for row in rows] == [
        ("load", "b"),
        ("load", "a"),
        ("entry", "e"),
        ("write", "w"),
    ]
    assert nodework.title(nodes) == "Runs and waits, +7 loads"
    assert nodework.note(nodes) == "2 dead letters · x cancel · r retry"
    styles = {row.key: nodework.columns()[3].cell(row)[1] for row in rows}
    assert styles == {"a": "warn", "b": "crit", "e": "crit", "w": "crit"}
    assert nodework.worth((replace(NODE, dead_shared=1.0),))
    assert not nodework.worth((NODE,))


def test_a_replayed_row_is_inert() -> None:
    node = replace(NODE, work=NodeWork((LongLoad("\x1b[2J", "m", 2.0),), 1))
    (row,) = nodework.rows((node,))
    cells = [column.cell(row)[0] for column in nodework.columns()]
    assert cells == ["load", "\\x1b[2J", "nnnnnnnn", "2.00 s"]
