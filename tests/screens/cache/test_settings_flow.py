"""Settings on the Advisor: read, explained, one mended by a key, and refused to who may not read them."""

from __future__ import annotations

import pytest

from perftui.backends.valkey.link import Link
from tests.screens.cache.conftest import Open
from tests.sizes import sizes
from tests.waiting import auntil


async def in_front(it: object) -> None:
    """Turn to the settings."""
    for _ in range(3):
        await it.press("v")  # type: ignore[attr-defined]


@pytest.mark.parametrize("size", sizes((80, 24), (120, 40), (200, 60)))
async def test_a_risky_setting_is_explained_and_mended(
    console: Open, raw: Link, size: tuple[int, int]
) -> None:
    before = await raw.one("CONFIG", "GET", "maxmemory-policy", "maxmemory", deadline=5)
    await raw.one("CONFIG", "SET", "maxmemory", 1 << 30, "maxmemory-policy", "noeviction", deadline=5)
    try:
        async with console("cache.advisor", size) as it:
            await it.sees("A full cache would refuse writes")
            await in_front(it)
            await it.sees("Settings of main")
            await it.sees(r"maxmemory-policy +noeviction .*A full cache")
            await it.press("slash", *"policy", "enter")
            await it.sees("maxmemory-policy: which keys go when memory is full")
            await it.sees(r"A full cache would refuse writes \(cache.noeviction\)")
            await it.press("A")
            await it.sees("now noeviction, then allkeys-lru")
            await it.press("y")
            await auntil(lambda: _is(raw, b"allkeys-lru"), 20)
            await it.sees(r"maxmemory-policy +allkeys-lru")
            text = await it.text()
            assert all(len(line) <= size[0] for line in text.splitlines())
    finally:
        await raw.one("CONFIG", "SET", *before, deadline=5)


async def _is(raw: Link, wanted: bytes) -> bool:
    value: bytes = (await raw.one("CONFIG", "GET", "maxmemory-policy", deadline=5))[1]
    return value == wanted


async def test_who_may_not_read_them_learns_which_rule_is_missing(console: Open, raw: Link) -> None:
    async with console("cache.advisor", (120, 40)) as it:
        await it.sees("● live")
        await raw.one("ACL", "SETUSER", "default", "-config", deadline=5)
        try:
            await in_front(it)
            await it.sees(r"its ACL needs \+config\|get")
        finally:
            await raw.one("ACL", "SETUSER", "default", "+config", deadline=5)
