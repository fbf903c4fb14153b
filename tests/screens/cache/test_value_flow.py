"""Looking into a key, paging its value, and setting when it ends, by keyboard."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from perftui.instrument.cache import Cache
from tests.screens.cache.conftest import Open
from tests.screens.cache.test_tabs import audit
from tests.sizes import sizes
from tests.waiting import auntil

if TYPE_CHECKING:
    from perftui.backends.valkey.link import Link


@pytest.fixture
async def shelves(raw: Link, valkey: Any) -> Link:
    """An entry of the library with hostile text, a long list, and plain text."""
    async with Cache("shop", l2=valkey.url, publish=False) as cache:
        await cache.set("tea", {"name": "\x1b[31mtea", "leaf": ["green", "white"]}, tags=["home"], ttl=600)
    await raw.ask([("RPUSH", "long:list", f"item {n}") for n in range(150)], 5)
    return raw


@pytest.mark.parametrize("size", sizes((80, 24), (120, 40), (200, 50)))
async def test_enter_looks_into_a_key(console: Open, shelves: Link, size: tuple[int, int]) -> None:
    async with console("cache.keys", size) as it:
        await it.sees("product:")
        await it.press("=")
        await it.types("shop:tea")
        await it.sees(r"▸shop:tea")
        await it.press("enter")
        await it.sees(r"Value of shop:tea")
        await it.sees(r'"green",')
        text = await it.text()
        assert "\x1b" not in text
        assert "Value, msgpack" in text
        assert r"\x1b[31mtea" in text or r"\\u001b[31mtea" in text or "u001b" in text
        await it.sees(r"entry +fresh for 9|entry +fresh for \d+ m")
        await it.press("escape")
        await it.sees(r"▸shop:tea")
        assert "Value of" not in await it.text()


async def test_a_long_one_is_turned_to_its_end_and_over(console: Open, shelves: Link) -> None:
    async with console("cache.keys", (120, 40)) as it:
        await it.sees("product:")
        await it.press("=")
        await it.types("long:*")
        await it.sees(r"▸long:list")
        await it.press("enter")
        await it.sees(r"▸0 +item 0")
        await it.sees("f goes on of 150 elements")
        await it.press("f")
        await it.sees(r"▸100 +item 100")
        await it.press("f")
        await it.sees(r"▸0 +item 0")


async def test_its_end_is_set_by_key_and_undone(console: Open, shelves: Link, tmp_path: Path) -> None:
    async def left() -> int:
        return int(await shelves.one("TTL", "product:7", deadline=2))

    async with console("cache.keys", (120, 40)) as it:
        await it.sees("product:")
        await it.press("=")
        await it.types("product:7")
        await it.sees(r"▸product:7")
        await it.press("i")
        await it.sees("TTL of product:7")
        await it.press(*["backspace"] * 8)
        await it.types("2h")
        await it.sees("let product:7 end in 2 h")
        await it.press("y")
        await auntil(lambda: _is(left, 7100, 7200))
        await it.sees(r"▸product:7 +string +\w+ +(2 h|1 h)")
        await it.press("enter")
        await it.sees(r"TTL +(2 h|1 h)")
        await it.press("u")
        await it.sees("undo: product:7")
        await it.press("y")
        await auntil(lambda: _is(left, 100, 500))
        await it.sees(r"TTL +[1-8] m")  # read again, as after what was undone
        await it.press("escape")
        await it.sees(r"▸product:7 +string +\w+ +[1-8] m")
        await it.press("enter")
        await it.sees(r"TTL +[1-8] m")
        await it.press("D")
        await it.sees("type product:7")
        await it.types("product:7")
        await it.sees("there is no such key")
    assert [line["outcome"] for line in audit(tmp_path)][:4] == ["started", "done", "started", "undone"]


async def test_read_only_looks_and_sets_nothing(console: Open, shelves: Link) -> None:
    async with console("cache.keys", (120, 40), read_only=True) as it:
        await it.sees("product:")
        await it.press("enter")
        await it.sees("Value of")
        await it.press("i")
        await it.sees("read-only")


async def _is(asked: Callable[[], Awaitable[int]], low: int, high: int) -> bool:
    return low <= await asked() <= high
