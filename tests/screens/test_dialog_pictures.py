"""Every dialog over one recording of real servers: its cells are those that were looked at, in each theme.

`pytest tests/screens/test_dialog_pictures.py --snapshot-update` draws them again: look at what changed before
you keep it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
from syrupy.assertion import SnapshotAssertion
from textual.pilot import Pilot

from perftui.app import PerftuiApp
from perftui.draw.clean import cell_width
from perftui.model.action import Receipt
from perftui.screens.dialogs.ask import AskDialog
from perftui.screens.dialogs.choose import ChooseDialog
from perftui.screens.dialogs.confirm import ConfirmDialog
from perftui.screens.dialogs.export import ExportDialog
from perftui.screens.dialogs.help import HelpDialog
from perftui.screens.dialogs.jump import JumpDialog
from perftui.screens.dialogs.palette import PaletteDialog
from perftui.screens.dialogs.price import PriceDialog
from perftui.screens.dialogs.progress import ProgressDialog
from perftui.screens.dialogs.receipt import ReceiptDialog
from perftui.screens.dialogs.rule import RuleDialog
from perftui.screens.leaving import Choice
from perftui.widgets.columnchooser import ColumnChooser
from perftui.widgets.livetable import LiveTable
from tests.console import state_dir
from tests.screens.test_dialogs import PLAN, Act
from tests.screens.test_pictures import (
    COLOURED,
    SIZES,
    Cells,
    Picture,
    drawn,
    readable,
    recording,
    standing,
    svg_of,
    trimmed,
)
from tests.waiting import until

__all__ = ["recording", "state_dir"]

pytestmark = pytest.mark.usefixtures("state_dir")

TAB = "cache.keys"
PARTLY = Receipt("2 of 4 purged", done=2, failed=("user:3: moved\x1b[31m",), untouched=1, undo={"q": 1})


def chooser(app: PerftuiApp) -> ColumnChooser:
    columns = next(iter(app.base.query(LiveTable))).view.columns
    return ColumnChooser(columns, {columns[-1].key})


DIALOGS: Mapping[str, Callable[[PerftuiApp], Any]] = {
    "ask": lambda app: AskDialog("Scale", "instances", "3", lambda t: "" if t.isdigit() else "a number"),
    "choose": lambda app: ChooseDialog("Pick", [("1", "alpha"), ("2", "beta"), ("3", "gamma")]),
    "columns": chooser,
    "confirm": lambda app: ConfirmDialog(Act(PLAN), PLAN, app.session.env),
    "export": lambda app: ExportDialog([("svg", "picture"), ("csv", "CSV")], Choice("csv", 900.0), "keys"),
    "help": lambda app: HelpDialog(app.base),
    "jump": lambda app: JumpDialog(app.base),
    "palette": lambda app: PaletteDialog(app.base),
    "price": lambda app: PriceDialog(),
    "receipt": lambda app: ReceiptDialog("Purge keys", PARTLY, ""),
    "rule": lambda app: RuleDialog("New rule", "metric, operator, threshold", "", lambda _text: None),
    "running": lambda app: ProgressDialog(),
}


@asynccontextmanager
async def opened(app: PerftuiApp, name: str) -> AsyncIterator[None]:
    """A dialog over the screen, drawn, once a panel there has the keys."""
    await until(lambda: app.screen is not app.base or app.base.focused is not None)
    await app.push_screen(DIALOGS[name](app))
    await Pilot(app).pause()
    assert len(app.screen_stack) == 2
    yield
    await app.pop_screen()


@pytest.mark.slow
async def test_cells_of_every_dialog(recording: str, snapshot: SnapshotAssertion) -> None:
    shown: dict[str, list[str]] = {}
    for size in SIZES:
        async with standing(recording, size) as (app, go):
            await go(TAB)
            for name in DIALOGS:
                async with opened(app, name):
                    lines = app.text().splitlines()
                    assert len(lines) == size[1]
                    assert all(cell_width(line) <= size[0] for line in lines), name
                    shown.setdefault(name, []).append(f"{size[0]}x{size[1]}\n{trimmed(app)}\n")
    for name, texts in shown.items():
        assert "\n".join(texts) == snapshot(name=name, extension_class=Cells)


async def test_pictures_of_dialogs_that_decide(recording: str, snapshot: SnapshotAssertion) -> None:
    async with standing(recording, (120, 40)) as (app, go):
        await go(TAB)
        for name in ("confirm", "receipt"):
            async with opened(app, name):
                assert svg_of(app, name) == snapshot(name=name, extension_class=Picture)


@pytest.mark.slow
@pytest.mark.parametrize("size", SIZES, ids=lambda s: f"{s[0]}x{s[1]}")
async def test_every_dialog_has_the_same_cells_in_every_theme_and_can_be_read(
    recording: str, size: tuple[int, int]
) -> None:
    cells: dict[str, str] = {}
    for theme in ("dark", *COLOURED):
        async with standing(recording, size, theme) as (app, go):
            await go(TAB)
            for name in DIALOGS:
                async with opened(app, name):
                    assert cells.setdefault(name, trimmed(app)) == trimmed(app), (theme, name)
                    for text, style in drawn(app):
                        assert not style.dim, (theme, name, text)
                        assert readable(app, style) >= 4.5, (theme, name, text, style)


@pytest.mark.slow
@pytest.mark.parametrize("size", SIZES, ids=lambda s: f"{s[0]}x{s[1]}")
async def test_every_dialog_says_everything_without_colour(recording: str, size: tuple[int, int]) -> None:
    async with standing(recording, size, "mono") as (app, go):
        await go(TAB)
        for name in DIALOGS:
            async with opened(app, name):
                for text, style in drawn(app):
                    assert style.color is None or style.color.is_default, (name, text, style)
                    assert style.bgcolor is None or style.bgcolor.is_default, (name, text, style)
