"""Shop's workers: scaled, drained and replaced under load, and no request lost by it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator

import pytest

from perftui.lab import LabError
from perftui.lab.loadpart import LoadPart
from perftui.lab.shoppart import ShopPart
from tests.lab.client import ShopClient
from tests.waiting import auntil


@pytest.fixture
async def shop(lab) -> AsyncIterator[ShopClient]:
    client = ShopClient(lab)
    await client.shop.settled()
    yield client
    status = await client.pool()
    if status["desired"] != 3:
        await client.shop.ask(op="scale", n=3, revision=status["revision"])
    await client.shop.settled()
    client.wires.close()


async def scale(shop: ShopClient, n: int) -> None:
    await shop.shop.ask(op="scale", n=n, revision=(await shop.pool())["revision"], reason="a test")
    await shop.shop.settled()


async def test_status_has_what_the_protocol_says(shop):
    status = await shop.pool()
    assert (status["desired"], status["minimum"], status["maximum"]) == (3, 1, 16)
    for worker in status["workers"]:
        assert worker["state"] == "ready"
        assert worker["rss_bytes"] > 10_000_000
        assert worker["cpu_seconds"] >= 0
        os.kill(worker["pid"], 0)
    assert {"at", "kind", "reason", "detail"} == set(status["events"][0])


async def test_requests_are_counted_per_worker(shop):
    before = sum(worker["requests"] for worker in (await shop.pool())["workers"])
    await shop.many("/health", 30)
    assert sum(worker["requests"] for worker in (await shop.pool())["workers"]) >= before + 30


@pytest.mark.slow
async def test_scaling_and_draining_lose_no_request(lab, shop):
    load = lab.part(LoadPart)
    await load.order(rate=40)
    failed = load.figures["failed"] + load.figures["errors"]
    stop = asyncio.Event()
    statuses: list[int] = []

    async def visit() -> None:
        while not stop.is_set():
            statuses.append((await shop.ask("/products/9")).status)
            statuses.append((await shop.ask("/sessions", "POST")).status)

    visitors = [asyncio.create_task(visit()) for _ in range(3)]
    for n in (5, 2, 3):
        await scale(shop, n)
    victim = (await shop.pool())["workers"][0]["id"]
    await shop.shop.ask(op="drain", worker=victim, deadline=8)
    await shop.shop.settled()
    stop.set()
    await asyncio.gather(*visitors)
    await load.order(rate=20)
    assert victim not in [worker["id"] for worker in (await shop.pool())["workers"]]
    assert len(statuses) > 20
    assert set(statuses) <= {200, 201}
    assert load.figures["failed"] + load.figures["errors"] == failed


async def test_compare_and_set(shop):
    status = await shop.pool()
    with pytest.raises(LabError, match="revision is"):
        await shop.shop.ask(op="scale", n=4, revision=status["revision"] + 1)
    for n in (0, 17):
        with pytest.raises(LabError, match="outside 1 … 16"):
            await shop.shop.ask(op="scale", n=n, revision=status["revision"])
    assert (await shop.pool())["desired"] == 3


async def test_a_crashed_worker_is_replaced_and_the_reason_told(shop):
    victim = (await shop.pool())["workers"][-1]
    os.kill(victim["pid"], signal.SIGKILL)

    async def told() -> bool:
        events = (await shop.pool())["events"]
        return any(
            e["kind"] == "died" and f"worker {victim['id']} was killed by SIGKILL" in e["reason"]
            for e in events
        )

    await auntil(told)
    await shop.shop.settled()


@pytest.mark.parametrize(
    "line", [b"\n", b"[]\n", b'"x"\n', b'{"op": "fly"}\n', b'{"op": "scale", "n": "3"}\n', b"\xff\n"]
)
async def test_nonsense_is_refused_and_the_supervisor_lives(lab, line):
    path = lab.part(ShopPart).control
    reader, writer = await asyncio.open_unix_connection(str(path))
    writer.write(line)
    answer = json.loads(await reader.readline())
    assert answer["error"]["code"] == "usage"
    writer.close()


async def test_a_silent_connection_holds_nobody_up(lab, shop):
    _, writer = await asyncio.open_unix_connection(str(lab.part(ShopPart).control))
    writer.write(b'{"op": ')
    await writer.drain()
    assert (await shop.pool())["desired"] == 3
    writer.close()
