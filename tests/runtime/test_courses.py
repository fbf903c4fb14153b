"""The value of an alert around its firing, out of a real history."""

from __future__ import annotations

from dataclasses import replace

import pytest

from perftui.cli.alertrules import drawn
from perftui.model.alerts import Alert, AlertState, Rule, Selector
from perftui.model.finding import Severity
from perftui.model.series import SeriesKey
from perftui.runtime.courses import course_of, span_of
from tests.runtime.test_explainer import WhySeat
from tests.runtime.test_filed_alerts import RULES, Time

KEY = SeriesKey("web", "cpu__busy_ratio")
RULE = Rule("busy", "Busy", Selector("cpu.busy_ratio"), threshold=0.8)


@pytest.fixture
async def url(sqlite_url):
    return sqlite_url


@pytest.fixture
async def seat(store, tmp_path):
    path = tmp_path / "rules.yml"
    path.write_text(RULES)
    made = WhySeat(store, Time()).explaining(path)
    for number in range(120):
        made.time.now += 15.0
        made.read("web", cpu__busy_ratio=0.95 if number >= 100 else 0.1)
    return made


def fired(seat, **given):
    at = seat.time.now - 300.0
    made = Alert("f", "busy", "Busy", Severity.CRITICAL, (), at, AlertState.FIRING, at, at)
    return replace(made, fired_at=at, labels=(("source", "web"),), **given)


async def course(seat, alert, rule=RULE):
    return await course_of(alert, rule, seat.time.now, seat.history, seat.desk._local)


async def test_the_series_of_a_rule_of_ours(seat):
    found = await course(seat, fired(seat, key=KEY, op=">", threshold=0.8, unit="ratio"))
    assert (found.name, found.goal, found.unit) == ("web/cpu__busy_ratio", 0.8, "ratio")
    assert found.end - found.start == 900.0
    assert (found.value[0], found.value[-1]) == pytest.approx((0.1, 0.95))
    assert found.marks == ((seat.time.now - 300.0, "fires"),)
    assert await course(seat, fired(seat, key=replace(KEY, name="none"))) is None


async def test_what_a_rule_of_the_file_compares(seat):
    rule = replace(RULE, expr="avg_over_time(perftui_host_cpu_busy_ratio[1m]) > 0.8")
    found = await course(seat, fired(seat), rule)
    assert (found.goal, found.name) == (0.8, rule.expr)
    assert found.value[0] == pytest.approx(0.1)  # also where it was not over the threshold
    assert found.value[-1] == pytest.approx(0.95)
    assert await course(seat, replace(fired(seat), labels=(("source", "other"),)), rule) is None
    asked = replace(rule, annotations=(("perftui_source", "prod"),))
    assert await course(seat, fired(seat), asked) is None
    assert await course(seat, fired(seat), replace(rule, expr="nonsense(")) is None


def test_from_before_the_firing_until_after_its_end(seat):
    now = seat.time.now
    short = fired(seat)
    assert span_of(short, now) == (now - 900.0, now)
    old = replace(short, fired_at=now - 3600.0, resolved_at=now - 1800.0)
    assert span_of(old, now) == (now - 3900.0, now - 1575.0)
    days = replace(short, fired_at=now - 86400.0)
    start, end = span_of(days, now)
    assert (start, end - start) == (now - 86700.0, 6 * 3600.0)


async def test_it_is_drawn_as_wide_as_there_is_room_and_without_an_escape_code(seat):
    found = await course(seat, fired(seat, key=KEY, op=">", threshold=0.8, unit="ratio"))
    for width in (40, 80, 200):
        lines = drawn(found, width)
        assert len(lines) == 14
        assert max(map(len, lines)) <= width
        assert "\x1b" not in "".join(lines)
        assert "▾" in "".join(lines)
    assert "web/cpu__busy_ratio" in "".join(drawn(found, 80))
