"""Every tab of every screen opens on a real session without backends and says what would connect it."""

from __future__ import annotations

from pathlib import Path

import pytest

from perftui.config import load
from perftui.screens.live import all_tabs, load_tab
from perftui.session import Session
from tests.screens.shell import shown


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Session:
    monkeypatch.setenv("PERFTUI_STATE_DIR", str(tmp_path / "state"))
    path = tmp_path / "config.toml"
    path.write_text("[env.bare]\n")
    path.chmod(0o600)
    config = load(path)
    return Session.open(config, config.environments["bare"])


@pytest.mark.slow
async def test_every_tab_opens_in_every_layout(empty: Session) -> None:
    async with shown("overview", empty) as (app, pilot):
        for size in ((80, 24), (120, 40), (200, 60)):
            await pilot.resize_terminal(*size)
            for name in all_tabs():
                app.go(name)
                await pilot.pause()
                app.base.tick()
                await pilot.pause()
                lines = app.text().splitlines()
                assert app.base.tab_name == name
                assert len(lines) == size[1], name
                assert max(map(len, lines)) <= size[0]


@pytest.mark.parametrize("name", all_tabs())
def test_every_tab_declares_itself(name: str) -> None:
    tab = load_tab(name)
    assert tab.id_ == name
    assert tab.title
    assert tab.empty
    assert (tab.__doc__ or "").strip()
