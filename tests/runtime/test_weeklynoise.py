"""One report a week on the timeline, by who evaluates, however often it starts again."""

from __future__ import annotations

import asyncio
import threading

import pytest

from perftui.runtime.alertbook import Book
from perftui.runtime.clock import Clock
from perftui.runtime.noticedesk import NoticeDesk
from perftui.runtime.outbox import Outbox
from perftui.runtime.store import FIRST
from perftui.runtime.weeklynoise import MONDAY, WEEK, WeeklyNoise
from tests.runtime.test_alerts import KINDS, Seat, Time
from tests.waiting import until


class Alerting:
    """A ruler and a desk over one store."""

    def __init__(self, seat):
        self.store, self.ruler, clock = seat.store, seat.ruler, Clock(seat.time, seat.time)
        book, outbox = Book(seat.store), Outbox(seat.store)
        self.desk = NoticeDesk(seat.ruler.group, KINDS, clock, book, seat.history, lambda: None, outbox)


@pytest.fixture
async def url(sqlite_url):
    return sqlite_url


async def test_each_week_is_told_once(store):
    seat = Seat(store, Time())
    seat.time.now -= (seat.time.now - MONDAY) % WEEK - 3600
    notes = []

    def weekly():
        return WeeklyNoise(Alerting(seat), Clock(seat.time, seat.time), notes.append)

    await seat.after(cpu=0.99)
    await weekly().look()
    assert notes == []  # nothing fired in the week before
    seat.time.now += WEEK
    await seat.ruler.tick()
    await weekly().look()
    (note,) = notes
    assert (note.kind, note.title) == ("note", "noise report: 1 firing, 0 messages")
    assert note.detail.startswith("hot 1 firing")
    await weekly().look()
    assert len(notes) == 1


async def test_a_store_that_is_read_for_long_is_waited_for(store):
    """Else it would be told again, as if nobody had."""
    seat = Seat(store, Time())
    seat.time.now -= (seat.time.now - MONDAY) % WEEK - 3600
    await seat.after(cpu=0.99)
    seat.time.now += WEEK
    await seat.ruler.tick()
    notes = []
    weekly = WeeklyNoise(Alerting(seat), Clock(seat.time, seat.time), notes.append)
    await weekly.look()
    assert len(notes) == 1
    busy = threading.Event()
    reading = seat.store.read(lambda _driver: busy.wait(20))
    look = asyncio.create_task(weekly.look())
    late = asyncio.get_running_loop().time() + 4 * FIRST
    await until(lambda: look.done() or asyncio.get_running_loop().time() > late)
    busy.set()
    await look
    assert await asyncio.wrap_future(reading)
    assert len(notes) == 1


async def test_who_does_not_evaluate_tells_nothing(store):
    seat = Seat(store, Time())
    await seat.after(cpu=0.99)
    seat.time.now += WEEK
    seat.ruler._lease = None
    notes = []
    await WeeklyNoise(Alerting(seat), Clock(seat.time, seat.time), notes.append).look()
    assert notes == []
