"""What could not be told is kept until it can."""

from __future__ import annotations

import asyncio

import pytest

from perftui.instrument.cache.recovery import Recovery
from perftui.model.errors import Lost
from tests.instrument.cache.clock import Hand
from tests.waiting import until

STAMPS = [bytes([n]) * 16 for n in range(200)]
LATER = 1e12


class Target:
    """Something that answers, or does not."""

    def __init__(self) -> None:
        self.up = False
        self.done: list[str] = []

    def doing(self, what: str):
        async def do() -> None:
            await asyncio.sleep(0)
            if not self.up:
                raise Lost("nobody there")
            self.done.append(what)

        return do


async def settled(recovery: Recovery) -> None:
    await until(lambda: not len(recovery))


async def test_all_is_done_within_a_second_of_an_answer() -> None:
    target, recovery = Target(), Recovery(Hand())
    for n in range(150):
        recovery.later("set", f"k{n}", STAMPS[n], target.doing(f"k{n}"), LATER)
    await until(lambda: recovery.items()[0].tries >= 4)
    assert target.done == []
    assert len(recovery) == 150
    target.up = True
    began = asyncio.get_running_loop().time()
    await settled(recovery)
    assert asyncio.get_running_loop().time() - began < 1.0
    assert sorted(target.done) == sorted(f"k{n}" for n in range(150))
    assert (recovery.done, recovery.last_error) == (150, "nobody there")
    await recovery.close()


async def test_a_nudge_does_not_wait() -> None:
    target, recovery = Target(), Recovery(Hand())
    recovery.later("set", "k", STAMPS[1], target.doing("k"), LATER)
    await until(lambda: recovery.items()[0].tries >= 4)
    target.up = True
    recovery.nudge()
    began = asyncio.get_running_loop().time()
    await settled(recovery)
    assert asyncio.get_running_loop().time() - began < 0.2


async def test_the_newest_of_a_key_stands() -> None:
    target, recovery = Target(), Recovery(Hand())
    recovery.later("entry", "k", STAMPS[2], target.doing("second"), LATER)
    recovery.later("entry", "k", STAMPS[1], target.doing("first, late"), LATER)
    recovery.later("entry", "k", STAMPS[3], target.doing("third"), LATER)
    recovery.later("tag", "k", STAMPS[1], target.doing("tag"), LATER)
    target.up = True
    await settled(recovery)
    assert sorted(target.done) == ["tag", "third"]
    assert recovery.replaced == 1


async def test_one_that_is_replaced_while_it_is_done_is_done_too() -> None:
    target, recovery = Target(), Recovery(Hand())
    target.up = True
    gate, began = asyncio.Event(), asyncio.Event()

    async def slow() -> None:
        began.set()
        await gate.wait()
        target.done.append("old")

    recovery.later("entry", "k", STAMPS[1], slow, LATER)
    await began.wait()
    recovery.later("entry", "k", STAMPS[2], target.doing("new"), LATER)
    gate.set()
    await settled(recovery)
    assert target.done == ["old", "new"]


async def test_an_item_ends_with_its_entry() -> None:
    hand, target = Hand(), Target()
    recovery = Recovery(hand)
    recovery.later("set", "short", STAMPS[1], target.doing("short"), hand.at + 1)
    recovery.later("set", "long", STAMPS[1], target.doing("long"), LATER)
    await until(lambda: recovery.items()[0].tries)
    hand.go(2)
    await until(lambda: recovery.expired == 1)  # a try that had begun is over before
    target.up = True
    await settled(recovery)
    assert target.done == ["long"]


async def test_beyond_the_bound_the_oldest_goes_and_is_counted() -> None:
    target, recovery = Target(), Recovery(Hand(), bound=3)
    for n in range(5):
        recovery.later("set", f"k{n}", STAMPS[n], target.doing(f"k{n}"), LATER)
    assert [item.key for item in recovery.items()] == ["k2", "k3", "k4"]
    assert recovery.overflowed == 2
    await recovery.close()
    await recovery.close()


async def test_its_age_is_that_of_the_oldest() -> None:
    hand = Hand()
    recovery = Recovery(hand)
    assert recovery.oldest_s == 0
    recovery.later("set", "k", STAMPS[1], Target().doing("k"), LATER)
    hand.go(7)
    assert recovery.oldest_s == pytest.approx(7)
    recovery.forget("set", "k")
    assert len(recovery) == 0
    await recovery.close()


@pytest.mark.slow
async def test_a_target_that_does_not_answer_holds_up_nothing_for_another() -> None:
    edge, backplane, recovery = Target(), Target(), Recovery(Hand())
    for n in range(100):
        recovery.later("edge", f"e{n}", STAMPS[n], edge.doing(f"e{n}"), LATER)
    for n in range(100):
        recovery.later("remove", f"k{n}", STAMPS[n], backplane.doing(f"k{n}"), LATER)
    await until(lambda: recovery.items()[0].tries >= 2)
    backplane.up = True
    await until(lambda: len(backplane.done) == 100, 15)
    assert edge.done == []
    assert len(recovery) == 100
    edge.up = True
    await settled(recovery)
    assert sorted(edge.done) == sorted(f"e{n}" for n in range(100))
    assert len(backplane.done) == 100
    await recovery.close()
