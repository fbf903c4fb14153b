"""The console on Redis 7.0: every Cache tab opens, its keys work, and what the server lacks is named."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest

from perftui.backends.valkey.link import Link
from perftui.lab.valkey import ValkeyServer
from tests.redis7 import redis
from tests.screens.cache.conftest import Open
from tests.screens.cache.test_tabs import (
    test_delete_the_key_under_the_cursor,
    test_hits_by_prefix_after_a_look,
    test_hot_keys_after_their_cost,
    test_keys_are_paged_filtered_and_inert,
    test_purge_by_pattern_then_undo,
)

if TYPE_CHECKING:
    from perftui.lab.folders import Folder

__all__ = [
    "test_delete_the_key_under_the_cursor",
    "test_hits_by_prefix_after_a_look",
    "test_hot_keys_after_their_cost",
    "test_keys_are_paged_filtered_and_inert",
    "test_purge_by_pattern_then_undo",
]
TABS = {
    "cache.tiers": r"main +primary +● live",
    "cache.latency": r"\d+ ?(ns|µs)│",
    "cache.memory": r"product: +\d+\.\d%",
    "cache.keys": r"of 505",
    "cache.cluster": r"cluster",
    "cache.warming": r"Warm sets",
    "cache.advisor": r"finding|Nothing|\d",
}
WRONG = ("Traceback", "Error(", "NoneType", "unhashable", "KeyError")


@pytest.fixture(scope="module")
async def alone(server_folder: Folder) -> AsyncIterator[ValkeyServer]:
    async with redis(server_folder, "redis-screens") as server:
        yield server


@pytest.fixture(scope="module")
async def copy(server_folder: Folder, alone: ValkeyServer) -> AsyncIterator[ValkeyServer]:
    async with redis(server_folder, "redis-screens-replica", alone) as server:
        yield server


@pytest.fixture
def valkey(alone: ValkeyServer) -> ValkeyServer:
    """What the fixtures of these screens ask for."""
    return alone


@pytest.fixture
def valkey_replica(copy: ValkeyServer) -> ValkeyServer:
    return copy


def sound(text: str, size: tuple[int, int]) -> None:
    assert not [word for word in WRONG if word in text], text
    assert len(text.splitlines()) == size[1]
    assert all(len(line) <= size[0] for line in text.splitlines())


@pytest.mark.slow
@pytest.mark.parametrize("size", [(80, 24), (120, 40), (160, 48)])
async def test_every_tab_opens_and_its_views_too(console: Open, raw: Link, size: tuple[int, int]) -> None:
    async with console("cache.tiers", size) as it:
        for tab, shows in TABS.items():
            it.app.go(tab)
            await raw.ask([("GET", "product:1")] * 200, 5)
            await it.sees(shows)
            for key in ("v", "v", "m", "s", "r", "j", "enter", "escape", "w", "escape", "?", "escape"):
                await it.press(key)
                sound(await it.text(), size)
            assert it.app.base.tab_name == tab


async def test_what_is_missing_is_named_and_the_rest_goes_on(console: Open, raw: Link) -> None:
    await raw.one("ACL", "SETUSER", "default", "-slowlog", "-latency", "-memory|usage", deadline=2)
    try:
        async with console("cache.latency", (160, 48)) as it:
            await it.sees(r"slowlog")
            it.app.go("cache.keys")
            await it.sees("of 505")
            it.app.go("cache.memory")
            await it.sees("memory")
            sound(await it.text(), (160, 48))
    finally:
        await raw.one("ACL", "SETUSER", "default", "+slowlog", "+latency", "+memory|usage", deadline=2)
