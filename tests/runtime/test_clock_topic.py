"""Time that can stand still, and topics where the newest value wins."""

from __future__ import annotations

import asyncio

from perftui.model.moment import TimeState
from perftui.runtime.clock import Clock
from perftui.runtime.tasks import Crew
from perftui.runtime.topic import Topic
from tests.waiting import until


def test_freezing_stops_now_and_nothing_else():
    time = [100.0]
    clock = Clock(wall=lambda: time[0], monotonic=lambda: time[0])
    frozen = clock.freeze()
    time[0] = 160.0
    assert clock.freeze() == frozen == clock.now()
    assert (frozen.at, frozen.state, clock.frozen) == (100.0, TimeState.FROZEN, True)
    assert clock.wall() == clock.monotonic() == 160.0
    assert clock.unfreeze().at == 160.0
    assert clock.now().state is TimeState.LIVE


async def test_a_watcher_gets_the_current_value_at_once_then_only_the_newest():
    topic: Topic[int] = Topic("n")
    topic.publish(1)
    got: list[int] = []

    async def watch():
        async for value in topic.watch():
            got.append(value)  # noqa: PERF401 (each value is looked at while the watch goes on)

    async with Crew("test") as crew:
        crew.start("watch", watch())
        await until(lambda: got == [1])
        topic.publish(2)
        topic.publish(3)
        await until(lambda: len(got) > 1)
        assert got == [1, 3]
        assert topic.demand == 1
    assert topic.demand == 0


async def test_leaving_a_watch_drops_the_demand():
    topic: Topic[int] = Topic()
    topic.publish(1)
    async for _value in topic.watch():
        break
    await until(lambda: topic.demand == 0)


async def test_demand_is_told_only_at_its_edges():
    topic: Topic[int] = Topic()
    told: list[bool] = []
    forget = topic.on_demand(told.append)
    with topic.hold():
        extra = topic.hold()
        assert topic.demand == 2
    extra.release()
    extra.release()
    assert (topic.demand, told) == (0, [True, False])
    forget()
    with topic.hold():
        assert told == [True, False]


async def test_every_watcher_sees_the_last_value():
    topic: Topic[int] = Topic()
    last: dict[int, int] = {}

    async def watch(n):
        async for value in topic.watch():
            last[n] = value

    async with Crew("test") as crew:
        for n in range(5):
            crew.start(str(n), watch(n))
        await until(lambda: topic.demand == 5)
        for value in range(100):
            topic.publish(value)
        await until(lambda: set(last.values()) == {99} and len(last) == 5)


async def test_a_task_that_dies_is_named_and_the_others_go_on(caplog):
    async def dies():
        raise ValueError("boom")

    crew = Crew("crew")
    crew.start("bad", dies())
    good = crew.start("good", asyncio.Event().wait())
    await until(lambda: crew.failed)
    assert list(crew.failed) == ["crew: bad"]
    assert crew.names == ("crew: good",)
    assert "crew: bad died" in caplog.text
    assert await crew.stop() == ()
    assert good.cancelled()


async def test_stopping_a_crew_is_bounded():
    release = asyncio.Event()

    async def stubborn():
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                pass

    crew = Crew("crew")
    crew.start("stubborn", stubborn())
    await until(lambda: crew.names)
    await asyncio.sleep(0)
    assert await crew.stop(within=0.05) == ("crew: stubborn",)
    release.set()
    await until(lambda: not crew.names)


async def test_a_glance_is_less_than_a_look() -> None:
    topic: Topic[int] = Topic()
    levels: list[int] = []
    topic.on_demand(lambda _wanted: levels.append(topic.level))
    with topic.hold(glance=True):
        assert (topic.level, topic.demand) == (1, 0)
        with topic.hold():
            assert (topic.level, topic.demand) == (2, 1)
        assert topic.level == 1
    assert levels == [1, 2, 1, 0]
