"""The tab Tuning on a real store: rows, modes by key behind their plan, the one switch and its undo."""

from __future__ import annotations

import pytest

from perftui.app import Options, PerftuiApp
from perftui.config import load
from perftui.draw.rows import Look, Size, plain
from perftui.model.schedule import LoopRow, LoopState, Mode, TuningReport
from perftui.screens.overview.tuning import budget, holder, who_spans, why_rows
from perftui.session import Session
from tests.agents import written
from tests.console import Console

CONFIG = """
[env.lab]
kind = "lab"
[env.lab.backends.host]
[schedules.nightly]
action = "cache.purge"
params = { pattern = "x*" }
cron = "0 3 * * *"
"""


@pytest.mark.parametrize("size", [(80, 24)])
async def test_modes_are_set_and_stopped_by_key_and_undone(tmp_path, monkeypatch, size):
    monkeypatch.setenv("PERFTUI_STATE_DIR", str(tmp_path / "state"))
    config = load(written(tmp_path / "c.toml", CONFIG))

    def session(_env):
        return Session.open(config, config.environment, remember=True)

    app = PerftuiApp(session, Options(screen="overview.tuning"), environment={"TERM": "xterm-256color"})
    async with app.run_test(size=size) as pilot:
        seen = Console(app, pilot)
        await seen.sees(r"alerts\s+● on")
        await seen.sees(r"nightly\s+◐ observe")
        await seen.sees("no agent: consoles do this")
        await seen.press("g", "g", "enter")
        await seen.sees("alerts runs by itself")
        await seen.press("G", "O")
        await seen.sees("nightly: observe → on")
        await seen.press("y")
        await seen.sees(r"nightly\s+● on")
        await seen.sees("set to on by")
        await seen.press("ctrl+k")
        await seen.sees("set 6 loops and schedules to off")
        await seen.press("y")
        await seen.sees(r"nightly\s+○ off")
        await seen.sees(r"recorder\s+○ off")
        await seen.press("u")
        await seen.sees("undo: all 6 loops are off")
        await seen.press("y")
        await seen.sees(r"nightly\s+● on")
        await seen.press("O")
        await seen.sees("nightly: on → off")
        await seen.press("escape")


def test_what_is_told_of_a_row():
    state = LoopState(
        slot=60.0,
        decided_at=60.0,
        decision="acts",
        reason="its time came",
        acted_at=60.0,
        result="3 keys are tidy",
        acts=(10.0, 4000.0),
    )
    row = LoopRow(
        "tidy",
        "schedule",
        "cache.tidy on cache",
        Mode.ON,
        tuple(Mode),
        "box:12:abcd",
        state,
        by="ann@box",
        since=30.0,
        upcoming=(120.0, 180.0),
        budget=4,
    )
    text = "\n".join(plain(why_rows(row, Size(100, 7), Look())))
    for part in (
        "acts: its time came",
        "acted: 3 keys are tidy",
        "set to on by ann@box",
        "next: 01-01 00:02",
    ):
        assert part in text
    assert budget(row, 4100.0) == "1/4"
    assert holder("box:12:abcd") == "box:12"
    assert "agent" in plain([who_spans(TuningReport(1.0, (), agent="box:12:ab"))])[0]
    assert "gone" in plain([who_spans(TuningReport(1.0, (), problem="the store is gone"))])[0]
