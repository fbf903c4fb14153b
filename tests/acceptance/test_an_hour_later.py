"""An hour after an incident every tab of that instant shows, and exports, what it showed and exported live."""

from __future__ import annotations

import argparse
import asyncio
import io
import re
import time
from dataclasses import dataclass
from typing import Any

import pytest

from perftui.app import PerftuiApp
from perftui.cli import stage
from perftui.config import Config, load
from perftui.export import csv
from perftui.lab import Lab
from perftui.runtime.clock import Clock
from perftui.runtime.memory import Memory
from perftui.screens.live import all_tabs, load_tab
from perftui.screens.tab import Tab
from tests.cli.test_record_replay import options, plain
from tests.console import Console, state_dir
from tests.screens.test_travel_flow import LATER, figures, read_on, remembering
from tests.waiting import until

__all__ = ["state_dir"]

pytestmark = [pytest.mark.usefixtures("state_dir"), pytest.mark.slow]

HOUR = 3600.0
AFTERWARDS = 40.0  # seconds that go on after the incident; the rest of the hour is the clock's
CURSOR = re.compile(r"▸|─+|\b\d+(?=/\d+ ─)")  # where the reader stands in a table is not kept
UNASKED = "not recorded: nobody asked for it then"  # the answer was on its way, and says so
LAST = re.compile(
    r"(?<=\d\.)\d+(?= (?:m|µ|n)?s\b)"
)  # of durations: samples are kept to seven digits, and round
ABSENT = {"cache.cluster"}  # of this lab: it has none
CHAIN = "overview.audit"  # whether its chain is intact is walked now, and not told of then


@dataclass(frozen=True)
class Shown:
    """One tab at one instant: its frames as data, its cells and its table as CSV."""

    at: float
    figures: dict[str, Any]
    cells: list[str]
    table: str


def table_of(tab: Tab | None) -> str:
    out = io.StringIO(newline="")
    rows = tab.export_rows() if tab is not None else None
    if rows is not None:
        csv.table(out, *rows)
    return out.getvalue()


async def seen_live(console: Console, tab: str) -> Shown:
    app = console.app
    app.go(tab)
    await until(lambda: app.base.tab_name == tab and app.base.frames and app.base.has_news(), 20.0)
    for topic in [t for t in load_tab(tab).topics if t not in LATER and "." not in t][:1]:
        await read_on(console, topic, 1)
    await until(lambda: app.base.tab is not None and app.base.tab.is_mounted)
    app.toasts.prune(time.monotonic() + 60.0)
    await console.text()
    alerts = app.session.topic("alerts")
    for _ in range(10):
        await read_on(console, "alerts", 1)
        told = alerts.version
        app.base.set_focus(None)
        app.base.revisit()
        await until(lambda: fresh(app), 30.0)
        app.base.set_frozen(True)
        at = time.time()
        await console.pilot.pause()
        shown = Shown(at, figures(app.base.frames), plain(await console.text()), table_of(app.base.tab))
        app.base.set_frozen(False)
        if alerts.version == told:  # the banner goes on while the body is frozen
            return shown
    raise AssertionError(f"{tab}: alerts were told anew between all looks")


def fresh(app: PerftuiApp) -> bool:
    """Whether what is shown was read just now: the past says of an older one that it is."""
    told = [frame.at for topic, frame in app.base.frames.items() if "." not in topic and frame.report]
    return not told or time.time() - max(told) < 2.5


async def an_hour_passes(memory: Memory) -> None:
    """What a memory does with what it holds, as it does it an hour from now."""
    await memory.frames.flush()
    await memory.history.flush()
    later = time.time() + HOUR
    archive, frames, most = memory.history._archive, memory.frames, memory.history.max_bytes
    store = memory.store
    while await asyncio.wrap_future(store.write(lambda driver: archive.expire(driver, later, most))):
        pass
    await asyncio.wrap_future(store.write(lambda driver: frames.expire(driver, later)))


async def seen_then(config: Config, tab: str, at: float) -> Shown:
    """The same instant by `perftui show TAB --at T`: another session, on the store alone."""
    args: argparse.Namespace = options("", at)  # type: ignore[arg-type]
    args.replay = None
    async with stage.staged(config, tab, args) as app:
        front = await stage.settled(app, args)
        assert not stage.absent(app), tab
        assert isinstance(app, PerftuiApp)
        return Shown(at, figures(app.base.frames), plain(app.text()), table_of(front))


async def test_every_tab_shows_an_incident_as_it_was(
    lab: Lab, state_dir: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    live: dict[str, Shown] = {}
    async with remembering(lab, "overview.summary") as console:
        app = console.app
        await lab.incidents.start("error-burst")
        try:
            findings = app.session.topic("resources")
            await until(lambda: any(f.id == "api.error-rate-high" for f in findings.value.findings), 60.0)
            await console.sees("critical:", 60.0)  # on every tab from now on
            for tab in all_tabs():
                live[tab] = await seen_live(console, tab)
        finally:
            await lab.incidents.stop("error-burst")
        calm = time.monotonic() + AFTERWARDS
        await until(lambda: time.monotonic() > calm, AFTERWARDS + 5)
        live = {tab: shown for tab, shown in live.items() if tab not in ABSENT}
        assert app.session.memory is not None
        await an_hour_passes(app.session.memory)
    wall = Clock.wall
    monkeypatch.setattr(Clock, "wall", lambda self: wall(self) + HOUR)
    config = load(lab.config_path(), "lab", {})
    different = {}
    for tab, shown in live.items():
        then = await seen_then(config, tab, shown.at)
        different |= differences(tab, shown, then)
    assert not different, "\n".join(different.values())


def told(shown: Shown) -> list[str]:
    """Cells that are of their instant: what happened then may have been told a moment later."""
    lines = [LAST.sub("_", CURSOR.sub(" ", line)) for line in shown.cells]
    return lines[: next((n for n, line in enumerate(lines) if line.strip() == "Events"), len(lines))]


def differences(tab: str, live: Shown, then: Shown) -> dict[str, str]:
    found = {}
    if not then.figures.items() >= live.figures.items():
        wrong = [t for t, f in live.figures.items() if then.figures.get(t) != f]
        found[f"{tab} figures"] = f"{tab}: other figures of {wrong}"
    if then.table != live.table:
        found[f"{tab} table"] = f"{tab}: another table\n{live.table}---\n{then.table}"
    pairs = [(a, b) for a, b in zip(told(live), told(then), strict=False) if a != b and UNASKED not in b]
    if pairs and tab != CHAIN:
        found[f"{tab} cells"] = f"{tab}: other cells\n" + "\n".join(f"- {a}\n+ {b}" for a, b in pairs)
    return found
