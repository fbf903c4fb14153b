"""Screens follow only what is shown, keep their state, freeze, and say why they are empty."""

from __future__ import annotations

import time

import pytest
from textual.widget import Widget

from perftui.model.health import Link
from perftui.widgets.lines import LineWidget
from perftui.widgets.livetable import LiveTable
from tests.screens.conftest import ITEMS, cache_frame
from tests.screens.shell import ShellSession, shown
from tests.waiting import until


async def test_header_tabs_body_and_footer(session: ShellSession) -> None:
    async with shown("cache", session) as (app, _):
        lines = app.text().splitlines()
    assert lines[0].startswith(" lab   1 ▸2 Cache  3  4  5  6  7")
    assert lines[1] == "▸Sample  Other"
    assert "user:2" in "\n".join(lines)
    assert lines[23].startswith(" p Purge  v View  ] Next tab")
    assert len(lines) == 24


async def test_wide_header_names_every_screen(session: ShellSession) -> None:
    async with shown("cache", session, size=(120, 40)) as (app, _):
        top = app.text().splitlines()[0]
    assert " 1 Overview ▸2 Cache  3 CDN  4 Database  5 Scaling  6 Profiling  7 Optimization" in top
    assert top.rstrip().endswith("● 0 findings")


async def test_only_the_front_tab_is_watched(session: ShellSession) -> None:
    async with shown("cache", session) as (app, pilot):
        await until(lambda: {"cache", "cache.keys"} <= set(session.watching))
        await pilot.press("]")
        await until(lambda: "other" in session.watching and "cache" not in session.watching)
        await pilot.press("[")
        await until(lambda: "cache" in session.watching and "other" not in session.watching)
        await pilot.press("1")
        await until(lambda: set(session.watching) <= {"findings", "alerts"})
        await pilot.press("2")
        await until(lambda: "cache" in session.watching)
        assert app.base.tab_name == "cache.sample"


def lines_kept(root: Widget) -> int:
    """Drawn lines that a widget and those below it hold."""
    below = list(root.walk_children(Widget, with_self=True))
    own = sum(len(widget._painted) + len(widget._rows) for widget in below if isinstance(widget, LineWidget))
    return own + sum(len(widget._styles_cache._cache) for widget in below)


@pytest.mark.parametrize(("away", "back"), [("]", "["), ("1", "2")])
async def test_what_left_the_screen_keeps_no_lines_and_looks_the_same_when_it_is_back(
    session: ShellSession, away: str, back: str
) -> None:
    async with shown("cache", session) as (app, pilot):
        await until(lambda: "user:2" in app.text())
        screen, tab, before = app.base, app.base.tab, app.text().splitlines()
        left = tab if away == "]" else screen
        assert left is not None
        assert lines_kept(left) > 20
        await pilot.press(away)
        await until(lambda: lines_kept(left) == 0)
        await pilot.press(back)
        await until(lambda: app.text().splitlines()[:-1] == before[:-1])
        assert lines_kept(left) > 20


async def test_news_is_drawn_at_the_next_tick_only(session: ShellSession) -> None:
    async with shown("cache", session) as (app, pilot):
        for timer in app._timers:
            timer.pause()  # the ticks are the test's own
        tab = app.base.tab
        before = tab.drawn  # type: ignore[union-attr]
        for size in range(5):
            session.publish("cache", cache_frame(({"name": "user:9", "size": size},)))
            await pilot.pause()
        assert tab.drawn == before  # type: ignore[union-attr]
        app.base.tick()
        await pilot.pause()
        assert tab.drawn == before + 1  # type: ignore[union-attr]
        assert "user:9" in app.text()
        app.base.tick()
        assert tab.drawn == before + 1  # type: ignore[union-attr]


async def test_screens_keep_cursor_and_tab(session: ShellSession) -> None:
    async with shown("cache", session) as (app, pilot):
        await pilot.press("j", "j")
        table = app.base.query_one("#keys", LiveTable)
        key = table.cursor_key
        assert key == ITEMS[2]["name"]
        await pilot.press("3", "2")
        assert app.base.query_one("#keys", LiveTable).cursor_key == key
        assert app.focused is table


async def test_freeze_stops_frames_and_the_header_says_since_when(session: ShellSession) -> None:
    async with shown("cache", session) as (app, pilot):
        await pilot.press("ctrl+f")
        session.publish("cache", cache_frame(({"name": "late", "size": 1},)))
        await pilot.pause()
        app.base.tick()
        await pilot.pause()
        text = app.text()
        assert "FROZEN" in text.splitlines()[0]
        assert "(+0 s)" in text.splitlines()[0]
        assert "late" not in text
        await pilot.press("ctrl+f")
        await pilot.pause()
        assert "late" in app.text()
        assert "FROZEN" not in app.text()


async def test_space_marks_in_a_table_and_freezes_elsewhere(session: ShellSession) -> None:
    async with shown("cache", session) as (app, pilot):
        await pilot.press("space")
        table = app.base.query_one("#keys", LiveTable)
        assert len(table.marked) == 1
        assert app.base.frozen_at is None
        await pilot.press("tab", "space")
        assert app.focused is app.base.query_one("#more")
        assert app.base.frozen_at is not None


async def test_no_backend_says_what_connects_it(sample: None) -> None:
    async with shown("cache", ShellSession()) as (app, _):
        rows = app.text().splitlines()
        assert "no cache connected: add one to the configuration" in app.text()
        said = next(n for n, row in enumerate(rows) if "no cache connected" in row)
        assert abs(said - len(rows) // 2) <= 2  # in the middle


async def test_waiting_and_lost_before_the_first_picture(sample: None) -> None:
    session = ShellSession({"cache": cache_frame(None, Link.WAITING)})
    async with shown("cache", session) as (app, _pilot):
        assert "waiting for the first read of main" in app.text()
        session.publish("cache", cache_frame(None, Link.LOST, "connection refused"))
        await until(lambda: "connection refused" in app.text())
        assert "retry in" in app.text()


async def test_a_lost_link_keeps_the_picture_and_says_so(session: ShellSession) -> None:
    async with shown("cache", session) as (app, _pilot):
        lost = cache_frame(ITEMS, Link.LOST, "connection reset", seen=time.time() - 14)
        session.publish("cache", lost)
        await until(lambda: "connection reset" in app.text())
        text = app.text()
        assert "◌ lost main: last good 14 s ago · retry in 6 s · connection reset" in text
        assert "user:2" in text
        assert app.base.tab.look_for(lost).muted  # type: ignore[union-attr]
        session.publish("cache", cache_frame())
        await until(lambda: "lost" not in app.text())


async def test_layouts_follow_the_width(session: ShellSession) -> None:
    async with shown("cache", session) as (app, pilot):
        tab = app.base.tab
        for width in (120, 160, 200, 300, 90):
            await pilot.resize_terminal(width, 40)
            await pilot.pause()
        assert tab.layouts == [80, 120, 160, 200, 80]  # type: ignore[union-attr]


async def test_too_small_is_one_line_and_back(session: ShellSession) -> None:
    async with shown("cache", session) as (app, pilot):
        await pilot.resize_terminal(60, 10)
        await pilot.pause()
        assert "60×10: too small, 80×24 needed" in app.text()
        assert "user:2" not in app.text()
        await pilot.resize_terminal(20, 5)
        await pilot.pause()
        await pilot.resize_terminal(80, 24)
        await pilot.pause()
        assert "user:2" in app.text()


async def test_fifty_resizes_end_in_the_right_picture(session: ShellSession) -> None:
    async with shown("cache", session) as (app, pilot):
        before = app.text()
        for n in range(50):
            await pilot.resize_terminal(20 + (n * 37) % 280, 5 + (n * 13) % 75)
        await pilot.resize_terminal(80, 24)
        await pilot.pause()
        await until(lambda: app.text() == before)


async def test_first_paint_comes_before_the_session_starts(session: ShellSession) -> None:
    painted: list[bool] = []
    start = session.start

    async def started() -> None:
        painted.append(bool(app.base.query("#header")))
        await start()

    session.start = started  # type: ignore[method-assign]
    from perftui.app import Options, PerftuiApp

    app = PerftuiApp(lambda env: session, Options(screen="cache"), environment={})  # type: ignore[arg-type, return-value]
    async with app.run_test(size=(80, 24)):
        await until(lambda: app.started)
    assert painted == [True]
    assert session.closed
