"""Loads of a namespace shared by a key on Tiers, shown in its detail, and taken back."""

from __future__ import annotations

from typing import Any

import pytest

from perftui.backends.valkey.link import Link
from perftui.instrument.cache import SHARED, Cache
from perftui.model.tiers import SharedLoads
from perftui.model.tierview import NamespaceView
from perftui.screens.cache import nodeswitch
from tests.screens.cache.conftest import Open
from tests.screens.cache.test_ttl_flow import into
from tests.sizes import sizes
from tests.waiting import until


@pytest.mark.parametrize("size", sizes((80, 24), (120, 40)))
async def test_it_is_set_by_key_and_undone(
    console: Open, raw: Link, valkey: Any, size: tuple[int, int]
) -> None:
    async with (
        Cache("shop", l2=valkey.url) as a,
        Cache("shop", l2=valkey.url, defaults=SHARED) as b,
        console("cache.tiers", size) as it,
    ):
        await into(it, size)
        await it.press("f")
        await it.sees(r"1 node: a load in each process → one load for all")
        await it.press("y")
        await it.sees(r"obeyed at 2 of", within=20)
        assert a.defaults.shared_flight
        await it.press("enter")
        await it.sees(r"loads +one for all processes set here", within=20)
        await it.press("u")
        await it.press("y")
        await until(lambda: not a.defaults.shared_flight, 10)
        await it.sees(r"loads +differs from node to node", within=20)
        assert b.defaults is SHARED


class Asked:
    """Remembers what it was asked to do."""

    def __init__(self, field: str = "shared") -> None:
        self.said: list[str] = []
        self._field = field

    def toast(self, text: str) -> None:
        self.said.append(text)

    def perform(self, action: str, source: str, **params: Any) -> None:
        self.said.append(f"{action} {source} {params[self._field]}")


def test_the_key_takes_it_the_other_way() -> None:
    def told(*pairs: tuple[bool, bool]) -> str:
        asked = Asked()
        nodes = tuple(SharedLoads(now=now, own=own) for now, own in pairs)
        view = NamespaceView("shop", 2, None, None, 0.0, shared=nodes)
        nodeswitch.SHARE.change(asked, "main", view)  # type: ignore[arg-type]
        return asked.said[0]

    assert told((False, False)) == "cache.share-loads main on"
    assert told((True, True), (False, True)) == "cache.share-loads main on"
    assert told((True, True)) == "cache.share-loads main off"
    assert told((True, False), (True, True)) == "cache.share-loads main default"
    assert told().startswith("its nodes have no lock")
