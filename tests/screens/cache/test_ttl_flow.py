"""The TTL of a namespace seen and set on Tiers, by its key: asked, planned, obeyed by nodes, undone."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from perftui.backends.valkey.link import Link
from perftui.instrument.cache import Cache
from perftui.model.tiers import EntryOptions
from perftui.model.tierview import NamespaceView
from perftui.screens.cache import ttl
from tests.screens.cache.conftest import Open
from tests.waiting import until

SIZES = [(80, 24), (120, 40), (160, 48)]


async def into(it: Any, size: tuple[int, int]) -> None:
    """The keys go to the table of namespaces."""
    if size[0] < 120:
        await it.press("v")
    await it.sees(r"shop +[\d–]", within=20)
    while not it.app.focused or it.app.focused.id != "namespaces":
        await it.press("tab")


async def answer(it: Any, text: str) -> None:
    await it.press("i")
    await it.sees(r"TTL of shop")
    await it.press("ctrl+u", *text, "enter")


@pytest.mark.slow
@pytest.mark.parametrize("size", SIZES)
async def test_it_is_set_by_key_and_undone(
    console: Open, raw: Link, valkey: Any, size: tuple[int, int], tmp_path: Any
) -> None:
    async with (
        Cache("shop", l2=valkey.url, defaults=EntryOptions(ttl=60.0)) as a,
        Cache("shop", l2=valkey.url, defaults=EntryOptions(ttl=60.0)) as b,
        console("cache.tiers", size) as it,
    ):
        await into(it, size)
        await answer(it, "soon")
        await it.sees(r"is no duration")
        await it.press("ctrl+u", *"5m", "enter")
        await it.sees(r"2 nodes: 1 m → 5 m")
        await it.sees(r"not reached: entries stored already")
        await it.press("y")
        await it.sees(r"2 of 2 nodes", within=20)
        assert a.defaults.ttl == b.defaults.ttl == 300.0
        await it.press("enter")
        await it.sees(r"TTL +5 m set here, 1 m by the nodes", within=20)
        lines = (await it.text()).splitlines()
        assert len(lines) == size[1]
        assert max(map(len, lines)) <= size[0]
        await it.press("u")
        await it.press("y")
        await until(lambda: a.defaults.ttl == b.defaults.ttl == 60.0, 10)
        await it.sees(r"TTL +1 m by the nodes", within=20)
    audit = [json.loads(row) for row in (tmp_path / "state" / "audit.jsonl").read_text().splitlines()]
    assert "cache.set-ttl" in {entry.get("action") for entry in audit}


async def test_the_table_has_it_where_there_is_room(console: Open, raw: Link, valkey: Any) -> None:
    async with Cache("shop", l2=valkey.url), console("cache.tiers", (160, 48)) as it:
        await into(it, (160, 48))
        await it.sees(r"▸shop .*  5 m ▸", within=20)
        assert re.search(r"Namespace .*TTL", await it.text())


async def test_read_only_refuses_and_without_nodes_there_is_nothing_to_edit(
    console: Open, raw: Link, valkey: Any
) -> None:
    async with console("cache.tiers") as it:
        await it.sees("No process publishes counters yet", within=20)
        await it.press("i")
        await it.sees("no namespace of the cache library is here")
    async with Cache("shop", l2=valkey.url) as cache, console("cache.tiers", read_only=True) as it:
        await into(it, (120, 40))
        await it.press("i")
        await it.sees("read-only")
        assert cache.defaults.ttl == 300.0


def view(now: tuple[float, ...], own: tuple[float, ...]) -> NamespaceView:
    return NamespaceView("shop", 2, None, None, 0.0, now, own)


def test_it_is_told_in_words() -> None:
    assert ttl.words(view((), ())) == ""
    assert ttl.words(view((90.0,), (90.0,))) == "90 s by the nodes' own options"
    assert ttl.words(view((60.0, float("inf")), (60.0, float("inf")))).startswith("1 m to never by")
    assert ttl.words(view((300.0,), (0.0, 60.0))).endswith(
        "set here, not kept to 1 m by the nodes' own options"
    )


def test_the_cell_says_where_nodes_differ_or_it_was_set() -> None:
    assert ttl.cell(view((), ())) == ("–", "")
    assert ttl.cell(view((172800.0,), (172800.0,))) == ("2 d", "")
    assert ttl.cell(view((300.0,), (60.0,))) == ("5 m", "accent")
    assert ttl.cell(view((60.0, 300.0), (60.0,))) == ("differs", "warn")


def test_a_duration_is_judged_while_it_is_typed() -> None:
    assert [ttl.fault(text) for text in ("5m", "default", "")] == ["", "", ""]
    assert "no duration" in ttl.fault("soon")
    assert "1s to 366d" in ttl.fault("0s")
