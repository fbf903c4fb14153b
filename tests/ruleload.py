"""Shipped rules with seconds for minutes, an agent that evaluates them, and real load that makes them true."""

from __future__ import annotations

import asyncio
import os
import secrets
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path

import psutil

from perftui.analysis.ruleexport import exported
from perftui.lab import Lab
from perftui.lab.datastores import PostgresPart, ValkeyPart
from perftui.lab.ports import free_port
from perftui.lab.shoppart import ShopPart
from perftui.model.alertrules import DEFAULTS
from tests.agents import AgentProcess, agent, written
from tests.waiting import until

LOAD = 40.0  # seconds that programs of our own burn and hold at most
HOLD, OVER, TICK = 6.0, 10.0, 5.0  # minutes become seconds
HITS = 0.3  # the lab's cache has just been filled
KINDS = {"host": "host", "shop": "scrape", "valkey": "valkey", "postgres": "postgres"}
CPU = ("HostCpuHigh", "HostCpuCritical")  # others on this machine may keep it busy
RULES = (
    *CPU,
    "HostMemoryHigh",
    "HttpErrorRatioHigh",
    "HttpP99Slow",
    "DbConnectionsHigh",
    "CacheHitRatioLow",
)
SPIN = "import time\nend = time.time() + {seconds}\nwhile time.time() < end: pass"
HOARD = "import time\nheld = b'1' * {bytes}\ntime.sleep({seconds})"


def shortened(memory: float) -> str:
    """The rules' seconds instead of minutes; thresholds beyond what the machine and a young cache are at."""
    lines = []
    for rule in DEFAULTS:
        lines.append(f"[alerts.rules.{rule.name}]")
        lines.append(f"lasting = {min(rule.hold, HOLD)}\nkeep = 0.0\nover = {min(rule.over, OVER)}")
        lines.append(f"above = {memory}" if rule.name == "HostMemoryHigh" else "")
        lines.append(f"below = {HITS}" if rule.name == "CacheHitRatioLow" else "")
    return "\n".join(lines) + "\n"


def on_a_server(memory: float) -> str:
    """The same rules as a server loads them."""
    rules = [replace(r, hold=min(r.hold, HOLD), keep=0.0, over=min(r.over, OVER)) for r in DEFAULTS]
    moved = {"HostMemoryHigh": memory, "CacheHitRatioLow": HITS}
    rules = [replace(r, threshold=moved.get(r.name, r.threshold)) for r in rules]
    text, said = exported(rules, 3.0, KINDS, (2, 42))
    assert said == []
    return text


@asynccontextmanager
async def program(text: str) -> AsyncIterator[None]:
    """A Python program of its own that is no more at the end, whatever it does."""
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", text)
    try:
        yield
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@asynccontextmanager
async def connections(lab: Lab, share: float) -> AsyncIterator[None]:
    """Sessions of our own until so much of the limit is in use."""
    import asyncpg

    primary = lab.part(PostgresPart).primary
    admin = await primary.admin()
    limit = int(await admin.fetchval("SHOW max_connections"))
    count = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"
    held = []
    try:
        while await admin.fetchval(count) < share * limit:
            held.append(await asyncpg.connect(primary.dsn))
        yield
    finally:
        for one in (*held, admin):
            await one.close()


@asynccontextmanager
async def misses(lab: Lab) -> AsyncIterator[None]:
    """Questions for what the cache does not hold."""

    async def ask() -> None:
        async with lab.part(ValkeyPart).primary.client() as client:
            while True:
                pipe = client.pipeline(transaction=False)
                for _ in range(50):
                    pipe.get(f"none:{secrets.token_hex(6)}")
                await pipe.execute()
                due = time.monotonic() + 0.1
                await until(lambda due=due: time.monotonic() >= due)  # type: ignore[misc]

    task = asyncio.create_task(ask())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def faults(lab: Lab) -> AsyncIterator[None]:
    """Errors, and answers that take longer than a second."""
    shop = lab.part(ShopPart)
    await shop.fault("error-burst", {"share": 0.3})
    await shop.fault("blocking-call", {"seconds": 1.5})
    try:
        yield
    finally:
        await shop.fault("error-burst", None)
        await shop.fault("blocking-call", None)


@asynccontextmanager
async def all_at_once(lab: Lab) -> AsyncIterator[None]:
    hoard = int(psutil.virtual_memory().total * 0.06)
    async with AsyncExitStack() as stack:
        for _ in range((os.cpu_count() or 1) + 1):
            await stack.enter_async_context(program(SPIN.format(seconds=LOAD + 10)))
        await stack.enter_async_context(program(HOARD.format(bytes=hoard, seconds=LOAD + 10)))
        for trouble in (connections(lab, 0.93), misses(lab), faults(lab)):
            await stack.enter_async_context(trouble)
        yield


@asynccontextmanager
async def ruling(lab: Lab, tmp_path: Path, memory: float) -> AsyncIterator[tuple[AgentProcess, str]]:
    """An agent on the lab with the shortened rules, and where it serves its readings."""
    where = f"127.0.0.1:{free_port()}"
    store = f'[store]\nurl = "sqlite://{tmp_path}/store.db"\n'
    config = written(tmp_path / "c.toml", lab.config_toml() + store + shortened(memory))
    async with agent(config, tmp_path / "agent", "--env", "lab", "--metrics", where) as one:
        await one.says("records samples and evaluates rules", 40)
        yield one, f"http://{where}/metrics"


def above_what_is_used() -> float:
    """A share of memory that only our own load reaches."""
    used = psutil.virtual_memory()
    return round(1 - used.available / used.total + 0.03, 4)
