"""A namespace's detail on Tiers: figures, misses by cause, and a dictionary trained, applied and taken back."""

from __future__ import annotations

import json
import random
import re
from typing import Any

import pytest

from perftui.backends.valkey.link import Link
from perftui.instrument.cache import Cache
from perftui.instrument.cache.staleness import Staleness
from perftui.model.tiers import EntryOptions
from tests.screens.cache.conftest import Open
from tests.waiting import auntil, until

TOWNS = ("Aachen", "Bonn", "Celle", "Dresden", "Essen", "Fulda", "Gotha", "Halle")


def product(n: int) -> dict[str, Any]:
    draw = random.Random(n)
    words = [
        f"article in the house of {draw.choice(TOWNS)}, checked by {draw.choice(TOWNS)}" for _ in range(24)
    ]
    return {"id": n, "name": f"product {n}", "price": draw.randint(100, 9999), "notes": words}


async def fill(cache: Cache, first: int, last: int) -> None:
    for n in range(first, last):
        await cache.set(f"p{n}", product(n))


@pytest.mark.slow
@pytest.mark.parametrize("size", [(80, 24), (120, 40), (160, 48)])
async def test_enter_opens_a_namespace_with_its_misses_by_cause(
    console: Open, raw: Link, valkey: Any, size: tuple[int, int]
) -> None:
    async with Cache("shop", l1=500, l2=valkey.url) as cache, console("cache.tiers", size) as it:
        await fill(cache, 0, 50)
        if size[0] < 120:
            await it.press("v")
        await it.sees(r"shop +", within=20)
        await cache._publisher.publish()

        async def work() -> bool:
            await cache.get("nobody has this")
            await cache.remove("p1")
            await cache.get("p1")
            await cache.expire("p2")
            await cache.get("p2")
            return "removed" in await it.text()

        while not it.app.focused or it.app.focused.id != "namespaces":
            await it.press("tab")
        await it.press("enter")
        await auntil(work, 30)
        await it.sees(r"Namespace shop")
        await it.sees(r"went wrong +nothing")
        await it.sees(r"packed +\d\.\d\d to 1 since they began", within=20)
        await it.sees(r"by codec +lz4 \d+")
        await it.sees(r"absent \d.*expired \d.*removed \d.*tag 0", within=20)
        await auntil(lambda: _leaves_l1(it, cache), 30)
        await auntil(lambda: _drawn(it, work), 30)
        lines = (await it.text()).splitlines()
        assert len(lines) == size[1]
        assert max(map(len, lines)) <= size[0]
        await it.press("escape")
        await it.sees(r"Namespaces")
        assert "went wrong" not in await it.text()
        if size[0] >= 120:  # those of all namespaces
            await it.sees(r"Misses by cause")
            await it.sees(r"absent \d.*expired \d.*removed \d", within=20)


async def test_the_staleness_meter_and_what_could_not_be_read_are_told(
    console: Open, raw: Link, valkey: Any
) -> None:
    async with Cache("shop", l2=valkey.url) as a, Cache("shop", l2=valkey.url) as b:
        Staleness(a, every=0.05)
        Staleness(b, every=0.05)
        await raw.one("SET", "shop:bad", "rubbish", deadline=2)
        await a.get("bad")
        await until(lambda: a.stats().of("staleness.heard") + b.stats().of("staleness.heard") > 3)
        for cache in (a, b):
            await cache._publisher.publish()
        async with console("cache.tiers", (120, 40)) as it:
            await it.sees(r"shop +", within=20)
            while not it.app.focused or it.app.focused.id != "namespaces":
                await it.press("tab")
            await it.press("enter")
            await it.sees(r"heard after +p50 .*s, p95 .*s, p99 .*s, p99\.9 .*s", within=20)
            await it.sees(r"went wrong .*unreadable\.foreign 1")


async def _leaves_l1(it: Any, cache: Cache) -> bool:
    await cache.set("p3", product(3))
    await cache.remove("p3")
    told = re.search(r"out of L1/s +capacity 0, expiry 0, explicit (\d[\d.]*)", await it.text())
    return told is not None and float(told[1]) > 0


async def _drawn(it: Any, work: Any) -> bool:
    await work()
    return re.search(r"│ *[█▓▒]+ *$", await it.text(), re.MULTILINE) is not None


@pytest.mark.slow
async def test_a_dictionary_is_trained_shown_applied_and_taken_back(
    console: Open, raw: Link, valkey: Any, tmp_path: Any
) -> None:
    async with Cache("shop", l1=20, l2=valkey.url, defaults=EntryOptions(ttl=3600.0)) as cache:
        await fill(cache, 0, 400)
        await cache._publisher.publish()
        async with console("cache.tiers", (120, 40)) as it:
            await it.sees(r"shop +", within=20)
            while not it.app.focused or it.app.focused.id != "namespaces":
                await it.press("tab")
            await it.press("enter")
            before = float((await it.sees(r"packed +(\d\.\d\d) to 1", within=20))[1])
            await it.press("c")
            await it.sees(r"write shop of main with a dictionary of its own", within=30)
            plain = float(
                (await it.sees(r"lz4: (\d+\.\d+) to 1, \d+\.\d µs to pack, \d+\.\d µs to unpack"))[1]
            )
            await it.sees(r"snappy: \d+\.\d+ to 1")
            trained = float((await it.sees(r"zstd\+dictionary: (\d+\.\d+) to 1"))[1])
            assert trained > 1.5 * plain
            await it.press("y")
            await it.sees(r"dictionary \d+ is in force", within=20)
            numbers = iter(range(1000, 100_000))

            async def better() -> bool:
                await fill(cache, n := next(numbers) * 10, n + 10)
                found = [float(x) for x in _ratios(await it.text())]
                return bool(found) and found[0] > before * 1.2

            await auntil(better, 60)
            await it.sees(r"zstd\S* [1-9]")
            assert await cache.get("p3") == product(3)  # written before it
            assert await cache.get("p10005") == product(10005)
            await it.press("b")
            await it.sees(r"dictionary none in place of \d+")
            await it.press("y")
            await it.sees(r"dictionary none is in force", within=20)
            assert await cache.get("p10005") == product(10005)
    audit = [json.loads(row) for row in (tmp_path / "state" / "audit.jsonl").read_text().splitlines()]
    assert {"cache.dictionary", "cache.dictionary-back"} <= {entry.get("action") for entry in audit}


def _ratios(text: str) -> list[str]:
    return re.findall(r"packed +(\d+\.\d\d) to 1", text)
