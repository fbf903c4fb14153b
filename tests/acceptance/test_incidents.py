"""Every incident shows on the tab that `perftui lab incident list` sends the engineer to, and is gone after."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from perftui.lab import Lab
from perftui.lab.incidents import CATALOGUE
from perftui.model.finding import Finding, Severity
from tests.console import Console, console, state_dir
from tests.waiting import until

__all__ = ["state_dir"]

pytestmark = [pytest.mark.usefixtures("state_dir"), pytest.mark.slow]

SIZE = (160, 48)


@dataclass(frozen=True)
class Sign:
    """What gives an incident away: text on its tab, a finding, or both; `calm` seconds until it is gone."""

    text: str = ""
    finding: str = ""
    within: float = 60.0
    calm: float = 0.0  # 0: the sign stays in a history and is not waited out
    least: Severity = Severity.INFO
    keys: tuple[str, ...] = ()  # what an engineer presses to see it, again and again


SIGNS = {
    "cache-flush": Sign("Most keys are gone", "cache.keys-vanished", 45),
    "hot-key": Sign("product:1", "cache.hot-key", 60, keys=("H", "enter")),
    "stampede": Sign("date_trunc", "db.slow-statement", 90, least=Severity.CRITICAL),
    "slow-query": Sign("reviews", "db.missing-index", 45, 90),
    "n-plus-one": Sign("SELECT name FROM products", "db.n-plus-one", 75, 90),
    "lock-pile-up": Sign("stock-count", "db.lock-storm", 45, 45),
    "connection-leak": Sign(r"\d in xact|idle in (a )?transaction", "db.connections-leaking", 90, 60),
    "replica-stall": Sign("paused", "db.replica-paused", 30, 30),
    "memory-leak": Sign(r"perftui\.lab\.shop", "process.memory-grew", 110),
    "blocking-call": Sign(r"p9[59] .*target", "api.slow", 75, 120),
    "error-burst": Sign(r"of requests fail", "api.error-rate-high", 45, 90),
    "worker-crash": Sign("SIGSEGV", "scaling.crashing", 45, 60),
}


def finding(seen: Console, sign: Sign) -> Finding | None:
    """The finding that a sign names, of any engine."""
    found = (f for topic in TOPICS for f in seen.app.session.frame(topic).findings)
    return next((f for f in found if f.id == sign.finding and f.severity >= sign.least), None)


TOPICS = ("cache", "cdn", "database", "autoscaling", "resources", "profiler")


@pytest.fixture(autouse=True)
async def undone(lab: Lab) -> AsyncIterator[None]:
    yield
    assert await lab.incidents.stop_all() == []


def test_every_incident_has_its_sign() -> None:
    elsewhere = {"cpu-hog", "traffic-spike"}
    assert set(SIGNS) | elsewhere == set(CATALOGUE)


def told(name: str, look: str, shown: str, began: float) -> None:
    """One row of the table that `pytest -s` prints."""
    print(f"\n{name:<16} {look:<20} {shown:<60} {time.monotonic() - began:5.1f} s")


@pytest.mark.parametrize("name", SIGNS)
async def test_it_is_seen_where_one_looks_and_ends(lab: Lab, name: str) -> None:
    sign, look = SIGNS[name], CATALOGUE[name].look
    async with console(lab, look, SIZE) as seen:
        await until(lambda: seen.app.started and seen.app.base.has_news(), 30)
        await until(lambda: finding(seen, sign) is None, 60)
        if name == "memory-leak":
            await warm(seen)
        if name == "cache-flush":
            await until(lambda: full(seen), 120)
        began, wall = time.monotonic(), time.time()
        await lab.incidents.start(name)
        try:
            found = await sought(seen, sign)
            shown = (await seen.sees(sign.text, 20)).group(0) if sign.text else ""
            assert found.evidence
            if name == "worker-crash":
                await until(lambda: crashes(seen, wall) >= 3, 60)
            told(name, look, f"{found.id} {found.title}"[:60] + f" | {shown}"[:20], began)
        finally:
            await lab.incidents.stop(name)
        if sign.calm:
            await until(lambda: finding(seen, sign) is None, sign.calm)


def crashes(seen: Console, since: float) -> int:
    """How many workers died since then: how soon it counts as over follows the pace of the last three."""
    events = seen.app.session.frame("autoscaling").report.events
    return sum(event.at >= since and "died" in event.title for event in events)


def full(seen: Console) -> bool:
    """Whether the cache has held something for a minute."""
    nodes = seen.app.session.frame("cache").report.nodes
    return any((node.keys_1m_ago or 0) > 120 for node in nodes)


async def sought(seen: Console, sign: Sign) -> Finding:
    """The finding, once it is there; watching the command stream takes a key."""
    limit = time.monotonic() + sign.within
    while not (found := finding(seen, sign)):
        assert time.monotonic() < limit, (
            f"no {sign.finding} within {sign.within:g} s on:\n{await seen.text()}"
        )
        for key in sign.keys:
            await seen.press(key)
            await seen.pilot.pause(1.0)
        await seen.pilot.pause(0.05)
    return found


async def warm(seen: Console) -> None:
    """Half a minute of history, so that growth has something to grow from."""
    began = time.monotonic()
    await until(lambda: time.monotonic() - began > 35, 60)


async def test_traffic_spike(lab: Lab) -> None:
    async with console(lab, CATALOGUE["traffic-spike"].look, SIZE) as seen:
        figure = r"([\d.]+)/s requests"
        await seen.sees(figure, 40)
        before = await settled(seen, figure)
        began = time.monotonic()
        await lab.incidents.start("traffic-spike")
        await reaches(seen, figure, lambda rate: rate > 2.5 * before)
        told(
            "traffic-spike",
            "overview.summary",
            f"Service card: {before:.0f} → {await settled(seen, figure):.0f} requests/s",
            began,
        )
        await lab.incidents.stop("traffic-spike")
        await reaches(seen, figure, lambda rate: rate < 2 * before)


async def settled(seen: Console, figure: str) -> float:
    return float((await seen.sees(figure, 20)).group(1))


async def reaches(seen: Console, figure: str, enough: object) -> None:
    limit = time.monotonic() + 45
    while not enough(await settled(seen, figure)):  # type: ignore[operator]
        assert time.monotonic() < limit, await seen.text()


async def test_cpu_hog_is_found_by_a_profile_of_the_busiest_process(lab: Lab) -> None:
    async with console(lab, "profiling.overview", SIZE) as seen:
        began = time.monotonic()
        await lab.incidents.start("cpu-hog")
        await seen.sees("Processes", 30)
        pid = await hottest(lab)
        await seen.press("/")
        await seen.types(f"pid={pid}")
        await seen.sees(rf"▸ +{pid} ", 20)
        await seen.press("R")
        await seen.sees("seconds", 10)
        await seen.press("backspace", "backspace")
        await seen.types("3")
        await seen.sees("for 3 s", 10)
        await seen.press("y")
        await seen.sees(r"make_thumbnails|shrink", 60)
        told("cpu-hog", "profiling.cpu", f"flame graph of pid {pid}", began)


async def hottest(lab: Lab) -> int:
    """The worker with the hog in it."""
    from perftui.lab.shoppart import ShopPart

    async def cpu() -> dict[int, float]:
        workers = (await lab.part(ShopPart).ask(op="status"))["workers"]
        return {w["pid"]: w["cpu_seconds"] for w in workers}

    first = await cpu()
    limit = time.monotonic() + 20
    while True:
        now = await cpu()
        grown = {pid: now[pid] - first.get(pid, 0.0) for pid in now}
        best = max(grown, key=lambda pid: grown[pid])
        if grown[best] > 0.6 and grown[best] > 2 * sorted(grown.values())[-2]:
            return best
        assert time.monotonic() < limit, grown
