"""What is asked for most: counted on the way of a hit, forgotten by half, kept for the next run."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from perftui.instrument.cache import hot as counting
from perftui.instrument.cache.entry import Entry
from perftui.instrument.cache.face import Cache
from perftui.instrument.cache.hot import Hot
from perftui.instrument.cache.memory import Memory
from perftui.instrument.cache.wanted import Wanted, read, write
from tests.instrument.cache.clock import Hand
from tests.waiting import until


@pytest.fixture
def hand() -> Hand:
    return Hand()


@pytest.fixture
async def cache(hand: Hand) -> AsyncIterator[Cache]:
    async with Cache("shop", clock=hand) as made:
        yield made


def names(hot: Hot, n: int) -> list[str]:
    return [asked.key for asked in hot.top(n)]


async def test_the_most_asked_for_are_named_with_their_rate(cache: Cache, hand: Hand) -> None:
    hot = Hot(cache, most=50)
    asked: Counter[str] = Counter()
    draw = random.Random(5)
    for _ in range(100):
        for _ in range(100):
            key = f"k{int(draw.paretovariate(0.9))}"
            asked[key] += 1
            cache.peek(key)
        hand.go(1)
        hot.top()
    best = [key for key, _ in asked.most_common(10)]
    assert set(names(hot, 10)) >= set(best[:7])
    assert hot.top(1)[0].per_s == pytest.approx(asked[best[0]] / 100, rel=0.1)


async def test_one_second_counts_its_newest_asks_and_no_more(cache: Cache) -> None:
    hot = Hot(cache)
    for n in range(counting.HEARD + 100):
        cache.peek("old" if n < 100 else "new")
    assert names(hot, 5) == ["new"]


async def test_what_was_asked_for_once_is_forgotten(cache: Cache, hand: Hand) -> None:
    hot = Hot(cache, half_life=100)
    for _ in range(1000):
        cache.peek("old")
    hot.top()
    hand.go(500)
    hot.top()
    for _ in range(40):
        cache.peek("new")
    assert names(hot, 2) == ["new", "old"]
    hand.go(5000)
    hot.top()
    assert names(hot, 2) == []


async def test_storing_is_not_asking(hand: Hand) -> None:
    memory = Memory(10, policy="lru")
    cache = Cache("shop", l1=memory, clock=hand)
    hot = Hot(cache)
    for _ in range(3):
        memory.put("k", Entry(1))
    assert hot.top() == []
    assert memory.get("k") is not None
    assert names(hot, 3) == ["k"]
    await cache.close()
    with pytest.raises(ValueError, match="no"):
        Hot(Cache("none", l1=None))


async def test_the_names_of_those_l1_holds_are_kept_when_the_cache_closes(hand: Hand, tmp_path: Path) -> None:
    path = tmp_path / "hot.keys"
    cache = Cache("shop", clock=hand)
    hot = Hot(cache, most=3, path=path)
    await cache.set("a", "secret", ttl="1m", tags=["t", "u"])
    await cache.set("b", "secret", ttl=None)
    for key in ("a", "a", "b", "gone", "gone", "gone"):
        await cache.get(key)
    assert cache.stats().gauges["hot.keys"] == 3
    await cache.close()
    await hot.close()
    assert read(path) == [Wanted("a", ("t", "u"), 60.0), Wanted("b", (), None)]
    assert "secret" not in path.read_text()
    assert cache.stats().of("hot.saved") == 1


@pytest.mark.parametrize(("after", "kept"), [(10, ["now", "before"]), (3700, ["now"])])
async def test_a_short_run_adds_to_what_the_one_before_kept(
    cache: Cache, hand: Hand, tmp_path: Path, after: float, kept: list[str]
) -> None:
    path = tmp_path / "hot.keys"
    write(path, [Wanted("before"), Wanted("now", ("old",))])
    hot = Hot(cache, path=path)
    await cache.set("now", 1)
    await cache.get("now")
    hand.go(after)
    await hot.save()
    assert [one.key for one in read(path)] == kept
    assert read(path)[0].tags == ()


async def test_nothing_seen_keeps_the_file_of_before(hand: Hand, tmp_path: Path) -> None:
    path = tmp_path / "hot.keys"
    write(path, [Wanted("before")])
    cache = Cache("shop", clock=hand)
    Hot(cache, path=path)
    hand.go(4000)
    await cache.close()
    assert read(path) == [Wanted("before")]


async def test_it_is_kept_each_hour_and_a_folder_that_is_not_there_is_counted(
    cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counting, "SAVE_EVERY", 0.02)
    hot = Hot(cache, path=tmp_path / "hot.keys")
    lost = Hot(cache, path=tmp_path / "none" / "hot.keys")
    await cache.set("k", 1)
    await cache.get("k")
    await until(lambda: hot.saved >= 2 and lost.not_saved >= 2)
    assert [one.key for one in read(tmp_path / "hot.keys")] == ["k"]
