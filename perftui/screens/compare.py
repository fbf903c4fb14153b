"""Two instants on one picture: what a tab showed at the pinned one, as ghost lines and Δ columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perftui.model.moment import Moment, TimeState
from perftui.screens.notice import hides
from perftui.widgets.chart import ChartPanel
from perftui.widgets.livetable import LiveTable

if TYPE_CHECKING:
    from perftui.screens.live import LiveScreen
    from perftui.screens.tab import Tab


def draw_against(screen: LiveScreen, tab: Tab, pinned: float | None) -> None:
    """Give charts and tables of the tab what they showed at `pinned`, or take it away.

    The tab draws the pinned frames first and the present ones after: between the two, nobody sees it.
    """
    charts, tables = list(tab.query(ChartPanel)), list(tab.query(LiveTable))
    if pinned is None:
        _forget(charts, tables)
        return
    moment = Moment(pinned, TimeState.PAST)
    frames = {topic: screen.session.at(moment, topic) for topic in screen.frames}
    if hides(frames):
        _forget(charts, tables)
        return
    cursors = [(table, table.cursor_key) for table in tables]
    _forget(charts, tables)
    screen.comparing = True  # what is drawn for its figures alone asks nobody
    try:
        tab.show(frames)
    finally:
        screen.comparing = False
    for chart in charts:
        chart.pin()
    for table in tables:
        table.view.pin()
    for table, key in cursors:
        table.view.cursor_key = key


def _forget(charts: list[ChartPanel], tables: list[LiveTable]) -> None:
    for chart in charts:
        chart.ghosts = ()
    for table in tables:
        table.view.baseline = None
