"""`:ghost` behind the charts of real systems, and the Timeline's cursor on all of them."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest

from perftui.lab import Lab
from perftui.model.moment import TimeState
from perftui.model.reading import Measure, Reading
from perftui.model.series import SeriesKey
from perftui.widgets.chart import ChartPanel
from tests.console import state_dir
from tests.screens.test_travel_flow import read_on, remembering
from tests.waiting import until

__all__ = ["state_dir"]

DAY = 86400.0

pytestmark = pytest.mark.usefixtures("state_dir")


@pytest.fixture(autouse=True)
def nothing_stays() -> Any:
    yield
    ChartPanel.ghost = ChartPanel.instant = None


def yesterday(session: Any, name: str) -> list[SeriesKey]:
    """Give a series a past: a quarter of an hour of it, a day ago."""
    keys = list(session.history.keys("", name))
    for n in range(91):
        for key in keys:
            at = time.time() - DAY - 900 + n * 10
            session.memory.history.record(Reading(key.source, at, 0.0, (Measure(key, 12345.0, "1/s"),), None))
    return keys


async def test_the_same_time_yesterday_is_drawn_and_what_is_not_there_is_said(lab: Lab) -> None:
    async with remembering(lab, "cache.tiers") as console:
        app = console.app
        await read_on(console, "cache", 2)
        app.verbs.say("ghost")
        await console.sees(r"nothing was recorded 1w ago: history begins 20\d\d")
        await console.sees("nothing 1w ago ")  # in the titles of the charts
        app.verbs.say("ghost soon")
        await console.sees('not a valid duration string: "soon"')
        app.verbs.say("ghost off")
        await console.sees("no ghost any more")
        assert "nothing 1w" not in await console.text()


async def test_a_line_of_yesterday(lab: Lab) -> None:
    async with remembering(lab, "cache.tiers") as console:
        app = console.app
        await read_on(console, "cache", 2)
        app.session.memory.history._full.clear()
        app.session.memory.history._open.by_source.clear()
        assert yesterday(app.session, "hit_ratio")
        app.verbs.say("ghost 1d")
        await until(lambda: any(chart.earlier for chart in app.base.tab.query(ChartPanel)), 10)
        line = next(chart.earlier[0] for chart in app.base.tab.query(ChartPanel) if chart.earlier)
        assert set(line.value) == {12345.0}
        assert abs(line.at[-1] - time.time()) < 60
        await console.sees(r"L2 1d ago")


@pytest.mark.slow
async def test_the_timeline_marks_its_instant_everywhere_and_goes_there(lab: Lab) -> None:
    async with remembering(lab, "overview.timeline") as console:
        app, clock = console.app, console.app.session.clock
        app.session.note("first")
        await read_on(console, "cache", 2)
        app.session.note("release 7")
        await read_on(console, "cache", 2)
        await console.sees("release 7")
        await console.press("g", "g", "down", "up")
        event = app.base.tab.query_one("#events").current
        assert ChartPanel.instant == event.at
        app.go("cache.tiers")
        await console.sees("▾")
        app.go("overview.timeline")
        await console.sees("release 7")
        await console.press("f")
        assert clock.now().state is TimeState.PAST
        assert abs(clock.now().at - event.at) < 2
        await console.sees(r"PAST \d\d:\d\d:\d\d")
        app.go("cache.tiers")
        await console.sees(r"PAST \d\d:\d\d:\d\d")
        await console.press("L")
        assert clock.now().state is TimeState.LIVE
        app.go("overview.timeline")
        await console.sees("release 7")
        await console.press("escape")
        await until(lambda: ChartPanel.instant is None)
        assert not re.search("▾", await console.text())
