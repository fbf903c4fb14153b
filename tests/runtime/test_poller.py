"""The poller's laws: one read at a time, deadlines, backoff, demand, and states that tell the truth."""

from __future__ import annotations

import asyncio
import math
import random
import time

from hypothesis import given
from hypothesis import strategies as st

from perftui.model.errors import Lost, Protocol, Refused, Unsupported
from perftui.model.health import Link
from perftui.model.reading import Look
from perftui.runtime.clock import Clock
from perftui.runtime.poller import FIRST_BACKOFF, LONGEST_BACKOFF, Poller, aligned, backoff
from perftui.runtime.tasks import Crew
from perftui.runtime.topic import Topic
from tests.runtime.scripted import Scripted, silent
from tests.waiting import until


class Rig:
    """A poller running on a scripted backend, with every look it published."""

    def __init__(self, backend, watched=True, **options):
        self.backend = backend
        self.topic: Topic[Look] = Topic()
        self.looks: list[Look] = []
        publish = self.topic.publish
        self.topic.publish = lambda look: (self.looks.append(look), publish(look))
        self.poller = Poller(backend, self.topic, Clock(), rng=random.Random(1), **options)
        self.crew = Crew("rig")
        self.hold = self.topic.hold() if watched else None

    async def __aenter__(self):
        self.run = self.crew.start("poller", self.poller.run())
        return self

    async def __aexit__(self, *exc):
        await self.crew.stop()
        assert not self.crew.failed

    @property
    def links(self):
        return [look.health.link for look in self.looks]


@given(st.integers(1, 10_000), st.floats(0, 1, exclude_max=True))
def test_backoff_doubles_to_its_cap_and_jitter_only_shortens(failures, chance):
    full = min(LONGEST_BACKOFF, FIRST_BACKOFF * 2.0 ** min(failures - 1, 16))
    assert 0.7 * full <= backoff(failures, chance) <= full
    assert backoff(failures, chance) <= backoff(failures + 1, chance)


@given(st.floats(0, 1e6), st.floats(0, 1e6), st.floats(0.01, 3600))
def test_slots_stay_whole_periods_apart_and_missed_ones_are_skipped(slot, gap, period):
    now = slot + gap
    new = aligned(slot, now, period)
    steps = (new - slot) / period
    assert new <= now + 1e-6
    assert now - new < period + 1e-6
    assert math.isclose(steps, round(steps), abs_tol=1e-6)


def test_an_infinite_period_has_no_slots():
    assert aligned(5.0, 17.0, math.inf) == 17.0


async def test_reads_at_its_period_without_drift():
    async with Rig(Scripted()) as rig:
        await until(lambda: rig.backend.reads >= 20)
    first, last = rig.backend.times[1], rig.backend.times[-1]
    slots = (last - first) / rig.backend.period
    assert slots >= 18 - 1.0
    assert rig.backend.opened == 1
    assert rig.links[0] is Link.WAITING
    assert set(rig.links[1:]) == {Link.LIVE}
    assert rig.looks[-1].reading.samples[0].value == 1.0


async def test_only_one_read_at_a_time():
    async def slow():
        ended = asyncio.Event()
        asyncio.get_running_loop().call_later(0.05, ended.set)
        await ended.wait()
        return 1.0

    async with Rig(Scripted(slow)) as rig:
        await until(lambda: rig.backend.reads >= 3)
        rig.poller.retry()
        rig.poller.retry()
        await until(lambda: rig.backend.reads >= 5)
    assert rig.backend.most == 1


async def test_nobody_looking_polls_slowly_and_a_look_wakes_it():
    async with Rig(Scripted(), watched=False) as rig:
        await until(lambda: rig.poller.health.link is Link.LIVE)
        assert rig.poller.period == 30.0
        reads = rig.backend.reads
        hold = rig.topic.hold()
        await until(lambda: rig.backend.reads >= reads + 3, timeout=2)
        hold.release()
        assert rig.poller.period == 30.0


async def test_silence_is_late_then_lost_and_keeps_the_last_reading():
    backend = Scripted()
    async with Rig(backend, late_after=0.03) as rig:
        await until(lambda: Link.LIVE in rig.links)
        backend.behave = silent
        await until(lambda: Link.LOST in rig.links)
        lost = rig.looks[-1]
        assert Link.LATE in rig.links
        assert rig.links.index(Link.LATE) < rig.links.index(Link.LOST)
        assert lost.reading is not None
        assert lost.health.seen == lost.reading.at
        assert lost.health.error == "no answer within 0.1 s"
        assert 0.7 * FIRST_BACKOFF - 0.2 < lost.health.retry_at - time.time() <= FIRST_BACKOFF
        assert backend.closed == 1
        backend.behave = backend.fine
        await until(lambda: rig.poller.health.link is Link.LIVE)
        assert backend.opened == 2
        assert rig.poller.health.error == ""


async def test_late_waits_for_its_floor():
    backend = Scripted(silent)
    async with Rig(backend) as rig:
        await until(lambda: Link.LOST in rig.links)
    assert Link.LATE not in rig.links


async def test_refused_stops_until_asked():
    async def refuse():
        raise Refused("wrong password")

    backend = Scripted(refuse)
    async with Rig(backend) as rig:
        await until(lambda: rig.poller.health.link is Link.REFUSED)
        rig.topic.hold()
        for _ in range(20):
            await asyncio.sleep(0)
        assert backend.reads == 1
        assert rig.poller.health.error == "wrong password"
        backend.behave = backend.fine
        rig.poller.retry()
        await until(lambda: rig.poller.health.link is Link.LIVE)


async def test_unsupported_waits_to_be_asked_too():
    async def cannot():
        raise Unsupported("needs version 7")

    async with Rig(Scripted(cannot)) as rig:
        await until(lambda: rig.poller.health.link is Link.REFUSED)


async def test_retry_ends_a_backoff():
    async def lose():
        raise Lost("connection refused")

    backend = Scripted(lose)
    async with Rig(backend) as rig:
        await until(lambda: rig.poller.health.link is Link.LOST)
        since = rig.poller.health.since
        began = time.monotonic()
        for n in range(2, 6):
            rig.poller.retry()
            await until(lambda n=n: backend.reads == n)
        assert time.monotonic() - began < sum(backoff(n, 1.0) for n in range(1, 5))
        await until(lambda: len(rig.looks) >= 6)
        assert rig.poller.health.since == since
        assert backend.closed >= 4


async def test_a_loss_nobody_looks_at_waits_for_the_idle_period():
    async def lose():
        raise Lost("connection refused")

    backend = Scripted(lose)
    async with Rig(backend, watched=False) as rig:
        await until(lambda: rig.poller.health.link is Link.LOST)
        assert rig.poller.health.retry_at - time.time() > backend.idle_period - 5
        rig.topic.hold()
        await until(lambda: backend.reads >= 2)


async def test_whatever_a_backend_throws_becomes_a_state(caplog):
    async def surprise():
        raise KeyError("ops")

    async def garbage():
        raise Protocol("not RESP")

    backend = Scripted(surprise)
    async with Rig(backend) as rig:
        await until(lambda: rig.poller.health.link is Link.LOST)
        assert rig.poller.health.error == "KeyError: 'ops'"
        assert "one: unexpected" in caplog.text
        backend.behave = garbage
        rig.poller.retry()
        await until(lambda: rig.poller.health.error == "not RESP")


async def test_every_reading_is_kept_even_if_keeping_fails():
    kept = []

    def keep(reading):
        kept.append(reading)
        raise ValueError("disk")

    async with Rig(Scripted(), keep=keep) as rig:
        await until(lambda: len(kept) >= 3)
        assert rig.poller.health.link is Link.LIVE


async def test_a_suspended_host_causes_no_burst():
    offset = [0.0]
    backend = Scripted()
    rig = Rig(backend)
    rig.poller._clock = Clock(monotonic=lambda: time.monotonic() + offset[0])
    rig.poller._slot = rig.poller._clock.monotonic()
    async with rig:
        await until(lambda: backend.reads >= 3)
        offset[0] = 3600.0
        reads = backend.reads
        began = time.monotonic()
        await until(lambda: backend.reads >= reads + 5)
        assert time.monotonic() - began >= 3 * backend.period


async def test_stop_ends_a_read_in_flight_and_closes():
    backend = Scripted(silent)
    backend.deadline = 60.0
    async with Rig(backend) as rig:
        await until(lambda: backend.flying == 1)
        rig.poller.stop()
        await until(rig.run.done, timeout=9)
        assert backend.flying == 0
        assert backend.closed == 1


async def test_cancelling_leaves_no_read_behind():
    backend = Scripted(silent)
    async with Rig(backend) as rig:
        await until(lambda: backend.flying == 1)
        rig.run.cancel()
        await until(rig.run.done)
    assert backend.flying == 0
    assert backend.closed == 1


async def test_a_read_that_ignores_its_end_holds_up_the_next():
    release = asyncio.Event()

    async def stubborn():
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                pass
        return 1.0

    backend = Scripted(stubborn)
    async with Rig(backend) as rig:
        await until(lambda: rig.poller.health.link is Link.LOST, timeout=3)
        rig.poller.retry()
        for _ in range(20):
            await asyncio.sleep(0)
        assert backend.reads == 1
        backend.behave = backend.fine
        release.set()
        await until(lambda: rig.poller.health.link is Link.LIVE)
    assert backend.most == 1


async def test_pace_follows_how_closely_it_is_looked_at():
    backend = Scripted()
    async with Rig(backend, watched=False) as rig:
        assert rig.poller.period == backend.idle_period
        with rig.topic.hold(glance=True):
            assert backend.period < rig.poller.period < backend.idle_period
            with rig.topic.hold():
                assert rig.poller.period == backend.period
        assert rig.poller.period == backend.idle_period
