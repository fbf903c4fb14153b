"""Tags of two nodes that write at once: they agree on tokens, and let each other alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest

from perftui.instrument.cache.face import Cache
from perftui.instrument.cache.names import tag_key
from perftui.instrument.cache.ports import Store
from perftui.instrument.cache.tags import TOUCHED_EVERY
from perftui.model.tagtokens import LIFE
from tests.waiting import until

if TYPE_CHECKING:
    from perftui.lab.valkey import ValkeyServer


@pytest.fixture
async def nodes(l2: ValkeyServer, store: Store) -> AsyncIterator[tuple[Cache, Cache]]:
    async with Cache("shop", l2=l2.url) as a, Cache("shop", l2=l2.url) as b:
        yield a, b


async def fill(cache: Cache, name: str) -> None:
    for n in range(100):
        await cache.set(f"{name}{n}", n, tags=["home"])


async def test_nodes_that_ask_for_a_tag_again_do_not_make_each_other_ask(
    nodes: tuple[Cache, Cache], store: Store
) -> None:
    a, b = nodes
    await asyncio.gather(fill(a, "a"), fill(b, "b"))
    key = tag_key("shop", "home")
    await store.command("EXPIRE", key, int(LIFE), key=key)
    await until(lambda: "home" not in a._core.tags._known and "home" not in b._core.tags._known)
    before = (a._core.epoch, b._core.epoch)
    await asyncio.gather(fill(a, "a"), fill(b, "b"))
    await until(lambda: a.stats().of("invalidated") >= 200 and b.stats().of("invalidated") >= 200)
    assert (a._core.epoch, b._core.epoch) == before
    keys = [f"{name}{n}" for name in "ab" for n in range(100)]
    assert len(await a.get_many(keys)) == len(await b.get_many(keys)) == 200


async def test_a_tag_that_changes_while_others_are_asked_for_is_asked_for_again(
    nodes: tuple[Cache, Cache], store: Store
) -> None:
    a, _ = nodes
    tags = a._core.tags
    await tags.tokens(["known"])
    made = tags._make

    async def crossed(names: list[str], within: float | None) -> None:
        await made(names, within)
        tags._make = made  # type: ignore[method-assign]
        tags.heard("known")

    tags._make = crossed  # type: ignore[method-assign]
    carried = {name: expire + remove for name, expire, remove in await tags.tokens(["known", "new"])}
    assert carried["known"] == await store.get(tag_key("shop", "known"))


async def test_a_tag_lives_on_once_a_day_of_its_life_is_gone(
    nodes: tuple[Cache, Cache], store: Store
) -> None:
    a, b = nodes
    await a.set("k", 1, tags=["home"])
    key = tag_key("shop", "home")
    for gone, drawn_out in ((TOUCHED_EVERY / 2, False), (2 * TOUCHED_EVERY, True)):
        await store.command("EXPIRE", key, int(LIFE - gone), key=key)
        await until(lambda: "home" not in b._core.tags._known)
        await b.set("k", 2, tags=["home"])
        left = await store.command("TTL", key, key=key)
        assert (left > LIFE - TOUCHED_EVERY / 4) is drawn_out
