"""From an alert to four receivers that answer as the vendors do, over both stores."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import jsonschema
import pytest

from perftui.analysis.matchers import parse_matchers
from perftui.backends import CHANNELS, smtp
from perftui.backends.heartbeat import Heartbeat
from perftui.lab.shapecheck import shape
from perftui.model.channels import AlertmanagerOptions, HeartbeatOptions
from perftui.model.errors import StoreError
from perftui.model.finding import Severity
from perftui.model.notify import DeliveryState, EscalationPolicy, Outcome, Rota, Route, Step, Telling, Way
from perftui.runtime.clock import Clock
from perftui.runtime.leases import Leases
from perftui.runtime.outbox import Outbox
from perftui.runtime.store import Store
from tests.amserver import PROGRAM, Server
from tests.backends.test_senders import NOTE
from tests.needs import needs
from tests.notices import (
    acked,
    alert,
    everyone,
    notifier_up,
    over,
    receivers_up,
    report,
    ways,
)
from tests.runtime.test_alerts import Time as Standing
from tests.waiting import auntil, until


class Time(Standing):
    """The same, to be moved on in a condition: what was being sent while it jumped is due a little later."""

    def later(self, seconds):
        self.now += seconds
        return True


FOUR = ("pagerduty", "slack", "email", "sms")
BAD_DAY = ["429", "500", "timeout"]


def telling(receivers, *routes, **more):
    return Telling("lab", {"env": "production"}, ways(receivers), routes=routes, **more)


def said(receivers, service):
    """What the vendor counts, in its own words."""
    found = receivers.counted(service)
    if service == "sms":
        return [one.body["Body"].split(": ")[0] for one in found]
    if service == "email":
        return [one.body["text"].split(": ")[0] for one in found]
    return [one.what for one in found]


async def quiet(outbox):
    """Nothing waits any more."""

    async def empty():
        return not any((await outbox.page()).queued.values())

    await auntil(empty, 30)


class NoticeLaws:
    async def test_four_receivers_get_one_trigger_one_acknowledge_one_resolve(self, store, monkeypatch):
        """Each answers 429, 500 and not at all before it takes anything."""
        clock = Clock()
        monkeypatch.setattr(smtp, "WAIT", 0.5)
        script = {name: list(BAD_DAY) for name in FOUR}
        async with receivers_up(**script) as receivers:
            receivers.retry_after = 0.01
            chosen = telling(receivers, everyone())
            async with notifier_up(store, chosen, clock, wait=0.5) as notifier:
                await unhurried(notifier)
                one = alert(now=clock.wall())
                steps = (one, acked(one, at=clock.wall()), over(acked(one), clock.wall()))
                for number, step in enumerate(steps, 1):
                    for _ in range(3):  # a tick more is no message more
                        notifier.look(report(clock.wall(), step))
                        await notifier.tick()
                    done = [
                        until(lambda name=name, number=number: len(receivers.counted(name)) >= number, 30)
                        for name in FOUR
                    ]
                    await asyncio.gather(*done)
                await quiet(Outbox(store))
        assert said(receivers, "pagerduty") == ["trigger", "acknowledge", "resolve"]
        assert said(receivers, "slack") == ["chat.postMessage", "chat.update", "chat.update"]
        assert said(receivers, "sms") == ["[lab] CRITICAL", "[lab] acknowledged by anna", "[lab] resolved"]
        assert said(receivers, "email") == said(receivers, "sms")
        assert {one.body["dedup_key"] for one in receivers.counted("pagerduty")} == {one.fingerprint}
        for name in ("pagerduty", "sms"):
            for arrival in receivers.counted(name):
                jsonschema.validate(arrival.body, shape(name))
        for arrival in receivers.counted("slack"):
            name = {"chat.postMessage": "slack-post"}.get(arrival.what, "slack-update")
            jsonschema.validate(arrival.body, shape(name))
        assert [a.problems for a in receivers.arrivals if a.problems] == []
        first, *later = receivers.counted("email")
        assert {mail.body["References"] for mail in later} == {first.body["Message-ID"]}
        answers = [a.answer for a in receivers.arrivals if a.service == "pagerduty"]
        assert answers == [*BAD_DAY, "ok", "ok", "ok"]
        events = {d.state for d in await Outbox(store).deliveries()}
        assert events == {DeliveryState.SENT}

    async def test_without_an_acknowledgement_the_next_person_hears_and_with_one_nobody(self, store):
        time = Time()
        steps = EscalationPolicy("e", (Step(300, "sms", "oncall"), Step(900, "sms", "second")))
        rota = Rota({"anna": "+15005550001", "ben": "+15005550002"}, ("anna", "ben"), since=time.now)
        route = Route("r", (), ("pagerduty",), group_wait=0.0, escalation="e")
        async with receivers_up() as receivers:
            chosen = telling(receivers, route, policies={"e": steps}, rota=rota)
            async with notifier_up(store, chosen, Clock(time, time)) as notifier:
                one = alert(now=time.now)
                for wait in (0, 299, 2):
                    time.now += wait
                    notifier.look(report(time.now, one))
                    await notifier.tick()
                await until(lambda: len(receivers.counted("sms")) == 1)
                assert (await notifier.report(time.now)).next_steps == {one.fingerprint: one.began + 900}
                notifier.look(report(time.now, acked(one)))
                await notifier.tick()
                time.now += 5000
                notifier.look(report(time.now, acked(one)))
                await notifier.tick()
                await quiet(Outbox(store))
        assert [a.body["To"] for a in receivers.counted("sms")] == ["+15005550001"] * 2
        assert said(receivers, "sms") == ["[lab] CRITICAL, unacknowledged", "[lab] acknowledged by anna"]

    async def test_a_storm_is_a_message_a_group(self, store):
        time = Time()
        storm = [
            alert("hot", "web", labels=(("core", str(n)),), now=time.now, severity=Severity.WARNING)
            for n in range(5000)
        ]
        async with receivers_up() as receivers:
            route = Route("r", (), ("slack",), group_wait=0.0)
            async with notifier_up(store, telling(receivers, route), Clock(time, time)) as notifier:
                began = asyncio.get_running_loop().time()
                notifier.look(report(time.now, *storm))
                await notifier.tick()
                assert asyncio.get_running_loop().time() - began < 10
                time.now += 5
                more = [alert("hot", "web", labels=(("core", "x"),), now=time.now, severity=Severity.WARNING)]
                notifier.look(report(time.now, *storm, *more))
                await notifier.tick()
                await quiet(Outbox(store))
        (only,) = receivers.counted("slack")
        assert "and 4999 more" in only.body["text"]

    async def test_what_one_notifier_began_another_ends_and_nothing_twice(self, store):
        time = Time()
        clock = Clock(time, time)
        async with receivers_up() as receivers:
            chosen = telling(receivers, everyone())
            one = alert(now=time.now)
            async with notifier_up(store, chosen, clock, holder="first") as notifier:
                notifier.look(report(time.now, one))
                await quiet_after(notifier, receivers, 1)
                async with notifier_up(store, chosen, clock, holder="second") as second:
                    second.look(report(time.now, one))
                    await second.tick()
                    assert not second.holder
            async with notifier_up(store, chosen, clock, holder="third") as third:
                third.look(report(time.now, one))
                await third.tick()
                third.look(report(time.now, over(one)))
                await quiet_after(third, receivers, 2)
        assert said(receivers, "pagerduty") == ["trigger", "resolve"]
        assert len(receivers.counted("sms")) == 2

    async def test_refused_is_shown_and_the_next_channel_hears_after_five_minutes(self, store):
        time = Time()
        async with receivers_up(slack=["ok:false"]) as receivers:
            route = Route("r", (), ("slack",), group_wait=0.0)
            async with notifier_up(store, telling(receivers, route), Clock(time, time)) as notifier:
                notifier.look(report(time.now, alert(now=time.now)))
                await notifier.tick()
                await auntil(lambda: _in_state(store, DeliveryState.REFUSED))
                time.now += 301
                await notifier.tick()
                await until(lambda: receivers.counted("email"))
                (state,) = [c for c in (await notifier.report(time.now)).channels if c.name == "slack"]
                assert (state.said, state.failing) == ("invalid_auth", time.now - 301)
        assert "channel slack has not delivered since" in receivers.counted("email")[0].body["text"]
        assert "invalid_auth" in receivers.counted("email")[0].body["text"]
        assert len([a for a in receivers.arrivals if a.service == "slack"]) == 1

    async def test_later_messages_point_to_the_first_or_to_the_one_that_took_its_place(self, store):
        outbox, lease = Outbox(store), await Leases(store, "me").take("notify")
        to_first = Outcome(True, ref="C1/1.1")
        reply, anew = Outcome(True, ref="C1/2.2"), Outcome(True, ref="C1/3.3", anew=True)
        seen = []
        for n, outcome in enumerate((to_first, reply, anew, reply, reply)):
            await outbox.put(replace(NOTE, key=f"m{n}"))
            waiting = await outbox.due(NOTE.channel, NOTE.at, lease)
            seen.append(waiting.ref)
            await outbox.mark(waiting.what, DeliveryState.SENT, outcome, NOTE.at)
        assert seen == ["", "C1/1.1", "C1/1.1", "C1/3.3", "C1/3.3"]

    async def test_an_outage_of_an_hour_ends_with_one_digest(self, store):
        time = Time()
        async with receivers_up(slack=["500"] * 1000) as receivers:
            route = Route("r", (), ("slack",), group_wait=0.0, group_by=("...",))
            async with notifier_up(store, telling(receivers, route), Clock(time, time)) as notifier:
                alerts = []
                for n in range(60):
                    alerts.append(alert(source=f"web{n}", now=time.now))
                    notifier.look(report(time.now, *alerts))
                    await notifier.tick()
                    if not n:
                        await until(lambda: receivers.arrivals)
                        await auntil(lambda: _failing(store))
                time.now += 3600
                await until(lambda: time.later(1) and _came_after(receivers, "missed"), 40)
                receivers.script["slack"].clear()
                await until(lambda: time.later(1) and receivers.counted("slack"), 40)
                await quiet(Outbox(store))
        digest = receivers.counted("slack")[0].body["text"]
        assert "60 messages, 60 incidents, 60 of them still open" in digest
        assert len(receivers.counted("slack")) == 1

    async def test_at_most_six_short_messages_an_hour_then_one_that_sums_up(self, store):
        time = Time()
        async with receivers_up() as receivers:
            route = Route("r", (), ("sms",), group_wait=0.0, group_by=("...",))
            async with notifier_up(store, telling(receivers, route), Clock(time, time)) as notifier:
                await unhurried(notifier)
                notifier.look(report(time.now, *(alert(source=f"web{n}", now=time.now) for n in range(10))))
                await notifier.tick()
                await until(lambda: len(receivers.counted("sms")) == 6)
                await auntil(lambda: _in_state(store, DeliveryState.FOLDED))
                time.now += 3601
                await until(lambda: len(receivers.counted("sms")) == 7)
        assert "4 messages, 4 incidents" in receivers.counted("sms")[-1].body["Body"]

    async def test_silenced_and_muted_alerts_are_told_to_nobody_and_acks_are_not_repeated(self, store):
        time = Time()
        async with receivers_up() as receivers:
            route = Route("r", (), ("pagerduty",), group_wait=0.0, repeat_interval=60)
            async with notifier_up(store, telling(receivers, route), Clock(time, time)) as notifier:
                hushed = [alert("a", silence="x"), alert("b", muted_by="y")]
                notifier.look(report(time.now, *hushed))
                await notifier.tick()
                loud = alert(now=time.now)
                for shown in (loud, loud, acked(loud), acked(loud)):
                    notifier.look(report(time.now, *hushed, shown))
                    await notifier.tick()
                    time.now += 61
                await quiet(Outbox(store))
        assert said(receivers, "pagerduty") == ["trigger", "acknowledge"]  # the repeat has the same key
        assert [a.what for a in receivers.arrivals] == ["trigger", "trigger", "acknowledge"]

    async def test_a_dead_mans_switch_hears_while_somebody_watches_and_not_else(self, store):
        time = Time()
        async with receivers_up() as receivers:
            beat = Way(
                "heartbeat",
                CHANNELS["heartbeat"],
                lambda: HeartbeatOptions(f"{receivers.url}/beat", every=5.0),
            )
            chosen = replace(telling(receivers), ways={}, beats={"deadman": beat})
            async with notifier_up(store, chosen, Clock(time, time)) as notifier:
                await notifier.tick()
                assert not notifier._alive()  # nobody has evaluated anything
                notifier.look(report(time.now))
                await notifier.tick()
                assert notifier._alive()
                assert await notifier.beats["deadman"]._once(
                    Heartbeat("deadman", beat.options(), notifier.beats["deadman"]._post)
                )
                assert receivers.arrivals[-1].body["alert"] == "Watchdog"
                time.now += 61
                assert not notifier._alive()
                await notifier.tick()
                (state,) = (await notifier.report(time.now)).channels
                assert state.sent_at is not None

    async def test_what_flaps_is_told_once_and_its_end_when_it_is_over(self, store):
        time = Time()
        async with receivers_up() as receivers:
            route = Route("r", (), ("pagerduty",), group_wait=0.0)
            async with notifier_up(store, telling(receivers, route), Clock(time, time)) as notifier:
                one = alert(now=time.now)
                flaps = replace(one, flapping=True)
                for shown in (one, over(flaps), flaps, over(flaps), flaps, over(one)):
                    time.now += 10
                    notifier.look(report(time.now, shown))
                    await notifier.tick()
                await quiet(Outbox(store))
        assert [a.what for a in receivers.arrivals] == ["trigger", "resolve"]

    async def test_a_store_that_is_gone_is_told_once_and_so_is_its_return(self, store):
        time = Time()
        async with (
            receivers_up(pagerduty=["500"]) as receivers,
            notifier_up(store, telling(receivers), Clock(time, time)) as notifier,
        ):
            await notifier.tick()
            assert notifier.holder
            away = pytest.MonkeyPatch()

            async def gone():
                raise StoreError("no space left on device")

            away.setattr(notifier._outbox, "page", gone)
            for wait in (1, 30, 31, 60, 60):
                time.now += wait
                await notifier.tick()
            away.undo()
            await notifier.tick()
            await notifier.tick()
            assert notifier.problem == ""
        slack = [a for a in receivers.arrivals if a.service == "slack"]  # the first that took it
        assert [a.answer for a in receivers.arrivals if a.service == "pagerduty"] == ["500"]
        assert ["the store cannot be used" in slack[0].body["text"], len(slack)] == [True, 2]
        assert "no space left" in str(slack[0].body)
        assert "the store is back" in slack[1].body["text"]

    async def test_nothing_is_concluded_from_an_old_look(self, store):
        time = Time()
        async with (
            receivers_up() as receivers,
            notifier_up(store, telling(receivers, everyone()), Clock(time, time)) as notifier,
        ):
            notifier.look(report(time.now, alert(now=time.now)))
            await quiet_after(notifier, receivers, 1)
            old = report(time.now)
            time.now += 100
            notifier.look(old)
            await notifier.tick()
            await quiet(Outbox(store))
        assert said(receivers, "pagerduty") == ["trigger"]


async def unhurried(notifier):
    """No second between two messages."""
    for courier in notifier.couriers.values():
        (await courier.sender()).pace = 0.0


async def quiet_after(notifier, receivers, number):
    await notifier.tick()
    for name in FOUR:
        await until(lambda name=name: len(receivers.counted(name)) >= number, 20)


async def _in_state(store, state):
    return [one for one in await Outbox(store).deliveries() if one.state is state]


async def _failing(store):
    return any(failing for _, failing, _said in (await Outbox(store).page()).channels.values())


def _came_after(receivers, word):
    return [a for a in receivers.arrivals if a.body and word in a.body.get("text", "")]


class TestOnSqlite(NoticeLaws):
    @pytest.fixture
    async def url(self, sqlite_url):
        return sqlite_url


class TestOnPostgres(NoticeLaws):
    @pytest.fixture
    async def url(self, postgres_url):
        return postgres_url


def test_routes_by_labels_see_the_environment():
    assert parse_matchers('env="production"')


@pytest.mark.needs("prometheus-alertmanager")
async def test_an_alertmanager_is_told_of_every_alert_of_a_group_and_of_its_end(sqlite_url, tmp_path):
    needs("prometheus-alertmanager", PROGRAM is not None, "apt-get install prometheus-alertmanager")
    server, time, store = Server(tmp_path), Standing(), Store.open(sqlite_url, env="lab")
    assert await store.ready()
    made = AlertmanagerOptions(base_url=server.url)
    way = Way("alertmanager", CHANNELS["alertmanager"], lambda: made)
    route = Route("r", (), ("alertmanager",), group_wait=0.0)
    chosen = Telling("lab", {}, {"alertmanager": way}, routes=(route,))
    time.now -= 3600  # the ends that it is told of must not lie ahead of its own clock
    hot = [alert("hot", "web", labels=(("core", str(n)),), now=time.now) for n in range(45)]
    try:
        async with notifier_up(store, chosen, Clock(time, time)) as notifier:
            notifier.look(report(time.now, *hot))
            await notifier.tick()
            await until(lambda: len(server.ask("alerts")) == 45, 30)
            time.now += 600
            notifier.look(report(time.now, *(over(one, time.now) for one in hot)))
            await notifier.tick()
            await until(lambda: not server.ask("alerts"), 30)
    finally:
        server.stop()
        await store.close()
