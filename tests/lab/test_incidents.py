"""Every incident has a measurable effect, and leaves none behind."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from perftui.backends.valkey import Valkey
from perftui.lab import Lab, LabError
from perftui.lab.datastores import PostgresPart, ValkeyPart
from perftui.lab.incidents import CATALOGUE
from perftui.lab.loadpart import LoadPart
from perftui.model.options import ValkeyOptions
from perftui.screens.live import all_tabs
from tests.lab.client import ShopClient
from tests.waiting import auntil, until

ORDER = {"customer": 7, "items": [{"product": 11, "quantity": 1}, {"product": 12, "quantity": 2}]}


@pytest.fixture(autouse=True)
async def undone(lab: Lab) -> AsyncIterator[None]:
    yield
    assert await lab.incidents.stop_all() == []


@pytest.fixture
async def shop(lab: Lab) -> AsyncIterator[ShopClient]:
    client = ShopClient(lab)
    yield client
    client.wires.close()


@pytest.fixture
async def primary(lab: Lab) -> AsyncIterator[Any]:
    connection = await lab.part(PostgresPart).primary.admin()
    yield connection
    await connection.close()


async def calls(connection: Any, part: str) -> int:
    """How often statements holding `part` were run."""
    question = "SELECT coalesce(sum(calls), 0) FROM pg_stat_statements WHERE query LIKE '%' || $1 || '%'"
    return int(await connection.fetchval(question, part))


def test_the_catalogue_is_the_issue_s():
    names = """cache-flush hot-key stampede slow-query n-plus-one lock-pile-up connection-leak replica-stall
    cpu-hog memory-leak blocking-call error-burst worker-crash traffic-spike"""
    assert list(CATALOGUE) == names.split()
    assert all(kind.what and kind.look in all_tabs() for kind in CATALOGUE.values())


async def test_unknown_names_are_refused(lab):
    with pytest.raises(LabError, match="no incident 'flood'"):
        await lab.incidents.start("flood")


async def test_cache_flush(lab):
    async with lab.part(ValkeyPart).primary.client() as client:
        await client.set("marker", 1)
        await lab.incidents.start("cache-flush")
        assert await client.get("marker") is None
        await lab.incidents.stop("cache-flush")
        await client.set("marker", 1)
        assert await client.delete("marker") == 1


async def test_hot_key(lab, shop):
    name, route = "http_request_duration_seconds_count", "/products/{id}"

    before = await shop.metric(name, route=route)
    await lab.incidents.start("hot-key")
    load = lab.part(LoadPart)
    sent = load.figures["sent"]
    await until(lambda: load.figures["sent"] > sent + 60, 15)
    assert await shop.metric(name, route=route) - before > 0.7 * (load.figures["sent"] - sent - 20)
    server = lab.part(ValkeyPart).primary
    console = Valkey("cache", ValkeyOptions(url=server.url, password=server.password))

    async def hottest() -> bool:
        watched = await console.sample_commands(5000, 0.5)
        return bool(watched.keys) and watched.keys[0].key == b"shop:product:1" and watched.keys[0].share > 0.2

    await auntil(hottest)
    await lab.incidents.stop("hot-key")
    assert (await shop.pool())["faults"] == {}
    await console.close()


async def test_stampede(lab, shop, primary):
    before = await calls(primary, "date_trunc")
    await lab.incidents.start("stampede")
    async with lab.part(ValkeyPart).primary.client() as client:
        await client.delete("shop:page:front")
    assert set(await shop.many("/", 6, at_once=3)) == {200}
    assert await calls(primary, "date_trunc") >= before + 3
    await lab.incidents.stop("stampede")
    assert (await shop.pool())["faults"] == {}


async def test_slow_query(lab, shop, primary):
    scans = "SELECT seq_tup_read FROM pg_stat_user_tables WHERE relname = 'reviews'"
    indexes = "SELECT count(*) FROM pg_indexes WHERE indexname = 'reviews_product_idx'"
    await lab.incidents.start("slow-query")
    assert await primary.fetchval(indexes) == 0
    before = await primary.fetchval(scans)
    await shop.many("/products/5/reviews", 3, at_once=1)

    async def read() -> bool:
        await primary.execute("SELECT pg_stat_clear_snapshot()")
        return bool(await primary.fetchval(scans) >= before + 240_000)

    await auntil(read, 15)
    await lab.incidents.stop("slow-query")
    assert await primary.fetchval(indexes) == 1
    owner = "SELECT tableowner FROM pg_tables WHERE tablename = 'reviews'"
    assert await primary.fetchval(owner) == "shop"


async def test_n_plus_one(lab, shop, primary):
    await shop.ask("/customers/7/orders")
    before = await calls(primary, "SELECT name FROM products WHERE id")
    await lab.incidents.start("n-plus-one")
    slow = (await shop.ask("/customers/7/orders")).body
    assert await calls(primary, "SELECT name FROM products WHERE id") >= before + 15
    await lab.incidents.stop("n-plus-one")
    assert len((await shop.ask("/customers/7/orders")).body) >= len(slow) * 0.8


async def test_lock_pile_up(lab, primary):
    waiting = """SELECT count(*) FROM pg_stat_activity waiter JOIN pg_stat_activity holder
    ON holder.pid = ANY (pg_blocking_pids(waiter.pid)) WHERE holder.application_name = 'stock-count'"""
    await lab.incidents.start("lock-pile-up")
    await auntil(lambda: primary.fetchval(waiting), 20)
    await lab.incidents.stop("lock-pile-up")
    gone = "SELECT count(*) = 0 FROM pg_stat_activity WHERE application_name = 'stock-count'"
    await auntil(lambda: primary.fetchval(gone))


async def test_connection_leak(lab, shop, primary):
    leaked = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'shop' AND state = 'idle in transaction'"
    await lab.incidents.start("connection-leak")
    assert set(await shop.many("/orders", 6, method="POST", body=ORDER)) == {201}
    assert await primary.fetchval(leaked) >= 4
    assert await shop.metric("db_pool_connections", state="leaked") >= 4
    await lab.incidents.stop("connection-leak")
    await auntil(lambda: none_of(primary, leaked), 10)


async def none_of(connection: Any, question: str) -> bool:
    return not await connection.fetchval(question)


async def test_replica_stall(lab, shop, primary):
    replica = await lab.part(PostgresPart).replica.admin()
    behind = "SELECT pg_last_wal_receive_lsn() - pg_last_wal_replay_lsn()"
    try:
        await lab.incidents.start("replica-stall")
        await shop.many("/orders", 20, method="POST", body=ORDER)

        async def lagging() -> bool:
            return bool(await replica.fetchval(behind) > 1000)

        await auntil(lagging)
        await lab.incidents.stop("replica-stall")
        await auntil(lambda: replica.fetchval(f"SELECT ({behind}) = 0"), 10)
        assert not await replica.fetchval("SELECT pg_is_wal_replay_paused()")
    finally:
        await replica.close()


async def test_cpu_hog(lab, shop):
    async def burnt() -> float:
        return max(worker["cpu_seconds"] for worker in (await shop.pool())["workers"])

    before = await burnt()
    await lab.incidents.start("cpu-hog")

    async def hot() -> bool:
        return await burnt() > before + 1.0

    await auntil(hot, 20)


async def test_memory_leak(lab, shop):
    async def resident() -> int:
        return sum(worker["rss_bytes"] for worker in (await shop.pool())["workers"])

    before = await resident()
    await lab.incidents.start("memory-leak")
    await shop.many("/products/1", 80)
    leaked = await resident() - before
    assert leaked > 15_000_000
    await lab.incidents.stop("memory-leak")

    async def freed() -> bool:
        return await resident() - before < leaked * 0.5

    await auntil(freed)


async def test_blocking_call(lab, shop):
    count, total = "http_request_duration_seconds_count", "http_request_duration_seconds_sum"
    await lab.incidents.start("blocking-call")
    before = await shop.metric(count, route="/search"), await shop.metric(total, route="/search")
    await shop.many("/search?q=lamp", 4, at_once=1)
    after = await shop.metric(count, route="/search"), await shop.metric(total, route="/search")
    assert (after[1] - before[1]) / (after[0] - before[0]) > 0.24

    async def late() -> bool:
        await shop.many("/search?q=lamp", 1)  # a worker that was to wake during one is late
        return await shop.metric("event_loop_lag_seconds") > 0.1

    await auntil(late)


async def test_error_burst(lab, shop):
    await lab.incidents.start("error-burst")
    assert 500 in await shop.many("/products/1", 40)
    assert await shop.metric("shop_errors_total") > 0
    await lab.incidents.stop("error-burst")
    assert set(await shop.many("/products/1", 40)) == {200}


async def test_worker_crash(lab, shop):
    before = {worker["id"] for worker in (await shop.pool())["workers"]}
    await lab.incidents.start("worker-crash")

    async def died() -> bool:
        events = (await shop.pool())["events"]
        return any(e["kind"] == "died" and "killed by SIGSEGV" in e["reason"] for e in events)

    await auntil(died)
    await lab.incidents.stop("worker-crash")
    workers = (await shop.pool())["workers"]
    assert [worker["state"] for worker in workers] == ["ready"] * 3
    assert {worker["id"] for worker in workers} != before


async def test_traffic_spike(lab):
    load = lab.part(LoadPart)
    before = load.figures["rate"]
    await lab.incidents.start("traffic-spike")
    assert load.figures["rate"] > 3 * before
    await lab.incidents.stop("traffic-spike")
    assert load.figures["rate"] < 2 * before
