"""Who is on call by a schedule of PagerDuty's: asked as its API has it, believed for a while, else the rota."""

from __future__ import annotations

import asyncio
import logging
import time

import pytest

from perftui.backends.httppost import HttpPost
from perftui.backends.pagerduty import PagerDuty
from perftui.model import channels as options
from perftui.model.notify import EscalationPolicy, Reply, Rota, Route, Step, Telling, Way
from perftui.model.oncall import Duty, DutyReader, Roll
from perftui.runtime.clock import Clock
from perftui.runtime.oncall import HOLDS, OnCall
from tests.notices import CHANNELS, alert, notifier_up, receivers_up, report, ways
from tests.runtime.test_alerts import Time
from tests.waiting import until

PEOPLE = {"anna": "+15005550001", "ben": "+15005550002", "Carla Diaz": "+15005550003"}
TURNS = {"names": ("anna", "ben"), "since": Time().now, "schedule": "PI7DH85"}
ROTA = Rota(PEOPLE, **TURNS, second_schedule="PNEXT01", keeper="pagerduty")


@pytest.fixture
async def url(sqlite_url):
    return sqlite_url


@pytest.fixture
async def receivers():
    async with receivers_up() as found:
        yield found


@pytest.fixture
async def post():
    made = HttpPost()
    yield made
    await made.close()


def paging(receivers):
    """A channel that may ask."""
    token, key = "y_NbAkKc66ryYTWUXYEu", "a" * 32
    return options.PagerDutyOptions(key, receivers.url, api_token=token, api_url=receivers.url)


def oncall(receivers, post, time, rota=ROTA):
    async def sender():
        return PagerDuty("pagerduty", paging(receivers), post)

    return OnCall(rota, sender, Clock(time, time))


async def test_one_request_tells_both_schedules_in_the_order_people_are_called(receivers, post):
    sender = PagerDuty("pd", paging(receivers), post)
    assert isinstance(sender, DutyReader)
    receivers.duty = {"PI7DH85": ["Carla \x1b[31mDiaz", "anna"], "PNEXT01": ["ben"], "POTHER1": ["eve"]}
    roll = await sender.on_duty(["PI7DH85", "PNEXT01"])
    assert [(one.schedule, one.who, one.level) for one in roll.duties] == [
        ("PI7DH85", "Carla \\x1b[31mDiaz", 1),
        ("PI7DH85", "anna", 2),
        ("PNEXT01", "ben", 1),
    ]
    (asked,) = receivers.arrivals
    assert asked.problems == ()
    assert asked.body["schedule_ids[]"] == ["PI7DH85", "PNEXT01"]


async def test_the_schedule_goes_before_the_rota_and_a_number_stands_for_itself(receivers, post):
    time = Time()
    seat = oncall(receivers, post, time)
    assert seat.numbers("oncall", time()) == ("+15005550001",)
    assert seat.report(time()).said == "PI7DH85 is not followed: it has not been asked yet"
    receivers.duty = {"PI7DH85": ["carla diaz"], "PNEXT01": ["ben"]}
    await seat.look()
    assert seat.numbers("oncall", time()) == ("+15005550003",)
    assert seat.numbers("second", time()) == ("+15005550002",)
    assert seat.numbers("all", time()) == tuple(PEOPLE.values())
    assert seat.numbers("+15005550009", time()) == ("+15005550009",)
    assert seat.report(time()).words == "Carla Diaz, then ben (by PagerDuty's PI7DH85)"


@pytest.mark.parametrize("answer", ["403", "429", "500"])
async def test_an_answer_is_believed_for_an_hour_and_then_the_rota_says_why(receivers, post, answer, caplog):
    time = Time()
    seat = oncall(receivers, post, time)
    receivers.duty = {"PI7DH85": ["Carla Diaz"], "PNEXT01": ["ben"]}
    await seat.look()
    receivers.script["oncalls"] = [answer] * 3
    with caplog.at_level(logging.WARNING):
        await seat.look()
        await seat.look()
    assert caplog.text.count("the schedule PI7DH85 is not known") == 1
    assert "y_NbAkKc66ryYTWUXYEu" not in caplog.text
    time.now += HOLDS - 1
    assert seat.report(time()).first == ("Carla Diaz",)
    time.now += 1
    told = seat.report(time())
    assert (told.first, told.second, told.by) == (("anna",), ("ben",), "the rota")
    assert told.said.startswith(f"PI7DH85 is not followed: HTTP {answer}")
    receivers.script.clear()
    await seat.look()
    assert seat.report(time()).said == ""


async def test_somebody_without_a_number_here_and_an_empty_schedule_are_said(receivers, post):
    time = Time()
    seat = oncall(receivers, post, time, Rota(PEOPLE, **TURNS))
    receivers.duty = {"PI7DH85": ["Eve Stranger"]}
    await seat.look()
    assert seat.numbers("oncall", time()) == ("+15005550001",)
    assert "Eve Stranger: no number in [oncall] people" in seat.report(time()).said
    receivers.duty = {}
    await seat.look()
    assert "nobody is on call by it" in seat.report(time()).said
    receivers.duty = {"PI7DH85": ["ben"]}  # first by the schedule, and second by the rota: anna is next
    await seat.look()
    assert seat.report(time()).words == "ben, then anna (by PagerDuty's PI7DH85)"


async def test_people_are_called_in_the_order_of_their_levels():
    time = Time()

    class Keeper:
        async def on_duty(self, schedules):
            until = time.now + 600
            return Roll((Duty("PI7DH85", "ben", "P1", until, 2), Duty("PI7DH85", "anna", "P2", until, 1)))

    async def sender():
        return Keeper()

    seat = OnCall(ROTA, sender, Clock(time, time))
    await seat.look()
    assert seat.numbers("oncall", time.now) == ("+15005550001", "+15005550002")


async def test_who_has_the_next_turn_is_asked_for_when_one_ends():
    class Keeper:
        asked = 0

        async def on_duty(self, schedules):
            self.asked += 1
            who = "ben" if self.asked == 1 else "anna"
            return Roll((Duty("PI7DH85", who, who, time.time() + 0.2 * self.asked**9),))

    keeper = Keeper()

    async def sender():
        return keeper

    seat = OnCall(Rota(PEOPLE, schedule="PI7DH85"), sender, Clock())
    await seat.look()
    assert seat.numbers("oncall", time.time()) == ("+15005550002",)
    asking = asyncio.create_task(seat.run())
    try:  # far sooner than the minute between two questions
        await until(lambda: seat.numbers("oncall", time.time()) == ("+15005550001",), 15)
    finally:
        asking.cancel()


async def test_a_turn_that_is_over_is_not_followed():
    time = Time()

    class Keeper:
        async def on_duty(self, schedules):
            return Roll((Duty("PI7DH85", "ben", "P1", time.now + 600),))

    async def sender():
        return Keeper()

    seat = OnCall(Rota(PEOPLE, ("anna",), schedule="PI7DH85"), sender, Clock(time, time))
    await seat.look()
    assert seat.numbers("oncall", time.now + 599) == ("+15005550002",)
    assert seat.numbers("oncall", time.now + 600) == ("+15005550001",)


@pytest.mark.parametrize(
    "text", [b"{", b"[]", b'{"oncalls": [1]}', b'{"oncalls": [{"schedule": {"id": "P"}}]}']
)
async def test_what_cannot_be_read_is_said(text):
    async def post(request):
        return Reply(200, text)

    sender = PagerDuty("pd", options.PagerDutyOptions("a" * 32, api_token="t"), post)
    assert (await sender.on_duty(["PI7DH85"])).said == "an answer that cannot be read"


async def test_an_escalation_reaches_whom_the_schedule_names(store, receivers):
    policy = EscalationPolicy("p", (Step(0.0, "sms", "oncall"),))
    route = Route("all", (), ("pagerduty",), group_wait=0.0, escalation="p")
    made, time = paging(receivers), Time()
    there = ways(receivers) | {"pagerduty": Way("pagerduty", CHANNELS["pagerduty"], lambda: made)}
    telling = Telling("lab", {}, there, routes=(route,), policies={"p": policy}, rota=ROTA)
    receivers.duty = {"PI7DH85": ["Carla Diaz"]}
    async with notifier_up(store, telling, Clock(time, time)) as notifier:
        notifier.look(report(time.now, alert(now=time.now)))
        await until(lambda: receivers.counted("sms"), 20)
        told = await notifier.report(time.now)
    assert [one.body["To"] for one in receivers.counted("sms")] == ["+15005550003"]
    assert told.oncall.first == ("Carla Diaz",)
