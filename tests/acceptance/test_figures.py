"""What each screen says, held against what an independent client is told at the same time."""

from __future__ import annotations

import asyncio
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from perftui.lab import Lab
from perftui.lab.datastores import PostgresPart, ValkeyPart
from perftui.lab.edge.varnish import program
from perftui.lab.edgepart import EdgePart
from perftui.lab.shoppart import ShopPart
from tests.console import Console, console, state_dir
from tests.lab.client import ShopClient
from tests.needs import needs
from tests.waiting import until

__all__ = ["state_dir"]

pytestmark = [pytest.mark.usefixtures("state_dir"), pytest.mark.slow]

UNITS = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}


def plain(text: str) -> float:
    """A figure as drawn: `1,807`, `1.34 MiB`, `73.8%`, `1.02k`."""
    number, unit = re.match(r"([\d.,]+)\s*([A-Za-z%]*)", text).groups()  # type: ignore[union-attr]
    value = float(number.replace(",", ""))
    return value / 100 if unit == "%" else value * (1000 if unit == "k" else UNITS.get(unit, 1))


async def shown(seen: Console, pattern: str, within: float = 40.0) -> float:
    """The figure that `pattern`'s group holds."""
    return plain((await seen.sees(pattern, within)).group(1))


async def agrees(seen: Console, pattern: str, ask: Any, tolerance: float, slack: float = 0.0) -> None:
    """The figure on the screen lies between two answers of the other client, give or take rounding."""
    await seen.sees(pattern, 40)
    for _ in range(6):
        before = await ask()
        reads = {name: look.reading.at for name, look in seen.app.session.looks.items() if look.reading}

        def fresh(reads: dict[str, float] = reads) -> bool:
            looks = seen.app.session.looks
            return all(looks[n].reading.at > at for n, at in reads.items() if n in followed(seen))

        await until(fresh, 15)
        value = await shown(seen, pattern)
        after = await ask()
        low, high = sorted((before, after))
        if low * (1 - tolerance) - slack <= value <= high * (1 + tolerance) + slack:
            return
    raise AssertionError(f"shown {value}, others say {before} … {after}\n{await seen.text()}")


def followed(seen: Console) -> set[str]:
    """Backends behind the tab in front."""
    return {name for frame in seen.app.base.frames.values() for name in frame.health}


async def test_cache_agrees_with_info(lab: Lab) -> None:
    async with (
        lab.part(ValkeyPart).primary.client() as client,
        console(lab, "cache.tiers", (200, 60)) as seen,
    ):

        async def used() -> float:
            return float((await client.info("memory"))["used_memory"])

        async def keys() -> float:
            return float(await client.dbsize())

        await agrees(seen, r"▸valkey .*live +\S+ +\S+ +([\d.]+ [KMG]iB)", used, 0.05)
        await agrees(seen, r"▸valkey .*live.*iB +\S+ +\S+ +\S+ +([\d,]+) ", keys, 0.03, 3)


async def test_cdn_agrees_with_varnishstat(lab: Lab) -> None:
    needs("varnish", program() is not None, "apt-get install varnish")
    server: Any = lab.part(EdgePart).server
    command = ["varnishstat", "-1", "-n", str(server.workdir), "-f", "MAIN.n_object"]

    async def objects() -> float:
        done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=True)
        return float(done.stdout.split()[1])

    async with console(lab, "cdn.traffic") as seen:
        await agrees(seen, r"▸edge .*iB/s +([\d,]+) ", objects, 0.03, 3)


async def test_database_agrees_with_pg_stat(lab: Lab) -> None:
    other = await lab.part(PostgresPart).primary.admin()
    question = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"

    async def connections() -> float:
        return float(await other.fetchval(question))

    try:
        async with console(lab, "database.overview") as seen:
            await agrees(seen, r"^\S+ .* (\d+)/120 ", connections, 0.0, 2)
    finally:
        await other.close()


async def test_scaling_agrees_with_the_supervisor_and_proc(lab: Lab) -> None:
    worker = (await lab.part(ShopPart).ask(op="status"))["workers"][0]

    async def resident() -> float:
        text = Path(f"/proc/{worker['pid']}/statm").read_text()
        return float(text.split()[1]) * 4096

    async with console(lab, "scaling.overview", (160, 48)) as seen:
        await agrees(seen, rf"{worker['id']} +{worker['pid']} .*?([\d.]+ MiB)", resident, 0.03)


async def test_profiling_agrees_with_proc(lab: Lab) -> None:
    pid = lab.part(ValkeyPart).primary.pid

    async def resident() -> float:
        return float(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096

    async with console(lab, "profiling.overview") as seen:
        await seen.sees("Processes", 30)
        await seen.press("/")
        await seen.types(f"pid={pid}")
        await agrees(seen, rf" {pid} +\S+ +([\d.]+ [MG]iB)", resident, 0.05)


async def test_overview_agrees_with_shop_s_own_counters(lab: Lab) -> None:
    client = ShopClient(lab)
    try:
        async with console(lab, "overview.summary") as seen:
            await shown(seen, r"([\d.]+)/s requests")
            loop = asyncio.get_running_loop()

            async def counted() -> tuple[float, float]:
                return await client.metric("http_request_duration_seconds_count"), loop.time()

            count, at = await counted()
            await until(lambda: loop.time() - at > 14, 30)
            later, now = await counted()
            rate = (later - count) / (now - at)
            value = await shown(seen, r"([\d.]+)/s requests")
            assert value == pytest.approx(rate, rel=0.5), f"{value} shown, {rate:.1f}/s counted"
    finally:
        client.wires.close()


async def test_optimization_agrees_with_shop_s_own_counters(lab: Lab) -> None:
    loop, client = asyncio.get_running_loop(), ShopClient(lab)
    try:
        async with console(lab, "optimization.overview") as seen:

            async def looked() -> tuple[float, float]:
                hits = await client.metric("shop_cache_requests_total", result="hit")
                return hits, await client.metric("shop_cache_requests_total", result="miss")

            hits, misses = await looked()
            began = loop.time()
            await until(lambda: loop.time() - began > 25, 60)
            later_hits, later_misses = await looked()
            ratio = (later_hits - hits) / max(1, later_hits - hits + later_misses - misses)
            value = await shown(seen, r"Cache hit ratio +caching +([\d.]+%)")
            assert value == pytest.approx(ratio, abs=0.12)
    finally:
        client.wires.close()
