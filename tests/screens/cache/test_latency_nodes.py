"""The heat map of what callers at nodes wait for: `m` on Latency goes through loads, gets and sets where nodes publish."""

from __future__ import annotations

import re
from typing import Any

import pytest

from perftui.backends.valkey import nodes, waits
from perftui.backends.valkey.link import Link
from perftui.instrument.cache import Cache, stats
from perftui.screens.cache import latency
from tests.screens.cache.conftest import Open
from tests.sizes import sizes
from tests.waiting import auntil

DRAWN = r"[░▒▓█]"


@pytest.mark.parametrize("size", sizes((80, 24), (160, 48)))
async def test_m_goes_through_loads_gets_and_sets(
    console: Open, raw: Link, valkey: Any, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (stats, waits, nodes):
        monkeypatch.setattr(module, "EVERY", 0.2)
    monkeypatch.setattr(latency, "STEP", 1.0)
    turns = iter(range(10**6))

    async def load() -> int:
        return 1

    async with Cache("shop", l1=10, l2=valkey.url) as cache, console("cache.latency", size) as it:

        async def drawn() -> bool:
            await cache.get_or_set(f"k{next(turns)}", load)
            text = await it.text()
            upper = text[: text.index("At the library")]
            return re.search(DRAWN, upper) is not None

        async def published() -> bool:
            await cache.get_or_set(f"k{next(turns)}", load)
            return it.app.base.tab._published() == list(latency.OPS)

        await it.sees("Latency of all commands, server side")
        await auntil(published, 30)
        await it.press("m", "m")
        await it.sees("Latency of writes, server side")
        for what in latency.OPS.values():
            await it.press("m")
            await it.sees(f"Latency of {what}, at nodes")
            await auntil(drawn, 30)
            if size[0] >= 120:
                await it.sees(f"p50 p95 p99 of {what}, at nodes")
        lines = (await it.text()).splitlines()
        assert len(lines) == size[1]
        assert max(map(len, lines)) <= size[0]
        await it.press("m")
        await it.sees("Latency of all commands, server side")


async def test_without_nodes_it_goes_on_to_all_commands(console: Open, raw: Link) -> None:
    async with console("cache.latency") as it:
        await it.sees("Latency of all commands, server side")
        await it.press("m", "m")
        await it.sees("Latency of writes, server side")
        await it.press("m")
        await it.sees("Latency of all commands, server side")
