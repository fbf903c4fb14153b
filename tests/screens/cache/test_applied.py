"""What an action did to a server's figures, from events and history alone."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from perftui.app import Options, PerftuiApp
from perftui.backends.valkey.link import Link
from perftui.config import load
from perftui.instrument.cache import Cache
from perftui.instrument.cache import stats as publishing
from perftui.model.event import Event, Events
from perftui.model.frame import Frame
from perftui.model.tiers import EntryOptions
from perftui.screens.cache.applied import FIGURES, Ledger, columns
from perftui.session import Session
from tests.cli.test_cache_advice import Service
from tests.console import Console
from tests.engines.cache.history import History
from tests.instrument.cache.clock import Hand
from tests.sizes import sizes
from tests.waiting import until

AT = 10_000.0


def frames(now: float) -> tuple[Frame, Frame]:
    history = History()
    history.put("main", "hit_ratio", [0.6] * 600 + [0.9] * int(now - AT), AT - 600)
    events = (
        Event(AT, "action", "main maxmemory", "Set a server parameter: done", ref="1"),
        Event(AT, "action", "database x", "Cancel: done", ref="2"),
        Event(AT, "note", "main", "a note"),
    )
    return Frame("events", now, Events(events), {}), Frame("cache", now, None, {}, history=history)


def test_figures_before_and_after_an_action() -> None:
    ledger = Ledger()
    (row,) = ledger.rows(*frames(AT + 300), {"main"})
    assert row.event.ref == "1"
    moved = dict(zip((name for name, _ in FIGURES), row.shifts, strict=True))
    shift = moved["hit_ratio"]
    assert shift is not None
    assert (shift.before, shift.after, shift.beyond_noise) == (0.6, 0.9, True)
    assert moved["used_bytes"] is None
    texts = {column.key: column.cell(row) for column in columns("UTC")}
    assert texts["hit_ratio"] == ("60.0% → 90.0%", "text bold")
    assert texts["used_bytes"] == ("–", "muted")
    ranks = {column.key: column.rank(row) for column in columns("UTC")}
    assert ranks["hit_ratio"] == pytest.approx(0.3)  # sorted by how far it moved
    assert ranks["used_bytes"] is None
    assert ledger.rows(*frames(AT + 305), {"main"})[0] is row
    assert ledger.rows(*frames(AT + 320), {"main"})[0] is not row
    assert ledger.rows(*frames(AT + 300), {"other"}) == []


def test_too_soon_says_nothing() -> None:
    (row,) = Ledger().rows(*frames(AT + 5), {"main"})
    assert row.shifts[0] is None


@pytest.mark.parametrize("size", sizes((80, 24), (160, 48)))
async def test_what_was_applied_stands_below_the_findings(
    config: str, raw: Link, valkey: Any, tmp_path: Path, size: tuple[int, int]
) -> None:
    settings = load(config, "lab", {})
    app = PerftuiApp(
        lambda _env: Session.open(settings, settings.environment, remember=True),
        Options(screen="cache.advisor"),
        environment={"TERM": "xterm-256color"},
    )
    await raw.one("CONFIG", "SET", "maxmemory-policy", "noeviction", deadline=5)
    try:
        async with app.run_test(size=size) as pilot:
            it = Console(app, pilot)
            await it.sees("A full cache would refuse writes")
            await it.press("slash", *"refuse", "enter")
            await it.press("v", "v")
            await it.sees("nothing was done to these servers yet")
            app.screen.query_one("#found").focus()
            await it.press("A")
            await it.sees("now noeviction, then allkeys-lru")
            await it.press("y")
            await it.sees("main maxmemory-policy: Se", within=30)
    finally:
        await raw.one("CONFIG", "SET", "maxmemory-policy", "allkeys-lru", deadline=5)


async def test_a_ttl_that_is_too_short_is_told_mended_and_followed(
    config: str, raw: Link, valkey: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publishing, "EVERY", 0.2)
    settings = load(config, "lab", {})
    app = PerftuiApp(
        lambda _env: Session.open(settings, settings.environment, remember=True),
        Options(screen="cache.advisor"),
        environment={"TERM": "xterm-256color"},
    )
    hand = Hand()
    async with Cache("shop", l2=valkey.url, clock=hand, defaults=EntryOptions(ttl=60.0)) as cache:
        busy = asyncio.create_task(Service(cache, hand, raw).run())
        async with app.run_test(size=(160, 48)) as pilot:
            it = Console(app, pilot)
            await it.sees("Hit ratio below target", within=30)
            await it.press("slash", *"ratio", "enter")
            await it.sees("A: Set the TTL of shop to 5 m", within=60)
            await it.sees("shorter than their median")
            await it.press("v", "v")
            await it.sees("nothing was done to these servers yet")
            app.screen.query_one("#found").focus()
            await it.press("A")
            await it.sees("1 node: 1 m → 5 m")
            await it.press("y")
            await until(lambda: cache.defaults.ttl == 300.0, 20)
            await it.sees("main shop: Set the TTL", within=30)
        busy.cancel()
        await asyncio.wait([busy])
