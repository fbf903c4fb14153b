"""The till over sources a test writes down, up to an incident's cost."""

from __future__ import annotations

import asyncio
import random

import pytest

from perftui.cli.monitor_business import _lines
from perftui.config import load
from perftui.draw.rows import Look, Size, plain
from perftui.engines.anomaly import AnomalyEngine
from perftui.model.anomaly import SOURCE, Watch
from perftui.model.business import Figure, Metric, series_key
from perftui.model.errors import ConfigError, Lost, Unsupported
from perftui.model.reading import Measure, Reading
from perftui.model.series import SeriesKey
from perftui.runtime import business
from perftui.runtime.business import WEEK, Till
from perftui.runtime.rings import Rings
from perftui.screens.overview.figures import about, reach

START = 1_700_000_000.0


class Source:
    kind = "scripted"

    def __init__(self):
        self.rows = {"total": [Figure(0.0)]}
        self.error = None
        self.asked = 0

    async def figures(self, read):
        self.asked += 1
        if self.error == "silent":
            await asyncio.Event().wait()
        if self.error:
            raise self.error
        return self.rows[read]


def metric(name="orders", kind="counter", read="total", **more):
    return Metric(name, name.title(), kind, "shop", read, **more)


class Scene:
    def __init__(self, *metrics, **backends):
        self.source = Source()
        self.rings = Rings(seconds=7200)
        self.till = Till(metrics, {"shop": self.source, **backends}, self.rings)
        self.now = START

    async def tick(self, after=10.0):
        self.now += after
        return (await self.till.tick(self.now, self.rings.record)).report.metrics


async def test_a_counter_is_told_a_minute_and_remembered():
    scene = Scene(metric(target=100.0))
    assert (await scene.tick())[0].value is None
    for n in range(1, 8):
        scene.source.rows["total"] = [Figure(20.0 * n)]
        (view,) = await scene.tick()
    assert view.value == pytest.approx(120)
    assert view.on_target
    assert scene.rings.series(series_key("orders"), 0, scene.now).last.value == pytest.approx(120)


async def test_features_tell_their_users_and_what_share_of_the_active_they_are():
    scene = Scene(metric("features", "usage", by="feature", users="who", active="all"))
    for n in range(4):
        scene.source.rows["total"] = [Figure(10.0 * n, (("feature", "search"),))]
        scene.source.rows["who"] = [
            Figure(30.0, (("feature", "search"),)),
            Figure(5.0, (("feature", "export"),)),
        ]
        scene.source.rows["all"] = [Figure(120.0)]
        (view,) = await scene.tick()
    assert view.adoption("search") == (30.0, 0.25)
    assert view.adoption("none") == (None, None)
    assert [part for part, _ in view.users] == ["search", "export"]
    key = SeriesKey("business", "business.adoption_ratio", (("metric", "features"), ("part", "search")))
    assert scene.rings.series(key, 0, scene.now).last.value == 0.25
    assert reach(view, "search") == "  30 users, 25.0%"
    assert reach(view, "none") == ""
    assert _lines(view)[1] == "  search: 60/min, 30 users (25.0% of the active)"


async def test_a_figure_is_told_and_remembered_when_its_users_are_not_known():
    scene = Scene(metric("plans", "gauge", by="plan", users="who", active="all"))
    scene.source.rows["total"] = [Figure(7.0, (("plan", "pro"),))]
    scene.source.rows["who"], scene.source.rows["all"] = [Figure(3.0, (("plan", "pro"),))], [Figure(6.0)]
    (view,) = await scene.tick()
    assert (view.adoption("pro"), view.unknown) == ((3.0, 0.5), "")
    asked, source = scene.source.figures, scene.source

    async def nobody_came(read):
        if read == "total":
            return await asked(read)
        raise Unsupported("shop: nobody has sent 'who' yet")

    source.figures, source.rows["total"] = nobody_came, [Figure(8.0, (("plan", "pro"),))]
    (view,) = await scene.tick()
    assert (view.error, view.value, view.adoption("pro")) == ("", 8.0, (None, None))
    assert scene.rings.series(series_key("plans"), 0, scene.now).last.value == 8.0
    assert _lines(view)[1:] == ["  pro: 8", "  users: shop: nobody has sent 'who' yet"]
    assert "nobody has sent 'who'" in plain(about(view, Size(60, 3), Look()))[0]


async def test_money_of_two_currencies_is_never_one_figure():
    scene = Scene(metric("revenue", "sum", by="currency"))
    for n in range(3):
        scene.source.rows["total"] = [
            Figure(600.0 * n, (("currency", "EUR"),)),
            Figure(60.0 * n, (("currency", "JPY"),)),
        ]
        (view,) = await scene.tick()
    assert view.value is None
    assert [name for name, _ in view.parts] == ["EUR", "JPY"]
    assert scene.rings.series(series_key("revenue", "JPY"), 0, scene.now).last.value == pytest.approx(360)
    assert not len(scene.rings.series(series_key("revenue"), 0, scene.now))


async def test_a_failing_source_says_why_keeps_its_value_and_harms_no_other():
    scene = Scene(metric("a", "gauge"), metric("b", "gauge", "other"))
    scene.source.rows = {"total": [Figure(7.0)], "other": [Figure(9.0)]}
    await scene.tick()
    scene.till._views["a"].metric  # noqa: B018 - it is there
    scene.source.rows["other"] = [Figure(10.0)]
    real = scene.source.figures

    async def half(read):
        if read == "total":
            raise Lost("shop: gone")
        return await real(read)

    scene.source.figures = half
    a, b = await scene.tick()
    assert (a.error, a.value) == ("shop: gone", 7.0)
    assert a.at - a.seen == 10
    assert (b.error, b.value) == ("", 10.0)


async def test_a_silent_source_costs_its_deadline_only(monkeypatch):
    monkeypatch.setattr(business, "DEADLINE", 0.05)
    scene = Scene(metric("a", "gauge"))
    scene.source.error = "silent"
    (view,) = await scene.tick()
    assert "no answer" in view.error


async def test_a_bug_in_a_source_costs_its_figure_only():
    scene = Scene(metric("a", "gauge"), metric("b", "gauge", "nobody has this"))
    a, b = await scene.tick()
    assert (a.error, a.value) == ("", 0.0)
    assert "KeyError" in b.error


async def test_unknown_and_unable_backends_are_named():
    scene = Scene(
        Metric("a", "A", "gauge", "nobody", "x"), Metric("b", "B", "gauge", "mute", "x"), mute=object()
    )
    scene.till._backends["mute"] = type("Mute", (), {"kind": "host"})()
    a, b = await scene.tick()
    assert "no backend nobody" in a.error
    assert "tells no figures" in b.error


async def test_each_is_read_at_its_own_pace():
    scene = Scene(metric("a", "gauge", every=60.0))
    for _ in range(12):
        await scene.tick()
    assert scene.source.asked == 2


async def test_last_week_is_the_same_minute():
    scene = Scene(metric("a", "gauge"))
    scene.rings.seconds = 2 * WEEK
    for n in range(-5, 6):
        measure = Measure(series_key("a"), 50.0 + n)
        scene.rings.record(Reading(business.SOURCE, START + 10 + n * 20 - WEEK, 0.0, (measure,), None))
    (view,) = await scene.tick()
    assert view.week == pytest.approx(50)


async def test_a_scripted_incident_costs_what_was_missing_to_one_percent():
    """Half an hour of 100 orders a minute, ten minutes of 40, and back: 600 orders."""
    scene, engine = Scene(metric()), AnomalyEngine(Watch(trees=False))
    r, total, views = random.Random(2), 0.0, []
    key, begun = series_key("orders"), False
    for n in range(360):
        rate = 40.0 if 180 <= n < 240 else 100.0
        total += rate / 6 * (1 + r.uniform(-0.01, 0.01))
        scene.source.rows["total"] = [Figure(total)]
        (view,) = await scene.tick()
        views.append(view)
        if view.value is None:
            continue
        if not begun:
            begun = True
            engine.begin(key, "1", (), ())
        engine.feed(key, scene.now, view.value)
        if engine.measures():
            scene.rings.record(Reading(SOURCE, scene.now, 0.0, engine.measures(), None))
    during = views[239].cost
    assert during.until is None
    after = views[-1].cost
    assert after.until is not None
    assert after.amount == pytest.approx(600, rel=0.01)
    assert after.least < after.amount < after.most
    assert all(view.cost is None for view in views[:180])


def test_the_configuration_fills_in_from_templates_and_is_checked(tmp_path):
    def config(text):
        file = tmp_path / "config.toml"
        file.write_text(text)
        file.chmod(0o600)
        return load(file)

    found = config(
        '[business.signups]\nsource = "a"\nread = "x"\n[business.eu]\nsource = "a"\nread = "y"\ntemplate = "revenue"\n'
    )
    signups, eu = found.figures()
    assert (signups.title, signups.kind) == ("Sign-ups", "counter")
    assert (eu.title, eu.kind, eu.by) == ("Revenue", "sum", "currency")
    for wrong in (
        '[business.x]\nsource = "a"',
        '[business.x]\nsource = "a"\nread = "b"\ntemplate = "z"',
        "business = 3",
    ):
        with pytest.raises(ConfigError):
            config(wrong)
