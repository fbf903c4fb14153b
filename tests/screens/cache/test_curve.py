"""The Memory tab's curve, from a cache of this process on a real server, and its empty state."""

from __future__ import annotations

from typing import Any

import pytest

from perftui.backends.valkey.link import Link
from perftui.instrument.cache import Cache
from tests.screens.cache.conftest import Open
from tests.sizes import sizes


async def value() -> str:
    return "x" * 200


@pytest.mark.parametrize("size", sizes((80, 24), (160, 48)))
async def test_v_comes_to_the_curve_and_arrows_change_the_size(
    console: Open, raw: Link, valkey: Any, size: tuple[int, int]
) -> None:
    async with Cache("shop", l1=100, l2=valkey.url) as cache:
        for n in range(900):  # of 505 keys: enough for a curve, whichever few of them hashes choose
            await cache.get_or_set(f"k{n * n % 1009}", value)
        await cache._publisher.publish()
        async with console("cache.memory", size) as it:
            await it.sees(r"product:")
            await it.press("v", "v")
            await it.sees(r"Biggest keys seen")
            await it.press("v")
            await it.sees(r"Curve of shop")
            await it.sees(r"100 entries .*\(1x\) +hit [\d.]+% ± ")
            await it.sees(r"recommended: (stay at )?[\d.]+ [KMG]?i?B")
            await it.press("right", "right", "right")
            await it.sees(r"200 entries .*\(2x\).* to now")
            await it.press("left", "left", "left", "left")
            await it.sees(r"79 entries")
            await it.press("escape")
            await it.sees(r"\(1x\)")
            lines = (await it.text()).splitlines()
            assert len(lines) == size[1]
            assert max(map(len, lines)) <= size[0]
            await it.press("v")
            await it.sees(r"Hits by policy and size")
            await it.press("v")
            await it.sees(r"product: +\d+\.\d%")


async def test_without_nodes_it_says_what_brings_them(console: Open) -> None:
    async with console("cache.memory") as it:
        await it.sees(r"product:")
        await it.press("v", "v", "v")
        await it.sees("No node publishes a curve yet")
        await it.sees("attach the library")
