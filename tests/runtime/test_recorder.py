"""Of all on a store one writes samples; the next goes on where it stopped, and a sleeper writes nothing."""

from __future__ import annotations

import time

import pytest

from perftui.model.event import Event
from perftui.model.reading import Measure, Reading
from perftui.model.series import SeriesKey
from perftui.runtime.clock import Clock
from perftui.runtime.events import EventLog
from perftui.runtime.history import Writing
from perftui.runtime.leases import AGENT, Leases, Turn
from perftui.runtime.memory import Memory

KEY = SeriesKey("host", "load")


def reading(at, value=1.0):
    return Reading("host", at, 0.0, (Measure(KEY, value),), None)


def memory(url, clock=None, **how):
    return Memory(url, "lab", clock or Clock(), 1 << 30, shared=True, **how)


async def close(*memories):
    for one in memories:
        await one.close({}, 5.0)


async def beat(one):
    await one._heed(await one.recorder.beat())


class RecorderLaws:
    async def test_one_writes_and_the_other_follows(self, url):
        one, two = memory(url), memory(url)
        await beat(one)
        await beat(two)
        assert (one.history.turn, two.history.turn) == (Writing.OURS, Writing.THEIRS)
        now = time.time()
        for at in range(5):
            one.history.record(reading(now + at))
            two.history.record(reading(now + at + 0.4))
        assert await one.history.flush()
        assert not await two.history.flush()
        third = memory(url)
        assert len(await third.history.rollup(KEY, now - 1, now + 9, 0.0)) == 5
        await close(third, two, one)

    async def test_the_next_goes_on_where_the_first_stopped(self, url):
        one, two = memory(url), memory(url)
        await beat(one)
        await beat(two)
        now = time.time()
        for at in range(10):
            two.history.record(reading(now + at, 2.0))
            if at < 6:
                one.history.record(reading(now + at, 1.0))
        await close(one)
        await beat(two)
        assert await two.history.flush()
        third = memory(url)
        rows = await third.history.rollup(KEY, now - 1, now + 20, 0.0)
        assert list(rows.last) == [1.0] * 6 + [2.0] * 4
        await close(two, third)

    async def test_a_sleeper_writes_nothing_when_it_wakes(self, url):
        late = Clock()
        one, two = memory(url, late), memory(url)
        await beat(one)
        now = time.time()
        one.history.record(reading(now))
        lease = one.recorder.lease
        expired = await one.leases.renew(lease, ttl=-1.0)  # as after sixteen seconds asleep
        assert expired is not None
        await beat(two)
        assert two.recorder.lease.counter == lease.counter + 1
        assert one.history.turn is Writing.OURS  # it still believes so
        await one.history.flush()
        assert one.history.turn is Writing.UNKNOWN
        assert one.history.written == 0
        await beat(one)
        assert one.history.turn is Writing.THEIRS
        await close(one, two)

    async def test_what_is_seen_by_all_is_written_by_one_and_deeds_by_each(self, url):
        one, two = memory(url), memory(url)
        await beat(one)
        await beat(two)
        now = time.time()
        for who, writer in (("a", one), ("b", two)):
            log = EventLog(lambda _events: None)
            log.add(Event(now, "link", "db", f"db lost seen by {who}"))
            log.add(Event(now, "action", "db", f"scaled by {who}"))
            await writer.remember_events(log)
        kept = {event.title for event in await one.events.load(now - 1)}
        assert kept == {"db lost seen by a", "scaled by a", "scaled by b"}
        seen = EventLog(lambda _events: None)
        await two._bring_events(seen, now - 1)
        assert {event.title for event in seen._events.values()} == {"scaled by a", "scaled by b"}
        await close(two, one)

    async def test_an_agent_goes_before_a_console(self, url):
        console, agent = memory(url), memory(url, agent=True)
        await beat(console)
        await agent.presence.beat()
        await beat(agent)
        assert agent.recorder.lease is None  # not before the console has heard of it
        await beat(console)
        assert console.history.turn is Writing.THEIRS
        await beat(agent)
        assert agent.history.turn is Writing.OURS
        await close(agent)
        await beat(console)
        assert console.history.turn is Writing.OURS
        await close(console)


class TestSqlite(RecorderLaws):
    @pytest.fixture
    def url(self, sqlite_url):
        return sqlite_url


class TestPostgres(RecorderLaws):
    @pytest.fixture
    def url(self, postgres_url):
        return postgres_url


@pytest.fixture
def url(sqlite_url):
    return sqlite_url


async def test_a_turn_ends_by_our_own_clock(store):
    mono = [100.0]
    clock = Clock(monotonic=lambda: mono[0])
    turn = Turn(Leases(store), "loop", clock)
    assert (await turn.beat()).counter == 1
    mono[0] += 14.9
    assert turn.lease is not None
    mono[0] += 0.2  # the store may still call it ours; who slept cannot know
    assert turn.lease is None
    assert (await turn.beat()).counter == 1
    await turn.drop()
    assert (await Leases(store).take("loop")).counter == 2


async def test_what_is_fenced_is_done_under_the_lease_or_not_at_all(store):
    mine, other = Leases(store), Leases(store)
    old = await mine.take("loop")
    assert await mine.fenced(old, lambda driver: len(driver.query("SELECT 1"))) == 1
    await mine.renew(old, ttl=-1.0)
    await other.take("loop")
    assert await mine.fenced(old, lambda _driver: pytest.fail("acted without a lease")) is None


async def test_a_console_takes_no_lease_while_an_agent_is_there(store):
    agent, console = Leases(store), Leases(store, after=f"{AGENT}/lab")
    kept = await console.take("loop")
    presence = await agent.take(f"{AGENT}/lab")
    assert await console.renew(kept) is None
    assert await console.take("loop") is None
    assert (await agent.take("loop")).counter == 2  # at once: the console has let go
    await agent.drop(presence)
    assert await console.take("another") is not None


async def test_a_switched_off_recorder_lets_go(store, sqlite_url):
    from tests.waiting import until

    one = memory(sqlite_url)
    one.allowed = lambda: False
    import asyncio

    task = asyncio.create_task(one._record())
    await until(lambda: one.history.turn is Writing.THEIRS)
    assert not one.writes
    task.cancel()
    await close(one)
