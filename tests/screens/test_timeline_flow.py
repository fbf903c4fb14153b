"""API, Timeline and Audit on the whole lab, and what a restart leaves of what happened."""

from __future__ import annotations

import re
import tomllib
from typing import Any

import httpx
import pytest

from perftui.config import load
from perftui.lab import Lab
from perftui.model.event import Event
from perftui.session import Session
from tests.console import console, state_dir
from tests.screens.shell import shown
from tests.sizes import sizes
from tests.waiting import until

__all__ = ["state_dir"]

pytestmark = pytest.mark.usefixtures("state_dir")


def routes_of(lab: Lab) -> set[str]:
    """Routes in the shop's own metrics, read by another client."""
    entries = tomllib.loads(lab.config_toml())["env"]["lab"]["backends"].values()
    url = next(entry["url"] for entry in entries if entry["kind"] == "scrape")
    return set(re.findall(r'route="([^"]+)"', httpx.get(url, trust_env=False).text))


@pytest.mark.parametrize("size", sizes((80, 24), (120, 40), (200, 60)))
async def test_each_endpoint_has_its_row(lab: Lab, size: Any) -> None:
    async with console(lab, "overview.api", size) as seen:
        await seen.sees(r"/products/\{id\} .*[\d.]+/s .*[\d.]+ .s .*%")
        text = await seen.text()
        for word in ("Route", "Rate", "p95", "5xx", "15 min"):
            assert word in text
        assert ("Service" in text) == (size[0] >= 120)


async def test_an_endpoint_opens_and_says_where_its_figures_come_from(lab: Lab) -> None:
    async with console(lab, "overview.api") as seen:
        await seen.sees(r"/products/\{id\} .*/s")
        await seen.press("enter")
        await seen.sees(r"p50 p95 p99 of GET /\S+")
        await seen.sees(r"requests/s")
        await seen.sees(r"errors/s by status")
        await seen.press("w")
        await until(lambda: any("from what shop counted" in t.text for t in seen.app.toasts.items))
        await seen.press("escape", "escape")
        selected = seen.app.base.tab.selection
    assert selected["route"] in routes_of(lab)


async def test_a_purge_and_a_note_stand_on_the_timeline_and_in_the_audit(lab: Lab) -> None:
    async with console(lab, "overview.timeline") as seen:
        await seen.sees(r"(?s)findings .*scaling .*notes ")
        await seen.press("m")
        await seen.types("release 42")
        await seen.sees(r"note +lab +release 42")
        session = seen.app.session
        await until(lambda: session.sources("KeyPurger"), 20)
        action = session.action("cache.purge", session.sources("KeyPurger")[0], pattern="no-such-key:*")

        async def go(*_: Any) -> bool:
            return True

        await session.conductor.perform(action, go)
        await seen.sees(r"action +\S+ .*Purge")
        await seen.press("/", *"release", "enter")
        await seen.sees(r"Events .*/release")
        assert "Purge" not in await seen.text()
        await seen.press("z")
        await seen.sees("3 h")
        seen.app.go("overview.audit")
        await seen.sees(r"chain intact, 2 lines")
        await seen.sees(r"cache\.purge +.*(done|nothing)")
        await seen.press("enter")
        await seen.sees(r"pattern.*no-such-key")


async def test_a_changed_setting_is_told_with_before_and_after(lab: Lab) -> None:
    async with console(lab, "overview.timeline") as seen:
        session = seen.app.session
        await until(lambda: {"valkey", "postgres"} <= set(session.sources("SettingsReader")), 20)
        cache = session.sources("ServerTuner")[0]
        from perftui.runtime.settingswatch import SettingsWatch

        watch = SettingsWatch({}, session.events.add, session.clock)
        backend = session._backends[cache]
        before = (await backend.parameters("hz")).values[0][1]
        await watch.look(cache, backend)
        try:
            await backend.set_parameter("hz", "17")
            await watch.look(cache, backend)
        finally:
            await backend.set_parameter("hz", before)
        await seen.sees(rf"config +{cache} +hz = 17 +was {before}")
        found = await session._backends["postgres"].settings()
        assert found["max_connections"].isdigit()


async def test_events_are_there_after_a_restart(tmp_path: Any) -> None:
    path = tmp_path / "config.toml"
    path.write_text("[env.bare]\n")
    path.chmod(0o600)
    config = load(path)

    def session() -> Session:
        return Session.open(config, config.environments["bare"], remember=True)

    first = session()
    await first.start()
    first.note("before the restart")
    await first.close()
    async with shown("overview.timeline", session(), (80, 24)) as (app, _pilot):
        await until(lambda: "before the restart" in app.text(), 20)


async def test_a_broken_chain_is_named(state_dir: Any, tmp_path: Any) -> None:
    from perftui.config.paths import audit_file
    from perftui.model.action import Outcome
    from perftui.model.auditlog import AuditEntry
    from perftui.runtime.audit import Audit

    path = tmp_path / "config.toml"
    path.write_text("[env.bare]\n")
    path.chmod(0o600)
    config = load(path)
    for n in range(3):
        Audit(audit_file()).write(
            AuditEntry(float(n), f"r{n}", "ada", "", "bare", "cache.purge", "x", Outcome.DONE)
        )
    text = audit_file().read_text("utf-8")
    audit_file().write_text(
        text.replace('"user":"ada"', '"user":"eve"', 2).replace('"user":"eve"', '"user":"ada"', 1)
    )
    session = Session.open(config, config.environments["bare"])
    async with shown("overview.audit", session, (120, 40)) as (app, _pilot):
        await until(lambda: "chain broken" in app.text(), 20)
        assert "line 2" in app.text()
        assert "eve" in app.text()


async def test_findings_become_spans_that_end(tmp_path: Any) -> None:
    path = tmp_path / "config.toml"
    path.write_text("[env.bare]\n")
    path.chmod(0o600)
    config = load(path)
    session = Session.open(config, config.environments["bare"])
    async with shown("overview.timeline", session, (120, 40)) as (app, _pilot):
        now = session.clock.wall()
        session.events.add(
            Event(now - 600, "finding", "shop", "slow", ref="a"),
            Event(now - 900, "finding", "shop", "failing", until=now - 700, ref="b"),
        )
        await until(lambda: "3 m" in app.text() and "open" in app.text(), 20)
        lane = next(line for line in app.text().splitlines() if line.startswith("findings"))
        assert lane.rstrip().endswith("━▸")
