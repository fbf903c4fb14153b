"""The real console on real servers, driven by keys: for tests of whole flows."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from textual.pilot import Pilot

from perftui.app import Options, PerftuiApp
from perftui.config import load
from perftui.lab import Lab
from perftui.session import Session


@pytest.fixture
def state_dir(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A state folder of the test's own: audit, store, exports."""
    monkeypatch.setenv("PERFTUI_STATE_DIR", str(tmp_path / "state"))
    return tmp_path / "state"


def session_on(lab: Lab, **flags: Any) -> Session:
    """A session on the lab's servers, not started."""
    config = load(lab.config_path(), "lab", flags)
    return Session.open(config, config.environment, read_only=config.read_only)


@asynccontextmanager
async def console(
    lab: Lab, tab: str, size: tuple[int, int] = (120, 40), **flags: Any
) -> AsyncIterator[Console]:
    """The console on one tab of the lab."""
    app = PerftuiApp(
        lambda env: session_on(lab, **flags), Options(screen=tab), environment={"TERM": "xterm-256color"}
    )
    async with app.run_test(size=size) as pilot:
        yield Console(app, pilot)


class Console:
    """What an operator does: look and press."""

    def __init__(self, app: PerftuiApp, pilot: Pilot[Any]) -> None:
        self.app = app
        self.pilot = pilot

    async def text(self) -> str:
        """The cells as they are now."""
        if hasattr(self.app.screen, "tick"):
            self.app.base.tick()
        await self.pilot.pause()
        return str(self.app.text())

    async def sees(self, pattern: str, within: float = 15.0) -> re.Match[str]:
        """Wait until the screen shows `pattern`."""
        limit = time.monotonic() + within
        while True:
            text = await self.text()
            found = re.search(pattern, text, re.MULTILINE)
            if found:
                return found
            assert time.monotonic() < limit, f"no {pattern!r} on:\n{text}"
            await asyncio.sleep(0)

    async def press(self, *keys: str) -> None:
        """Press keys, one after the other."""
        await self.pilot.press(*keys)

    async def types(self, text: str) -> None:
        """Type text and enter."""
        await self.pilot.press(*text, "enter")
