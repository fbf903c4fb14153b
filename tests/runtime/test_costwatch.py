"""What an incident cost stands on the timeline and with the alerts that fired in it, once, by who evaluates."""

from __future__ import annotations

import pytest

from perftui.model.alerts import AlertEvent
from perftui.model.business import BusinessReport, Cost, Metric, MetricView
from perftui.model.errors import StoreError
from perftui.model.finding import Severity
from perftui.model.frame import Frame
from perftui.runtime.business import APART
from perftui.runtime.costwatch import MOST, CostWatch
from perftui.runtime.topic import Topic
from tests.runtime.test_alerts import Seat, Time
from tests.runtime.test_weeklynoise import Alerting

ORDERS = Metric("orders", "Orders", "counter", "shop", "orders_total", unit="EUR")


@pytest.fixture
async def url(sqlite_url):
    return sqlite_url


class Scene:
    def __init__(self, store):
        self.seat = Seat(store, Time())
        self.alerting = Alerting(self.seat)
        self.topic, self.notes = Topic("business"), []
        self.watch = CostWatch(self.topic, self.notes.append, self.seat.time, self.alerting)
        self.began = self.seat.time.now

    def costs(self, until, amount=1240.4):
        cost = Cost(self.began, amount, 900.0, 1500.0, until)
        view = MetricView(ORDERS, self.seat.time.now, 5.0, cost=cost)
        self.topic.publish(Frame("business", self.seat.time.now, BusinessReport((view,)), {}))

    async def lines(self):
        past = await self.alerting.desk.events(0.0)
        return [one for one in past if one.kind == "cost"]


async def test_it_is_told_when_the_incident_is_over_for_good_and_only_once(store):
    scene = Scene(store)
    for cpu in (0.99, 0.99, 0.99):
        await scene.seat.after(cpu=cpu)
    await scene.seat.after(cpu=0.1)
    scene.costs(None)
    await scene.watch.look()
    over = scene.seat.time.now
    scene.costs(over)
    await scene.watch.look()
    scene.seat.time.now += APART - 1
    await scene.watch.look()
    assert (scene.notes, await scene.lines()) == ([], [])  # it may go on within a quarter of an hour
    scene.seat.time.now += 1
    await scene.watch.look()
    await scene.watch.look()
    (hot,) = [one for one in await scene.lines() if one.rule == "hot"]
    assert hot.note.startswith("cost Orders 1,240 EUR (900 to 1,500) from ")
    assert (hot.value, hot.who, hot.fingerprint != "") == (1240.4, "", True)
    (event,) = scene.notes
    assert (event.kind, event.at, event.until) == ("incident", scene.began, over)
    assert (event.title, event.detail) == (
        "Orders: the incident cost 1,240 EUR",
        "900 to 1,500, expected less what came",
    )
    assert len({(one.rule, one.note) for one in await scene.lines()}) == len(await scene.lines())


async def test_what_fired_after_it_says_nothing(store):
    scene = Scene(store)
    await scene.seat.after(cpu=0.1)
    over = scene.seat.time.now
    for _ in range(3):
        await scene.seat.after(cpu=0.99)
    scene.seat.time.now += APART
    scene.costs(over)
    await scene.watch.look()
    assert await scene.lines() == []
    assert len(scene.notes) == 1


async def test_it_is_told_to_so_many_alerts_and_to_what_is_unusual_of_the_business_alone(store):
    scene = Scene(store)
    await scene.seat.after(cpu=0.1)
    at = scene.seat.time.now
    for mark, source, severity in (
        ("odd", "web", Severity.INFO),
        ("orders", "business", Severity.INFO),
        *((f"w{n:02d}", "web", Severity.WARNING) for n in range(MOST + 5)),
    ):
        event = AlertEvent(at, "firing", mark, mark, source, mark, severity, 1.0, began=at)
        await scene.alerting.desk.enter(event)
    scene.costs(at)
    scene.seat.time.now += APART
    await scene.watch.look()
    told = [one.rule for one in await scene.lines()]
    assert (len(told), "odd" in told, "orders" in told) == (MOST, False, True)


async def test_who_takes_over_later_does_not_tell_it_again(store):
    scene = Scene(store)
    for cpu in (0.99, 0.99, 0.99):
        await scene.seat.after(cpu=cpu)
    scene.costs(scene.seat.time.now)
    scene.seat.time.now += APART
    lease, scene.seat.ruler._lease = scene.seat.ruler._lease, None
    await scene.watch.look()
    scene.seat.ruler._lease = lease
    await scene.watch.look()
    assert (scene.notes, await scene.lines()) == ([], [])


async def test_a_console_without_a_store_tells_it_on_its_timeline(store):
    scene = Scene(store)
    watch = CostWatch(scene.topic, scene.notes.append, scene.seat.time)
    scene.costs(scene.seat.time.now - APART)
    await watch.look()
    await watch.look()
    assert [event.kind for event in scene.notes] == ["incident"]


async def test_lines_wait_for_a_store_that_is_away_and_the_event_is_told_once(store, monkeypatch):
    scene = Scene(store)
    for cpu in (0.99, 0.99, 0.99):
        await scene.seat.after(cpu=cpu)
    scene.costs(scene.seat.time.now)
    scene.seat.time.now += APART
    with monkeypatch.context() as away:
        away.setattr(scene.alerting.desk._book, "events", gone)
        with pytest.raises(StoreError):
            await scene.watch.look()
    assert len(scene.notes) == 1
    await scene.watch.look()
    assert len(scene.notes) == 1
    assert "hot" in {one.rule for one in await scene.lines()}


async def gone(*_words):
    raise StoreError("the disk is full")
