"""Nodes that hear by publish/subscribe alone agree after L2 failed, or was late, for one of them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from perftui.instrument.cache import MISS
from perftui.instrument.cache.ports import Store
from perftui.model.errors import Lost
from tests.instrument.cache.test_hearing import SAFE, Node, _listening
from tests.instrument.cache.test_shared import Failing
from tests.waiting import auntil, until

if TYPE_CHECKING:
    from perftui.lab.valkey import ValkeyServer


@pytest.fixture
async def nodes(l2: ValkeyServer, store: Store) -> Any:
    pair = (Node(l2.url), Node(l2.url))
    await auntil(lambda: _listening(store, 2))
    yield pair
    for node in pair:
        await node.close()


def broken(node: Node) -> Failing:
    """Let what the node does in L2 fail from now on, and what it tells arrive."""
    core = node.cache._core
    wrapped = Failing(core.l2.store)  # type: ignore[union-attr]
    core.l2.store = core.tags.store = wrapped  # type: ignore[union-attr, assignment]
    wrapped.failing = True
    return wrapped


async def test_what_l2_takes_late_is_told_again(nodes: tuple[Node, Node]) -> None:
    a, b = nodes[0].cache, nodes[1].cache
    await a.set_many({"set": "old", "removed": "old", "expired": "old"}, options=SAFE)
    await a.set("tagged", "old", tags=["home"], options=SAFE)
    for key in ("set", "removed", "expired", "tagged"):
        assert await b.get(key) == "old"
    l2 = broken(nodes[0])
    heard = len(nodes[1].heard)
    await asyncio.gather(a.set("set", "new", options=SAFE), a.remove("removed"), a.expire("expired"))
    await a.remove_by_tag("home")
    await until(lambda: len(nodes[1].heard) == heard + 4)
    for key in ("set", "removed", "expired", "tagged"):  # what L2 has is all there is to be had
        assert await b.get(key) == "old"
    l2.failing = False
    await auntil(lambda: _is(b.get("set"), "new"))
    for key in ("removed", "expired", "tagged"):
        await auntil(lambda key=key: _is(b.get(key), MISS))  # type: ignore[misc]
    assert await b.get("expired", allow_stale=True) == "old"
    assert await b.get("removed", allow_stale=True) is MISS


async def test_behind_the_call_the_notice_waits_for_l2(nodes: tuple[Node, Node]) -> None:
    a, b = nodes[0].cache, nodes[1].cache
    await a.set("k", "old", options=SAFE)
    assert await b.get("k") == "old"
    core, gate = a._core, asyncio.Event()
    put = core.l2.store.put  # type: ignore[union-attr]

    async def slow(*args: Any, **named: Any) -> Any:
        await gate.wait()
        return await put(*args, **named)

    core.l2.store.put = slow  # type: ignore[union-attr, method-assign]
    heard = len(nodes[1].heard)
    await a.set("k", "new", options=SAFE.but(l2_background=True))
    assert a.peek("k") == "new"
    await b.set("other", 1)
    await until(lambda: any(n.key == "other" for n in nodes[0].heard))
    assert len(nodes[1].heard) == heard
    gate.set()
    await auntil(lambda: _is(b.get("k"), "new"))
    assert len(nodes[1].heard) == heard + 1


async def test_a_notice_that_waits_goes_out_once_l2_has_what_it_tells_of(nodes: tuple[Node, Node]) -> None:
    a, b = nodes[0].cache, nodes[1].cache
    await a.set("k", "old", options=SAFE)
    assert await b.get("k") == "old"
    plane = nodes[0].plane
    publish, deaf = plane.publish, True

    async def told(notice: Any) -> None:
        if deaf:
            raise Lost("nobody hears")
        await publish(notice)

    plane.publish = told  # type: ignore[method-assign]
    l2 = broken(nodes[0])
    heard = len(nodes[1].heard)
    await a.set("k", "new", options=SAFE)
    assert (len(a._core.recovery), len(a._core.notices)) == (1, 1)
    deaf = False
    await until(lambda: not len(a._core.notices))
    assert (len(a._core.recovery), len(nodes[1].heard)) == (1, heard)
    assert await b.get("k") == "old"  # what L2 has is all there is to be had
    l2.failing = False
    await auntil(lambda: _is(b.get("k"), "new"))
    assert len(nodes[1].heard) == heard + 1


async def _is(asked: Any, expected: Any) -> bool:
    return bool(await asked == expected)
