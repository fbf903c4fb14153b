"""Stepping back: every screen shows what it showed, nothing can be done there, and `L` returns."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from perftui.app import Options, PerftuiApp
from perftui.config import load
from perftui.export.json import jsonable
from perftui.lab import Lab
from perftui.model.errors import PlanRejected
from perftui.model.moment import Moment, TimeState
from perftui.screens.live import all_tabs, load_tab
from perftui.session import Session
from perftui.widgets.livetable import LiveTable
from tests.console import Console, state_dir
from tests.waiting import until

__all__ = ["state_dir"]

FEW = ("overview.hosts", "cache.tiers")
LATER = ("events", "overview.audit")  # told again and again as of now


@asynccontextmanager
async def remembering(lab: Lab, tab: str) -> AsyncIterator[Console]:
    config = load(lab.config_path(), "lab", {})
    app = PerftuiApp(
        lambda env: Session.open(config, config.environment, remember=True),
        Options(screen=tab),
        environment={"TERM": "xterm-256color"},
    )
    async with app.run_test(size=(120, 40)) as pilot:
        await until(lambda: app.started and app.base.has_news() and app.session.past is not None, 20.0)
        yield Console(app, pilot)


def body(text: str) -> list[str]:
    """The cells below header and tabs, above the footer."""
    return [line.rstrip() for line in text.splitlines()[2:-1]]


async def read_on(console: Console, topic: str, readings: int) -> None:
    """Wait for so many more frames of a topic."""
    watched = console.app.session.topic(topic)
    want = watched.version + readings

    def told() -> bool:
        nobody = watched.value is not None and not watched.value.health  # tells of it here
        return nobody or watched.version >= want

    await until(told, 30.0)


def figures(frames: Any) -> dict[str, Any]:
    kept = {t: f for t, f in frames.items() if t not in LATER and f.report is not None}
    return {topic: jsonable(frame) for topic, frame in kept.items()}


@pytest.mark.parametrize("tabs", [FEW, pytest.param(all_tabs(), marks=pytest.mark.slow)], ids=["few", "all"])
async def test_every_figure_and_cell_is_what_it_was(lab: Lab, state_dir: Any, tabs: tuple[str, ...]) -> None:
    then: dict[str, tuple[float, Any, list[str]]] = {}
    async with remembering(lab, "overview.summary") as console:
        app = console.app
        for tab in tabs:
            app.go(tab)
            await until(
                lambda tab=tab: app.base.tab_name == tab and app.base.frames and app.base.has_news(), 20.0
            )
            for topic in [t for t in load_tab(tab).topics if t not in LATER and "." not in t][:1]:
                await read_on(console, topic, 1)
            await until(lambda: app.base.tab is not None and app.base.tab.is_mounted)
            await console.text()
            app.base.revisit()  # what was published a moment ago is on show, and nothing newer comes
            app.base.set_frozen(True)
            at = time.time()
            await console.pilot.pause()
            then[tab] = (at, figures(app.base.frames), body(app.text()))
            app.base.set_frozen(False)
        for tab, (at, shown, cells) in then.items():
            app.go(tab)
            app.travel.show(at)
            await console.pilot.pause()
            assert figures(app.base.frames).items() >= shown.items(), tab
            drawn = body(await console.text())
            if tab in FEW:  # elsewhere panels may still find their height, and what nobody asked for says so
                assert drawn == cells, tab
        past = app.session.past
        assert past is not None
        memory = app.session.memory
        assert memory is not None
        await memory.frames.flush()
        past._asked.clear()
        past._decoded.clear()
        for tab, (at, shown, _) in then.items():  # and from the disk
            frames = {t: app.session.at(Moment(at, TimeState.PAST), t) for t in shown}
            assert figures(frames) == shown, tab


async def test_keys_step_back_and_on_and_nothing_can_be_done_there(lab: Lab, state_dir: Any) -> None:
    async with remembering(lab, "cache.keys") as console:
        app, clock = console.app, console.app.session.clock
        await until(lambda: app.session.sources("KeyPurger"), 20.0)
        await read_on(console, "cache", 4)
        await console.press(",")
        await console.sees(r"PAST \d\d:\d\d:\d\d \(−")
        first = clock.now().at
        await console.press("<")  # fewer than ten are there: the first of them
        assert clock.now().at < first - 1.0
        await console.press(">")
        assert clock.now().at >= first - 1e-5  # the store counts microseconds
        await console.press("p")
        await console.sees("what is shown is past: L returns to now")
        assert app.screen is app.base  # no dialog
        await console.press("ctrl+r")
        version = app.session.topic("cache.keys").version
        app.base.probe("cache.keys", "valkey", "KeyspaceReader", lambda power: power.nothing(), 1.0)
        assert app.session.topic("cache.keys").version == version
        action = app.session.action("cache.purge", app.session.sources("KeyPurger")[0], pattern="none:*")
        with pytest.raises(PlanRejected, match="the past"):
            await app.session.conductor.perform(action, None)
        with pytest.raises(PlanRejected, match="the past"):
            await app.session.conductor.undo("x", app.deeds.confirm)
        await console.press(".", ".", ".", ".", ".", "L")
        assert clock.now().state is TimeState.LIVE
        assert "PAST" not in await console.text()


async def test_going_to_a_time(lab: Lab, state_dir: Any) -> None:
    async with remembering(lab, "cache.tiers") as console:
        app, clock = console.app, console.app.session.clock
        await read_on(console, "cache", 1)
        await console.press("@")
        await console.types("nonsense")
        await console.sees("is no instant")
        await console.press("escape")
        assert clock.now().state is TimeState.LIVE

        app.verbs.say("at -3h")  # nothing was read then: the nearest is offered, nobody jumps
        await console.sees("Nothing was read at")
        assert clock.now().state is TimeState.LIVE
        await console.press("enter")
        await console.sees(r"PAST \d\d:\d\d:\d\d")
        app.travel.show(clock.wall() - 3 * 3600.0)
        await console.sees("no data before .*console not running")

        app.session.note("deployed shop 4.2")
        await until(lambda: "deployed" in str(app.session.past.events(clock.wall())), 10.0)
        app.verbs.say("at deployed shop")
        await console.sees("note deployed shop 4.2")
        await console.press("enter")
        await until(lambda: abs(clock.now().at - clock.wall()) < 60.0)
        await console.sees("Hit ratio")
        app.verbs.say("live")
        assert clock.now().state is TimeState.LIVE


async def test_a_pinned_instant_is_compared_with_what_is_shown(lab: Lab, state_dir: Any) -> None:
    async with remembering(lab, "cache.tiers") as console:
        app = console.app
        await read_on(console, "cache", 2)
        await console.press("C")
        await console.sees(r"Δ \d\d:\d\d:\d\d")
        pinned = app.travel.pinned
        await read_on(console, "cache", 2)
        text = await console.text()
        assert re.search(r"Server .*Cmd/s +Δ", text), text
        assert "then" in text  # the ghost's name in the legend
        row = app.base.tab.query_one(LiveTable).view
        change = next(c for c in row.shown_columns if c.key == "ops_per_s.change" or c.title == "Δ")
        plain = next(c for c in row.columns if f"{c.key}.change" == change.key)
        for key, item in row.items.items():
            then = app.session.past.frame("cache", pinned)
            assert then.report is not None
            now, before = plain.of(item), plain.of(row.baseline[key])
            assert change.of(item) == (None if now is None or before is None else now - before)
        await console.press("C")
        text = await console.text()
        assert not re.search(r"Cmd/s +Δ", text)
        assert row.baseline is None
