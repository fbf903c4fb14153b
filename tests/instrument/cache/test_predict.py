"""Keys loaded before the time they are asked for, by a clock that tests turn; each forecast is scored."""

from __future__ import annotations

import asyncio
import json
import logging
import stat
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from perftui.instrument.cache import predict
from perftui.instrument.cache.asks import said
from perftui.instrument.cache.context import LoadContext
from perftui.instrument.cache.face import Cache
from perftui.instrument.cache.habits import Habits, prefix
from perftui.instrument.cache.hot import Hot
from perftui.instrument.cache.ports import Store
from perftui.instrument.cache.predict import Predicting
from perftui.instrument.cache.refresh import Refreshing
from perftui.instrument.cache.sourcehealth import ENOUGH, Judged
from perftui.instrument.cache.store import open_store
from perftui.model.noderecord import pack, unpack
from perftui.model.predicted import ASK, Predicted, PredictedGroup, TurnedOff
from perftui.model.tiers import EntryOptions
from perftui.model.warmask import ask_key
from tests.instrument.cache.clock import Hand
from tests.instrument.cache.test_shared import linked
from tests.waiting import auntil, until

if TYPE_CHECKING:
    from perftui.lab.valkey import ValkeyServer

HOUR, DAY = 3600.0, 86400.0
MONDAY = 1_699_833_600.0  # 13 November 2023, UTC
NINE = 9 * HOUR + 120
LIFE = 1200.0
KEYS = [f"report:{n}" for n in range(30)]


class Rows:
    """A source that counts what it loads."""

    def __init__(self) -> None:
        self.loads: Counter[str] = Counter()
        self.failing = False
        self.gate = asyncio.Event()
        self.gate.set()

    async def load(self, keys: Sequence[str]) -> dict[str, Any]:
        self.loads.update(keys)
        await self.gate.wait()
        if self.failing:
            raise OSError("the database is away")
        return {key: (key, self.loads[key]) for key in keys if "strange" not in key}


@pytest.fixture
def hand() -> Hand:
    return Hand(MONDAY)


@pytest.fixture
def rows() -> Rows:
    return Rows()


@pytest.fixture
async def cache(hand: Hand, rows: Rows) -> AsyncIterator[Cache]:
    async with Cache("shop", clock=hand, source=rows, defaults=EntryOptions(ttl=LIFE)) as made:
        yield made


def predicting(cache: Cache, **how: Any) -> Predicting:
    """One that looks when the test says so, and has room for all at once."""
    made = Predicting(cache, **({"budget": 1000.0, "at_once": 100} | how))
    for task in made._tasks:
        task.cancel()
    return made


def at(hand: Hand, day: int, second: float) -> None:
    hand.at = MONDAY + day * DAY + second


async def looked(*made: Predicting) -> None:
    """A look of each, and the loads it began are over."""
    for one in made:
        await one.look()
    await until(lambda: not any(one._running for one in made))


async def asked(cache: Cache, keys: Sequence[str]) -> None:
    for key in keys:
        await cache.get_or_set(key)


async def known(cache: Cache) -> None:
    """Enough is known of the source for the whole budget."""
    for n in range(ENOUGH):
        await cache.refresh(f"probe{n}")


async def lived(
    cache: Cache, hand: Hand, made: Predicting, days: Sequence[int], keys: Sequence[str] = KEYS
) -> None:
    """The keys are asked for at two past nine of these days, and the day is over."""
    for day in days:
        at(hand, day, NINE)
        await asked(cache, keys)
        await looked(made)
        at(hand, day, 23 * HOUR)
        await looked(made)


def counts(cache: Cache) -> dict[str, int]:
    counters = cache.stats().counters
    return {
        name: counters[f"predict.{name}"] for name in ("loaded", "filled", "failed", "used", "wasted", "late")
    }


def told(cache: Cache) -> Predicted:
    found = cache.stats().predicted
    assert found is not None
    return found


def group(cache: Cache, name: str = "report") -> PredictedGroup:
    return next(one for one in told(cache).groups if one.name == name)


class TestByTheHour:
    async def test_what_is_asked_for_at_nine_is_there_before_nine(
        self, cache: Cache, hand: Hand, rows: Rows
    ) -> None:
        made = predicting(cache)
        await lived(cache, hand, made, range(3))
        loads, misses = rows.loads.total(), cache.stats().of("miss")
        at(hand, 3, 8 * HOUR + 50 * 60)
        await known(cache)
        await looked(made)
        assert counts(cache)["loaded"] == 0, "ten minutes before is too early for what lives twenty"
        at(hand, 3, 9 * HOUR - 50)
        await known(cache)
        await looked(made)
        assert counts(cache)["loaded"] == 30
        assert rows.loads.total() == loads + 30 + 2 * ENOUGH
        assert group(cache).open == 30
        at(hand, 3, NINE)
        await asked(cache, KEYS)
        await asked(cache, KEYS)
        await looked(made)
        assert cache.stats().of("miss") == misses + 2 * ENOUGH, "those of the source, and no other"
        assert counts(cache) == {"loaded": 30, "filled": 0, "failed": 0, "used": 30, "wasted": 0, "late": 0}
        now = told(cache)
        assert (now.precision, now.on, now.paused, now.keys) == (1.0, True, False, 30)
        assert (now.hours[-2], now.hours[-1]) == ((30, 30), (0, 0))
        assert now.gained == 30
        assert now.gain == 30 / now.asked

    async def test_two_days_are_not_enough(self, cache: Cache, hand: Hand) -> None:
        made = predicting(cache)
        await lived(cache, hand, made, range(2))
        at(hand, 2, 9 * HOUR - 50)
        await known(cache)
        await looked(made)
        assert counts(cache)["loaded"] == 0

    async def test_not_on_the_first_weekend_but_on_monday(self, cache: Cache, hand: Hand) -> None:
        made = predicting(cache)
        await lived(cache, hand, made, range(5))
        for day, loads in ((5, 0), (6, 0), (7, 30)):
            at(hand, day, 9 * HOUR - 50)
            await known(cache)
            await looked(made)
            assert counts(cache)["loaded"] == loads

    async def test_hours_are_those_of_the_zone(self, cache: Cache, hand: Hand) -> None:
        made = predicting(cache, zone=timezone(timedelta(hours=2)))
        await lived(cache, hand, made, range(3))
        at(hand, 3, 9 * HOUR - 50)
        await known(cache)
        await looked(made)
        assert counts(cache)["loaded"] == 30
        assert told(cache).hour == int((MONDAY + 3 * DAY) // HOUR) + 10

    async def test_what_is_there_long_enough_is_not_loaded(self, cache: Cache, hand: Hand) -> None:
        made = predicting(cache)
        await lived(cache, hand, made, range(3))
        at(hand, 3, 9 * HOUR - 600)
        await asked(cache, KEYS[:10])
        at(hand, 3, 9 * HOUR - 50)
        await known(cache)
        await looked(made)
        assert counts(cache)["loaded"] == 20

    async def test_a_value_that_outlives_its_use_less_than_a_slot_is_left_to_its_rhythm(
        self, cache: Cache, hand: Hand
    ) -> None:
        made = predicting(cache)
        for day in range(3):
            at(hand, day, NINE)
            await cache.get_or_set("short:1", ttl=30)
            await looked(made)
        at(hand, 3, 9 * HOUR - 50)
        await known(cache)
        await looked(made)
        assert counts(cache)["loaded"] == 0

    async def test_the_new_value_keeps_tags_and_life(self, cache: Cache, hand: Hand) -> None:
        made = predicting(cache)
        for day in range(3):
            at(hand, day, NINE)
            await cache.get_or_set("report:1", ttl=700, tags=["t"])
            await looked(made)
        at(hand, 3, 9 * HOUR - 50)
        await known(cache)
        await looked(made)
        assert cache.remaining("report:1") == (700, 700)
        await cache.remove_by_tag("t")
        assert await cache.get("report:1", default=None) is None


class TestByRhythm:
    async def turned(self, cache: Cache, hand: Hand, made: Predicting, turns: int) -> None:
        for _ in range(turns):
            await cache.get_or_set("feed:1", ttl=60)
            await looked(made)
            hand.go(400)

    async def test_a_key_that_comes_back_is_there_when_it_does(
        self, cache: Cache, hand: Hand, rows: Rows
    ) -> None:
        made = predicting(cache)
        await self.turned(cache, hand, made, 5)
        assert counts(cache)["loaded"] == 0
        hand.go(-1)
        await looked(made)
        assert (counts(cache)["loaded"], rows.loads["feed:1"]) == (1, 6)
        hand.go(5)
        assert await cache.get_or_set("feed:1") == ("feed:1", 6)
        await looked(made)
        assert (counts(cache)["used"], told(cache).gained) == (1, 1)

    async def test_one_that_stays_away_is_loaded_twice_more_and_then_left(
        self, cache: Cache, hand: Hand, rows: Rows
    ) -> None:
        made = predicting(cache)
        await self.turned(cache, hand, made, 5)
        hand.go(-400)
        for _ in range(2000):
            hand.go(1)
            await looked(made)
        assert (counts(cache)["loaded"], counts(cache)["wasted"]) == (2, 2)


class TestScoring:
    @pytest.fixture
    async def made(self, cache: Cache, hand: Hand) -> Predicting:
        """Thirty reports were loaded ahead of Thursday's nine."""
        made = predicting(cache)
        await lived(cache, hand, made, range(3))
        at(hand, 3, 9 * HOUR - 50)
        await known(cache)
        await looked(made)
        assert group(cache).open == 30
        return made

    async def test_what_nobody_asks_for_in_its_life_is_wasted(
        self, cache: Cache, hand: Hand, made: Predicting
    ) -> None:
        hand.go(LIFE - 1)
        await asked(cache, KEYS[:18])
        hand.go(2)
        await looked(made)
        await asked(cache, KEYS)
        await looked(made)
        assert (counts(cache)["used"], counts(cache)["wasted"], told(cache).precision) == (18, 12, 0.6)
        assert made._score.open == {}

    async def test_what_was_changed_before_its_use_is_wasted(
        self, cache: Cache, hand: Hand, made: Predicting
    ) -> None:
        hand.go(1)
        await cache.set("report:1", "new")
        await cache.remove("report:2")
        await cache.expire("report:3")
        await cache.refresh("report:4")
        await asked(cache, KEYS[:6])
        await looked(made)
        assert (counts(cache)["used"], counts(cache)["wasted"]) == (2, 4)

    async def test_a_use_while_it_is_loaded_counts(
        self, cache: Cache, hand: Hand, rows: Rows, made: Predicting
    ) -> None:
        at(hand, 3, NINE)
        await asked(cache, KEYS)
        at(hand, 4, 9 * HOUR - 50)
        await known(cache)
        rows.gate.clear()
        await made.look()
        await until(lambda: rows.loads.total() == 6 * 30 - 30 + 2 * ENOUGH)
        early = asyncio.create_task(cache.get_or_set("report:0"))
        await asyncio.sleep(0)
        rows.gate.set()
        await early
        await until(lambda: not made._running)
        await made.look()
        assert counts(cache)["used"] == 31

    async def test_a_hit_that_would_have_been_one_anyway_is_no_gain(self, cache: Cache, hand: Hand) -> None:
        """It ends just before the slot: what is asked for until then it had itself."""
        made = predicting(cache)
        await lived(cache, hand, made, range(3), ["early:1"])
        at(hand, 3, 9 * HOUR - LIFE - 30)
        await asked(cache, ["early:1"])
        at(hand, 3, 9 * HOUR - 50)
        await known(cache)
        await looked(made)
        await asked(cache, ["early:1"])
        await looked(made)
        assert (group(cache, "early").used, told(cache).gained) == (1, 0)

    async def test_a_failure_is_counted_and_rested_from(
        self, cache: Cache, hand: Hand, rows: Rows, made: Predicting
    ) -> None:
        at(hand, 3, NINE)
        await asked(cache, KEYS)
        await looked(made)
        at(hand, 4, 9 * HOUR - 50)
        rows.failing = True
        await looked(made)
        assert counts(cache)["failed"] == 2, "one load a second while nothing is known"
        hand.go(1)
        await looked(made)
        assert counts(cache)["failed"] == 3
        assert len(made._resting) == 3
        assert made._score.open == {}
        assert told(cache).failed == 3


class TestTurningOff:
    async def stopped(self, cache: Cache, hand: Hand, made: Predicting) -> None:
        """Four days of use, and a fifth without."""
        await lived(cache, hand, made, range(4))
        await self.forecast(cache, hand, made, 4)
        at(hand, 4, 23 * HOUR)
        await looked(made)

    async def forecast(self, cache: Cache, hand: Hand, made: Predicting, day: int) -> None:
        at(hand, day, 9 * HOUR - 50)
        await known(cache)
        await looked(made)

    async def test_a_group_that_stops_being_asked_for_turns_off(
        self, cache: Cache, hand: Hand, rows: Rows, caplog: pytest.LogCaptureFixture
    ) -> None:
        made = predicting(cache)
        with caplog.at_level(logging.WARNING):
            await self.stopped(cache, hand, made)
        assert group(cache).off == TurnedOff(hand.at, 0, 30)
        assert (told(cache).on, told(cache).precision) == (False, None)
        assert cache.stats().gauges["predict.on"] == 0
        assert "'report' are off: 0 of 30 were used" in caplog.text
        loads = rows.loads.total()
        await self.forecast(cache, hand, made, 7)
        assert rows.loads.total() == loads + ENOUGH
        assert group(cache).open == 30, "it goes on forecasting, and loads nothing"

    async def test_another_group_goes_on(self, cache: Cache, hand: Hand) -> None:
        made = predicting(cache)
        both = [*KEYS, *(f"menu:{n}" for n in range(25))]
        await lived(cache, hand, made, range(4), both)
        await self.forecast(cache, hand, made, 4)
        at(hand, 4, NINE)
        await asked(cache, both[30:])
        at(hand, 4, 23 * HOUR)
        await looked(made)
        assert (group(cache).off is None, group(cache, "menu").off) == (False, None)
        assert (told(cache).on, told(cache).precision) == (True, 1.0)

    async def test_rehearsals_tell_when_it_would_be_worth_it_again(
        self, cache: Cache, hand: Hand, rows: Rows
    ) -> None:
        made = predicting(cache)
        await self.stopped(cache, hand, made)
        await self.forecast(cache, hand, made, 7)
        at(hand, 7, NINE)
        await asked(cache, KEYS)
        await looked(made)
        one = group(cache)
        assert (one.day_used, one.day, one.used, one.wasted) == (30, 30, 0, 30)
        assert told(cache).gained == 0
        made.again("menu")
        assert group(cache).off is not None
        made.again()
        assert (group(cache).off, told(cache).on) == (None, True)
        await self.forecast(cache, hand, made, 8)
        assert counts(cache)["loaded"] == 60

    async def test_what_is_kept_stays_off(self, cache: Cache, hand: Hand, rows: Rows, tmp_path: Path) -> None:
        path = tmp_path / "habits"
        made = predicting(cache, path=path)
        await self.stopped(cache, hand, made)
        await cache.close()
        async with Cache("shop", clock=hand, source=rows) as other:
            predicting(other, path=path)
            assert group(other).off is not None


class TestRoom:
    async def test_no_more_than_the_budget_the_groups_asked_for_most_first(
        self, cache: Cache, hand: Hand, rows: Rows
    ) -> None:
        made = predicting(cache, budget=4.0, at_once=2)
        for day in range(3):
            await lived(cache, hand, made, [day], [*KEYS[:10], "busy:1"])
            at(hand, day, NINE + 60)
            for _ in range(50):
                await asked(cache, ["busy:1"])
            await looked(made)
        at(hand, 3, 9 * HOUR - 50)
        await known(cache)
        begun = []
        for _ in range(8):
            before = rows.loads.total()
            await made.look()
            assert len(made._running) <= 2
            if not begun:
                assert "busy:1" in made._running
            await until(lambda: not made._running)
            begun.append(rows.loads.total() - before)
            hand.go(0.25)
        assert max(begun) <= 2
        assert 6 <= sum(begun) <= 11
        assert cache.stats().gauges["predict.waiting"] == 11 - sum(begun)

    async def test_no_load_while_the_source_is_in_trouble(self, cache: Cache, hand: Hand, rows: Rows) -> None:
        made = predicting(cache)
        await lived(cache, hand, made, range(3))
        at(hand, 3, 9 * HOUR - 50)
        rows.failing = True
        for n in range(ENOUGH):
            with pytest.raises(OSError, match="away"):
                await cache.get_or_set(f"new{n}")
        await looked(made)
        assert (made.paused, told(cache).paused, counts(cache)["loaded"]) == (True, True, 0)
        at(hand, 3, 10 * HOUR)
        await looked(made)
        assert counts(cache)["late"] == 30

    async def test_a_loader_of_its_own(self, hand: Hand) -> None:
        async with Cache("shop", clock=hand, defaults=EntryOptions(ttl=LIFE)) as cache:
            keys: list[str] = []

            async def load(ctx: LoadContext) -> str:
                keys.append(ctx.key)
                return "ahead"

            async def first() -> str:
                return "asked"

            made = predicting(cache, loader=load, group=lambda _: "all")
            for day in range(3):
                at(hand, day, NINE)
                await cache.get_or_set("a", first)
                await looked(made)
            at(hand, 3, 9 * HOUR - 50)
            await looked(made)
            assert (keys, cache.peek("a"), group(cache, "all").open) == (["a"], "ahead", 1)

    async def test_the_same_source_is_left_when_all_is_closed(self, cache: Cache, rows: Rows) -> None:
        Refreshing(cache, Hot(cache))
        made = predicting(cache)
        assert isinstance(cache.source, Judged)
        await cache.close()
        await made.close()
        assert cache.source is rows

    @pytest.mark.parametrize(
        "how", [{"budget": 0}, {"ahead": 0}, {"ahead": 301}, {"at_once": 0}, {"most": 0}]
    )
    async def test_figures_out_of_range(self, cache: Cache, how: dict[str, Any]) -> None:
        with pytest.raises(ValueError, match="budget"):
            Predicting(cache, **how)

    async def test_nothing_to_load_with(self) -> None:
        async with Cache("shop") as cache:
            with pytest.raises(ValueError, match="loader"):
                Predicting(cache)


class TestHabits:
    def test_prefixes(self) -> None:
        assert [prefix(key) for key in ("a:b:c", "a", ":a", "")] == ["a", "", "", ""]

    def test_keys_that_come_once_do_not_push_out_those_that_come_back(self) -> None:
        habits = Habits(prefix, 10)
        for day in range(3):
            for n in range(10):
                habits.asked(f"k:{n}", 1, day * DAY, day * DAY, None)
            for n in range(60):
                habits.asked(f"once:{day}:{n}", 1, day * DAY + 60, day * DAY + 60, None)
        assert set(habits.known) == {f"k:{n}" for n in range(10)}
        assert len(habits._young) <= 80

    def test_both_are_bounded(self) -> None:
        habits = Habits(lambda key: key, 10)
        for day in range(2):
            for n in range(200):
                habits.asked(f"{n}", 1, day * DAY, day * DAY, None)
        assert len(habits.known) <= 10
        assert len(habits._young) <= 80
        assert len(habits.groups) <= 64

    async def test_a_thousand_keys_are_a_file_of_moderate_size(
        self, cache: Cache, hand: Hand, tmp_path: Path
    ) -> None:
        made = predicting(cache, path=tmp_path / "habits")
        await lived(cache, hand, made, range(4), [f"k:{n}" for n in range(1000)])
        await made.close()
        file = tmp_path / "habits"
        assert file.stat().st_size < 300_000
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert cache.stats().of("predict.saved") == 1

    async def test_the_next_run_knows_what_this_one_learned(
        self, cache: Cache, hand: Hand, rows: Rows, tmp_path: Path
    ) -> None:
        path = tmp_path / "habits"
        made = predicting(cache, path=path)
        await lived(cache, hand, made, range(3))
        await cache.close()
        async with Cache("shop", clock=hand, source=rows, defaults=EntryOptions(ttl=LIFE)) as other:
            made = predicting(other, path=path)
            at(hand, 3, 9 * HOUR - 50)
            await known(other)
            await looked(made)
            assert counts(other)["loaded"] == 30

    @pytest.mark.parametrize(
        "text", ["", "no", "[]", "{}", '{"v":2}', '{"v":1,"groups":[],"keys":[["a"]]}', "[" * 9000]
    )
    async def test_a_damaged_file_begins_anew(
        self, cache: Cache, tmp_path: Path, text: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        path = tmp_path / "habits"
        path.write_text(text)
        made = predicting(cache, path=path)
        assert "begin anew" in caplog.text
        await made.close()
        assert json.loads(path.read_text())["v"] == 1

    async def test_a_file_that_cannot_be_written_is_said(
        self, cache: Cache, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        made = predicting(cache, path=tmp_path / "no" / "habits")
        await made.close()
        assert cache.stats().of("predict.not_saved") == 1
        assert "not kept" in caplog.text


class Turned:
    """A store whose server's clock goes with the hand too."""

    def __init__(self, store: Store, hand: Hand) -> None:
        self._store, self._hand, self._began = store, hand, hand.at

    def now(self) -> float:
        return self._store.now() + self._hand.at - self._began

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


@pytest.fixture
async def pair(l2: ValkeyServer, store: Store, hand: Hand, rows: Rows) -> AsyncIterator[list[Cache]]:
    """Two nodes on a real server."""
    made = [
        Cache(
            "shop",
            clock=hand,
            l2=Turned(open_store(l2.url), hand),
            source=rows,
            defaults=EntryOptions(ttl=LIFE),
        )
        for _ in range(2)
    ]
    for cache in made:
        await linked(cache)
    yield made
    for cache in made:
        held = cache.store
        await cache.close()
        if held is not None:
            await held.close()


class TestOnAServer:
    async def test_days_of_use_are_forecast_by_two_nodes_with_one_load(
        self, pair: list[Cache], hand: Hand, rows: Rows
    ) -> None:
        both = [predicting(cache) for cache in pair]
        for day in range(3):
            at(hand, day, NINE)
            for cache in pair:
                await asked(cache, KEYS)
            await looked(*both)
        at(hand, 3, 9 * HOUR - 50)
        for cache in pair:
            await known(cache)
        before = rows.loads.copy()
        await looked(*both)
        assert sum((rows.loads - before).values()) == 30
        loaded = [counts(cache)["loaded"] + counts(cache)["filled"] for cache in pair]
        assert loaded == [30, 30]
        at(hand, 3, NINE)
        misses = sum(cache.stats().of("miss") for cache in pair)
        for cache in pair:
            await asked(cache, KEYS)
        await looked(*both)
        assert sum(cache.stats().of("miss") for cache in pair) == misses
        assert [counts(cache)["used"] for cache in pair] == [30, 30]
        assert sum(told(cache).gained for cache in pair) == 30

    async def test_it_turns_off_and_on_when_a_console_asks(
        self, pair: list[Cache], hand: Hand, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(predict, "LOOK_EVERY", 0.02)
        cache = pair[0]
        made = predicting(cache)
        await lived(cache, hand, made, range(4))
        at(hand, 4, 9 * HOUR - 50)
        await known(cache)
        await looked(made)
        at(hand, 4, 23 * HOUR)
        await looked(made)
        record = unpack(pack(cache.stats(), hand.at))
        assert record.stats.predicted == told(cache)
        assert not told(cache).on
        listening = asyncio.create_task(made._listen())
        key, asking = ask_key("shop", ASK), cache.store
        assert asking is not None

        async def trusted() -> bool:
            await asking.command("SET", key, str(asyncio.get_running_loop().time()), "PX", 5000, key=key)
            assert await said(cache, ASK)
            return told(cache).on

        await auntil(trusted)
        listening.cancel()

    async def test_what_l1_let_go_and_l2_had_is_of_use(
        self, pair: list[Cache], hand: Hand, rows: Rows
    ) -> None:
        cache = pair[0]
        made = predicting(cache)
        await lived(cache, hand, made, range(3), ["report:1"])
        at(hand, 3, 9 * HOUR - 50)
        await looked(made)
        assert cache.memory is not None
        cache.memory.drop("report:1", "capacity")
        loads = rows.loads["report:1"]
        at(hand, 3, NINE)
        await cache.get_or_set("report:1")
        await looked(made)
        assert (rows.loads["report:1"], counts(cache)["used"]) == (loads, 1)

    async def test_what_another_changed_before_its_use_is_wasted(self, pair: list[Cache], hand: Hand) -> None:
        cache, other = pair
        made = predicting(cache)
        await lived(cache, hand, made, range(3), ["report:1"])
        at(hand, 3, 9 * HOUR - 50)
        await looked(made)
        heard = cache.stats().of("invalidated")
        await other.set("report:1", "new")
        await until(lambda: cache.stats().of("invalidated") > heard)
        assert await cache.get_or_set("report:1") == "new"
        await looked(made)
        assert (counts(cache)["used"], counts(cache)["wasted"]) == (0, 1)

    async def test_what_l2_has_that_ends_too_soon_is_loaded_all_the_same(
        self, pair: list[Cache], hand: Hand, rows: Rows
    ) -> None:
        cache, other = pair
        made = predicting(cache)
        await lived(cache, hand, made, range(3), ["report:1"])
        at(hand, 3, 9 * HOUR - LIFE)
        await other.get_or_set("report:1")
        loads = rows.loads["report:1"]
        at(hand, 3, 9 * HOUR - 50)
        await looked(made)
        assert rows.loads["report:1"] == loads + 1
        left = cache.remaining("report:1")
        assert left is not None
        assert left[0] > LIFE - 10
