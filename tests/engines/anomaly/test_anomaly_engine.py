"""What the engine says of unusual values: the band, the distance, what became normal."""

import math
import random

from perftui.engines.anomaly import NEWS, AnomalyEngine
from perftui.model.anomaly import LOW, SIGMAS, Watch, told
from perftui.model.finding import Severity
from perftui.model.series import SeriesKey
from perftui.runtime.rings import Rings

KEY = SeriesKey("shop", "http.p95_s")


def fed(*parts, trees=True, unit="s"):
    engine = AnomalyEngine(Watch(trees=trees))
    engine.begin(KEY, unit, (), ())
    r, at = random.Random(1), 0.0
    for n, mean in parts:
        for _ in range(n):
            at += 10.0
            engine.feed(KEY, at, r.gauss(mean, mean / 50))
    return engine, engine.observe(at, {}, Rings())


def test_a_usual_series_has_a_band_and_no_finding():
    engine, report = fed((200, 0.1))
    row = report.rows[0]
    assert row.since is None
    assert row.low < row.value < row.high
    assert engine.findings(report) == ()
    told_ = {m.key: m.value for m in engine.measures()}
    assert told_[told(SIGMAS, KEY)] == 0
    assert told_[told(LOW, KEY)] == row.low


def test_an_unusual_one_says_value_band_distance_and_why():
    engine, report = fed((1500, 0.1), (6, 0.2))
    found = engine.findings(report)
    assert [f.id for f in found] == ["anomaly.http.p95_s"]
    assert found[0].severity is Severity.INFO
    assert found[0].source == "shop"
    assert "above what is usual" in found[0].title
    assert " was expected (" in found[0].evidence[0]
    assert "σ" in found[0].evidence[0]
    assert any("against the last hour" in line for line in found[0].evidence[1:])
    sigmas = {m.key: m.value for m in engine.measures()}[told(SIGMAS, KEY)]
    assert sigmas >= 3


def test_learning_is_told_and_never_unusual():
    engine, report = fed((20, 0.1), (5, 9.0))
    assert report.rows[0].learned < 1
    assert report.rows[0].expected is None
    assert engine.findings(report) == ()
    assert engine.measures() == ()


def test_what_is_below_the_floor_of_its_unit_is_not_unusual():
    _, report = fed((200, 0.00001), (6, 0.0002), trees=False)
    assert report.rows[0].since is None
    _, report = fed((200, 0.00001), (6, 0.0002), trees=False, unit="1")
    assert report.rows[0].since is not None


def test_a_level_that_holds_becomes_normal_and_is_told_for_a_while():
    engine, report = fed((200, 210.0), (275, 340.0), trees=False, unit="1/s")
    found = engine.findings(report)
    assert [f.id for f in found] == ["anomaly.baseline-moved"]
    assert "21" in found[0].title
    assert "34" in found[0].title
    engine, report = fed((200, 210.0), (275 + int(NEWS / 10), 340.0), trees=False, unit="1/s")
    assert engine.findings(report) == ()


def test_primed_points_raise_nothing():
    engine = AnomalyEngine(Watch(trees=False))
    engine.begin(KEY, "s", (), ())
    r = random.Random(2)
    values = [r.gauss(0.1, 0.002) for _ in range(200)] + [9.0] * 5
    engine.prime(KEY, [10.0 * n for n in range(1, 206)], values)
    engine.feed(KEY, 2070.0, 0.1)
    assert engine.observe(2070.0, {}, Rings()).rows[0].since is None


def test_what_was_not_to_be_learned_is_not_learned_with_the_season_either():
    """An hour and more of half the traffic under a silence; the memories of the last points begin anew."""
    start, noise = 1_700_000_000.0, random.Random(5)
    weeks = (
        [start + 60 * n for n in range(600)],
        [100 + 9 * math.sin(2 * math.pi * n / 60) for n in range(600)],
    )
    points = [(start + 36000 + 10 * n, noise.gauss(50 if 200 <= n < 700 else 100, 2)) for n in range(800)]
    means = []
    for hushed in (True, False):
        engine = AnomalyEngine(Watch(trees=False))
        engine.begin(KEY, "1/s", (), ())
        for n, (at, value) in enumerate(points):
            engine.feed(KEY, at, value, learning=not hushed or not 200 <= n < 700)
        state = engine.relearned(KEY, weeks, ([at for at, _ in points], [value for _, value in points]))
        engine.adopt(KEY, state)
        assert engine.season(KEY).period == 3600
        means.append(state.long()[0])
    assert abs(means[0]) < 10 < abs(means[1])


def test_a_series_without_a_season_or_with_few_points_stays_as_it_is():
    engine = AnomalyEngine(Watch(trees=False))
    engine.begin(KEY, "1/s", (), ())
    assert engine.relearned(KEY, ((), ()), ((), ())) is None
    weeks = [60.0 * n for n in range(600)], [math.sin(2 * math.pi * n / 60) for n in range(600)]
    assert engine.relearned(KEY, weeks, ((1.0, 2.0), (1.0, 2.0))) is None
