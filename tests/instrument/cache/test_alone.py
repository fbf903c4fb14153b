"""A cache of one process: what it keeps, loads once, and serves when loading fails or is slow."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from perftui.instrument.cache.context import MISS, LoadContext, LoadFailed, LoadTimeout
from perftui.instrument.cache.face import Cache
from perftui.model.tiers import EntryOptions
from tests.instrument.cache.clock import Hand
from tests.waiting import until

SAFE = EntryOptions(ttl=10, fail_safe=True, fail_safe_max=100, throttle=5)


@pytest.fixture
def hand() -> Hand:
    return Hand()


@pytest.fixture
async def cache(hand: Hand) -> AsyncIterator[Cache]:
    made = Cache("shop", clock=hand)
    yield made
    await made.close()


class Source:
    """A loader that counts, waits at its gate, and fails as told."""

    def __init__(self, *values: Any, gate: asyncio.Event | None = None) -> None:
        self.values = list(values) or [1]
        self.calls = 0
        self.gate = gate
        self.cancelled = 0

    async def __call__(self) -> Any:
        self.calls += 1
        value = self.values[min(self.calls, len(self.values)) - 1]
        if self.gate is not None:
            try:
                await self.gate.wait()
            except asyncio.CancelledError:
                self.cancelled += 1
                raise
        if isinstance(value, Exception):
            raise value
        return value


class Nobody:
    """A source that knows no key."""

    async def load(self, _keys: Any) -> Any:
        return {}


class TestKeeping:
    async def test_a_value_is_loaded_once_and_kept_for_its_ttl(self, cache: Cache, hand: Hand) -> None:
        source = Source("a", "b")
        assert [await cache.get_or_set("k", source, ttl=10) for _ in range(3)] == ["a"] * 3
        hand.go(9.9)
        assert cache.peek("k") == "a"
        hand.go(0.2)
        assert cache.peek("k") is MISS
        assert await cache.get_or_set("k", source) == "b"

    async def test_none_is_a_value(self, cache: Cache) -> None:
        source = Source(None)
        assert await cache.get_or_set("k", source) is None
        assert await cache.get("k") is None
        assert await cache.has("k")
        assert await cache.get("absent") is MISS
        assert await cache.get("absent", default=7) == 7
        assert not MISS

    @pytest.mark.parametrize("ttl", [0, -1])
    async def test_without_a_life_it_is_returned_and_not_kept(self, cache: Cache, ttl: float) -> None:
        source = Source("a", "b")
        assert await cache.get_or_set("k", source, ttl=ttl) == "a"
        assert await cache.get_or_set("k", source, ttl=ttl) == "b"
        await cache.set("s", 1, ttl=ttl)
        assert not await cache.has("s")

    async def test_without_an_end_it_stays(self, cache: Cache, hand: Hand) -> None:
        await cache.set("k", 1, ttl=None)
        hand.go(1e9)
        assert await cache.get("k") == 1

    async def test_presets_and_durations(self, cache: Cache, hand: Hand) -> None:
        await cache.set("k", 1, ttl="1m")
        assert cache.remaining("k") == (pytest.approx(60), 60)

    async def test_jitter_is_drawn_once_and_added(self, cache: Cache) -> None:
        for n in range(50):
            await cache.set(f"k{n}", 1, options=EntryOptions(ttl=10, jitter=5))
        lives = [left[0] for n in range(50) if (left := cache.remaining(f"k{n}"))]
        assert all(10 <= life <= 15 for life in lives)
        assert len(set(lives)) > 40

    async def test_remove_pull_and_many(self, cache: Cache) -> None:
        await cache.set_many({"a": 1, "b": 2, "c": 3})
        assert await cache.pull("a") == 1
        assert await cache.pull("a", default="gone") == "gone"
        await cache.remove_many(["b"])
        assert await cache.get_many(["a", "b", "c"]) == {"c": 3}
        assert await cache.has_many(["c", "a", "c"]) == {"c": True, "a": False}

    async def test_one_call_loads_what_is_missing_of_many(self, cache: Cache) -> None:
        asked: list[list[str]] = []

        async def load(keys: Any) -> dict[str, int]:
            asked.append(sorted(keys))
            return {key: len(key) for key in keys if key != "unknown"}

        await cache.set("a", 9)
        found = await cache.get_or_set_many(["a", "bb", "ccc", "unknown", "bb"], load)
        assert found == {"a": 9, "bb": 2, "ccc": 3}
        assert asked == [["bb", "ccc", "unknown"]]

    async def test_a_key_error_of_a_loader_of_many_is_no_absent_key(self, cache: Cache) -> None:
        async def broken(keys: Any) -> Any:
            return {key: {}["price"] for key in keys}

        async def nested(keys: Any) -> Any:
            return {key: await Cache("names", source=Nobody()).get_or_set(key) for key in keys}

        for load, missed in ((broken, "price"), (nested, "a")):
            with pytest.raises(KeyError) as caught:
                await cache.get_or_set_many(["a", "b"], load)
            assert caught.value.args == (missed,)
        assert await Cache("shop", source=Nobody()).get_or_set_many(["a", "b"]) == {}

    async def test_copies_are_ours_only_where_asked(self, hand: Hand) -> None:
        plain, copying = Cache("p", clock=hand), Cache("c", clock=hand, copy="mutable")
        for cache in (plain, copying):
            await cache.set("k", [1])
            (await cache.get("k")).append(2)
        assert await plain.get("k") == [1, 2]
        assert await copying.get("k") == [1]

    async def test_disabled_it_loads_each_time_and_keeps_nothing(self, hand: Hand) -> None:
        cache, source = Cache("off", clock=hand, enabled=False), Source("a", "b")
        assert await cache.get_or_set("k", source) == "a"
        assert await cache.get_or_set("k", source) == "b"
        await cache.set("k", 1)
        assert await cache.get("k") is MISS

    async def test_clear_leaves_other_names_alone(self, cache: Cache, hand: Hand) -> None:
        other = Cache("other", clock=hand)
        await cache.set("k", 1)
        await other.set("k", 2)
        await cache.clear()
        assert (await cache.get("k"), await other.get("k")) == (MISS, 2)

    async def test_tags(self, cache: Cache) -> None:
        await cache.set("a", 1, tags=["x", "y"])
        await cache.set("b", 2, tags=["y"])
        await cache.set("b", 3, tags=["z"])
        await cache.remove_by_tag("y")
        assert (await cache.get("a"), await cache.get("b")) == (MISS, 3)
        assert await cache.get("a", allow_stale=True) == 1
        await cache.remove_by_tag("x", mode="remove")
        assert await cache.get("a", allow_stale=True) is MISS
        await cache.remove_by_tag("*")
        assert await cache.get("b") is MISS


class TestOneLoad:
    async def test_all_who_miss_together_share_it(self, cache: Cache) -> None:
        gate = asyncio.Event()
        source = Source("v", gate=gate)
        asked = [asyncio.ensure_future(cache.get_or_set("k", source)) for _ in range(50)]
        await until(lambda: source.calls)
        gate.set()
        assert await asyncio.gather(*asked) == ["v"] * 50
        assert source.calls == 1
        assert cache.stats().of("coalesced") == 49

    async def test_and_its_error(self, cache: Cache) -> None:
        gate = asyncio.Event()
        source = Source(KeyError("none"), gate=gate)
        asked = [asyncio.ensure_future(cache.get_or_set("k", source)) for _ in range(5)]
        await until(lambda: source.calls)
        gate.set()
        answers = await asyncio.gather(*asked, return_exceptions=True)
        assert [type(a) for a in answers] == [KeyError] * 5
        assert source.calls == 1

    async def test_one_who_leaves_disturbs_nobody(self, cache: Cache) -> None:
        gate = asyncio.Event()
        source = Source("v", gate=gate)
        asked = [asyncio.ensure_future(cache.get_or_set("k", source)) for _ in range(3)]
        await until(lambda: source.calls)
        asked[0].cancel()
        await asyncio.wait(asked[:1])
        gate.set()
        assert await asyncio.gather(*asked[1:]) == ["v", "v"]

    @pytest.mark.parametrize("background", [True, False])
    async def test_the_last_who_leaves_ends_it_unless_it_may_go_on(
        self, cache: Cache, background: bool
    ) -> None:
        gate = asyncio.Event()
        source = Source("v", gate=gate)
        how = EntryOptions(background=background)
        asked = [asyncio.ensure_future(cache.get_or_set("k", source, options=how)) for _ in range(2)]
        await until(lambda: source.calls)
        for task in asked:
            task.cancel()
        await asyncio.wait(asked)
        gate.set()
        if background:
            await until(lambda: cache.peek("k") == "v")
        else:
            await until(lambda: source.cancelled == 1)
            assert cache.peek("k") is MISS

    async def test_a_slow_key_delays_no_other(self, cache: Cache) -> None:
        slow = asyncio.ensure_future(cache.get_or_set("slow", Source(gate=asyncio.Event())))
        assert await cache.get_or_set("quick", Source("q")) == "q"
        slow.cancel()

    @pytest.mark.parametrize("what", ["remove", "expire", "set", "clear"])
    async def test_what_was_changed_while_it_ran_is_not_kept(self, cache: Cache, what: str) -> None:
        gate = asyncio.Event()
        source = Source("old", "new", gate=gate)
        asked = asyncio.ensure_future(cache.get_or_set("k", source))
        await until(lambda: source.calls)
        change: dict[str, Callable[[], Any]] = {
            "remove": lambda: cache.remove("k"),
            "expire": lambda: cache.expire("k"),
            "set": lambda: cache.set("k", "set"),
            "clear": cache.clear,
        }
        await change[what]()
        gate.set()
        assert await asked == "old"
        assert await cache.get("k") == ("set" if what == "set" else MISS)

    async def test_a_tag_removed_while_it_ran(self, cache: Cache) -> None:
        gate = asyncio.Event()
        source = Source("old", gate=gate)
        asked = asyncio.ensure_future(cache.get_or_set("k", source, tags=["t"]))
        await until(lambda: source.calls)
        await cache.remove_by_tag("t")
        gate.set()
        assert await asked == "old"
        assert await cache.get("k") is MISS

    async def test_waiting_may_be_limited(self, cache: Cache) -> None:
        source = Source("slow", gate=asyncio.Event())
        first = asyncio.ensure_future(cache.get_or_set("k", source))
        await until(lambda: source.calls)
        quick = Source("own")
        assert await cache.get_or_set("k", quick, options=EntryOptions(lock_timeout=0.01)) == "own"
        first.cancel()


class TestFailSafe:
    async def test_a_stale_value_stands_in_and_nobody_asks_for_a_while(
        self, cache: Cache, hand: Hand
    ) -> None:
        source = Source("good", OSError("db"), OSError("db"), "again")
        assert await cache.get_or_set("k", source, options=SAFE) == "good"
        hand.go(11)
        assert [await cache.get_or_set("k", source, options=SAFE) for _ in range(3)] == ["good"] * 3
        assert source.calls == 2
        hand.go(6)
        assert await cache.get_or_set("k", source, options=SAFE) == "good"
        hand.go(6)
        assert await cache.get_or_set("k", source, options=SAFE) == "again"
        assert cache.stats().of("stale") == 2

    async def test_past_its_end_the_error_is_the_callers(self, cache: Cache, hand: Hand) -> None:
        source = Source("good", OSError("db"))
        await cache.get_or_set("k", source, options=SAFE)
        hand.go(101)
        with pytest.raises(OSError, match="db"):
            await cache.get_or_set("k", source, options=SAFE)

    async def test_without_it_or_without_a_stale_value_too(self, cache: Cache, hand: Hand) -> None:
        with pytest.raises(OSError, match="db"):
            await cache.get_or_set("new", Source(OSError("db")), options=SAFE)
        source = Source("good", OSError("db"))
        await cache.get_or_set("k", source, ttl=10)
        hand.go(11)
        with pytest.raises(OSError, match="db"):
            await cache.get_or_set("k", source, ttl=10)

    async def test_a_default_may_stand_in(self, cache: Cache) -> None:
        found = await cache.get_or_set("k", Source(OSError("db")), options=SAFE, fail_safe_default="none")
        assert found == "none"

    async def test_a_loader_may_say_that_it_failed(self, cache: Cache, hand: Hand) -> None:
        async def load(ctx: LoadContext) -> Any:
            return "good" if ctx.stale is MISS else ctx.fail("no answer")

        assert await cache.get_or_set("k", load, options=SAFE) == "good"
        hand.go(11)
        assert await cache.get_or_set("k", load, options=SAFE) == "good"
        with pytest.raises(LoadFailed, match="no answer"):
            await cache.get_or_set("other", lambda ctx: _async(ctx.fail("no answer")))

    async def test_a_short_limit_counts_as_the_ttl(self, cache: Cache, hand: Hand) -> None:
        how = SAFE.but(fail_safe_max=1)
        source = Source("good", OSError("db"))
        await cache.get_or_set("k", source, options=how)
        hand.go(9)
        assert await cache.get("k") == "good"
        hand.go(2)
        with pytest.raises(OSError, match="db"):
            await cache.get_or_set("k", source, options=how)

    async def test_a_success_beats_stale(self, cache: Cache, hand: Hand) -> None:
        source = Source("old", "new")
        await cache.get_or_set("k", source, options=SAFE)
        hand.go(11)
        assert await cache.get_or_set("k", source, options=SAFE) == "new"

    async def test_get_gives_stale_only_when_asked_and_leaves_it_so(self, cache: Cache, hand: Hand) -> None:
        await cache.set("k", "old", options=SAFE)
        hand.go(11)
        assert await cache.get("k") is MISS
        assert await cache.get("k", allow_stale=True) == "old"
        assert await cache.get("k") is MISS

    async def test_expired_by_hand_it_may_be_served_removed_it_may_not(self, cache: Cache) -> None:
        for end, expected in ((cache.expire, "old"), (cache.remove, None)):
            await cache.set("k", "old", options=SAFE)
            await end("k")
            found = await cache.get_or_set("k", Source(OSError("db")), options=SAFE, fail_safe_default=None)
            assert found == expected


class TestTimeouts:
    async def test_soft_serves_the_stale_value_and_the_load_goes_on(self, cache: Cache, hand: Hand) -> None:
        gate = asyncio.Event()
        await cache.set("k", "old", options=SAFE)
        hand.go(11)
        source = Source("new", gate=gate)
        how = SAFE.but(soft_timeout=0.02)
        assert await cache.get_or_set("k", source, options=how) == "old"
        assert await cache.get_or_set("k", source, options=how) == "old"
        gate.set()
        await until(lambda: cache.peek("k") == "new")
        assert source.calls == 1

    async def test_soft_zero_does_not_wait_at_all(self, cache: Cache, hand: Hand) -> None:
        await cache.set("k", "old", options=SAFE)
        hand.go(11)
        source = Source("new")
        assert await cache.get_or_set("k", source, options=SAFE.but(soft_timeout=0)) == "old"
        await until(lambda: cache.peek("k") == "new")

    async def test_soft_does_not_apply_without_a_stale_value(self, cache: Cache) -> None:
        gate = asyncio.Event()
        asked = asyncio.ensure_future(
            cache.get_or_set("k", Source("v", gate=gate), options=SAFE.but(soft_timeout=0.0))
        )
        await asyncio.wait((asked,), timeout=0.05)
        assert not asked.done()
        gate.set()
        assert await asked == "v"

    async def test_hard_ends_the_wait_with_stale_or_an_error(self, cache: Cache, hand: Hand) -> None:
        gate = asyncio.Event()
        how = SAFE.but(hard_timeout=0.02)
        with pytest.raises(LoadTimeout, match="k"):
            await cache.get_or_set("k", Source("v", gate=gate), options=how)
        await cache.set("s", "old", options=SAFE)
        hand.go(11)
        assert await cache.get_or_set("s", Source("v", gate=gate), options=how) == "old"
        gate.set()
        await until(lambda: cache.peek("k") == "v" == cache.peek("s"))

    async def test_without_background_the_loader_is_ended(self, cache: Cache) -> None:
        source = Source("v", gate=asyncio.Event())
        with pytest.raises(LoadTimeout):
            await cache.get_or_set("k", source, options=EntryOptions(hard_timeout=0.02, background=False))
        await until(lambda: source.cancelled == 1)

    async def test_while_it_goes_on_no_second_loader_starts(self, cache: Cache) -> None:
        gate = asyncio.Event()
        source, how = Source("v", gate=gate), EntryOptions(hard_timeout=0.02)
        for _ in range(3):
            with pytest.raises(LoadTimeout):
                await cache.get_or_set("k", source, options=how)
        assert source.calls == 1
        gate.set()
        await until(lambda: cache.peek("k") == "v")

    async def test_a_late_failure_is_counted_and_raised_nowhere(self, cache: Cache, caplog: Any) -> None:
        gate = asyncio.Event()
        with pytest.raises(LoadTimeout):
            await cache.get_or_set(
                "k", Source(OSError("late"), gate=gate), options=EntryOptions(hard_timeout=0.01)
            )
        gate.set()
        await until(lambda: cache.stats().of("load.failed") == 1)
        assert caplog.records == []


class TestEarly:
    async def test_past_the_point_one_load_begins_and_nobody_waits(self, cache: Cache, hand: Hand) -> None:
        gate, how = asyncio.Event(), EntryOptions(ttl=10, eager_at=0.8)
        source = Source("new", gate=gate)
        await cache.set("k", "old", options=how)
        hand.go(7.9)
        assert await cache.get_or_set("k", source, options=how) == "old"
        assert source.calls == 0
        hand.go(0.2)
        for _ in range(3):
            assert await cache.get_or_set("k", source, options=how) == "old"
        await until(lambda: source.calls == 1)
        hand.go(5)
        waiting = asyncio.ensure_future(cache.get_or_set("k", source, options=how))
        await asyncio.sleep(0)
        gate.set()
        assert await waiting == "new"
        assert source.calls == 1

    async def test_who_waits_for_one_that_fails_gets_the_stale_value(self, cache: Cache, hand: Hand) -> None:
        how = SAFE.but(eager_at=0.5)
        await cache.set("k", "old", options=how)
        hand.go(6)
        gate = asyncio.Event()
        source = Source(OSError("db"), gate=gate)
        assert await cache.get_or_set("k", source, options=how) == "old"
        await until(lambda: source.calls == 1)
        hand.go(5)
        waiting = asyncio.ensure_future(cache.get_or_set("k", source, options=how))
        await asyncio.sleep(0)
        gate.set()
        assert await waiting == "old"
        assert source.calls == 1
        assert cache.stats().of("stale.failed") == 1

    async def test_its_failure_leaves_the_entry_as_it_was(self, cache: Cache, hand: Hand) -> None:
        how = SAFE.but(eager_at=0.5)
        await cache.set("k", "old", options=how)
        hand.go(6)
        source = Source(OSError("db"))
        assert await cache.get_or_set("k", source, options=how) == "old"
        await until(lambda: cache.stats().of("load.failed") == 1)
        assert cache.remaining("k") == (pytest.approx(4), 10)

    async def test_a_source_that_fails_is_not_asked_again_at_each_hit(self, cache: Cache, hand: Hand) -> None:
        how = SAFE.but(eager_at=0.1, throttle=2)
        await cache.set("k", "old", options=how)
        hand.go(2)
        source = Source(OSError("db"), OSError("db"), "new")
        for times in (1, 2):
            for _ in range(5):
                assert await cache.get_or_set("k", source, options=how) == "old"
                await until(lambda: not cache.loads())
            assert source.calls == times
            hand.go(2.1)
        await cache.get_or_set("k", source, options=how)
        await until(lambda: cache.peek("k") == "new")

    async def test_xfetch_draws_more_often_near_the_end_and_with_slow_loads(
        self, cache: Cache, hand: Hand
    ) -> None:
        def starts(left: float, load_s: float) -> int:
            from perftui.instrument.cache.early import early
            from perftui.instrument.cache.entry import Entry

            entry = Entry(1, hand.at + left, ttl=10, load_s=load_s)
            how = EntryOptions(ttl=10, early_beta=1.0)
            return sum(early(entry, hand.at, how) for _ in range(4000))

        # P(-ln u >= x) = e^-x
        assert starts(1.0, 1.0) == pytest.approx(4000 * 0.3679, rel=0.15)
        assert starts(3.0, 1.0) == pytest.approx(4000 * 0.0498, rel=0.35)
        assert starts(5.0, 0.1) == 0

    async def test_without_an_end_there_is_nothing_early(self, cache: Cache) -> None:
        how = EntryOptions(ttl=None, eager_at=0.1)
        await cache.set("k", 1, options=how)
        source = Source()
        await cache.get_or_set("k", source, options=how)
        assert source.calls == 0


class TestLateCallers:
    """A load that began before a change gives its value to those who waited then, and to nobody later."""

    @pytest.mark.parametrize("change", ["remove", "expire", "tag", "write"])
    async def test_who_comes_after_a_change_gets_what_is_loaded_after_it(
        self, cache: Cache, change: str
    ) -> None:
        gate = asyncio.Event()
        old, new = Source("old", gate=gate), Source("new")
        first = asyncio.ensure_future(cache.get_or_set("k", old, tags=["t"]))
        await until(lambda: old.calls == 1)
        if change == "tag":
            await cache.remove_by_tag("t")
        elif change == "write":
            cache.writer = Book()
            await cache.write("k", "written", how="around")
        else:
            await getattr(cache, change)("k")
        second = asyncio.ensure_future(cache.get_or_set("k", new, tags=["t"]))
        third = asyncio.ensure_future(cache.get_or_set("k", new, tags=["t"]))
        assert await asyncio.wait_for(second, 5) == await third == "new"
        gate.set()
        assert await first == "old"
        assert cache.peek("k") == "new"
        assert (old.calls, new.calls) == (1, 1)

    async def test_two_loads_of_a_key_run_at_most_however_often_it_changes(self, cache: Cache) -> None:
        gate = asyncio.Event()
        source = Source(1, 2, 3, gate=gate)
        callers = []
        for n in range(5):
            callers.append(asyncio.ensure_future(cache.get_or_set("k", source)))
            await until(lambda n=n: source.calls == min(n + 1, 2))  # type: ignore[misc]
            await cache.remove("k")
        assert list(cache.loads()) == ["k"]
        gate.set()
        assert await asyncio.gather(*callers) == [1, 2, 2, 2, 2]
        assert cache.loads() == {}
        assert await cache.get_or_set("k", source) == 3

    async def test_who_comes_after_a_change_of_something_else_waits(self, cache: Cache) -> None:
        gate = asyncio.Event()
        source = Source("one", gate=gate)
        first = asyncio.ensure_future(cache.get_or_set("k", source, tags=["t"]))
        await until(lambda: source.calls == 1)
        await cache.remove("other")
        await cache.remove_by_tag("u")
        cache._core.linked(up=False)
        cache._core.linked(up=True)
        second = asyncio.ensure_future(cache.get_or_set("k", source, tags=["t"]))
        await asyncio.sleep(0)
        gate.set()
        assert await first == await second == "one"
        assert source.calls == 1

    async def test_who_comes_as_an_early_load_leaves_it_to_another_node_loads(self, hand: Hand) -> None:
        elsewhere = Elsewhere()
        async with Cache(
            "shop", clock=hand, lock=elsewhere, defaults=EntryOptions(shared_flight=True)
        ) as cache:
            early = cache._flights.start("k", Source("early"), cache.defaults, (), eager=True)
            await until(lambda: elsewhere.asked)
            elsewhere.taken.set()  # its load ends in the next turn of the loop, in which this caller comes
            assert await asyncio.wait_for(cache.get_or_set("k", Source("mine")), 5) == "mine"
            assert early.future.result() is None


class Elsewhere:
    """A lock that another node has when it is asked first, and no longer."""

    def __init__(self) -> None:
        self.asked = 0
        self.taken = asyncio.Event()

    async def acquire(self, key: str, lease: float, *, within: float | None = None) -> Held | None:
        """Ours, but not the first time."""
        self.asked += 1
        await self.taken.wait()
        return None if self.asked == 1 else Held()

    async def released(self, key: str, within: float) -> None:
        """It was."""


class Held:
    """A load that is ours."""

    held = True

    async def release(self) -> None:
        """Give it up."""


class Book:
    """A database that takes everything."""

    async def write(self, items: Any) -> None:
        """Take it."""


class TestContext:
    async def test_a_loader_decides_for_its_entry_alone(self, cache: Cache) -> None:
        how = EntryOptions(ttl=10)

        async def load(ctx: LoadContext) -> str:
            ctx.ttl = "1h"
            ctx.tags = ("mine",)
            return "v"

        await cache.get_or_set("k", load, options=how)
        assert cache.remaining("k") == (pytest.approx(3600), 3600)
        assert how.ttl == 10
        await cache.remove_by_tag("mine")
        assert await cache.get("k") is MISS

    async def test_what_is_not_modified_is_renewed(self, cache: Cache, hand: Hand) -> None:
        async def load(ctx: LoadContext) -> Any:
            if ctx.etag == "v1":
                return ctx.not_modified()
            ctx.etag = "v1"
            return {"body": 1}

        first = await cache.get_or_set("k", load, options=SAFE)
        hand.go(11)
        assert await cache.get_or_set("k", load, options=SAFE) is first
        assert cache.remaining("k") == (pytest.approx(10), 10)

    async def test_it_may_turn_fail_safe_off(self, cache: Cache, hand: Hand) -> None:
        async def load(ctx: LoadContext) -> Any:
            if ctx.stale is MISS:
                return "v"
            ctx.set(fail_safe=False)
            raise OSError("db")

        await cache.get_or_set("k", load, options=SAFE)
        hand.go(11)
        with pytest.raises(OSError, match="db"):
            await cache.get_or_set("k", load, options=SAFE)


async def test_plugins_hear_and_one_that_raises_is_isolated(cache: Cache) -> None:
    heard: list[tuple[str, str]] = []

    def bad(_what: str, _key: str) -> None:
        raise RuntimeError("plugin")

    cache.on_event(bad)
    cache.on_event(lambda what, key: heard.append((what, key)))
    await cache.get("k")
    assert heard == [("miss", "k")]


async def test_closing_twice_is_harmless_and_waiting_callers_get_their_value() -> None:
    cache, gate = Cache("shop"), asyncio.Event()
    asked = asyncio.ensure_future(cache.get_or_set("k", Source("v", gate=gate)))
    await asyncio.sleep(0)
    closing = asyncio.ensure_future(cache.close())
    await asyncio.sleep(0)
    gate.set()
    assert await asked == "v"
    await closing
    await cache.close()


async def test_a_peek_of_ones_own_is_asked() -> None:
    class Doubling(Cache):
        def peek(self, key: str, default: Any = MISS) -> Any:
            return 2 * super().peek(key, default)

    cache = Doubling("shop")
    await cache.set("k", 21)
    assert (cache.peek("k"), await cache.get("k")) == (42, 42)
    await cache.close()


async def test_a_name_that_cannot_be() -> None:
    for name in ("", "a:__b"):
        with pytest.raises(ValueError, match="name"):
            Cache(name)


async def _async(value: Any) -> Any:
    return value


async def test_entries_share_what_is_equal_in_them() -> None:
    async with Cache("shop") as cache:
        assert cache.memory is not None
        for n in range(3):
            await cache.set(f"k{n}", n, ttl="5m", tags=["home", "new"])
        first, second, third = (cache.memory.look(f"k{n}") for n in range(3))
        assert first is not None
        assert second is not None
        assert third is not None
        assert first.tags is second.tags is third.tags
        assert first.kept_until is first.fresh_until
        await cache.remove_by_tag("new")
        assert cache.peek("k0") is MISS
        await cache.set("k0", 0, ttl="5m", tags=["home", "new"])
        again = cache.memory.look("k0")
        assert again is not None
        assert again.tags != second.tags
