"""An alert about an unusual value shows the value itself in its band; `:bands` shades any chart."""

from __future__ import annotations

import pytest

from perftui.draw.chart import Line
from perftui.lab import Lab
from perftui.model.alerts import Alert, AlertState
from perftui.model.anomaly import HIGH, LOW, SIGMAS, SOURCE, told
from perftui.model.finding import Finding, Severity
from perftui.model.frame import Frame
from perftui.model.reading import Measure, Reading
from perftui.model.series import SeriesKey
from perftui.runtime.rings import Rings
from perftui.screens.overview import bands
from perftui.widgets.chart import ChartPanel
from tests.console import console, state_dir

__all__ = ["state_dir"]

NOW = 1_700_000_000.0
KEY = SeriesKey("shop", "http.route.p95_s", (("method", "GET"), ("route", "/a,b")))
OTHER = SeriesKey("shop", "http.route.p95_s", (("method", "GET"), ("route", "/")))


@pytest.fixture
def rings():
    made = Rings()
    for n in range(5):
        rows = (Measure(KEY, 0.1 + n, "s"), Measure(OTHER, 9.0, "s"))
        made.record(Reading("shop", NOW - 50 + n * 10, 0.0, rows, None))
        edges = (Measure(told(SIGMAS, KEY), 4.0), Measure(told(LOW, KEY), 0.0), Measure(told(HIGH, KEY), 0.2))
        made.record(Reading(SOURCE, NOW - 49 + n * 10, 0.0, edges, None))
    return made


def alert(key=None, source=SOURCE):
    key = key or told(SIGMAS, KEY)
    labels = (("source", source), *key.labels)
    return Alert("f", "anomaly", "x", Severity.INFO, labels, 4.0, AlertState.FIRING, NOW, NOW, key=key)


def test_the_series_and_its_band_are_drawn_for_the_judged_series(rings):
    series, band = bands.course(alert(), rings, NOW - 900, NOW)
    assert series.key == KEY
    assert series.unit == "s"
    assert list(series.between(0, NOW)[1]) == [0.1, 1.1, 2.1, 3.1, 4.1]
    assert band is not None
    assert band.where(NOW - 20) == (0.0, 0.2)


def test_every_other_alert_is_drawn_as_before(rings):
    series, band = bands.course(alert(OTHER, "shop"), rings, NOW - 900, NOW)
    assert (series.key, band) == (OTHER, None)
    gone = told(SIGMAS, SeriesKey("shop", "gone"))
    series, band = bands.course(alert(gone), rings, NOW - 900, NOW)
    assert (series.key, band) == (gone, None)


def test_the_finding_behind_it_is_found_by_its_series():
    mine = Finding("anomaly.x", Severity.INFO, "shop", "x", ("e",), labels=(("series", str(KEY)),))
    other = Finding("anomaly.x", Severity.INFO, "shop", "x", ("e",), labels=(("series", str(OTHER)),))
    frame = Frame("anomaly", NOW, None, {}, (other, mine))
    assert bands.said_of(alert(), frame) == [mine]
    assert bands.said_of(alert(OTHER, "shop"), frame) == []


def test_a_band_is_worked_out_once_a_sample_and_only_when_asked(monkeypatch):
    chart = ChartPanel("x")
    at = [float(n) for n in range(200)]
    chart._lines = (Line("x", at, [5.0 + n % 3 for n in range(200)]),)
    assert chart.band is None
    monkeypatch.setattr(ChartPanel, "bands", True)
    first = chart.band
    assert first is not None
    assert first.where(199.0) is not None
    assert chart.band is first


@pytest.mark.usefixtures("state_dir")
async def test_the_word_turns_it_on_and_off(lab: Lab) -> None:
    try:
        async with console(lab, "overview.hosts") as seen:
            seen.app.switches.bands(True)
            await seen.sees("charts show the band")
            assert ChartPanel.bands
            seen.app.switches.bands(False)
            await seen.sees("bands are off")
            assert not ChartPanel.bands
    finally:
        ChartPanel.bands = False
