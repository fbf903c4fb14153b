"""What the engine says of unusual values: the band, the distance, what became normal."""

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
