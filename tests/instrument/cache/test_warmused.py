"""Keys that a job's run loads: which of them are asked for in time, by whom, on a real server."""

from __future__ import annotations

import json
import os
import re
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from perftui.backends.valkey import Valkey
from perftui.instrument.cache import stats
from perftui.instrument.cache import warming as warm
from perftui.instrument.cache.face import Cache
from perftui.instrument.cache.ports import Store
from perftui.instrument.cache.warming import Warming
from perftui.model.options import ValkeyOptions
from perftui.model.warmqueue import Order, What, sample_key, used_key
from perftui.model.warmused import SAMPLE, warmed
from tests.instrument.cache.clock import Hand
from tests.instrument.cache.test_shared import linked
from tests.rows import Rows
from tests.waiting import auntil, until

if TYPE_CHECKING:
    from perftui.lab.valkey import ValkeyServer

LIFE = 300.0  # seconds of an entry
TEN = [f"x{n}" for n in range(10)]
Node = Callable[..., Any]


@pytest.fixture
async def console(l2: ValkeyServer, store: Store) -> AsyncIterator[Valkey]:
    made = Valkey("cache", ValkeyOptions(url=f"redis://127.0.0.1:{l2.port}/0", password=l2.password))
    yield made
    await made.close()


@pytest.fixture
def clock() -> Hand:
    return Hand()


@pytest.fixture
async def node(
    l2: ValkeyServer, store: Store, clock: Hand, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Node]:
    """Makes nodes of the cache whose warm set is warm."""
    monkeypatch.setattr(warm, "BEAT", 0.02)
    made: list[Cache] = []

    async def new(**more: Any) -> Cache:
        cache = Cache("shop", l2=l2.url, source=Rows(), clock=clock, **more)
        made.append(cache)
        await linked(cache)
        assert await Warming(cache, ["k"], rate=None, asked_every=0.02).ready(1.0)
        return cache

    yield new
    for cache in made:
        await cache.close()


async def ran(console: Valkey, *keys: str, job: str = "nightly") -> str:
    """Have a run done that names these keys; who did it."""
    one = Order(os.urandom(6).hex(), What.KEYS, 100_000.0, job=job)
    assert await console.order_warm("shop", "start", one, keys)

    async def over() -> str:
        told, waits = await console.warm_told("shop", "start", one.run)
        return told.node if told is not None and told.over and not waits else ""

    return await auntil(over, 20)


def told(cache: Cache) -> tuple[int, int, int] | None:
    """Keys followed, used, and left."""
    found = warmed(cache.stats().gauges)
    return (found[0].of, found[0].used, found[0].left) if found else None


def watched(cache: Cache) -> int:
    """How many hear what is asked for."""
    assert cache.memory is not None
    return len(cache.memory._watching)


async def test_what_is_asked_for_in_time_is_used(node: Node, console: Valkey, clock: Hand) -> None:
    a = await node()
    assert (told(a), watched(a)) == (None, 0)
    await ran(console, *TEN)
    assert (told(a), watched(a)) == ((10, 0, 10), 1)
    for key in ("x1", "x1", "x2"):
        assert await a.get(key) == 1
    a.peek("x3")
    assert told(a) == (10, 3, 7)
    clock.go(LIFE + 1)
    await a.get("x4")
    assert told(a) == (10, 3, 0)
    clock.go(LIFE)
    assert (told(a), watched(a)) == ((10, 3, 0), 0)


async def test_an_l1_that_is_lent_in_place_of_another_is_watched_too(
    node: Node, console: Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stats, "EVERY", 0.03)
    a = await node(l1=None)
    await console.set_namespace_local("shop", 50)
    await until(lambda: a.memory is not None)
    await ran(console, *TEN)
    assert (told(a), watched(a)) == ((10, 0, 10), 1)
    await console.set_namespace_local("shop", 60)
    await until(lambda: a.memory.most == 60 and watched(a) == 1)
    assert await a.get("x1") == 1
    await until(lambda: told(a) == (10, 1, 9))
    await console.set_namespace_local("shop", None)
    await until(lambda: a.memory is None)


async def test_all_used_it_is_over_at_once(node: Node, console: Valkey) -> None:
    a = await node()
    await ran(console, "x1", "x2")
    await a.get_many(["x1", "x2"])
    assert (told(a), watched(a)) == ((2, 2, 0), 0)


async def test_what_another_node_is_asked_counts_too(node: Node, console: Valkey) -> None:
    a, b = await node(), await node()
    did = await ran(console, *TEN)
    mine, other = (a, b) if did == a.node else (b, a)
    await until(lambda: watched(other))
    assert await other.get("x1") == await other.get("x1") == 1
    await until(lambda: told(mine) == (10, 1, 9))
    await mine.get("x1")
    await mine.get("x2")
    await until(lambda: told(mine) == (10, 2, 8))
    await until(lambda: told(other) == (10, 2, 8))


async def test_what_is_known_does_not_end_with_the_node_of_the_run(
    node: Node, console: Valkey, clock: Hand
) -> None:
    a, b = await node(), await node()
    did = await ran(console, *TEN)
    mine, other = (a, b) if did == a.node else (b, a)
    await until(lambda: watched(other))
    await mine.get("x1")
    await other.get("x2")
    await until(lambda: told(other) == (10, 2, 8))
    at = warmed(mine.stats().gauges)[0].at
    await mine.close()
    await other.get("x3")
    assert told(other) == (10, 3, 7)
    third = await node()  # a process that begins later learns it from L2
    await until(lambda: told(third) == (10, 3, 7))
    await third.get("x4")
    await until(lambda: told(other) == (10, 4, 6))
    clock.go(LIFE + 10)
    await until(lambda: told(other) == told(third) == (10, 4, 0))
    ends = [warmed(one.stats().gauges)[0] for one in (other, third)]
    assert {(one.job, one.at) for one in ends} == {("nightly", at)}
    await until(lambda: not watched(other) and not watched(third))


async def test_uses_of_a_run_that_is_over_at_its_node_are_said_to_the_others(
    node: Node, console: Valkey
) -> None:
    a, b = await node(), await node()
    did = await ran(console, "x1", "x2")
    mine, other = (a, b) if did == a.node else (b, a)
    await until(lambda: watched(other))
    await mine.get_many(["x1", "x2"])
    assert (told(mine), watched(mine)) == ((2, 2, 0), 0)
    await until(lambda: told(other) == (2, 2, 0) and not watched(other))


async def test_another_node_tells_of_what_it_used_last(node: Node, console: Valkey, clock: Hand) -> None:
    a, b = await node(), await node()
    did = await ran(console, "x1")
    mine, other = (a, b) if did == a.node else (b, a)
    await until(lambda: watched(other))
    assert await other.get("x1") == 1
    await until(lambda: told(mine) == (1, 1, 0))
    await until(lambda: not watched(mine) and not watched(other))


async def test_a_value_that_is_no_longer_the_one_that_was_loaded_is_not_used(
    node: Node, console: Valkey, clock: Hand
) -> None:
    a = await node()
    await ran(console, "x1", "x2", "x3", "x4")
    await a.remove("x1")
    await a.get("x1", default=None)
    await a.set("x2", 5)
    await a.get("x2")
    await a.expire("x3")
    await a.get("x3", default=None)
    clock.go(2.0)
    assert told(a) == (4, 0, 4)
    await a.get("x4")
    assert told(a) == (4, 1, 3)


async def test_what_left_memory_is_found_in_l2(node: Node, console: Valkey) -> None:
    a = await node()
    await ran(console, "x1", "x2")
    assert a.memory is not None
    a.memory.drop("x1")
    await a.get("x1")
    assert told(a) == (2, 1, 1)


async def test_nothing_is_known_of_what_was_fresh_nor_of_a_run_without_a_job(
    node: Node, console: Valkey
) -> None:
    a = await node()
    await ran(console, *TEN, job="")
    assert (told(a), watched(a)) == (None, 0)
    await ran(console, *TEN)
    assert (told(a), watched(a)) == (None, 0)


async def test_of_many_keys_some_are_followed(node: Node, console: Valkey) -> None:
    a = await node()
    await ran(console, *(f"y{n}" for n in range(3 * SAMPLE)))
    found = told(a)
    assert found is not None
    assert found[0] == SAMPLE


async def test_the_run_before_stands_until_the_next_is_over(node: Node, console: Valkey, clock: Hand) -> None:
    a = await node()
    await ran(console, "x1", "x2")
    await a.get("x1")
    assert told(a) == (2, 1, 1)
    clock.go(LIFE + 10)
    assert told(a) == (2, 1, 0)
    await ran(console, "z1")
    assert told(a) == (2, 1, 0)
    await a.get("z1")
    assert told(a) == (1, 1, 0)


async def test_of_one_job_no_more_than_three_runs_are_followed(node: Node, console: Valkey) -> None:
    a = await node()
    for n in range(5):
        await ran(console, f"z{n}")
        await ran(console, f"of-another-{n}", job="hourly")
    (warming,) = (part for part in a.parts if isinstance(part, Warming))
    jobs = [run.job for run in warming._uses._runs]
    assert (jobs.count("nightly"), jobs.count("hourly")) == (3, 3)


async def test_what_others_wrote_under_its_names_changes_nothing(
    node: Node, console: Valkey, store: Store
) -> None:
    a = await node()
    at = sample_key("shop", "start")
    run, mark = "00" * 6, "00" * 16
    odd: list[Any] = [
        {},
        [[]],
        [["k", 0]],
        [["k", SAMPLE, mark, 1]],
        [["k", True, mark, 1]],
        [[1, 0, mark, 1]],
        [["k", 0, "zz", 1]],
        [["k", 0, "00", 1]],
        [["k", 0, 7, 1]],
        [["k", 0, mark, 1e9]],
        [["k", 0, mark, "1"]],
        [["k", 0, mark, 1]] * (SAMPLE + 1),
    ]
    heads = [f"{run} {n}" for n in range(len(odd))]
    texts = [f"{head}\n{json.dumps(text)}" for head, text in zip(heads, odd, strict=True)]
    texts = [text + " " * n for n, text in enumerate(texts)]  # none is as long as another
    assert len(set(map(len, texts))) == len(texts)
    for text in (*texts, "x" * 100_000, "zz 1\n[]", f"{run} 99\n" + "[" * 60_000, "\n"):
        await store.command("SET", at, text, key=at)
        (warming,) = (part for part in a.parts if isinstance(part, Warming))
        await warming._uses.look()
        assert watched(a) == 0, text[:60]
    await ran(console, "x1", "x2")
    await until(lambda: warming._uses._runs[0].told)
    (mine,) = [run.run for run in warming._uses._runs]
    bits = used_key("shop", "start", mine)
    await store.command("SET", bits, b"\xff" * 100, key=bits)  # more bits than there are keys
    await until(lambda: told(a) == (2, 2, 0))


async def test_an_l2_of_another_shape_leaves_what_was_asked_here(
    node: Node, console: Valkey, store: Store
) -> None:
    a = await node()
    at = sample_key("shop", "start")
    await store.command("RPUSH", at, "x", key=at)
    await ran(console, "x1", "x2")
    await a.get("x1")
    assert told(a) == (2, 1, 1)


async def test_traces_in_l2_end_by_themselves(node: Node, console: Valkey, store: Store) -> None:
    await node()
    await ran(console, *TEN)

    async def ends() -> bool:
        names = [sample_key("shop", "start")]
        names += await store.command("KEYS", "__warmu:*", key=b"")
        lives = [await store.command("PTTL", name, key=name) for name in names]
        return len(lives) == 2 and all(LIFE * 1000 < life <= (LIFE + 60) * 1000 for life in lives)

    await auntil(ends)


async def test_the_console_reads_it(node: Node, console: Valkey) -> None:
    a = await node()
    await ran(console, "x1", "x2")
    await a.get("x1")

    async def read() -> bool:
        found = [warmed(record.stats.gauges) for record in (await console.nodes()).records]
        return [(one.job, one.of, one.used) for told in found for one in told] == [("nightly", 2, 1)]

    await auntil(read, 10)


async def test_looks_that_find_nothing_new_count_as_no_reads(
    node: Node, console: Valkey, store: Store, l2: ValkeyServer
) -> None:
    a, b = await node(), await node()
    did = await ran(console, *TEN)
    mine, other = (a, b) if did == a.node else (b, a)
    await until(lambda: watched(other))
    await other.get("x1")
    await until(lambda: told(mine) == (10, 1, 9) == told(other))
    uses = [part._uses for one in (a, b) for part in one.parts if isinstance(part, Warming)]

    async def reads() -> int:
        stats = await store.command("INFO", "commandstats", key=b"")
        found = re.search(rb"cmdstat_getrange:calls=(\d+)", stats)
        return int(found[1]) if found else 0

    before = await reads()
    for _ in range(20):
        for one in uses:
            await one.look()
    assert await reads() == before
    await mine.get("x2")
    await until(lambda: told(other) == (10, 2, 8))
    assert await reads() > before


async def test_a_sample_as_long_as_the_one_before_is_heard(node: Node, console: Valkey, store: Store) -> None:
    a, b = await node(), await node()
    lengths = set()
    for key in ("y1", "y2", "y3", "y4"):
        did = await ran(console, key)
        other = b if did == a.node else a
        await until(partial(followed, other, key))
        lengths.add(await store.command("STRLEN", sample_key("shop", "start"), key=b""))
    assert len(lengths) < 4  # some were as long as others but for what makes them differ


def followed(cache: Cache, key: str) -> bool:
    """Whether a node follows a key."""
    (warming,) = (part for part in cache.parts if isinstance(part, Warming))
    return any(key in run.keys for run in warming._uses._runs)
