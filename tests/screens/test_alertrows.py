"""Figures and spans as people type them, and the pictures of an alert."""

from __future__ import annotations

import pytest

from perftui.draw.rows import Look, Size, plain
from perftui.model.alerts import Ack, Alert, AlertsReport, AlertState, RuleStats
from perftui.model.errors import ConfigError
from perftui.model.finding import Severity
from perftui.screens.overview import alertrows as rows

FIRING = Alert(
    "f", "r", "CPU busy", Severity.WARNING, (("source", "web"),), 0.91, AlertState.FIRING, 1.0, 1.0,
    op=">", threshold=0.8, unit="ratio", fired_at=2.0, ack=Ack("eve@host", 3.0, "on it"),
)  # fmt: skip


@pytest.mark.parametrize(
    ("text", "unit", "value"),
    [
        ("85 %", "ratio", 0.85),
        ("0.85", "ratio", 0.85),
        ("250 ms", "s", 0.25),
        ("2GiB", "bytes", 2**31),
        ("120/min", "1/s", 2.0),
        ("-1e3", "1", -1000.0),
    ],
)
def test_figures(text, unit, value):
    assert rows.value_of(text, unit) == pytest.approx(value)


@pytest.mark.parametrize(("text", "unit"), [("much", "1"), ("5 GiB", "s"), ("", "ratio"), ("nan", "1")])
def test_what_is_no_figure(text, unit):
    with pytest.raises(ConfigError, match="no figure"):
        rows.value_of(text, unit)


def test_spans():
    assert [rows.seconds_of(t) for t in ("90s", "20m", "2 h", "1d")] == [90, 1200, 7200, 86400]
    with pytest.raises(ConfigError):
        rows.seconds_of("soon")


def test_an_alert_is_told_whole():
    stats = RuleStats("r", 3, 600.0, 30.0, 200.0)
    text = "\n".join(plain(rows.detail_rows(FIRING, None, stats, (), (), Size(60, 20), Look())))
    for words in ("CPU busy", "acked by eve@host", "on it", "fired 3 times in 30 d", "source=web"):
        assert words in text
    assert rows.against(FIRING) == "91.0% > 80.0%"
    assert rows.state_cell(FIRING, Look())[0].endswith("acknowledged")


@pytest.mark.parametrize("width", [40, 80, 120])
def test_chips_keep_their_width(width):
    (row,) = plain(rows.chips(AlertsReport(5.0, (FIRING,)), "rules", Size(width, 1), Look()))
    assert len(row) == width
