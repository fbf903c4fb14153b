"""The watch for unusual values over real rings and a real store, up to the alert."""

from __future__ import annotations

import asyncio
import math
import random
import threading

import pytest

from perftui.analysis.matchers import parse_matchers, parse_selector
from perftui.analysis.seasonal import Season
from perftui.config import load
from perftui.engines.alerts.marks import MarkUnusual
from perftui.engines.anomaly import AnomalyEngine
from perftui.model.alertrules import DEFAULTS
from perftui.model.alerts import AlertState, RuleGroup, Silence
from perftui.model.anomaly import HIGH, LEAST, MOST, SIGMAS, TOPIC, Watch, marked, told
from perftui.model.errors import ConfigError, PlanRejected
from perftui.model.finding import Severity
from perftui.model.reading import Measure, Reading
from perftui.model.series import SeriesKey
from perftui.runtime.alertbook import Book
from perftui.runtime.alertdesk import Desk
from perftui.runtime.alerts import Ruler, Sights
from perftui.runtime.clock import Clock
from perftui.runtime.history import History
from perftui.runtime.leases import Leases
from perftui.runtime.oddities import Oddities, wanted
from perftui.runtime.rings import Rings
from perftui.runtime.seasons import Seasons
from perftui.runtime.store import Store
from perftui.runtime.topic import Topic
from tests.waiting import until

KEY = SeriesKey("shop", "http.requests_per_s")
KINDS = {"shop": "scrape", "db": "postgres"}


class Hands(Clock):
    """A clock that is set."""

    now = 1_700_000_000.0

    def wall(self) -> float:
        return self.now


@pytest.fixture
def store(tmp_path):
    return Store.open(str(tmp_path / "store.sqlite"), "test")


class Scene:
    def __init__(self, store, watch=None):
        self.clock = Hands()
        self.rings = Rings()
        self.history = History(store, self.clock)
        self.engine = AnomalyEngine(watch or Watch(trees=False))
        self.watch = Oddities(
            self.engine,
            self.rings,
            self.history,
            self.clock,
            Topic(TOPIC),
            KINDS,
            self.rings.record,
            lambda: self.silences,
            lambda: self.thresholds,
            rules=DEFAULTS,
        )
        self.silences, self.thresholds = (), {}
        self._random = random.Random(3)

    def say(self, mean):
        value = self._random.gauss(mean, 2)
        reading = Reading("shop", self.clock.now, 0.0, (Measure(KEY, value, "1/s"),), None)
        self.rings.record(reading)
        self.history.record(reading)

    async def minutes(self, count, mean, ruler=None):
        for _ in range(count * 6):
            for _ in range(2):
                self.clock.now += 5
                self.say(mean)
            await self.watch.tick()
            if ruler is not None:
                await ruler.tick()


def test_selectors_choose_in_their_order_and_once():
    keys = [KEY, SeriesKey("shop", "http.p95_s"), SeriesKey("db", "http.p95_s")]
    chosen = [parse_selector(text) for text in ("@postgres/http.p95_s", "*/http.p95_s", "shop/none")]
    assert list(wanted(chosen, keys, KINDS)) == [keys[2], keys[1]]


@pytest.mark.parametrize(
    ("matchers", "learns"),
    [
        ('source="shop"', False),
        ('rule="AnomalyDetected"', False),
        ('alertname="AnomalyDetected", severity="info", series="shop/http.requests_per_s"', False),
        ('rule="finding:anomaly.http.requests_per_s:info", source="shop"', False),
        ('source="db"', True),
        ('rule="AnomalyDetected", severity="critical"', True),
    ],
)
async def test_what_maintenance_does_to_a_series_is_not_learned(store, matchers, learns):
    """Two hours of half the traffic: normal from then on, unless it was hushed maintenance."""
    scene = Scene(store)
    await scene.minutes(12, 100)
    now = scene.clock.now
    scene.silences = (Silence("maintenance:x", parse_matchers(matchers), now, now + 7200.0),)
    await scene.minutes(119, 50)
    (row,) = scene.watch.topic.value.report.rows
    assert row.since is None if learns else row.since is not None
    await scene.minutes(5, 100)
    (row,) = scene.watch.topic.value.report.rows
    assert bool(row.moved) is learns
    assert (row.low < 100 < row.high) is not learns


async def test_who_began_without_a_past_learns_its_season_and_goes_on_judging(store):
    assert await store.ready()
    scene, threads = Scene(store), set()
    seasons = Seasons(scene.engine, scene.history, scene.clock)
    learn = scene.engine.relearned

    def relearned(*given):
        threads.add(threading.current_thread())
        return learn(*given)

    scene.engine.relearned = relearned
    for minute in range(6 * 60 + 2):
        await scene.minutes(1, 100 + 50 * math.sin(2 * math.pi * minute / 60))
        await seasons.tick()
        if not threads:
            assert scene.engine.season(KEY) is None
    assert len(threads) == 1
    assert threading.main_thread() not in threads
    assert scene.engine.season(KEY).period == 3600
    for minute in range(2, 60):
        mean = 100 + 50 * math.sin(2 * math.pi * minute / 60)
        await scene.minutes(1, mean)
        (row,) = scene.watch.topic.value.report.rows
        assert (row.learned, row.since) == (1, None)
        assert row.expected == pytest.approx(mean, abs=8)


async def test_a_season_is_learned_anew_each_day_of_a_series_that_has_one(store):
    assert await store.ready()
    scene = Scene(store)
    await scene.minutes(2, 100)
    asked, due = [], Seasons(scene.engine, scene.history, scene.clock)
    scene.engine.season = lambda key: Season(3600.0, (0.0,), 1.0, 1.0)
    scene.engine.relearned = lambda *given: asked.append(scene.clock.now)
    began = scene.clock.now
    for _ in range(2 * 24 * 4 + 1):
        await due.tick()
        scene.clock.now += 900
    assert asked == [began + 86400, began + 2 * 86400]


async def test_a_shift_raises_the_shipped_alert_after_a_minute_and_its_band_is_recorded(store):
    scene = Scene(store)
    rules = RuleGroup("rules", tuple(rule for rule in DEFAULTS if rule.name == "AnomalyDetected"))
    reports = []
    ruler = Ruler(
        rules,
        Sights(scene.rings, KINDS, dict, tuple),
        scene.clock,
        Book(store),
        Leases(store),
        env="test",
        told=reports.append,
        note=lambda _event: None,
    )
    await scene.minutes(12, 100)
    await ruler.tick()
    assert reports[-1].alerts == ()
    await scene.minutes(2, 150, ruler)
    alert = reports[-1].alerts[0]
    assert alert.state is AlertState.FIRING
    assert alert.severity is Severity.INFO
    assert dict(alert.labels)["series"] == str(KEY)
    assert alert.key == told(SIGMAS, KEY)
    high = scene.rings.series(told(HIGH, KEY), 0, scene.clock.now)
    assert 100 < high.last.value < 150
    frame = scene.watch.topic.value
    assert [f.id for f in frame.findings] == ["anomaly.http.requests_per_s"]
    await ruler.close()


async def test_what_is_remembered_teaches_so_that_a_restart_judges_at_once(store):
    before = Scene(store)
    await before.minutes(20, 100)
    await before.history.flush()
    after = Scene(store)
    after.clock.now = before.clock.now
    await after.minutes(1, 100)
    row = after.watch.topic.value.report.rows[0]
    assert row.learned == 1
    assert row.expected == pytest.approx(100, abs=3)


async def test_without_memory_it_learns_first_and_a_silent_series_is_left_alone(store):
    scene = Scene(store)
    await scene.minutes(1, 100)
    report = scene.watch.topic.value.report
    assert report.rows[0].learned < 1
    at = report.rows[0].at
    scene.clock.now += 30
    await scene.watch.tick()
    assert scene.watch.topic.value.report.rows[0].at == at


async def test_a_bug_costs_one_round_only(store, monkeypatch):
    scene, rounds = Scene(store, Watch(trees=False, every=0.01)), []
    real = scene.watch.tick

    async def tick():
        rounds.append(1)
        if len(rounds) == 1:
            raise ZeroDivisionError
        await real()

    monkeypatch.setattr(scene.watch, "tick", tick)
    running = asyncio.create_task(scene.watch.run())
    await until(lambda: len(rounds) > 2)
    assert scene.watch.topic.value is not None
    running.cancel()


def test_settings_are_checked(tmp_path):
    def config(text):
        file = tmp_path / "config.toml"
        file.write_text(f"[anomaly]\n{text}\n")
        file.chmod(0o600)
        return load(file).anomaly.watch()

    assert config('series = ["shop/x"]\nsigmas = 4').sigmas == 4
    for wrong in ("every = 0.1", "sigmas = 0.5", 'series = ["nonsense"]'):
        with pytest.raises(ConfigError):
            config(wrong)


async def test_marks_move_the_threshold_of_their_series_and_can_be_taken_back(store):
    """Called normal, what was just seen alarms no more; called an incident, less is enough; bounded both ways."""
    scene = Scene(store)
    rules = RuleGroup("rules", tuple(rule for rule in DEFAULTS if rule.name == "AnomalyDetected"))
    book, reports = Book(store), []
    sights = Sights(scene.rings, KINDS, dict, tuple)
    given = {"env": "test", "told": reports.append, "note": lambda _event: None}
    ruler = Ruler(rules, sights, scene.clock, book, Leases(store), **given)
    desk = Desk(rules, KINDS, scene.clock, book, scene.history, ruler.wake)
    await scene.minutes(12, 100)
    await ruler.tick()
    await scene.minutes(2, 111, ruler)
    (alert,) = reports[-1].alerts
    assert alert.state is AlertState.FIRING
    mark = MarkUnusual(desk, "alerts", fingerprint=alert.fingerprint, what="normal")
    assert "this is normal: shop/http.requests_per_s alarms from" in (await mark.plan()).summary
    receipt = await mark.run(lambda _: None)
    await ruler.tick()
    scene.thresholds = ruler.thresholds
    assert scene.thresholds[f"unusual:{KEY}"] >= alert.value
    await scene.minutes(3, 111, ruler)
    assert {one.state for one in reports[-1].alerts} == {AlertState.RESOLVED}
    await mark.undo(receipt)
    await ruler.tick()
    assert f"unusual:{KEY}" not in ruler.thresholds
    worse = MarkUnusual(desk, "alerts", fingerprint=alert.fingerprint, what="incident")
    for _ in range(9):
        await worse.run(lambda _: None)
    await ruler.tick()
    assert ruler.thresholds[f"unusual:{KEY}"] == LEAST
    kinds = [event.kind for event in await desk.events(0.0)]
    assert kinds.count("incident") == 9
    assert {"normal", "not normal"} <= set(kinds)
    with pytest.raises(PlanRejected, match="neither normal nor incident"):
        await MarkUnusual(desk, "alerts", fingerprint=alert.fingerprint, what="odd").plan()
    await ruler.close()


def test_marks_are_bounded():
    assert marked(3.0, 4.0, normal=True) == pytest.approx(4.2)
    assert marked(3.0, 500.0, normal=True) == MOST
    assert marked(2.1, 4.0, normal=False) == LEAST
