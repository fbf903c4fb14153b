"""Early loads of a namespace set by a key on Tiers, shown in its detail, and taken back."""

from __future__ import annotations

from typing import Any

import pytest

from perftui.backends.valkey.link import Link
from perftui.instrument.cache import SHARED, Cache
from perftui.model.tiers import EarlyLoads
from perftui.model.tierview import NamespaceView
from perftui.screens.cache import nodeswitch
from tests.screens.cache.conftest import Open
from tests.screens.cache.test_share_flow import Asked
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
        await it.press("X")
        await it.sees(r"1 node: no early loads → early loads, beta 1")
        await it.press("y")
        await it.sees(r"obeyed at 2 of", within=20)
        assert a.defaults.early_beta == 1.0
        await it.press("enter")
        await it.sees(r"early loads +by chance, beta 1 set here", within=20)
        await it.press("u")
        await it.press("y")
        await until(lambda: a.defaults.early_beta is None, 10)
        await it.sees(r"early loads +differs from node to node", within=20)
        assert b.defaults is SHARED


def view(*pairs: tuple[float, float]) -> NamespaceView:
    return NamespaceView("shop", 2, None, None, 0.0, early=tuple(EarlyLoads(*pair) for pair in pairs))


def test_the_key_takes_it_the_other_way() -> None:
    def told(*pairs: tuple[float, float]) -> str:
        asked = Asked("early")
        nodeswitch.EARLY.change(asked, "main", view(*pairs))  # type: ignore[arg-type]
        return asked.said[0]

    assert told((0, 0)) == "cache.load-early main on"
    assert told((1, 1), (0, 1)) == "cache.load-early main on"
    assert told((1, 1)) == "cache.load-early main off"
    assert told((1, 0), (1, 1)) == "cache.load-early main default"
    assert told().startswith("its nodes are of a version")


def test_what_is_in_force_is_told_in_words() -> None:
    assert nodeswitch.EARLY.words(view()) == nodeswitch.EARLY.words(view((0, 0))) == ""
    assert nodeswitch.EARLY.words(view((2, 2))) == "by chance, beta 2 by the nodes' own options"
    assert nodeswitch.EARLY.words(view((1, 0), (1, 1))) == "by chance, beta 1 set here"
    assert nodeswitch.EARLY.words(view((0, 1))) == "none set here"
