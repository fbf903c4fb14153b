"""Shipped rules under real load: each fires at its tick, ends after it, and a Prometheus says the same."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from perftui.lab import Lab
from perftui.model.alertrules import DEFAULTS
from perftui.model.alerts import Alert, AlertState
from perftui.runtime.alertbook import Book
from perftui.runtime.store import Store
from tests.console import state_dir
from tests.needs import needs
from tests.promserver import PROGRAM
from tests.ruleload import (
    CPU,
    HOLD,
    LOAD,
    RULES,
    TICK,
    above_what_is_used,
    all_at_once,
    on_a_server,
    ruling,
)
from tests.tworulers import TwoRulers
from tests.waiting import auntil

__all__ = ["state_dir"]

pytestmark = [pytest.mark.usefixtures("state_dir"), pytest.mark.slow]

AFTER = 35.0  # seconds until what the load caused has ended


def first(alerts: dict[str, Alert], rule: str) -> Alert | None:
    return next((alert for alert in alerts.values() if alert.rule == rule), None)


async def test_each_fires_at_its_tick_ends_and_is_what_a_server_says(lab: Lab, tmp_path: Path) -> None:
    needs("prometheus", PROGRAM is not None, "apt-get install prometheus")
    memory = above_what_is_used()
    store = Store.open(f"sqlite://{tmp_path}/store.db", "lab")
    async with ruling(lab, tmp_path, memory) as (_, url):
        assert await store.ready(), store.problem
        book = Book(store)
        both = TwoRulers(tmp_path / "both", url, on_a_server(memory))
        try:
            scraping = asyncio.create_task(both.run(time.time() + LOAD + AFTER))
            fired: dict[str, Alert] = {}

            async def all_fired() -> bool:
                alerts = (await book.page()).alerts
                found = {rule: first(alerts, rule) for rule in RULES}
                fired.update({r: a for r, a in found.items() if a is not None and a.fired_at is not None})
                return len(fired) == len(RULES)

            async with all_at_once(lab):
                try:
                    await auntil(all_fired, LOAD)
                except AssertionError:
                    pytest.fail(f"did not fire: {set(RULES) - set(fired)}")
            await scraping
            wrong = await both.differences()
            after = {rule: first((await book.page()).alerts, rule) for rule in RULES}
        finally:
            both.stop()
    await store.close()
    at_its_tick(fired)
    ended(fired, after)
    print(f"\n{both.scrapes} scrapes, {len(both.theirs)} points of both rulers, {both.changes()}")
    assert both.late == 0
    assert both.scrapes > both.failed + 10
    assert wrong == []
    assert {rule for rule, states in both.changes().items() if "firing" in states} >= set(RULES) - set(CPU)


def at_its_tick(fired: dict[str, Alert]) -> None:
    holds = {rule.name: min(rule.hold, HOLD) for rule in DEFAULTS}
    for rule, alert in fired.items():
        assert alert.fired_at is not None
        waited = alert.fired_at - alert.active_at
        print(
            f"{rule:<20} {alert.source:<9} {alert.value:<10.4g} fired {waited:4.1f} s after it was first true"
        )
        assert holds[rule] <= waited < holds[rule] + 2 * TICK + 1.0, rule


def ended(fired: dict[str, Alert], after: dict[str, Alert | None]) -> None:
    """Resolved once the load is gone; a processor that others keep busy goes on."""
    for rule, alert in after.items():
        if alert is None or alert.state is AlertState.RESOLVED or alert.began != fired[rule].began:
            continue  # ended, and perhaps true again: others are on this machine
        assert rule in CPU, f"{rule} still {alert.state.value}: {alert.value}"
        assert alert.threshold is not None
        assert alert.value > alert.threshold
