"""What keeps alerts quiet: windows that come again and alerts that speak for others, told by history and why."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pytest

from perftui.analysis.alertquiet import dressed
from perftui.analysis.matchers import parse_matchers
from perftui.engines.alerts.deeds import EndSilence
from perftui.engines.alerts.maintenance import Maintain, Unmaintain
from perftui.model.alerts import Inhibition, Maintenance, RuleGroup
from perftui.model.errors import PlanRejected
from perftui.model.finding import Severity
from tests.notices import alert
from tests.runtime.test_alerts import Seat, Time
from tests.runtime.test_explainer import WhySeat
from tests.runtime.test_filed_alerts import RULES


def daily(now, name="nightly", match='source="web"', lasting=600.0, **more):
    """One that begins at the next whole minute."""
    start = dt.datetime.fromtimestamp(now - now % 60 + 60, dt.UTC)
    cron = f"{start.minute} {start.hour} * * *"
    return Maintenance(name, parse_matchers(match), cron, lasting, "UTC", **more)


@pytest.fixture
async def seat(store):
    start = Time()
    start.now -= start.now % 60
    return Seat(store, start)


def declare(seat, *windows, inhibitions=()):
    group = replace(seat.ruler.group, windows=windows, inhibitions=inhibitions)
    seat.ruler.group = seat.desk.group = group


def history(seat):
    return [(e.kind, e.rule, e.note) for e in seat.reports[-1].history if e.rule]


class QuietLaws:
    async def test_a_window_hushes_and_history_says_which(self, seat):
        declare(seat, daily(seat.time.now, place="config.toml:7"))
        await seat.after(cpu=0.1)
        await seat.after(cpu=0.99)
        assert seat.words()["hot"] == "firing"
        (window,) = seat.reports[-1].silences
        assert not window.runs(seat.time.now)
        for _ in range(11):
            await seat.after(cpu=0.99)
        assert seat.words() == {"hot": "silenced", "busy": "silenced"}
        assert seat.reports[-1].open == ()
        hot = [(kind, note) for kind, rule, note in history(seat) if rule == "hot"]
        assert hot == [("firing", ""), ("silenced", "by maintenance window nightly")]
        declare(seat)
        await seat.after(cpu=0.99)
        assert seat.words()["hot"] == "firing"
        assert history(seat)[-1] != hot[-1]
        assert ("heard again", "hot", "nothing keeps it quiet any more") in history(seat)

    async def test_people_enter_windows_and_take_them_back(self, seat):
        await seat.after(cpu=0.99)
        window = daily(seat.time.now - 60)
        given = {"name": "mine", "matchers": 'source="web"', "when": window.cron, "seconds": 600.0}
        add = Maintain(seat.desk, "alerts", **given, note="moving house")
        plan = await add.plan()
        assert plan.count == 2
        assert plan.affects[0].startswith("next: ")
        receipt = await add.run(lambda _: None)
        await seat.after(cpu=0.99)
        assert seat.words()["hot"] == "silenced"
        assert seat.reports[-1].silences[0].note == "moving house"
        end = EndSilence(seat.desk, "alerts", silence="maintenance:mine")
        assert "it comes again" in (await end.plan()).summary
        ended = await end.run(lambda _: None)
        await seat.after(cpu=0.99)
        assert seat.words()["hot"] == "firing"
        assert seat.reports[-1].silences[0].starts > seat.time.now
        await end.undo(ended)
        await seat.after(cpu=0.99)
        assert seat.words()["hot"] == "silenced"
        gone = Unmaintain(seat.desk, "alerts", name="mine")
        taken = await gone.run(lambda _: None)
        await seat.after(cpu=0.99)
        assert (seat.words()["hot"], seat.reports[-1].silences) == ("firing", ())
        await gone.undo(taken)
        await seat.after(cpu=0.99)
        assert seat.words()["hot"] == "silenced"
        await add.undo(receipt)
        assert await seat.desk.windows() == ()
        kinds = [e.kind for e in await seat.desk.events(0.0) if not e.rule]
        assert kinds == [
            "maintenance",
            "unsilenced",
            "silenced",
            "maintenance ended",
            "maintenance",
            "maintenance ended",
        ]

    async def test_what_is_refused(self, seat):
        declare(seat, daily(seat.time.now, place="config.toml:7"))
        given = {"matchers": 'source="web"', "when": "daily 03:00"}
        with pytest.raises(PlanRejected, match=r"declared in config\.toml:7"):
            await Maintain(seat.desk, "alerts", name="nightly", **given).run(lambda _: None)
        with pytest.raises(PlanRejected, match="no maintenance window other"):
            await Unmaintain(seat.desk, "alerts", name="other").run(lambda _: None)
        with pytest.raises(PlanRejected, match="no silence maintenance:other"):
            await EndSilence(seat.desk, "alerts", silence="maintenance:other").plan()
        for wrong in ({"when": "often"}, {"matchers": ""}, {"timezone": "Nowhere"}, {"seconds": 1.0}):
            with pytest.raises(PlanRejected):
                await Maintain(seat.desk, "alerts", name="x", **{**given, **wrong}).plan()

    async def test_an_alert_that_speaks_for_others(self, seat):
        rule = Inhibition(parse_matchers('rule="busy"'), parse_matchers('rule="hits"'), (), "batch")
        declare(seat, inhibitions=(rule,))
        await seat.after(source="cache", hit_ratio=0.1, hits=80.0, misses=2.0)
        assert seat.words() == {"hits": "firing"}
        for _ in range(3):
            seat.read("cache", hit_ratio=0.1, hits=80.0, misses=2.0)
            await seat.after(cpu=0.9)
        assert seat.words() == {"hits": "muted", "busy": "firing"}
        (line,) = [note for kind, _, note in history(seat) if kind == "muted"]
        assert line.startswith("while busy of web fires (batch, ")
        seat.read("cache", hit_ratio=0.1, hits=80.0, misses=2.0)
        await seat.after(cpu=0.1)
        assert seat.words()["hits"] == "firing"


class TestOnSqlite(QuietLaws):
    @pytest.fixture
    async def url(self, sqlite_url):
        return sqlite_url


class TestOnPostgres(QuietLaws):
    @pytest.fixture
    async def url(self, postgres_url):
        return postgres_url


@pytest.mark.parametrize("both", [True, False])
def test_two_never_hush_each_other(both):
    """A warning that hushes a critical one of its family, which would hush it for being the lesser."""
    loud = alert("LinkCritical", severity=Severity.CRITICAL)
    small = alert("LinkHigh", severity=Severity.WARNING)
    lesser, greater = parse_matchers('rule="LinkHigh"'), parse_matchers('rule="LinkCritical"')
    rules = (
        Inhibition(lesser, greater, ("source",), "one"),
        Inhibition(greater, lesser, ("source",), "two"),
    )
    group = RuleGroup("x", (), inhibitions=rules[: 2 if both else 1])
    found = dressed([loud, small], {}, (), 1.0, group)
    assert {one.rule: one.word for one in found} == {"LinkHigh": "firing", "LinkCritical": "muted"}
    (alone,) = dressed([small], {}, (), 1.0, group)
    assert alone.word == "firing"
    words = {one.rule: one.word for one in dressed([loud, small], {}, (), 1.0, RuleGroup("x", ()))}
    assert words == {"LinkHigh": "muted", "LinkCritical": "firing"}  # without an edit it is the other way


class TestWhy:
    @pytest.fixture
    async def url(self, sqlite_url):
        return sqlite_url

    async def test_it_names_what_keeps_it_quiet(self, store, tmp_path):
        path = tmp_path / "rules.yml"
        path.write_text(RULES)
        start = Time()
        start.now -= start.now % 60
        seat = WhySeat(store, start).explaining(path)
        rule = Inhibition(parse_matchers('rule="hot"'), parse_matchers('rule="busy"'), ("source",), "batch")
        declare(seat, daily(seat.time.now - 60, match='rule="hot"'), inhibitions=(rule,))
        for _ in range(3):
            await seat.after(cpu=0.99)
        _, said = await seat.said("busy")
        assert "muted while hot fires (batch, " in said
        _, said = await seat.said("hot")
        assert "silenced by the configuration until" in said
        assert "maintenance window nightly, comes again: " in said
