"""Runs of warm jobs on a real server: handed over by a console's backend, taken by nodes, done once."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any

import pytest

from perftui.backends.valkey import Valkey
from perftui.instrument.cache import warming as warm
from perftui.instrument.cache import warmruns
from perftui.instrument.cache.face import Cache
from perftui.instrument.cache.hot import Hot
from perftui.instrument.cache.ports import Store
from perftui.instrument.cache.warming import Warming
from perftui.model.errors import BackendError
from perftui.model.options import ValkeyOptions
from perftui.model.warmask import ask_key
from perftui.model.warmqueue import (
    FIELD,
    GROUP,
    LARGEST,
    MOST_KEYS,
    NoOrder,
    Order,
    Told,
    What,
    keys_key,
    pack_order,
    pack_told,
    queue_key,
    told_key,
    unpack_order,
    unpack_told,
)
from tests.instrument.cache.test_shared import linked
from tests.rows import Rows
from tests.waiting import auntil, until

if TYPE_CHECKING:
    from perftui.lab.valkey import ValkeyServer

KEYS = [f"k{n}" for n in range(20)]
QUEUE = queue_key("shop", "start")


@pytest.fixture
def rows() -> Rows:
    return Rows()


@pytest.fixture
async def console(l2: ValkeyServer, store: Store) -> AsyncIterator[Valkey]:
    made = Valkey("cache", ValkeyOptions(url=f"redis://127.0.0.1:{l2.port}/0", password=l2.password))
    yield made
    await made.close()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warm, "BEAT", 0.02)
    monkeypatch.setattr(warmruns, "SILENT", 0.2)


@pytest.fixture
async def node(l2: ValkeyServer, store: Store, rows: Rows, quick: None) -> AsyncIterator[Callable[..., Any]]:
    """Makes nodes of the cache; each has twenty keys to warm, and has done so."""
    made: list[Cache] = []

    async def new(**how: Any) -> Cache:
        cache = Cache("shop", l2=l2.url, source=rows)
        made.append(cache)
        await linked(cache)
        assert await Warming(cache, KEYS, asked_every=0.02, **how).ready(1.0)
        return cache

    yield new
    for cache in made:
        await cache.close()


def order(what: What = What.SET, rate: float = 1000.0, top: int = 0) -> Order:
    return Order(os.urandom(6).hex(), what, rate, top)


async def over(console: Valkey, run: str) -> Told:
    """What is said of a run once it is over and off the queue."""

    async def done() -> bool:
        told, waits = await console.warm_told("shop", "start", run)
        return told is not None and told.over and not waits

    await auntil(done)
    told, _ = await console.warm_told("shop", "start", run)
    assert told is not None
    return told


async def test_one_of_two_nodes_does_a_run_and_says_so(node: Any, console: Valkey, rows: Rows) -> None:
    a, b = await node(), await node()
    await a.remove_many(["k3", "k4"])
    one = order()
    assert await console.order_warm("shop", "start", one)
    told = await over(console, one.run)
    assert (told.total, told.loaded, told.fresh, told.failed, told.error) == (20, 2, 18, 0, "")
    assert told.node in {a.node, b.node}
    assert (rows.loads["k3"], rows.loads["k5"]) == (2, 1)
    assert not await console.order_warm("shop", "start", one)  # known: nobody does it twice

    async def gone() -> bool:
        return await console._work.one("EXISTS", QUEUE, deadline=2) == 0

    await auntil(gone)


async def test_a_node_that_waits_makes_no_key_and_counts_no_miss(node: Any, console: Valkey) -> None:
    cache = await node()

    async def counted(name: bytes, section: str) -> int:
        said = await console._work.one("INFO", section, deadline=2)
        return sum(int(n) for n in re.findall(rb"%b:(?:calls=)?(\d+)" % name, said))

    looks = await counted(b"cmdstat_pexpire", "commandstats")
    before = await counted(b"keyspace_misses", "stats")

    async def looked() -> bool:
        return await counted(b"cmdstat_pexpire", "commandstats") > looks + 50

    await auntil(looked)
    assert await counted(b"cmdstat_setrange", "commandstats") > 50
    assert await counted(b"keyspace_misses", "stats") == before
    assert await console._work.one("EXISTS", QUEUE, ask_key("shop", "start"), deadline=2) == 0
    await cache.close()


async def test_named_keys_come_with_their_tags_and_no_faster_than_wanted(
    node: Any, console: Valkey, rows: Rows
) -> None:
    a = await node(rate=None)
    one = order(What.KEYS, rate=50.0)
    clock = asyncio.get_running_loop().time
    began = clock()
    named = ["x1", '["x2",["t"],60.0]', *(f"y{n}" for n in range(9))]
    assert await console.order_warm("shop", "start", one, named)
    told = await over(console, one.run)
    assert (told.total, told.loaded) == (11, 11)
    assert clock() - began >= 10 / 50  # no upper bound: the machine may be busy
    await a.remove_by_tag("t")
    assert (await a.get("x1"), await a.get("x2", default=None)) == (1, None)
    with pytest.raises(ValueError, match="at most"):
        await console.order_warm("shop", "start", order(What.KEYS), ["k"] * (MOST_KEYS + 1))


async def test_the_hottest_are_warmed_where_they_are_counted(node: Any, console: Valkey, rows: Rows) -> None:
    a = await node(tags=lambda _key: ("all",))
    one = order(What.TOP, top=2)
    assert await console.order_warm("shop", "start", one)
    assert "Hot(cache)" in (await over(console, one.run)).error
    hot = Hot(a)
    for key, times in (("k1", 30), ("k2", 20), ("gone", 10)):
        for _ in range(times):
            await a.get_or_set(key, _one)
    await a.remove_many(["k1", "k2"])
    two = order(What.TOP, top=2)
    assert await console.order_warm("shop", "start", two)
    told = await over(console, two.run)
    assert (told.total, told.loaded) == (2, 2)
    assert rows.loads["k1"] == 2
    assert {one.key for one in hot.known(2)} == {"k1", "k2"}


async def _one() -> int:
    return 1


async def test_withdrawn_it_stops(node: Any, console: Valkey, rows: Rows) -> None:
    a = await node()
    await a.remove_many(KEYS)
    rows.gate.clear()
    one = order(rate=1000)
    assert await console.order_warm("shop", "start", one)

    async def begun() -> bool:
        told, waits = await console.warm_told("shop", "start", one.run)
        return told is not None and told.total == 20 and waits

    await auntil(begun)
    assert await console.withdraw_warm("shop", "start", one.run)
    assert not await console.withdraw_warm("shop", "start", one.run)
    (warming,) = (part for part in a.parts if isinstance(part, Warming))
    await until(lambda: warming.progress.over)
    assert warming.progress.done == 0
    told, waits = await console.warm_told("shop", "start", one.run)
    assert told is not None
    assert (told.over, waits) == (False, False)


async def test_what_a_dead_node_left_another_goes_on_with(
    node: Any, console: Valkey, rows: Rows, l2: ValkeyServer
) -> None:
    one = order()
    assert await console.order_warm("shop", "start", one)
    await console._work.one(
        "XREADGROUP", "GROUP", GROUP, "dead", "COUNT", 1, "STREAMS", QUEUE, ">", deadline=2
    )
    a = await node()
    told = await over(console, one.run)
    assert (told.node, told.fresh) == (a.node, 20)
    assert set(rows.loads.values()) == {1}


async def test_who_lost_a_run_stops(node: Any, console: Valkey, rows: Rows) -> None:
    a = await node()
    await a.remove_many(KEYS)
    rows.gate.clear()
    one = order()
    assert await console.order_warm("shop", "start", one)
    (warming,) = (part for part in a.parts if isinstance(part, Warming))
    await until(lambda: not warming.progress.over)
    (row,) = await console._work.one("XPENDING", QUEUE, GROUP, "-", "+", 1, deadline=2)

    async def lost() -> bool:  # a node that has just looked claims it once more: then another takes it again
        claimed = await console._work.one("XCLAIM", QUEUE, GROUP, "other", 0, row[0], "JUSTID", deadline=2)
        assert claimed == [row[0]]
        return warming.progress.over

    await auntil(lost)
    (row,) = await console._work.one("XPENDING", QUEUE, GROUP, "-", "+", 1, deadline=2)
    assert row[1] == b"other"


async def test_failures_are_told_by_their_kind_alone(node: Any, console: Valkey, rows: Rows) -> None:
    a = await node()
    await a.remove("k3")
    rows.failing = True
    one = order()
    assert await console.order_warm("shop", "start", one)
    told = await over(console, one.run)
    assert (told.failed, told.fresh, told.error) == (1, 19, "OSError")


async def test_what_others_wrote_into_the_queue_is_taken_off(node: Any, console: Valkey) -> None:
    await node()
    good = order()
    old = pack_order(order())
    commands = [
        ("XGROUP", "CREATE", QUEUE, GROUP, 0, "MKSTREAM"),
        ("XADD", QUEUE, "1-1", FIELD, old),  # of 1970
        ("XADD", QUEUE, "*", FIELD, b"{" * 90),
        ("XADD", QUEUE, "*", "other", "x"),
        ("XADD", QUEUE, "*", FIELD, pack_order(order(What.KEYS))),  # its keys are nowhere
    ]
    await console._work.ask(commands, 2)
    assert await console.order_warm("shop", "start", good)
    assert (await over(console, good.run)).fresh == 20
    assert await console._work.one("XLEN", QUEUE, deadline=2) == 0


async def test_a_run_that_is_over_is_not_begun_again(node: Any, console: Valkey, rows: Rows) -> None:
    one = order()
    said = told_key("shop", "start", one.run)
    await console._work.one("SET", said, pack_told(Told("n", 3, 3, over=True)), deadline=2)
    commands = [
        ("XGROUP", "CREATE", QUEUE, GROUP, 0, "MKSTREAM"),
        ("XADD", QUEUE, "*", FIELD, pack_order(one)),
    ]
    await console._work.ask(commands, 2)
    await node()
    assert (await over(console, one.run)).loaded == 3
    assert set(rows.loads.values()) == {1}


async def test_another_shape_under_its_names_is_no_queue(node: Any, console: Valkey) -> None:
    a = await node()
    await console._work.one("SET", QUEUE, "x", deadline=2)
    with pytest.raises(BackendError):
        await console.order_warm("shop", "start", order())
    orders = warmruns.Orders(a, "start")
    with pytest.raises(BackendError):
        await orders.take()
    assert await warmruns.Orders(Cache("alone"), "start").take() is None


async def test_an_idle_queue_makes_no_key(node: Any, console: Valkey) -> None:
    a = await node()
    assert await warmruns.Orders(a, "start").take() is None
    assert await console._work.one("EXISTS", QUEUE, deadline=2) == 0


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"{" * 5000,
        b'{"run":"zz","what":"set","rate":1}',
        b'{"run":"00000000","what":"all","rate":1}',
        b'{"run":"00000000","what":"set","rate":0}',
        b'{"run":"00000000","what":"set","rate":NaN}',
        b'{"run":"00000000","what":"set","rate":true}',
    ],
)
def test_what_is_no_order_is_none(data: bytes) -> None:
    with pytest.raises(NoOrder):
        unpack_order(data)


def test_words_go_there_and_back() -> None:
    one = Order("00000000", What.TOP, 2.5, 7)
    assert unpack_order(pack_order(one)) == one
    told = Told("n" * 300, 9, 1, 2, 3, over=True, error="e" * 5000)
    back = unpack_told(pack_told(told))
    assert (len(back.node), back.settled, len(back.error), back.over) == (200, 6, 300, True)
    assert len(pack_told(told)) <= LARGEST
    assert unpack_told(pack_told(Told("n"))).total is None
    for bad in (b"{}", b'{"node":"n","error":"","loaded":-1}', b'{"node":"n","error":"","total":1e400}'):
        with pytest.raises(NoOrder):
            unpack_told(bad)
    names = {queue_key("a", "b"), told_key("a", "b", "c"), keys_key("a", "b", "c")}
    assert names == {b"__warmq:a:b", b"__warmr:a:b:c", b"__warmk:a:b:c"}
