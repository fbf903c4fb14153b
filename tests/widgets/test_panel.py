"""Panels: titles, link states, and refreshing no more than what changed."""

from __future__ import annotations

from rich.segment import Segment
from textual.geometry import Region

from perftui.draw.palette import palette
from perftui.draw.rows import Look, Rows, Size, Span, plain
from perftui.draw.text import line
from perftui.model.health import Health, Link
from perftui.widgets.panel import Panel
from tests.widgets.harness import Bench


class Counting(Panel):
    """Remembers which lines were asked to be painted again."""

    def __init__(self, title: str) -> None:
        super().__init__(title, focusable=True)
        self.asked: list[int] = []

    def refresh(self, *regions: Region, **kwargs: bool) -> Panel:
        if hasattr(self, "asked"):
            self.asked += [region.y for region in regions] or [-1]
        super().refresh(*regions, **kwargs)
        return self


def two(first: str, second: str) -> Rows:
    return [line(40, first), line(40, (second, "crit"))]


async def test_title_body_and_note() -> None:
    panel = Panel("Memory", note="14 keys")
    async with Bench(panel).run_test(size=(40, 4)):
        panel.set_rows(lambda size, look: two("one", "two"))
        rows = plain(panel.drawn)
    assert rows[0].startswith("── Memory ──")
    assert rows[0].endswith("14 keys ──")
    assert [r.strip() for r in rows[1:]] == ["one", "two", ""]
    assert {len(r) for r in rows} == {40}


async def test_only_changed_lines_are_refreshed() -> None:
    panel = Counting("T")
    async with Bench(panel).run_test(size=(40, 4)) as pilot:
        panel.set_rows(lambda size, look: two("one", "two"))
        await pilot.pause()
        panel.asked.clear()
        panel.set_rows(lambda size, look: two("one", "changed"))
        assert panel.asked == [2]
        panel.asked.clear()
        panel.set_rows(lambda size, look: two("one", "changed"))
        assert panel.asked == []


async def test_lost_says_age_error_and_retry_and_mutes_the_body() -> None:
    panel = Panel("Cache")
    app = Bench(panel)
    async with app.run_test(size=(90, 3)):
        panel.set_rows(lambda size, look: two("one", "two"))
        panel.set_health(Health(Link.LOST, 90, "connection refused", retry_at=107, seen=86), now=100)
        top = plain(panel.drawn)[0]
        assert "◌ lost 14 s old · connection refused · retry in 7 s" in top
        style = segments(panel, 2)[0].style
        assert style is not None
        assert style.color == palette("dark").style("muted").color
        panel.set_health(Health(Link.LIVE, 101), now=101)
        assert "lost" not in plain(panel.drawn)[0]
        assert not panel.muted


def segments(panel: Panel, y: int) -> list[Segment]:
    return list(panel.render_line(y))


async def test_refused_waits_for_the_operator() -> None:
    panel = Panel("Cache")
    async with Bench(panel).run_test(size=(80, 3)):
        panel.set_health(Health(Link.REFUSED, 90, "password wrong: backends.cache.password"), now=100)
        assert "■ refused" in plain(panel.drawn)[0]
        assert "ctrl+r" in plain(panel.drawn)[0]


async def test_focus_is_a_shape() -> None:
    panel = Panel("T", focusable=True)
    async with Bench(panel, look=Look(ascii_=True)).run_test(size=(40, 3)) as pilot:
        panel.focus()
        await pilot.pause()
        assert plain(panel.drawn)[0].startswith("== T ==")


async def test_a_new_size_is_a_new_picture() -> None:
    panel = Panel("T")
    sizes: list[Size] = []

    def drawing(size: Size, look: Look) -> Rows:
        sizes.append(size)
        return [(Span("x" * size.width),)]

    async with Bench(panel).run_test(size=(40, 4)) as pilot:
        panel.set_rows(drawing)
        await pilot.resize_terminal(60, 10)
        await pilot.pause()
        assert sizes[-1] == Size(60, 9)
        assert len(sizes) <= 4
        assert len(plain(panel.drawn)[1]) == 60


async def test_mono_has_no_colour() -> None:
    panel = Panel("T")
    async with Bench(panel, theme="mono").run_test(size=(40, 3)):
        panel.set_rows(lambda size, look: two("one", "two"))
        for y in range(3):
            for segment in segments(panel, y):
                assert segment.style is None or segment.style.color is None


async def test_a_note_or_an_age_redraws_the_title_alone() -> None:
    panel = Counting("T")
    drawn: list[int] = []

    def drawing(size: Size, look: Look) -> Rows:
        drawn.append(1)
        return two("one", "two")

    async with Bench(panel).run_test(size=(60, 4)) as pilot:
        panel.set_rows(drawing)
        panel.set_health(Health(Link.LOST, 90, "gone", seen=90), now=100)
        await pilot.pause()
        drawn.clear()
        panel.asked.clear()
        panel.set_health(Health(Link.LOST, 90, "gone", seen=90), now=101)
        assert "11 s old" in plain(panel.drawn)[0]
        assert (drawn, panel.asked) == ([], [0])
        panel.set_health(Health(Link.LIVE, 102), now=102)
        panel.set_health(Health(Link.LIVE, 102), now=103)
        assert len(drawn) == 1


def test_a_panel_can_be_prepared_before_it_is_mounted() -> None:
    panel = Panel("T")
    panel.note = "12 keys"
    panel.title = "U"
    panel.set_health(Health(Link.LOST, 90, "gone"), now=100)
    panel.set_rows(lambda size, look: two("one", "two"))
    assert panel.drawn == []


async def test_every_cell_stands_on_the_themes_background() -> None:
    panel = Panel("T")
    app = Bench(panel, theme="light")
    async with app.run_test(size=(30, 4)) as pilot:
        panel.styles.background = app.palette.background
        panel.set_rows(lambda size, look: two("one", "two"))
        await pilot.pause()
        for strip in panel.render_lines(panel.size.region):
            for segment in strip:
                assert segment.style is not None
                assert segment.style.bgcolor is not None
                assert segment.style.bgcolor.get_truecolor().hex == app.palette.background


async def test_a_border_and_a_new_theme_are_drawn_too() -> None:
    panel = Panel("T")
    app = Bench(panel)
    async with app.run_test(size=(30, 6)) as pilot:
        panel.set_rows(lambda size, look: two("one", "two"))
        await pilot.pause()
        before = panel.render_lines(panel.size.region)
        app.palette = palette("light")
        assert panel.render_lines(panel.size.region) != before
        panel.styles.border = ("round", "red")
        await pilot.pause()
        assert panel.render_lines(panel.outer_size.region)[0].text.startswith("╭")
        assert "── T ─" in panel.render_lines(panel.outer_size.region)[1].text
