"""Two nodes and an L2: what one does the other knows, and nobody serves what was replaced."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from perftui.instrument.cache.context import MISS
from perftui.instrument.cache.face import Cache
from perftui.instrument.cache.names import lease_key, value_key
from perftui.instrument.cache.ports import Store
from perftui.instrument.cache.store import open_store
from perftui.model.errors import BackendError, Lost
from perftui.model.tiers import EntryOptions, Skip
from tests.instrument.cache.test_alone import Source
from tests.waiting import auntil, until

if TYPE_CHECKING:
    from perftui.lab.valkey import ValkeyServer

SAFE = EntryOptions(ttl=60, fail_safe=True, fail_safe_max=600, throttle=5)
SHARED = EntryOptions(ttl=60, shared_flight=True, lease=1.0)


@pytest.fixture
async def a(l2: ValkeyServer, store: Store) -> AsyncIterator[Cache]:
    async with Cache("shop", l2=l2.url) as cache:
        await linked(cache)
        yield cache


@pytest.fixture
async def b(l2: ValkeyServer, store: Store) -> AsyncIterator[Cache]:
    async with Cache("shop", l2=l2.url) as cache:
        await linked(cache)
        yield cache


async def linked(cache: Cache) -> None:
    """Until its link is up and armed."""
    await cache.get("nothing")
    await until(lambda: cache._tracking is not None and cache._tracking.armed)


def heard(cache: Cache) -> int:
    return cache.stats().of("invalidated")


async def test_what_one_loads_the_other_reads_with_what_is_left_of_its_life(a: Cache, b: Cache) -> None:
    source = Source({"name": "tea", "price": 3})
    first = await a.get_or_set("k", source, ttl=10)
    await asyncio.wait_for(_after(0.3), 5)
    assert await b.get_or_set("k", source, ttl=10) == first
    assert source.calls == 1
    left = b.remaining("k")
    assert left is not None
    assert 8 < left[0] < 9.8
    assert left[1] == 10
    assert b.stats().of("hit.l2") == 1


async def test_a_thousand_sets_are_each_seen_within_50_ms(a: Cache, b: Cache) -> None:
    """Beyond what this very loop was held up meanwhile: that is the machine's."""
    held = [0.0]

    async def notice() -> None:
        while True:
            began = time.perf_counter()
            await asyncio.sleep(0)
            held[0] += max(0.0, time.perf_counter() - began - 0.001)

    noticing = asyncio.create_task(notice())
    late = []
    for n in range(1000):
        await a.set("k", n)
        began, before = time.perf_counter(), held[0]
        await auntil(lambda n=n: _is(b.get("k"), n))
        late.append(time.perf_counter() - began - (held[0] - before))
    noticing.cancel()
    assert max(late) < 0.05


async def test_foreign_writers_are_heard_too(a: Cache, store: Store) -> None:
    await a.set("k", "ours")
    await store.command("DEL", value_key("shop", "k"), key=b"")
    await until(lambda: heard(a) == 1)
    assert await a.get("k") is MISS
    await a.set("k", "ours")
    await store.put(value_key("shop", "k"), b"somebody else's bytes", 60)
    await until(lambda: heard(a) == 2)
    assert await a.get("k") is MISS
    assert a.stats().of("unreadable.foreign") == 1


async def test_a_foreign_key_that_is_no_text_leaves_the_link_up(a: Cache, store: Store) -> None:
    await a.set("k", "ours")
    await store.command("SET", b"shop:\xff\xfe", b"theirs", key=b"")
    await store.command("DEL", value_key("shop", "k"), key=b"")
    await until(lambda: heard(a) == 1)
    assert a.stats().of("link.down") == 0
    assert await a.get("k") is MISS


async def test_a_flush_empties_every_node(a: Cache, b: Cache, store: Store) -> None:
    await a.set("k", 1, tags=["t"])
    assert await b.get("k") == 1
    await store.command("FLUSHALL", key=b"")
    await until(lambda: a.stats().of("flushed") == b.stats().of("flushed") == 1)
    assert (await a.get("k"), await b.get("k")) == (MISS, MISS)


@pytest.mark.parametrize("end", ["remove", "expire"])
async def test_an_end_on_one_is_an_end_on_the_other(a: Cache, b: Cache, end: str) -> None:
    await a.set("k", "old", options=SAFE)
    assert await b.get("k") == "old"
    before = heard(b)
    await getattr(a, end)("k")
    await until(lambda: heard(b) > before)
    assert await b.get("k") is MISS
    found = await b.get_or_set("k", Source(OSError("db")), options=SAFE, fail_safe_default="none")
    assert found == ("old" if end == "expire" else "none")


async def test_a_stale_copy_in_l2_serves_a_new_node(a: Cache, l2: ValkeyServer) -> None:
    await a.set("k", "old", options=SAFE.but(ttl=0.05))
    await auntil(lambda: _is(a.get("k"), MISS))
    async with Cache("shop", l2=l2.url) as new:
        assert await new.get_or_set("k", Source(OSError("db")), options=SAFE) == "old"
        assert await new.get("k") == "old"
        await auntil(lambda: _is(a.get("k"), "old"))


async def test_removed_while_another_loads_it_is_not_stored_anywhere(a: Cache, b: Cache) -> None:
    gate = asyncio.Event()
    source = Source("old", gate=gate)
    asked = asyncio.ensure_future(b.get_or_set("k", source))
    await until(lambda: source.calls)
    await a.remove("k")
    gate.set()
    assert await asked == "old"
    assert (await a.get("k"), await b.get("k")) == (MISS, MISS)


async def test_set_while_another_loads_what_was_set_stands(a: Cache, b: Cache) -> None:
    b._tracking.close()  # type: ignore[union-attr] - the notice is lost: the stamps must do
    gate = asyncio.Event()
    source = Source("old", gate=gate)
    asked = asyncio.ensure_future(b.get_or_set("k", source))
    await until(lambda: source.calls)
    await a.set("k", "new")
    gate.set()
    assert await asked == "old"
    assert (await a.get("k"), await b.get("k")) == ("new", "new")


async def test_tags_reach_what_other_nodes_hold(a: Cache, b: Cache, l2: ValkeyServer) -> None:
    for n in range(50):
        await a.set(f"k{n}", n, tags=["home", f"t{n}"])
        await b.get(f"k{n}")
    before = heard(a)
    await b.set("k1", "other", tags=["elsewhere"])
    await until(lambda: heard(a) > before)
    began = time.perf_counter()
    await a.remove_by_tag("home", mode="remove")
    assert time.perf_counter() - began < 0.05
    await auntil(lambda: _is(b.get("k0"), MISS))
    async with Cache("shop", l2=l2.url) as new:
        assert await new.get_many([f"k{n}" for n in range(50)]) == {"k1": "other"}
    assert await b.get_many([f"k{n}" for n in range(50)]) == {"k1": "other"}


async def test_clear_holds_for_nodes_that_start_after_it_and_for_nobody_else(
    a: Cache, b: Cache, l2: ValkeyServer
) -> None:
    async with Cache("other", l2=l2.url) as other:
        await other.set("k", 1)
        await a.set("k", 1, options=SAFE)
        await b.get("k")
        await a.clear()
        async with Cache("shop", l2=l2.url) as new:
            assert await new.get("k", allow_stale=True) is MISS
        await auntil(lambda: _is(b.get("k", allow_stale=True), MISS))
        assert await other.get("k") == 1


async def test_a_tag_that_l2_lost_counts_as_removed(a: Cache, b: Cache, store: Store) -> None:
    await a.set("k", 1, tags=["t"])
    assert await b.get("k") == 1
    await store.command("DEL", b"shop:__tag:t", key=b"")
    await auntil(lambda: _is(b.get("k"), MISS))
    await auntil(lambda: _is(a.get("k"), MISS))


async def test_pulled_by_many_it_is_given_to_one(a: Cache, b: Cache) -> None:
    await a.set("k", "v")
    await b.get("k")
    got = await asyncio.gather(*(cache.pull("k") for cache in (a, b) * 10))
    assert [value for value in got if value is not MISS] == ["v"]


async def test_a_lost_link_quarantines_what_it_covered(a: Cache, b: Cache, store: Store) -> None:
    await a.set("k", "old")
    assert await b.get("k") == "old"
    id_ = await b._core.l2.store.command("CLIENT", "ID", key=b"")  # type: ignore[union-attr]
    await store.command("CLIENT", "KILL", "ID", id_, key=b"")
    await until(lambda: b.stats().of("link.down") == 1)
    assert b.peek("k") is MISS
    await a.set("k", "new")
    await auntil(lambda: _is(b.get("k"), "new"))


async def test_misses_on_two_nodes_are_one_load(a: Cache, b: Cache) -> None:
    gate = asyncio.Event()
    source = Source("v", gate=gate)
    asked = [asyncio.ensure_future(c.get_or_set("k", source, options=SHARED)) for c in (a, b) * 25]
    await until(lambda: a.stats().of("coalesced.nodes") + b.stats().of("coalesced.nodes") == 1)
    gate.set()
    assert await asyncio.gather(*asked) == ["v"] * 50
    assert source.calls == 1
    await auntil(lambda: _is(a.has("k"), True))


async def test_a_failed_load_lets_the_next_try(a: Cache, b: Cache) -> None:
    source = Source(OSError("db"), "v")
    answers = await asyncio.gather(
        *(c.get_or_set("k", source, options=SHARED) for c in (a, b)), return_exceptions=True
    )
    assert sorted(map(str, answers)) == ["db", "v"]


async def test_the_lease_of_a_dead_owner_is_taken_over(a: Cache, store: Store, tmp_path: Path) -> None:
    """The owner is a process, killed in the middle of its load."""
    script = tmp_path / "owner.py"
    script.write_text(OWNER)
    url = f"redis://:{_password(a)}@127.0.0.1:{a._core.l2.store.node.address.port}"  # type: ignore[union-attr]
    child = await asyncio.create_subprocess_exec(sys.executable, str(script), url)
    try:
        await auntil(lambda: _there(store.get(lease_key("shop", "k"))), 20)
        asked = asyncio.ensure_future(a.get_or_set("k", Source("v"), options=SHARED))
        await until(lambda: a.stats().of("coalesced.nodes") == 1)
        child.kill()
        began = time.perf_counter()
        assert await asyncio.wait_for(asked, 5) == "v"
        assert time.perf_counter() - began < SHARED.lease + 0.25
    finally:
        if child.returncode is None:
            child.kill()
        await child.wait()


OWNER = """
import asyncio, sys
from perftui.instrument.cache.face import Cache
from perftui.model.tiers import EntryOptions

async def main():
    async with Cache("shop", l2=sys.argv[1]) as cache:
        async def load():
            await asyncio.Event().wait()
        await cache.get_or_set("k", load, options=EntryOptions(ttl=60, shared_flight=True, lease=1.0))

asyncio.run(main())
"""


class TestTroubles:
    async def test_a_hung_l2_costs_the_soft_limit_where_there_is_a_stale_value(
        self, a: Cache, l2: ValkeyServer
    ) -> None:
        how = SAFE.but(ttl=0.01, soft_timeout=0.05, background=True)
        await a.set("k", "old", options=how)
        await auntil(lambda: _is(a.get("k"), MISS))
        gate = asyncio.Event()
        await l2.pause()
        try:
            took = []
            for _ in range(40):
                began = time.perf_counter()
                assert await a.get_or_set("k", Source("new", gate=gate), options=how.but(throttle=0)) == "old"
                took.append(time.perf_counter() - began)
            assert sorted(took)[-2] < 0.12
        finally:
            await l2.resume()
            gate.set()

    async def test_a_dead_l2_is_an_error_counted_never_a_caller_s(self, a: Cache, l2: ValkeyServer) -> None:
        await l2.kill()
        await until(lambda: a.stats().of("link.down"))
        source = Source("v")
        for _ in range(20):
            assert await a.get_or_set("new", source) == "v"
        await a.set("x", 1)
        await a.remove("y")
        await a.remove_by_tag("t")
        assert (await a.get("x"), source.calls) == (1, 1)
        assert a.stats().of("l2.error") > 0
        with pytest.raises(Lost):
            await a.set("z", 1, options=EntryOptions(raise_l2=True))
        await l2.start()
        await until(lambda: a.stats().gauges["recovery.queue"] == 0, 10)
        async with Cache("shop", l2=l2.url) as new:
            assert await new.get("x") == 1
            assert await new.get("z") == 1

    async def test_after_recovery_all_agree_and_old_never_hides_new(
        self, a: Cache, b: Cache, l2: ValkeyServer
    ) -> None:
        wrapped = Failing(a._core.l2.store)  # type: ignore[union-attr]
        a._core.l2.store = wrapped  # type: ignore[union-attr]
        await a.set("k", "first")
        wrapped.failing = True
        await a.set("k", "second, not told")
        await a.remove("gone")
        await _after(0.1)  # longer than two nodes' ideas of the server's clock differ
        await b.set("k", "third")
        await b.set("gone", "later")
        wrapped.failing = False
        await until(lambda: a.stats().gauges["recovery.queue"] == 0, 10)  # the breaker may be open for five
        await auntil(lambda: _is(a.get("k"), "third"))
        assert (await b.get("k"), await b.get("gone"), await a.get("gone")) == ("third", "later", "later")

    async def test_the_breaker_leaves_a_failing_l2_alone(self, a: Cache) -> None:
        wrapped = Failing(a._core.l2.store)  # type: ignore[union-attr]
        a._core.l2.store = wrapped  # type: ignore[union-attr]
        wrapped.failing = True
        for n in range(20):
            await a.get(f"k{n}")
        assert wrapped.calls == 5
        assert a.stats().of("breaker.opened") == 1
        assert a.stats().gauges["breaker.open"] == 1.0

    async def test_l2_may_come_and_go_while_operations_run(self, a: Cache, l2: ValkeyServer) -> None:
        gate = asyncio.Event()
        source = Source("v", gate=gate)
        asked = asyncio.ensure_future(a.get_or_set("k", source))
        await until(lambda: source.calls)
        store = a.detach()
        gate.set()
        assert await asked == "v"
        await a.set("alone", 1)
        assert await a.get("alone") == 1
        assert store is not None
        await store.close()
        a.attach(l2.url)
        await linked(a)
        await a.set("both", 2)
        assert await a.get("both") == 2


async def test_a_tier_may_be_left_out_of_a_call(a: Cache, b: Cache) -> None:
    await a.set("l1", 1, options=EntryOptions(skip=Skip.L2_WRITE))
    await a.set("l2", 2, options=EntryOptions(skip=Skip.L1_WRITE))
    assert (a.peek("l1"), a.peek("l2")) == (1, MISS)
    assert (await b.get("l1"), await b.get("l2")) == (MISS, 2)
    assert await b.get("l2", options=EntryOptions(skip=Skip.L1_READ | Skip.L2_READ)) is MISS
    assert await a.get_or_set("l2", Source("none"), options=EntryOptions(skip=Skip.L1_WRITE)) == 2
    assert a.peek("l2") is MISS


async def test_a_value_that_cannot_be_written_stays_in_memory(a: Cache) -> None:
    thing = object()
    await a.set("k", thing)
    assert await a.get("k") is thing
    assert a.stats().of("serialize.failed") == 1
    with pytest.raises(TypeError):
        await a.set("k", thing, options=EntryOptions(raise_serialization=True))


class Failing:
    """A store that fails while it is told to."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.failing = False
        self.calls = 0

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.store, name)
        if name in {"now", "watch", "greet", "close"}:
            return found

        async def call(*args: Any, **named: Any) -> Any:
            self.calls += 1
            if self.failing:
                raise Lost("not now")
            return await found(*args, **named)

        return call


def _password(cache: Cache) -> str:
    password: str = cache._core.l2.store.node.address.password  # type: ignore[union-attr]
    return password


async def _is(asked: Any, expected: Any) -> bool:
    return bool(await asked == expected)


async def _there(asked: Any) -> bool:
    try:
        return await asked is not None
    except BackendError:
        return False


async def _after(seconds: float) -> None:
    loop = asyncio.get_running_loop()
    over = asyncio.Event()
    loop.call_later(seconds, over.set)
    await over.wait()


async def test_an_own_store_is_closed_with_the_cache(l2: ValkeyServer) -> None:
    shared = open_store(l2.url)
    async with Cache("shop", l2=shared) as cache:
        await cache.set("k", 1)
    await shared.get(b"k")
    await shared.close()


async def test_what_was_loaded_is_read_from_memory_though_l2_tells_of_our_own_write(a: Cache) -> None:
    for n in range(20):
        await a.get_or_set(f"k{n}", Source(n))
    await until(lambda: heard(a) == 20)
    await until(lambda: all(a.peek(f"k{n}") == n for n in range(20)))
    assert a.stats().of("hit.l2") == 0


async def test_and_another_s_write_right_after_it_is_not_taken_for_ours(a: Cache, b: Cache) -> None:
    for n in range(50):
        gate = asyncio.Event()
        source = Source("loaded", gate=gate)
        asked = asyncio.ensure_future(a.get_or_set(f"k{n}", source))
        await until(lambda source=source: source.calls)
        gate.set()
        await asyncio.gather(asked, b.set(f"k{n}", "set"))
    for n in range(50):
        await auntil(lambda n=n: _is(a.get(f"k{n}"), "set"))
        assert await b.get(f"k{n}") == "set"


async def test_one_who_looked_before_another_stored_does_not_load_again(a: Cache, b: Cache) -> None:
    """The lease is free, for the other has just let it go: what it stored is there."""
    lock, source = a._core.lock, Source("v")
    assert lock is not None

    class Late:
        async def acquire(self, key: str, lease: float, **more: Any) -> Any:
            await b.get_or_set(key, source, options=SHARED)
            return await lock.acquire(key, lease, **more)

        async def released(self, key: str, within: float) -> None:
            await lock.released(key, within)

    a._core.lock = Late()  # type: ignore[assignment]
    assert await a.get_or_set("k", source, options=SHARED) == "v"
    assert source.calls == 1


async def test_without_an_l1_a_hit_in_l2_begins_the_early_load(l2: ValkeyServer, store: Store) -> None:
    async with Cache("shop", l1=None, l2=l2.url) as cache:
        how = EntryOptions(ttl=60, eager_at=0.001)
        source = Source("old", "new")
        assert await cache.get_or_set("k", source, options=how) == "old"
        await asyncio.wait_for(_after(0.1), 5)
        assert await cache.get_or_set("k", source, options=how) == "old", "nobody waits for it"
        await until(lambda: source.calls == 2)
        await auntil(lambda: _is(cache.get("k"), "new"))
        assert (cache.stats().of("miss"), cache.stats().of("early")) == (1, 1)


async def test_an_early_load_that_another_node_makes_gives_nobody_nothing(
    a: Cache, b: Cache, store: Store
) -> None:
    """The key is removed while it is begun; the other node's lease is held: who waits, waits for that."""
    how = SHARED.but(eager_at=0.001, lease=5.0)
    gate = asyncio.Event()
    slow, quick = Source("b's", gate=gate), Source("a's")
    await a.set("k", "old", options=how)
    await asyncio.wait_for(_after(0.1), 5)
    await store.put(value_key("shop", "k"), b"", 1.0)  # no entry any more, and the lease is another's
    loading = asyncio.ensure_future(b.get_or_set("k", slow, options=how))
    await until(lambda: slow.calls == 1)
    a._flights.start("k", quick, how, (), eager=True)
    waiting = asyncio.ensure_future(a._flights.get("k", quick, how, ()))
    await asyncio.sleep(0)
    gate.set()
    assert await waiting == await loading == "b's"
    assert quick.calls == 0


async def test_who_comes_after_another_nodes_change_does_not_get_what_was_loaded_before(
    a: Cache, b: Cache
) -> None:
    gate = asyncio.Event()
    old, new = Source("old", gate=gate), Source("new")
    first = asyncio.ensure_future(a.get_or_set("k", old))
    await until(lambda: old.calls == 1)
    before = heard(a)
    await b.set("k", "b's")
    await until(lambda: heard(a) > before)
    assert await asyncio.wait_for(a.get_or_set("k", new), 5) == "b's"
    gate.set()
    assert await first == "old"
    assert await a.get("k") == "b's"
    assert new.calls == 0


async def test_without_an_l1_a_set_is_read_while_an_older_load_runs(l2: ValkeyServer, store: Store) -> None:
    async with Cache("shop", l1=None, l2=l2.url) as cache:
        gate = asyncio.Event()
        old = Source("old", gate=gate)
        first = asyncio.ensure_future(cache.get_or_set("k", old))
        await until(lambda: old.calls == 1)
        await cache.set("k", "new")
        assert await asyncio.wait_for(cache.get_or_set("k", old), 5) == "new"
        gate.set()
        assert await first == "old"
