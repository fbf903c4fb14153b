"""Who sees to an alert, and when it goes further, as columns of the alerts' table."""

from __future__ import annotations

from dataclasses import replace

from perftui.draw.rows import Look
from perftui.model.notify import NoticesReport
from perftui.screens.overview import noticerows as rows
from tests.screens.test_alertrows import FIRING

REPORT = NoticesReport(1000.0, owners={"f": "anna"}, next_steps={"f": 3600.0})


def told(key: str, alert, report):
    column = next(one for one in rows.notice_columns(lambda: report, Look) if one.key == key)
    return column.format(column.value(alert))


def test_whom_it_was_given_to_goes_before_who_acknowledged_it():
    assert told("owner", FIRING, REPORT) == "anna"
    assert told("owner", FIRING, replace(REPORT, owners={})) == "eve@host"
    assert told("owner", FIRING, None) == "eve@host"
    assert told("owner", replace(FIRING, ack=None), replace(REPORT, owners={})) == ""


def test_when_it_escalates():
    assert told("next", FIRING, REPORT) == "01:00:00"
    assert told("next", replace(FIRING, fingerprint="g"), REPORT) == ""
    assert told("next", FIRING, None) == ""
