"""Two agents and a console on one PostgreSQL: who rules is killed, the other takes over, nobody is paged twice."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from perftui.lab.receivers import Arrival, Receivers
from perftui.model.alerts import Alert, AlertState
from perftui.runtime.alertbook import Book
from perftui.runtime.leases import Leases
from perftui.runtime.store import Store
from tests.agents import agent, written
from tests.console import Console, state_dir
from tests.notices import receivers_up
from tests.runtime.storelaws import postgres_url
from tests.screens.test_alerts_flow import console_at
from tests.waiting import auntil, until

__all__ = ["postgres_url", "state_dir"]

pytestmark = [pytest.mark.usefixtures("state_dir"), pytest.mark.slow]

LASTING = 40.0  # longer than a takeover takes: the alert is pending when its ruler dies
TAKEN_OVER = 20.0
CONFIG = """
[store]
url = "env:STORE_URL"
[env.here]
kind = "lab"
[env.here.backends.host]
[alerts]
shipped = false
findings = []
[alerts.rules.always]
title = "Memory there"
series = "host/memory.used_ratio"
above = -1.0
lasting = {lasting}
severity = "critical"
[channels.pagerduty]
routing_key = "env:TEST_KEY"
base_url = "{url}"
[routes.critical]
match = 'severity="critical"'
channels = ["pagerduty"]
group_wait = 0
"""


def pages(receivers: Receivers) -> list[Arrival]:
    """What the vendor counts about our rule: critical findings of a busy machine are told as well."""
    found = receivers.counted("pagerduty")
    keys = {a.body["dedup_key"] for a in found if "Memory there" in str(a.body)}
    return [a for a in found if a.body.get("dedup_key") in keys]


async def alert_of(book: Book, state: AlertState, within: float) -> Alert:
    async def stands() -> Alert | None:
        found = (await book.page()).alerts.values()
        return next((a for a in found if a.rule == "always" and a.state is state), None)

    alert = await auntil(stands, within)
    assert alert is not None
    return alert


async def test_a_killed_ruler_costs_no_page_no_pending_time_and_no_picture(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("STORE_URL", postgres_url), ("TEST_KEY", "a" * 32)):
        monkeypatch.setenv(name, value)
    store = Store.open(postgres_url, "here")
    assert await store.ready(), store.problem
    book, leases = Book(store), Leases(store)
    async with receivers_up() as receivers:
        config = written(tmp_path / "c.toml", CONFIG.format(lasting=LASTING, url=receivers.url))
        async with agent(config, tmp_path / "one") as one:
            await one.says("records samples and evaluates rules")
            pending = await alert_of(book, AlertState.PENDING, 30)
            async with agent(config, tmp_path / "two") as two, console_at(config, "here") as seen:
                await two.says("stands by")
                await seen.sees(r"pending .*Memory there", 30)
                before = await leases.held("alerts/here")
                assert before is not None
                watched = (await book.page()).evaluated
                shown_at = time.time()
                killed = time.monotonic()
                await one.end(signal.SIGKILL)

                async def moved() -> bool:
                    now = await leases.held("alerts/here")
                    return now is not None and now.counter > before.counter

                await auntil(moved, 60)
                took = time.monotonic() - killed
                assert took <= TAKEN_OVER + 1.0  # and a second for the look itself
                await two.says("records samples and evaluates rules", 30)
                firing = await alert_of(book, AlertState.FIRING, 90)
                assert firing.fired_at is not None
                assert firing.began == pending.began  # the same alert, not one that began again
                blind = firing.active_at - pending.active_at  # only what nobody watched is not counted
                assert 0.0 <= blind <= took + 12.0
                assert LASTING <= firing.fired_at - firing.active_at <= LASTING + 12.0  # two ticks
                await until(lambda: pages(receivers), 30)
                await acknowledged(seen, receivers)
                told = [a.what for a in pages(receivers)]
                assert told == ["trigger", "acknowledge"]
                await stands_as_it_was(seen, shown_at, pending.began)
                print(
                    f"\nruler killed: lease moved in {took:.1f} s, pending moved by {blind:.1f} s, "
                    f"fired {firing.fired_at - watched:.0f} s after the last look of the killed one; {told}"
                )
    await store.close()


async def acknowledged(seen: Console, receivers: Receivers) -> None:
    """By key, in the console: the agent that rules tells it."""
    await seen.sees(r"firing .*Memory there", 30)
    await seen.press("/")  # a busy machine may have critical findings above it
    await seen.types("Memory there")
    await seen.sees(r"▸\S* firing .*Memory there", 10)
    await seen.press("!")
    await seen.sees("a note for the others")
    await seen.types("on it")
    await seen.sees("can be undone|the alert is open again")
    await seen.press("y")
    await seen.sees(r"acknowledged 1", 20)
    await until(lambda: len(pages(receivers)) > 1, 40)


async def stands_as_it_was(seen: Console, at: float, began: float) -> None:
    """The frames of an instant come from the database, whoever of the three wrote the newest before it."""
    memory, past = seen.app.session.memory, seen.app.session.past
    assert memory is not None
    assert past is not None
    await memory.frames.flush()
    past._asked.clear()
    past._decoded.clear()
    alerts, hosts = (past.frame(topic, at) for topic in ("alerts", "resources"))
    (alert,) = [one for one in alerts.report.alerts if one.rule == "always"]  # type: ignore[attr-defined]
    assert (alert.state, alert.began) == (AlertState.PENDING, began)
    assert hosts.report is not None
    assert all(at - 12.0 < frame.at <= at for frame in (alerts, hosts))
