"""An acknowledgement made in PagerDuty stops what an acknowledgement here stops, and is brought home once."""

from __future__ import annotations

import pytest

from perftui.backends.httppost import HttpPost
from perftui.backends.pagerduty import PagerDuty
from perftui.lab.shapecheck import operation, problems, shape
from perftui.model import channels as options
from perftui.model.notify import AckReader, EscalationPolicy, Route, Step, Telling, Way
from perftui.runtime.clock import Clock
from tests.notices import CHANNELS, notifier_up, receivers_up, ways
from tests.runtime.test_alerts import Seat, Time
from tests.waiting import auntil, until


@pytest.fixture
async def url(sqlite_url):
    return sqlite_url


def paging(receivers, **more):
    more = {"routing_key": "a" * 32, "base_url": receivers.url, "api_url": receivers.url, **more}
    return options.PagerDutyOptions(**{"api_token": "y_NbAkKc66ryYTWUXYEu", **more})


@pytest.fixture
async def receivers():
    async with receivers_up() as found:
        yield found


@pytest.fixture
async def post():
    made = HttpPost()
    yield made
    await made.close()


async def test_who_acknowledged_is_asked_as_the_published_api_has_it(receivers, post):
    sender = PagerDuty("pd", paging(receivers), post)
    assert isinstance(sender, AckReader)
    receivers.acked["seen & done"] = "Earline \x1b[31mGreenholt"
    found = await sender.acknowledged(["open", "seen & done"])
    assert list(found) == ["seen & done"]
    assert found["seen & done"].who == "Earline \\x1b[31mGreenholt"
    asked = [one for one in receivers.arrivals if one.service == "incidents"]
    assert [one.problems for one in asked] == [(), ()]
    assert asked[1].body == {"incident_key": "seen & done", "statuses[]": "acknowledged", "limit": "1"}


async def test_without_a_token_nothing_is_asked(receivers, post):
    sender = PagerDuty("pd", paging(receivers, api_token=""), post)
    assert await sender.acknowledged(["x"]) == {}
    assert not receivers.arrivals


@pytest.mark.parametrize("answer", ["429", "500", "400"])
async def test_a_refusal_is_not_an_acknowledgement(receivers, post, answer, caplog):
    receivers.script["incidents"] = [answer]
    receivers.acked["x"] = "anna"
    sender = PagerDuty("pd", paging(receivers), post)
    assert await sender.acknowledged(["x"]) == {}
    assert "y_NbAkKc66ryYTWUXYEu" not in caplog.text
    assert list(await sender.acknowledged(["x"])) == ["x"]


def test_the_shape_refuses_what_the_api_would():
    good = {"incident_key": "k", "statuses[]": "acknowledged", "limit": "1"}
    assert problems(good, shape("incidents")) == ()
    for wrong in ({"statuses[]": "acked"}, {"limit": "0"}, {"limit": "101"}, {"incident_key": ""}):
        assert problems({**good, **wrong}, shape("incidents"))
    told = {
        "authorization": "Token token=x",
        "accept": "application/vnd.pagerduty+json;version=2",
        "content-type": "application/json",
    }
    assert operation("incidents").wrong("GET", "/incidents", told, good) == ()
    for wrong in ({"authorization": "Bearer x"}, {"accept": "*/*"}, {"content-type": "text/plain"}):
        assert operation("incidents").wrong("GET", "/incidents", {**told, **wrong}, good)
    assert operation("incidents").wrong("POST", "/incidents", told, good)


async def test_it_stops_escalation_and_stays_taken_back(store, receivers):
    """Acknowledged over there: entered here with its name, no SMS; taken back here, it is not entered again."""
    seat = Seat(store, Time())
    await seat.after(cpu=0.1)
    await seat.after(cpu=0.99)
    (hot,) = [one for one in seat.reports[-1].alerts if one.rule == "hot"]
    policy = EscalationPolicy("p", (Step(3600.0, "sms"),))
    route = Route("all", (), ("pagerduty",), group_wait=0.0, escalation="p")
    made = paging(receivers)
    there = ways(receivers) | {"pagerduty": Way("pagerduty", CHANNELS["pagerduty"], lambda: made)}
    telling = Telling("lab", {}, there, routes=(route,), policies={"p": policy})
    enter = seat.desk.acknowledged_at
    async with notifier_up(store, telling, Clock(seat.time, seat.time), enter=enter) as notifier:
        notifier.look(seat.reports[-1])
        await until(lambda: receivers.counted("pagerduty"), 20)
        receivers.acked[hot.fingerprint] = "Earline"

        async def acked():
            found = await seat.desk.alert(hot.fingerprint)
            return found.ack or None

        ack = await auntil(acked, 20)
        assert ack.who == "Earline at pagerduty"
        await seat.after(cpu=0.99)
        notifier.look(seat.reports[-1])
        await until(lambda: [one.what for one in receivers.counted("pagerduty")][-1:] == ["acknowledge"], 20)
        await seat.desk._book.forget_ack(hot, ack.who, seat.time.now)
        seen = len(receivers.arrivals)
        await seat.after(cpu=0.99)
        notifier.look(seat.reports[-1])
        await until(lambda: len(receivers.arrivals) > seen, 20)
        await notifier._acks.look()
        assert (await seat.desk.alert(hot.fingerprint)).ack is None
    assert not receivers.counted("sms")
    assert "acknowledged" in [event.kind for event in await seat.desk.events(0.0)]
