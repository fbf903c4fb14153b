"""Every tab over one recording of real servers: its cells and its colours are those that were looked at.

`pytest tests/screens/test_pictures.py --snapshot-update` draws them again: look at what changed before you
keep it. `tests/screens/record.py` makes the recording, should its frames no longer be readable.
"""

from __future__ import annotations

import argparse
import gzip
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from rich.style import Style
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode

from perftui.app import PerftuiApp
from perftui.cli import stage
from perftui.config import load
from perftui.draw.palette import contrast
from perftui.runtime.recorder import TOPICS
from perftui.screens.commands import SCREENS
from perftui.screens.live import all_tabs
from perftui.screens.pictures import svg_of
from perftui.widgets.output import strips_of
from tests.console import state_dir

__all__ = ["state_dir"]

pytestmark = pytest.mark.usefixtures("state_dir")

HERE = Path(__file__).parent
SIZES = ((80, 24), (120, 40), (200, 60))
COLOURED = ("light", "high-contrast", "colour-blind")
PICTURED = (*(t for t in all_tabs() if t.startswith("overview.")), *(stage.known(s) for s in SCREENS[1:]))
RECORDED = tuple(topic for topic in TOPICS if topic != "cachecluster")  # the lab's cache is no cluster
AT = "1s"  # before its end, when every tab had been looked at


class Cells(SingleFileSnapshotExtension):
    """One text file a tab."""

    _write_mode = WriteMode.TEXT
    _file_extension = "txt"


class Picture(Cells):
    """One SVG a tab."""

    _file_extension = "svg"


@pytest.fixture
def recording(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of the recording in the working folder: Audit shows it."""
    monkeypatch.chdir(tmp_path)
    Path("box.session").write_bytes(gzip.decompress((HERE / "box.session.gz").read_bytes()))
    return "box.session"


@asynccontextmanager
async def standing(
    recording: str, size: tuple[int, int], theme: str = "dark"
) -> AsyncIterator[tuple[PerftuiApp, Any]]:
    """The console on the recording, and how to go to a tab of it."""
    Path("config.toml").write_text('[env.lab]\nkind = "lab"\n')
    Path("config.toml").chmod(0o600)
    config = load(Path("config.toml"), "lab", {"theme": theme})
    args = argparse.Namespace(replay=recording, at=AT, size=size, within=5.0, seconds=0.0, say=())

    async def go(tab: str) -> None:
        app.go(tab)
        await stage.settled(app, args)

    async with stage.staged(config, "overview.summary", args) as app:
        yield app, go


def trimmed(app: PerftuiApp) -> str:
    """The cells, whatever panel has the keys."""
    return "\n".join(line.rstrip().replace("━", "─") for line in app.text().splitlines())


@pytest.mark.slow
async def test_cells_of_every_tab(recording: str, snapshot: SnapshotAssertion) -> None:
    shown: dict[str, list[str]] = {}
    for size in SIZES:
        async with standing(recording, size) as (app, go):
            assert all(app.session.frame(topic).report is not None for topic in RECORDED)
            for tab in all_tabs():
                await go(tab)
                lines = app.text().splitlines()
                assert len(lines) == size[1]
                shown.setdefault(tab, []).append(f"{size[0]}x{size[1]}\n{trimmed(app)}\n")
    for tab, texts in shown.items():
        assert "\n".join(texts) == snapshot(name=tab, extension_class=Cells)


async def test_pictures_of_every_screen(recording: str, snapshot: SnapshotAssertion) -> None:
    async with standing(recording, (120, 40)) as (app, go):
        for tab in PICTURED:
            await go(tab)
            assert svg_of(app, tab) == snapshot(name=tab, extension_class=Picture)


@pytest.mark.parametrize("theme", ["light", "mono"])
async def test_summary_in_other_themes(recording: str, theme: str, snapshot: SnapshotAssertion) -> None:
    async with standing(recording, (120, 40), theme) as (app, go):
        await go("overview.summary")
        assert svg_of(app, theme) == snapshot(name=f"overview.summary.{theme}", extension_class=Picture)


def drawn(app: PerftuiApp) -> list[tuple[str, Style]]:
    """Every piece of text on the screen with its style, blanks apart."""
    pieces = (segment for strip in strips_of(app) for segment in strip)
    return [(p.text.strip(), p.style or Style.null()) for p in pieces if p.text.strip()]


def readable(app: PerftuiApp, style: Style) -> float:
    """The contrast of a style on this theme's ground."""
    ink = style.color.get_truecolor().hex if style.color else app.palette.foreground
    ground = style.bgcolor.get_truecolor().hex if style.bgcolor else app.palette.background
    return contrast(ink, ground)


@pytest.mark.slow
@pytest.mark.parametrize("size", SIZES, ids=lambda s: f"{s[0]}x{s[1]}")
async def test_every_theme_has_the_same_cells_and_can_be_read(recording: str, size: tuple[int, int]) -> None:
    cells: dict[str, str] = {}
    for theme in ("dark", *COLOURED):
        async with standing(recording, size, theme) as (app, go):
            for tab in all_tabs():
                await go(tab)
                assert cells.setdefault(tab, trimmed(app)) == trimmed(app), (theme, tab)
                for text, style in drawn(app):
                    assert not style.dim, (theme, tab, text)
                    assert readable(app, style) >= 4.5, (theme, tab, text, style)


@pytest.mark.slow
@pytest.mark.parametrize("size", SIZES, ids=lambda s: f"{s[0]}x{s[1]}")
async def test_mono_says_everything_without_colour(recording: str, size: tuple[int, int]) -> None:
    async with standing(recording, size, "mono") as (app, go):
        for tab in all_tabs():
            await go(tab)
            for text, style in drawn(app):
                assert style.color is None or style.color.is_default, (tab, text, style)
                assert style.bgcolor is None or style.bgcolor.is_default, (tab, text, style)
