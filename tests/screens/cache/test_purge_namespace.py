"""Purging a namespace, or its entries with a tag, from Tiers and as a word of the palette; taken back with `u`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from perftui.backends.valkey.link import Link
from perftui.instrument.cache import Cache
from perftui.screens.cache.purging import check, read, within
from tests.screens.cache.conftest import Open
from tests.screens.cache.test_tabs import audit, count
from tests.screens.cache.test_ttl_flow import into
from tests.sizes import sizes
from tests.waiting import auntil

SIZES = sizes((80, 24), (160, 48))


async def filled(cache: Cache) -> None:
    for n in range(30):
        await cache.set(f"p{n}", n, tags=("red",) if n < 10 else ("blue",))


async def found(cache: Cache, key: str) -> bool:
    return await cache.get(key, default=None) is not None


@pytest.mark.parametrize("size", SIZES)
async def test_p_on_a_namespace_offers_it_and_u_brings_it_back(
    console: Open, raw: Link, valkey: Any, tmp_path: Path, size: tuple[int, int]
) -> None:
    async with Cache("shop", l1=None, l2=valkey.url) as cache, console("cache.tiers", size) as it:
        await filled(cache)
        await it.sees(r"main +primary +● live")
        await it.press("p")  # the servers' table has the keys: nothing is offered
        await it.sees(r"Purge keys of main")
        assert "--namespace shop" not in await it.text()
        await it.press("escape")
        await into(it, size)
        await it.press("p")
        await it.sees(r"--namespace shop")
        await it.press("enter")
        await it.sees(r"move to quarantine 30 keys")
        await it.types("shop:*")
        await it.sees(r"30 keys moved to quarantine", within=20)
        assert not await found(cache, "p3")
        assert await count(raw, "product:*") == 400
        await it.press("u", "y")
        await it.sees(r"30 keys restored", within=20)
        assert await found(cache, "p3")
        await it.press("enter")  # its detail offers the same
        await it.sees(r"Namespace shop", within=20)
        await it.press("p")
        await it.sees(r"--namespace shop")
        await it.press("escape")
    assert audit(tmp_path)[0]["params"]["pattern"] == "shop:*"


@pytest.mark.parametrize("size", SIZES)
async def test_entries_with_a_tag_go_by_key_and_by_word(
    console: Open, raw: Link, valkey: Any, tmp_path: Path, size: tuple[int, int]
) -> None:
    async with Cache("shop", l1=None, l2=valkey.url) as cache, console("cache.tiers", size) as it:
        await filled(cache)
        await into(it, size)
        await it.press("P")
        await it.sees(r"--namespace shop --tag")
        await it.types("red")
        await it.sees(r"remove every entry of shop that has the tag red")
        await it.types("red")
        await it.sees(r"entries with 1 tag are removed", within=20)
        await auntil(lambda: _gone(cache, "p3"))
        assert await found(cache, "p20")
        await it.press("u", "y")
        await auntil(lambda: found(cache, "p3"))
        await it.press(":")
        await it.types("purge --tag blue")
        await it.sees(r"remove every entry of shop that has the tag blue")
        await it.press("escape")
        await it.press(":")
        await it.types("purge --tag green --namespace shop")
        await it.sees(r"no entry of shop has the tag green")
        await it.press(":")
        await it.types("purge --namespace shop")
        await it.sees(r"move to quarantine 30 keys")
        await it.press("escape")
        lines = (await it.text()).splitlines()
        assert len(lines) == size[1]
        assert max(map(len, lines)) <= size[0]
    told = [(line["action"], line["outcome"]) for line in audit(tmp_path)]
    assert told[:4] == [("cache.purge-tag", how) for how in ("started", "done", "started", "undone")]
    assert {how for _, how in told[4:]} == {"declined"}


async def _gone(cache: Cache, key: str) -> bool:
    return not await found(cache, key)


async def test_a_tag_of_nobody_s_is_asked_after(console: Open, raw: Link) -> None:
    async with console("cache.tiers") as it:
        await it.sees("● live")
        await it.press(":")
        await it.types("purge --tag red")
        await it.sees("whose tag is it")


def test_namespaces_and_tags_are_read_and_checked() -> None:
    assert read("--namespace shop") == ("cache.purge", {"namespace": "shop"})
    assert read("--namespace shop p*") == ("cache.purge", {"namespace": "shop", "pattern": "p*"})
    saved = {"file": "~/my keys", "namespace": "shop"}
    assert read('--quarantine "~/my keys" --namespace shop') == ("cache.purge-file", saved)
    assert read('--tag "two words" --tag red') == ("cache.purge-tag", {"tags": ["two words", "red"]})
    assert read('--namespace "my shop" a b') == ("cache.purge", {"namespace": "my shop", "pattern": "a b"})
    both = {"namespace": "shop", "tags": ["red"], "file": "k"}
    assert read("--namespace shop --quarantine k --tag red") == ("cache.purge-tag", both)
    assert not any(map(check, ("--namespace shop", "--tag red", "--namespace shop --quarantine f --tag a")))
    assert "name of a cache" in check("--namespace")
    assert "takes a tag" in check("--namespace shop --tag ")
    for odd in ("--tag red p*", "--rate 5 --tag red"):
        assert "no key is touched" in check(odd)


def test_a_namespace_is_offered_as_it_can_be_typed() -> None:
    assert [within(name) for name in ("shop", "my shop", "a\x1bb", 'a"b')] == [
        "--namespace shop",
        '--namespace "my shop"',
        "",
        "",
    ]
    assert read(within("my shop"))[1] == {"namespace": "my shop"}


@pytest.mark.parametrize(
    ("typed", "why"),
    [
        ("--namespace  --tag home", "--namespace takes the name of a cache"),
        ("--namespace --rate 5 x*", "--namespace takes the name of a cache"),
        ("--tag --namespace shop", "--tag takes a tag"),
    ],
)
def test_an_option_is_nobody_s_value(typed: str, why: str) -> None:
    assert check(typed) == why


def test_no_namespace_is_offered_as_nothing() -> None:
    assert within("") == ""
