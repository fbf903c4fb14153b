"""An L1 lent to a namespace by a key on Tiers, shown in its detail, and taken back."""

from __future__ import annotations

from typing import Any

import pytest

from perftui.backends.valkey.link import Link
from perftui.instrument.cache import Cache
from perftui.model.tiers import LocalCopies
from perftui.model.tierview import NamespaceView
from perftui.screens.cache import localcopies
from tests.screens.cache.conftest import Open
from tests.screens.cache.test_share_flow import Asked
from tests.screens.cache.test_ttl_flow import into
from tests.sizes import sizes
from tests.waiting import until


@pytest.mark.parametrize("size", sizes((80, 24), (120, 40)))
async def test_it_is_lent_by_key_and_undone(
    console: Open, raw: Link, valkey: Any, size: tuple[int, int]
) -> None:
    async with (
        Cache("shop", l1=None, l2=valkey.url) as a,
        Cache("shop", l1=None, l2=valkey.url) as b,
        console("cache.tiers", size) as it,
    ):
        await into(it, size)
        await it.press("O")
        await it.sees(r"2 nodes: no L1 → an L1 of 1,000 entries")
        await it.press("y")
        await it.sees(r"obeyed at 2 of", within=20)
        assert a.memory is not None
        assert b.memory is not None
        await it.press("enter")
        await it.sees(r"L1 is +of 1,000 entries lent here", within=20)
        await it.press("u")
        await it.press("y")
        await until(lambda: a.memory is None and b.memory is None, 10)


def test_the_key_takes_it_the_other_way() -> None:
    def told(*pairs: tuple[int, int]) -> str:
        asked = Asked("local")
        nodes = tuple(LocalCopies(now, own) for now, own in pairs)
        view = NamespaceView("shop", 2, None, None, 0.0, local=nodes)
        localcopies.change(asked, "main", view)  # type: ignore[arg-type]
        return asked.said[0]

    assert told((0, 0)) == "cache.local-copies main on"
    assert told((9, 9), (0, 0)) == "cache.local-copies main on"
    assert told((1000, 0)) == "cache.local-copies main default"
    assert told((9, 9), (1000, 0)) == "cache.local-copies main default"
    assert told((0, 9), (0, 0)) == "cache.local-copies main default"
    assert told((9, 9)) == "cache.local-copies main off"
    assert told().startswith("its nodes have no L1 and hear nothing")


def test_what_is_lent_or_taken_away_is_told_in_words() -> None:
    def words(*pairs: tuple[int, int]) -> str:
        nodes = tuple(LocalCopies(now, own) for now, own in pairs)
        return localcopies.words(NamespaceView("shop", 2, None, None, 0.0, local=nodes))

    assert words() == words((9, 9), (0, 0)) == ""
    assert words((9, 9), (1000, 0)) == "of 1,000 entries lent here"
    assert words((0, 9)) == "taken away here"
