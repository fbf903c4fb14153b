"""Orders of a console on a real server: obeyed by real nodes, each once, and told back; what is none is not."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import pytest

from perftui.backends.valkey import Valkey
from perftui.instrument.cache import Cache, orders, stats, writequeue
from perftui.instrument.cache.context import LoadTimeout
from perftui.instrument.cache.journal import FileJournal, MemoryJournal
from perftui.instrument.cache.names import value_key
from perftui.instrument.cache.ports import Store
from perftui.instrument.cache.writebehind import WriteBehind
from perftui.model.errors import Lost, StoreError
from perftui.model.nodeorders import LIFE, THERE, Order, What, new_order, orders_key, pack_order
from perftui.model.nodework import NodeWork, Obeyed, mark_of
from perftui.model.options import ValkeyOptions
from perftui.model.tiers import EntryOptions
from tests.instrument.cache.clock import Hand
from tests.waiting import auntil, until

if TYPE_CHECKING:
    from perftui.lab.valkey import ValkeyServer

KEY = orders_key("shop")
SAFE = EntryOptions(ttl=60.0, fail_safe=True)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stats, "EVERY", 0.03)
    monkeypatch.setattr(writequeue, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(writequeue, "GROWTH", 1.2)


@pytest.fixture
async def console(l2: ValkeyServer, store: Store) -> AsyncIterator[Valkey]:
    made = Valkey("cache", ValkeyOptions(url=f"redis://127.0.0.1:{l2.port}/0", password=l2.password))
    yield made
    await made.close()


class Hang:
    """A loader that hangs until it is let go; `deaf`: also when it is cancelled, once."""

    def __init__(self, *, deaf: bool = False) -> None:
        self.calls = self.cancelled = 0
        self._deaf = deaf
        self.gate = asyncio.Event()

    async def __call__(self) -> str:
        self.calls += 1
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            if not self._deaf:
                raise
            await self.gate.wait()
        return "loaded"


class Book:
    """A database that refuses the first so many batches."""

    def __init__(self, failures: float) -> None:
        self.failures = failures
        self.writes: list[tuple[str, Any]] = []

    async def write(self, items: Any) -> None:
        if self.failures > 0:
            self.failures -= 1
            raise ValueError("no such column")
        self.writes += [(one.key, one.value) for one in items]


def work(cache: Cache) -> NodeWork:
    found = cache.stats().work
    assert found is not None
    return found


def long(cache: Cache, key: str, seconds: float = 60.0) -> None:
    """Let a load that runs have run for so long."""
    cache._flights.running[key].began -= seconds


async def give(console: Valkey, what: What, key: str = "") -> Order:
    order = new_order(what, mark_of(key) if key else "")
    await console.order_nodes("shop", order)
    return order


async def test_a_load_that_hangs_is_told_and_ended_at_every_node(
    console: Valkey, l2: ValkeyServer, quick: None
) -> None:
    async with Cache("shop", l2=l2.url) as a, Cache("shop", l2=l2.url) as b, Cache("shop", l2=l2.url) as idle:
        hang = Hang()
        waiting = [asyncio.ensure_future(cache.get_or_set("slow", hang)) for cache in (a, b)]
        waiting += [asyncio.ensure_future(a.get_or_set("other", hang))]
        await until(lambda: hang.calls == 3)
        assert work(a) == NodeWork()  # nothing is told of one that has only begun
        for cache in (a, b):
            long(cache, "slow")

        async def told() -> bool:
            records = (await console.nodes()).records
            works = [one.stats.work for one in records if one.stats.work is not None]
            return sorted(load.key for one in works for load in one.loads) == ["slow", "slow"]

        await auntil(told)
        assert work(a).loads[0].age_s >= 60
        order = await give(console, What.CANCEL, "slow")
        await until(lambda: all(work(cache).answer(order.id) for cache in (a, b, idle)))
        assert [work(cache).obeyed for cache in (a, b, idle)] == [
            (Obeyed(order.id, 1),),
            (Obeyed(order.id, 1),),
            (Obeyed(order.id, 0),),
        ]
        for caller in waiting[:2]:
            with pytest.raises(LoadTimeout, match="'slow' was cancelled"):
                await caller
        await until(lambda: hang.cancelled == 2)
        assert (a.stats().of("load.cancelled"), list(a.loads())) == (1, ["other"])
        hang.gate.set()
        assert await a.get_or_set("slow", hang) == "loaded"
        assert await waiting[2] == "loaded"


async def test_callers_are_freed_though_the_loader_is_deaf_to_its_end() -> None:
    hand = Hand()
    cache = Cache("shop", clock=hand)  # without L2: it is obeyed below as if it had come
    await cache.set("k", "old", options=SAFE)
    hand.go(61)
    deaf = Hang(deaf=True)
    waiting = asyncio.ensure_future(cache.get_or_set("k", deaf, options=SAFE))
    fresh = asyncio.ensure_future(cache.get_or_set("new", deaf))
    await until(lambda: deaf.calls == 2)
    hand.go(40)
    cache.orders._obey(new_order(What.CANCEL, mark_of("k")), 0.0)
    cache.orders._obey(new_order(What.CANCEL, mark_of("new")), 0.0)
    assert await waiting == "old"
    with pytest.raises(LoadTimeout):
        await asyncio.wait_for(fresh, 5)
    await until(lambda: deaf.cancelled == 2)
    assert cache.loads() == {}
    deaf.gate.set()
    await cache.close()


async def test_an_order_is_obeyed_once_and_not_for_a_load_that_began_later(
    console: Valkey, l2: ValkeyServer, quick: None
) -> None:
    async with Cache("shop", l2=l2.url) as cache:
        hang = Hang()
        first = asyncio.ensure_future(cache.get_or_set("k", hang))
        await until(lambda: hang.calls == 1)
        order = await give(console, What.CANCEL, "k")
        await until(lambda: work(cache).answer(order.id))
        with pytest.raises(LoadTimeout):
            await first
        again = asyncio.ensure_future(cache.get_or_set("k", hang))
        await until(lambda: hang.calls == 2)
        for _ in range(3):
            await cache.orders.look()
        assert "k" in cache.loads()
        async with Cache("shop", l2=l2.url) as late:  # it looks 20 s after it was ordered
            await until(lambda: work(late).answer(order.id))
            other = asyncio.ensure_future(late.get_or_set("k", hang))
            await until(lambda: "k" in late.loads())
            await console._work.one("ZINCRBY", KEY, -20, pack_order(order), deadline=2)
            late.orders._seen.clear()
            late.orders._obeyed.clear()
            await until(lambda: work(late).answer(order.id))
            assert work(late).answer(order.id) == Obeyed(order.id, 0)
            assert "k" in late.loads()
            hang.gate.set()
            assert [await again, await other] == ["loaded", "loaded"]


async def test_an_order_ends_by_itself(console: Valkey, l2: ValkeyServer, store: Store) -> None:
    order = await give(console, What.RETRY)
    assert 0 < await console._work.one("PTTL", KEY, deadline=2) <= LIFE * 1000
    async with Cache("shop", l2=l2.url, publish=False) as cache:
        await console._work.one("ZINCRBY", KEY, -LIFE - 1, pack_order(order), deadline=2)
        await cache.orders.look()
        assert work(cache).obeyed == ()
        await give(console, What.RETRY)
        assert await console._work.one("ZSCORE", KEY, pack_order(order), deadline=2) is None
        assert await console._work.one("ZCARD", KEY, deadline=2) == 2


async def test_a_look_counts_no_miss_and_makes_no_key(console: Valkey, l2: ValkeyServer) -> None:
    async with Cache("shop", l2=l2.url, publish=False) as cache:
        assert cache._dictionaries is not None
        cache._dictionaries.stop()  # its look does count

        async def misses() -> int:
            said = await console._work.one("INFO", "stats", deadline=2)
            line = next(line for line in said.splitlines() if line.startswith(b"keyspace_misses"))
            return int(line.partition(b":")[2])

        await cache.orders.look()
        before = await misses()
        for _ in range(5):
            await cache.orders.look()
        assert await misses() == before
        assert await console._work.one("EXISTS", KEY, deadline=2) == 0


async def test_what_others_put_there_orders_nothing(console: Valkey, l2: ValkeyServer) -> None:
    async with Cache("shop", l2=l2.url, publish=False) as cache:
        hang = Hang()
        running = asyncio.ensure_future(cache.get_or_set("k", hang))
        await until(lambda: hang.calls == 1)
        order = await give(console, What.CANCEL, "k")
        await console._work.one("ZREM", KEY, pack_order(order), deadline=2)
        seconds = int((await console._work.one("TIME", deadline=2))[0])
        odd: list[Any] = [
            "+inf",
            "a",
            "-inf",
            "b",
            "nan-like",
            "x" * 1_000_000,
            f"cancel {order.id} {'z' * 32}",
        ]
        pairs = list(itertools.chain.from_iterable((seconds, one) for one in odd))
        pairs += [
            seconds + 9999,
            pack_order(order),
            seconds - 9999,
            pack_order(new_order(What.CANCEL, mark_of("k"))),
        ]
        await console._work.one("ZADD", KEY, *pairs, "+inf", "far", deadline=5)
        await cache.orders.look()
        assert (work(cache).obeyed, list(cache.loads())) == ((), ["k"])
        await console._work.one("UNLINK", KEY, deadline=2)
        await console._work.one("SET", KEY, "x" * 9999, deadline=2)

        async def refused() -> int:
            await cache.orders.look()
            return cache.stats().of("orders.refused")

        assert [await auntil(refused), await refused()] == [1, 1]
        again = await give(console, What.CANCEL, "k")  # makes room for itself
        await cache.orders.look()
        assert work(cache).answer(again.id) == Obeyed(again.id, 1)
        with pytest.raises(LoadTimeout):
            await running
        assert await console._work.one("ZSCORE", KEY, THERE, deadline=2) == b"0"


class Between:
    """A proxy that answers what nobody asked."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    async def command(self, name: str, *_: Any, **__: Any) -> Any:
        return self.answer if name == "EVAL" else b"OK"

    def now(self) -> float:
        return 1_700_000_000.0


@pytest.mark.parametrize(
    "answer", [[b"x"], [b"x", b"y"], [1, None], b"OK", None, {}, [[], []], [b"retry 0123456789ab"]]
)
async def test_an_answer_that_is_none_orders_nothing(l2: ValkeyServer, store: Store, answer: Any) -> None:
    async with Cache("shop", l2=l2.url, publish=False) as cache:
        assert cache._core.l2 is not None
        kept, cache._core.l2.store = cache._core.l2.store, Between(answer)  # type: ignore[assignment]
        await cache.orders.look()
        cache._core.l2.store = kept
        assert work(cache).obeyed == ()


async def test_without_l2_or_while_it_is_away_nothing_is_ordered(
    console: Valkey, l2: ValkeyServer, store: Store
) -> None:
    async with Cache("shop") as alone:
        await alone.orders.look()
        assert work(alone) == NodeWork()
    async with Cache("shop", l2=l2.url, publish=False) as cache:
        await give(console, What.RETRY)
        await l2.kill()
        await cache.orders.look()
        assert work(cache).obeyed == ()
        await l2.start()


async def test_what_recovery_holds_is_told_by_name(l2: ValkeyServer, store: Store) -> None:
    async with Cache("shop", l2=l2.url, publish=False) as cache:
        await cache.set("warm", 1)
        await l2.kill()
        for n in range(7):
            await cache.set(f"k{n}", n)
        await cache.remove_by_tag("shoes")
        told = work(cache).waiting
        assert [(one.what, one.key) for one in told] == [("entry", f"k{n}") for n in range(5)]
        await l2.start()
        await until(lambda: not cache.stats().gauges["recovery.queue"], 10)
        assert work(cache).waiting == ()


async def test_values_that_cannot_be_read_are_told_by_name(
    l2: ValkeyServer, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with (
        Cache("shop", l2=l2.url, publish=False) as cache,
        Cache("shop", l2=store, publish=False) as other,
    ):
        await other.set("good", 1)
        whole = await store.get(value_key("shop", "good"))
        assert whole is not None
        for n in range(7):
            await store.command("SET", value_key("shop", f"k{n}"), b"rubbish", key=b"")
        await store.command("SET", value_key("shop", "cut"), whole[:-1], key=b"")
        for key in (*(f"k{n}" for n in range(7)), "k1", "cut", "good", "k0"):
            await cache.get(key)
        told = [(one.key, one.why) for one in work(cache).unread]
        assert told == [("k0", "foreign"), ("cut", "damaged"), *((f"k{n}", "foreign") for n in (1, 6, 5))]
        monkeypatch.setattr(orders, "UNREAD_FOR", 0.0)
        assert work(cache).unread == ()


async def test_what_the_other_nodes_are_not_told_waits_as_well() -> None:
    class Mute:
        async def publish(self, _notice: Any) -> None:
            raise Lost("nobody hears")

        def listen(self, _heard: Any, _link: Any) -> None:
            pass

        async def close(self) -> None:
            pass

    async with Cache("shop", backplane=Mute()) as cache:
        await cache.set("k", 1)
        assert cache.stats().gauges["notices.queue"] == 1
        assert cache.stats().gauges["recovery.queue"] == 0


async def test_a_writer_that_fails_five_times_is_tried_again_when_ordered(
    console: Valkey, l2: ValkeyServer, quick: None, tmp_path: Any
) -> None:
    book = Book(5)
    behind = WriteBehind(book, FileJournal(tmp_path / "w.db"))
    await behind.start()
    async with Cache("shop", l2=l2.url, writes=behind) as cache, Cache("shop", l2=l2.url) as other:
        await cache.write("k", "v", how="behind")
        await until(lambda: cache.stats().gauges["writes.dead"] == 1)
        assert (book.writes, behind.waiting) == ([], 0)
        assert work(cache).error == "ValueError: no such column"
        order = await give(console, What.RETRY)
        await until(lambda: work(cache).answer(order.id) and work(other).answer(order.id))
        assert work(cache).answer(order.id) == Obeyed(order.id, 1)
        assert work(other).answer(order.id) == Obeyed(order.id, 0)
        await until(lambda: book.writes == [("k", "v")])
        await until(lambda: cache.stats().gauges["writes.dead"] == 0)
        assert work(cache).error == ""
        book.failures = float("inf")
        await cache.write("k", "w", how="behind")
        await until(lambda: cache.stats().gauges["writes.dead"] == 1)
        again = await give(console, What.RETRY)
        await until(lambda: work(cache).answer(again.id))
        await until(lambda: behind.counts.buried == 3)  # it failed five times more
        await until(lambda: cache.stats().gauges["writes.dead"] == 1)
    kept = FileJournal(tmp_path / "w.db")
    assert (await kept.open(), await kept.dead_count()) == ([], 1)
    await kept.close()


async def test_what_waits_for_its_next_try_is_tried_at_once(
    console: Valkey, l2: ValkeyServer, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writequeue, "FIRST_PAUSE", 60.0)
    book = Book(1)
    behind = WriteBehind(book)
    await behind.start()
    async with Cache("shop", l2=l2.url, writes=behind) as cache:
        await cache.write("k", "v", how="behind")
        await until(lambda: behind.counts.failed == 1)
        (told,) = work(cache).waiting
        assert (told.what, told.key) == ("write", "k")
        order = await give(console, What.RETRY)
        await until(lambda: book.writes == [("k", "v")])
        await until(lambda: work(cache).answer(order.id))
        assert work(cache).answer(order.id) == Obeyed(order.id, 1)
        assert work(cache).waiting == ()


class Broken(MemoryJournal):
    """A journal whose dead letters cannot be read."""

    async def dead(self) -> Any:
        raise StoreError("disk full\x1b[2J")

    async def dead_count(self) -> int:
        raise Lost("away")


async def test_a_journal_that_does_not_work_is_told(console: Valkey, l2: ValkeyServer, quick: None) -> None:
    behind = WriteBehind(Book(0), Broken())
    await behind.start()
    async with Cache("shop", l2=l2.url, writes=behind) as cache:
        order = await give(console, What.RETRY)
        await until(lambda: work(cache).answer(order.id))
        assert work(cache).answer(order.id) == Obeyed(order.id, 0, "disk full\x1b[2J")

        async def told() -> Any:
            records = (await console.nodes()).records
            return records and records[0].stats.work and records[0].stats.work.answer(order.id)

        assert (await auntil(told)).error == "disk full?[2J"


async def test_writes_that_the_service_closes_first_do_not_end_the_publishing(
    console: Valkey, l2: ValkeyServer, quick: None, tmp_path: Any
) -> None:
    behind = WriteBehind(Book(0), FileJournal(tmp_path / "w.db"))
    await behind.start()
    async with Cache("shop", l2=l2.url, writes=behind) as cache:
        await behind.close()
        order = await give(console, What.RETRY)
        await until(lambda: work(cache).answer(order.id))
        told = work(cache).answer(order.id)
        assert told is not None
        assert "cannot be used" in told.error
        assert cache._publisher is not None
        assert cache._publisher._task is not None
        assert not cache._publisher._task.done()
