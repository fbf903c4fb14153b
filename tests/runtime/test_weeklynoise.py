"""One report a week on the timeline, by who evaluates, however often it starts again."""

from __future__ import annotations

import pytest

from perftui.runtime.alertbook import Book
from perftui.runtime.clock import Clock
from perftui.runtime.noticedesk import NoticeDesk
from perftui.runtime.outbox import Outbox
from perftui.runtime.weeklynoise import MONDAY, WEEK, WeeklyNoise
from tests.runtime.test_alerts import KINDS, Seat, Time


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


async def test_who_does_not_evaluate_tells_nothing(store):
    seat = Seat(store, Time())
    await seat.after(cpu=0.99)
    seat.time.now += WEEK
    seat.ruler._lease = None
    notes = []
    await WeeklyNoise(Alerting(seat), Clock(seat.time, seat.time), notes.append).look()
    assert notes == []
