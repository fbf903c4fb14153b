"""A warm job made by keyboard runs under one of two agents, once a time, and the cache's hit ratio rises."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from perftui.app import Options, PerftuiApp
from perftui.config import load
from perftui.instrument.cache import Cache
from perftui.instrument.cache.warming import Warming
from perftui.model.cache import CacheReport
from perftui.runtime.store import Store
from perftui.runtime.warmtable import WarmTable
from perftui.session import Session
from tests.agents import agent, written
from tests.console import Console, state_dir
from tests.rows import Rows
from tests.waiting import auntil

__all__ = ["state_dir"]

pytestmark = [pytest.mark.usefixtures("state_dir"), pytest.mark.slow]

KEYS = [f"k{n}" for n in range(50)]
CONFIG = """
[store]
url = "{store}"
[env.here]
kind = "lab"
[env.here.backends.main]
kind = "valkey"
url = "redis://127.0.0.1:{port}/0"
password = "env:CACHE_PASSWORD"
"""


def runs(folder: Path) -> list[str]:
    """The ids of runs that an agent began, as its audit has them."""
    path = folder / "audit.jsonl"
    entries = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    begun = [e for e in entries if e.get("action") == "cache.warm-job" and e["outcome"] == "started"]
    return [entry["params"]["run"] for entry in begun]


async def visited(cache: Cache, session: Session) -> float:
    """The hit ratio on the console, after a visitor who asked for all keys and loaded none."""
    for key in KEYS:
        await cache.get(key)
    return ratio(session)


def ratio(session: Session) -> float:
    """The share of lookups of the cache that hit, as the console's report has it now."""
    report = session.frame("cache").report
    node = report.node("main") if isinstance(report, CacheReport) else None
    tiers = node.reading.tiers if node is not None and node.reading is not None else None
    rates = [one.traffic.hit_ratio for one in tiers.nodes if one.traffic] if tiers is not None else []
    return rates[0] if rates and rates[0] is not None else -1.0


async def test_made_by_keyboard_it_runs_once_a_time_and_the_hit_ratio_rises(
    valkey: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CACHE_PASSWORD", valkey.password)
    config = written(tmp_path / "c.toml", CONFIG.format(store=tmp_path / "store.db", port=valkey.port))
    folders = tmp_path / "one", tmp_path / "two"
    source = Rows()

    def session(_env: str | None) -> Session:
        settings = load(str(config), "here", {})
        return Session.open(settings, settings.environment, remember=True)

    app = PerftuiApp(session, Options(screen="cache.warming"), environment={"TERM": "xterm-256color"})
    async with (
        agent(config, folders[0], CACHE_PASSWORD=valkey.password) as first,
        agent(config, folders[1], CACHE_PASSWORD=valkey.password) as second,
        Cache("shop", l2=f"redis://:{valkey.password}@127.0.0.1:{valkey.port}/0", source=source) as cache,
        app.run_test(size=(120, 40)) as pilot,
    ):
        it = Console(app, pilot)
        for one in (first, second):
            await one.says("watching main")
        await cache.clear()
        assert await Warming(cache, []).ready(0.0)

        async def misses() -> bool:
            return await visited(cache, app.session) == 0.0

        async def hits() -> bool:
            return await visited(cache, app.session) > 0.9

        await auntil(misses, 30)
        await it.sees("shop +start")
        await it.press("c")
        await it.sees("its name, such as nightly")
        await it.types("fresh")
        await it.sees("Warm job fresh: When", within=30)
        await it.press("ctrl+u")
        await it.types("* * * * *")
        await it.sees("Warm job fresh: Keys")
        await it.press("ctrl+u")
        await it.types("keys " + " ".join(KEYS))
        await it.sees("Warm job fresh: Loads a second")
        await it.press("enter")
        await it.sees("at 50 loads a second")
        await it.press("y")
        await it.sees("fresh +● on", within=30)
        made = time.time()
        await it.sees("done: 50 keys", within=150)
        await auntil(hits, 30)
        await it.sees("fresh .* 50 of 50")
        store = Store.open(str(tmp_path / "store.db"), "here")
        (row,) = (await WarmTable(store).page()).rows
        await store.close()
    begun = [*runs(folders[0]), *runs(folders[1]), *runs(tmp_path / "state")]
    minutes = int(row.state.slot // 60 - made // 60)
    assert len(begun) == len(set(begun)) == minutes  # one run a minute, by one of three
    assert not runs(tmp_path / "state")  # agents go before consoles
    assert set(source.loads.values()) == {1}
