"""Nothing connected, one thing connected, everything down, a wrong password: what the first screen says."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from perftui.app import Options, PerftuiApp
from perftui.config import load
from perftui.model.health import Link
from perftui.screens.live import all_tabs
from perftui.screens.pictures import svg_of
from perftui.session import Session
from tests.console import Console, state_dir
from tests.waiting import until

__all__ = ["state_dir"]

pytestmark = [pytest.mark.usefixtures("state_dir"), pytest.mark.slow]

SECRET = "not-the-password-9c1f"
DOWN = """
[env.lab]
kind = "lab"
[env.lab.backends.cache]
kind = "valkey"
url = "redis://127.0.0.1:1/0"
[env.lab.backends.db]
kind = "postgres"
dsn = "postgresql://nobody@127.0.0.1:1/shop"
[env.lab.backends.web]
kind = "scrape"
url = "http://127.0.0.1:1/metrics"
[env.lab.backends.pool]
kind = "processpool"
socket = "/nowhere/pool.sock"
"""


@asynccontextmanager
async def configured(folder: Path, toml: str, tab: str = "overview.summary") -> AsyncIterator[Console]:
    """The console on a configuration of the test's own."""
    path = folder / "perftui.toml"
    path.write_text(toml)
    path.chmod(0o600)
    config = load(path, "lab", {})
    app = PerftuiApp(
        lambda _env: Session.open(config, config.environment),
        Options(screen=tab),
        environment={"TERM": "xterm-256color"},
    )
    async with app.run_test(size=(120, 40)) as pilot:
        await until(lambda: app.started, 20)
        yield Console(app, pilot)


# They tell of the console's own doings and need no system.
OF_THE_CONSOLE = ("overview.alerts", "overview.timeline", "overview.tuning", "overview.audit")


async def test_with_nothing_connected_every_tab_says_what_connects_it(tmp_path: Path) -> None:
    async with configured(tmp_path, '[env.lab]\nkind = "lab"\n') as seen:
        for name in all_tabs():
            seen.app.go(name)
            await seen.sees(rf"(?i)▸{name.partition('.')[2]}", 10)
            if name in OF_THE_CONSOLE:
                continue
            await seen.sees("would show", 10)
            await seen.sees(r"kind\s+=|config init", 5)


async def test_with_one_thing_connected_the_rest_still_says_how(tmp_path: Path) -> None:
    toml = '[env.lab]\nkind = "lab"\n[env.lab.backends.host]\nkind = "host"\n'
    async with configured(tmp_path, toml) as seen:
        await seen.sees("CPU busy", 30)
        text = await seen.text()
        assert text.count("not connected") >= 4
        assert 'kind = "valkey"' in text
        for name in ("cache.tiers", "database.overview", "cdn.traffic", "scaling.overview"):
            seen.app.go(name)
            await seen.sees("would show", 10)


async def test_everything_down_at_the_start_is_told_at_once(tmp_path: Path) -> None:
    async with configured(tmp_path, DOWN) as seen:
        began = time.monotonic()
        looks = seen.app.session
        await until(lambda: all(look.health.link is Link.LOST for look in looks.looks.values()), 20)
        assert all(look.health.error for look in looks.looks.values())
        await seen.sees("lost", 5)
        for name, word in (
            ("cache.tiers", "cache"),
            ("database.overview", "db"),
            ("scaling.overview", "pool"),
        ):
            seen.app.go(name)
            await seen.sees(rf"{word}: .*retry in", 10)
        assert time.monotonic() - began < 40


async def test_a_wrong_password_is_refused_once_and_never_shown(
    tmp_path: Path, state_dir: Path, valkey: Any, postgres: Any
) -> None:
    secret = tmp_path / "secret"
    secret.write_text(SECRET)
    secret.chmod(0o600)
    toml = f"""
[env.lab]
kind = "lab"
[env.lab.backends.cache]
kind = "valkey"
url = "{valkey.bare_url}"
password = "file:{secret}"
[env.lab.backends.db]
kind = "postgres"
dsn = "{postgres.bare_dsn}"
password = "file:{secret}"
"""

    async def denied() -> int:
        async with valkey.client() as client:
            return int((await client.info("stats"))["acl_access_denied_auth"])

    before = await denied()
    pictures = []
    async with configured(tmp_path, toml, "cache.tiers") as seen:
        looks = seen.app.session
        await until(lambda: all(look.health.link is Link.REFUSED for look in looks.looks.values()), 20)
        began = time.monotonic()
        await until(lambda: time.monotonic() - began > 6, 10)
        for name in ("cache.tiers", "database.overview", "overview.summary"):
            seen.app.go(name)
            await seen.sees("refused", 10)
            pictures += [await seen.text(), svg_of(seen.app, name)]
        assert 1 <= await denied() - before <= 2
        assert "password" in pictures[0]
        assert "ctrl+r" in pictures[0]
        pictures += [repr(look) for look in looks.looks.values()] + [repr(looks), repr(looks.config)]
    left = [path.read_text("utf-8", "replace") for path in state_dir.rglob("*") if path.is_file()]
    assert not any(SECRET in text for text in pictures + left)
