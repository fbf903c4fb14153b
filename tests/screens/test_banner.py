"""A critical alert that nobody has seen to keeps one row of every screen, and of no screen before it fired."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from perftui.app import Options, PerftuiApp
from perftui.draw.clean import cell_width
from perftui.draw.rows import Look, plain
from perftui.model.alerts import Ack, Alert, AlertState
from perftui.model.finding import Severity
from perftui.screens import chrome
from perftui.screens.alarm import banner_row
from perftui.screens.live import all_tabs
from tests.console import Console, state_dir
from tests.screens.test_alerts_flow import session_at
from tests.waiting import until

__all__ = ["state_dir"]

AT = 1795932000.0
FIRES = Alert(
    "f0",
    "errors",
    "requests fail",
    Severity.CRITICAL,
    (("instance", "shop:8443"), ("source", "shop")),
    0.07,
    AlertState.FIRING,
    AT - 60,
    AT - 60,
    fired_at=AT,
)
RULE = """
[alerts.rules.{name}]
title = "CPU there, {name}"
series = "host/cpu.busy_ratio"
above = -1.0
severity = "{severity}"
lasting = {hold}
"""
HEAD = '[env.here]\n[env.here.backends.host]\nkind = "host"\n'


def shown(*alerts: Alert, width: int = 120, look: Look | None = None, now: float = AT + 5) -> str | None:
    row = banner_row([a for a in alerts if a.open], now, width, look or Look())
    return None if row is None else plain([row])[0]


def test_it_names_what_fires_where_since_when_and_how_many_more() -> None:
    assert shown(FIRES) == (
        " ■ critical: requests fail · shop:8443 · since 06:00:00 · g a goes there".ljust(120)
    )
    later = replace(FIRES, fingerprint="f1", title="later", fired_at=AT + 1)
    warning = replace(FIRES, fingerprint="f2", severity=Severity.WARNING)
    text = shown(warning, later, FIRES, width=80) or ""
    assert text.startswith(" ■ critical: requests fail · shop:8443 · since 06:00:00 · +1 · g a ")
    assert "1 more critical" in (shown(warning, later, FIRES) or "")
    assert "since 2026-11-29 ·" in (shown(FIRES, width=80, now=AT + 90_000) or "")
    assert (shown(FIRES, look=Look(ascii_=True)) or "").startswith(" # critical: ")


@pytest.mark.parametrize(
    "alert",
    [
        replace(FIRES, severity=Severity.WARNING),
        replace(FIRES, ack=Ack("ann", AT)),
        replace(FIRES, silence="s1"),
        replace(FIRES, muted_by="host down"),
        replace(FIRES, state=AlertState.PENDING),
        replace(FIRES, state=AlertState.RESOLVED),
    ],
)
def test_nothing_that_somebody_saw_to_or_that_is_less_than_critical(alert: Alert) -> None:
    assert shown(alert) is None


@pytest.mark.parametrize("width", [40, 80, 109, 110, 200])
def test_hostile_words_neither_steer_nor_push_out_the_rest(width: int) -> None:
    labels = (("instance", "\x1b]0;owned\x07" + "漢" * 300),)
    text = shown(replace(FIRES, title="\x1b[2J\u202e" + "漢字" * 400, labels=labels), FIRES, width=width)
    assert text is not None
    assert text.isprintable()
    assert cell_width(text) == width
    if width >= 80:
        assert "since 06:00:00 · " in text
        assert "g a" in text
        assert "…" in text


@asynccontextmanager
async def console_with(
    tmp_path: Path, *rules: tuple[str, str, float], size: tuple[int, int] = (80, 24), mono: bool = False
) -> AsyncIterator[Console]:
    path = tmp_path / "config.toml"
    texts = (RULE.format(name=name, severity=severity, hold=hold) for name, severity, hold in rules)
    path.write_text(HEAD + "".join(texts))
    path.chmod(0o600)
    app = PerftuiApp(
        lambda name: session_at(path, "here"),
        Options(screen="overview.hosts", mono=mono),
        environment={"TERM": "xterm-256color"},
    )
    async with app.run_test(size=size) as pilot:
        yield Console(app, pilot)


def footer_of(console: Console, width: int) -> str:
    """What the last row has to be: the keys of the tab, nothing over them."""
    return plain([console.app.base.reader.footer(width)])[0].rstrip()


async def rows_of(console: Console, tab: str) -> list[str]:
    app = console.app
    app.go(tab)
    await until(lambda: app.base.tab_name == tab and app.base.tab is not None and app.base.tab.is_mounted)
    return (await console.text()).splitlines()


@pytest.mark.parametrize(
    "size", [(80, 24), *(pytest.param(size, marks=pytest.mark.slow) for size in ((120, 40), (200, 60)))]
)
async def test_every_tab_of_every_screen_has_it_until_somebody_knows(
    tmp_path: Path, state_dir: Path, size: tuple[int, int]
) -> None:
    rules = (("first", "critical", 0.0), ("second", "critical", 0.0), ("third", "warning", 0.0))
    async with console_with(tmp_path, *rules, size=size) as seen:
        await seen.sees(r"^ ■ critical: CPU there, (first|second) · host · since \d\d:\d\d:\d\d · ", 20)
        for tab in all_tabs():
            rows = await rows_of(seen, tab)
            assert len(rows) == size[1]
            assert rows[2].startswith(" ■ critical: CPU there, "), tab
            assert ("+1" if size[0] < 110 else "1 more critical") in rows[2], tab
            assert "g a" in rows[2], tab
            assert rows[-1].rstrip() == footer_of(seen, size[0]), tab
            assert sum("critical: CPU there" in row for row in rows[:-6]) == 1, tab
        await rows_of(seen, "cache.tiers")
        await seen.press("g", "a")
        await until(lambda: seen.app.base.tab_name == "overview.alerts")
        for left in (1, 0):  # the critical ones stand above the warning
            await seen.press("!")
            await seen.sees("a note for the others")
            await seen.types("mine")
            await seen.sees("can be undone|the alert is open again")
            await seen.press("y")
            await until(lambda left=left: critical(seen.app) == left, 15)
            await seen.sees(f"acknowledged {2 - left}")
            await seen.press("home")
        for tab in all_tabs():
            rows = await rows_of(seen, tab)
            assert not any(row.startswith(" ■ critical: ") for row in rows), tab
            assert len(rows) == size[1]


def critical(app: PerftuiApp) -> int:
    return sum(alert.severity is Severity.CRITICAL for alert in chrome.open_alerts(app))


@pytest.mark.slow
async def test_the_past_has_it_from_the_instant_it_fired(tmp_path: Path, state_dir: Path) -> None:
    async with console_with(tmp_path, ("slow", "critical", 4.0), mono=True) as seen:
        app = seen.app
        session = app.session
        await until(lambda: session.past is not None and session.frame("alerts").report is not None, 20)
        before = time.time()
        await until(lambda: time.time() - before > 1)
        await seen.sees(r"^ ■ critical: CPU there, slow", 20)
        after = time.time() + 2
        await until(lambda: time.time() > after)
        for at, there in ((before, False), (after, True)):
            app.travel.show(at)
            text = await seen.text()
            assert "PAST" in text
            assert text.splitlines()[2].startswith(" ■ critical: CPU there, slow") is there, text


async def test_a_terminal_too_small_for_screens_still_says_it(tmp_path: Path, state_dir: Path) -> None:
    async with console_with(tmp_path, ("tiny", "critical", 0.0), size=(60, 12)) as seen:
        await seen.sees(r"^ ■ critical: CPU there, tiny · host · since [\d:]+ · g a", 20)
        assert "too small" in await seen.text()
