"""Makes the recording that the pictures of the tests are drawn from: `python -m tests.screens.record FILE`.

Real servers under load with an incident; run it where `/proc` shows nothing but the lab, for its processes
are recorded too: `unshare --fork --pid --mount-proc --uts`.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from pathlib import Path

from perftui.app import Options, PerftuiApp
from perftui.config import load
from perftui.lab import Lab, LabOptions
from perftui.screens.live import all_tabs
from perftui.session import Session
from tests.console import Console
from tests.waiting import until

BEFORE = 100.0  # seconds for the shortest critical rule to fire and the charts to have a course
LAST = 12.0  # seconds that are recorded: pictures need one instant and the frames that stand at it


async def calm(seconds: float) -> None:
    began = time.monotonic()
    await until(lambda: time.monotonic() - began > seconds, seconds + 5)


async def walk(console: Console) -> None:
    """Look at every tab once, so that what is read for one tab alone is there."""
    for tab in all_tabs():
        console.app.go(tab)
        await until(lambda tab=tab: console.app.base.tab_name == tab and console.app.base.has_news(), 30)
        await calm(1.0)


async def made(path: Path) -> None:
    async with Lab(LabOptions(rate=20.0)) as lab:
        config = load(lab.config_path(), "lab", {})
        app = PerftuiApp(
            lambda env: Session.open(config, config.environment, remember=True),
            Options(screen="overview.summary"),
            environment={"TERM": "xterm-256color"},
        )
        async with app.run_test(size=(200, 60)) as pilot:
            console = Console(app, pilot)
            await until(lambda: app.started and app.base.has_news() and app.session.past is not None, 30)
            await walk(console)
            app.session.note("deployed shop 4.2")
            await lab.incidents.start("error-burst")
            await lab.incidents.start("slow-query")
            await calm(BEFORE)
            app.verbs.say(f"record {path}")
            await console.sees("recording into")
            await walk(console)
            await calm(LAST)
            app.verbs.say("record stop")
            await console.sees("recorded: perftui replay")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        os.environ["PERFTUI_STATE_DIR"] = folder
        asyncio.run(made(Path(sys.argv[1])))
