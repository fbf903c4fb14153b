"""Shop as its visitors and its scraper see it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from perftui.backends.valkey import Valkey
from perftui.instrument.cache.envelope import Sealer
from perftui.lab.datastores import PostgresPart, ValkeyPart
from perftui.lab.loadpart import LoadPart
from perftui.lab.shop.assets import ASSETS
from perftui.lab.shop.caches import LIVES
from perftui.lab.shop.metrics import BUCKETS, Board, exposition
from perftui.model.options import ValkeyOptions
from tests.lab.client import ShopClient
from tests.waiting import auntil

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.fixture
async def shop(lab) -> AsyncIterator[ShopClient]:
    client = ShopClient(lab)
    yield client
    client.wires.close()


@pytest.mark.parametrize(
    ("path", "tags"),
    [
        ("/", {"page", "front", "k:shop:page:front"}),
        ("/categories/lamps", {"page", "category-lamps", "n:shop:page"}),
        ("/products/17", {"product-17", "k:shop:product:17", "n:shop:product"}),
        ("/assets/app.css", {"assets"}),
    ],
)
async def test_cacheable_pages_validate(shop, path, tags):
    first = await shop.ask(path)
    assert first.status == 200
    assert first.headers["cache-control"].startswith("public, max-age=")
    assert first.headers["cdn-cache-control"].startswith("max-age=")
    assert tags <= set(first.headers["surrogate-key"].split())
    assert first.headers["cache-tag"].replace(",", " ") == first.headers["surrogate-key"]
    again = await shop.ask(path, if_none_match=first.headers["etag"])
    assert (again.status, bytes(again.body)) == (304, b"")
    assert (await shop.ask(path, if_none_match='"other"')).status == 200


async def test_hashed_assets_may_be_kept_for_ever(shop):
    name = next(name for name, asset in ASSETS.items() if "immutable" in asset.control)
    assert "immutable" in (await shop.ask(f"/assets/{name}")).headers["cache-control"]


@pytest.mark.parametrize("path", ["/customers/7/orders", "/products/17/reviews", "/report", "/search?q=lamp"])
async def test_private_answers_are_not_for_shared_caches(shop, path):
    reply = await shop.ask(path)
    assert reply.status == 200
    assert json.loads(reply.body)
    assert "public" not in reply.headers["cache-control"]


@pytest.mark.parametrize(
    ("path", "status"),
    [("/products/0", 404), ("/products/x", 404), ("/categories/cars", 404), ("/assets/..%2f..%2fetc", 404)],
)
async def test_what_is_not_there(shop, path, status):
    assert (await shop.ask(path)).status == status


async def test_the_trace_goes_on(shop):
    reply = await shop.ask("/health", traceparent=f"00-{TRACE}-00f067aa0ba902b7-01")
    assert reply.headers["traceresponse"].startswith(f"00-{TRACE}-")
    assert "00f067aa0ba902b7" not in reply.headers["traceresponse"]
    fresh = await shop.ask("/health", traceparent="00-nonsense")
    assert TRACE not in fresh.headers["traceresponse"]


async def test_an_order_is_all_or_nothing(lab, shop):
    connection = await lab.part(PostgresPart).primary.admin()
    stock = "SELECT stock FROM products WHERE id = $1"
    before = await connection.fetchval(stock, 4711), await connection.fetchval(stock, 4712)
    good = {"customer": 3, "items": [{"product": 4711, "quantity": 2}]}
    placed = await shop.ask("/orders", "POST", good)
    assert placed.status == 201
    assert await connection.fetchval(stock, 4711) == before[0] - 2
    greedy = {
        "customer": 3,
        "items": [{"product": 4711, "quantity": 1}, {"product": 4712, "quantity": 99_999_999}],
    }
    assert (await shop.ask("/orders", "POST", greedy)).status == 409
    assert await connection.fetchval(stock, 4711) == before[0] - 2
    assert await connection.fetchval(stock, 4712) == before[1]
    number = json.loads(placed.body)["order"]
    assert await connection.fetchval("SELECT count(*) FROM order_items WHERE order_id = $1", number) == 1
    await connection.close()


@pytest.mark.parametrize("body", [None, [], {"customer": 1}, {"customer": "x", "items": [1]}])
async def test_bad_orders_are_refused(shop, body):
    assert (await shop.ask("/orders", "POST", body)).status == 400


async def test_keys_of_several_prefixes_and_types_appear(lab, shop):
    await shop.ask("/", x_session="abc123")
    await shop.ask("/sessions", "POST", x_session="abc123")
    await shop.ask(
        "/orders", "POST", {"customer": 5, "items": [{"product": 1, "quantity": 1}]}, x_session="abc123"
    )
    async with lab.part(ValkeyPart).primary.client() as client:
        types = {await client.type(key) for key in await client.keys("shop:*")}
        assert types >= {b"string", b"hash", b"list", b"zset", b"set"}
        envelope, value = Sealer().open(await client.get("shop:page:front"))
        assert {row["category"] for row in value} >= {"lamps", "chairs"}
        seconds, micros = await client.time()
        jitter = 5
        assert envelope.fresh_until - seconds - micros / 1e6 <= LIVES["page"] + jitter
        assert await client.ttl("shop:session:abc123") > 1000


@pytest.fixture
async def nobody_else(lab) -> AsyncIterator[None]:
    """No visitors for a while."""
    load = lab.part(LoadPart)
    await load.order(pause=True)
    yield
    await load.order(pause=False)


@pytest.mark.usefixtures("nobody_else")
async def test_one_load_serves_those_who_miss_in_all_workers(lab, shop):
    question = "SELECT coalesce(sum(calls), 0) FROM pg_stat_statements WHERE query LIKE '%stock, updated_at%WHERE id = $1%'"
    connection = await lab.part(PostgresPart).primary.admin()
    clients = [ShopClient(lab) for _ in range(12)]

    async def all_ask(number: int) -> list[dict[str, Any]]:
        replies = await asyncio.gather(*(client.ask(f"/products/{number}") for client in clients))
        assert {reply.status for reply in replies} == {200}
        return [json.loads(reply.body) for reply in replies]

    await all_ask(4999)
    stock = (await all_ask(4997))[0]["stock"]
    await connection.execute("UPDATE products SET stock = stock + 1 WHERE id = 4997")
    async with lab.part(ValkeyPart).primary.client() as client:
        await client.delete("shop:product:4999")  # somebody else's doing: every worker hears of it,
        await client.delete("shop:product:4997")  # and of this one after it

    async def heard() -> bool:
        return {product["stock"] for product in await all_ask(4997)} == {stock + 1}

    await auntil(heard, 15)
    before = await connection.fetchval(question)
    await all_ask(4999)
    assert await connection.fetchval(question) == before + 1
    await connection.close()
    for client in clients:
        client.wires.close()


async def test_what_an_order_found_sold_out_is_read_anew(lab, shop):
    connection = await lab.part(PostgresPart).primary.admin()
    await shop.ask("/products/4998")
    await connection.execute("UPDATE products SET stock = 0 WHERE id = 4998")
    order = {"customer": 3, "items": [{"product": 4998, "quantity": 1}]}
    assert (await shop.ask("/orders", "POST", order)).status == 409

    async def told() -> bool:
        return bool(json.loads((await shop.ask("/products/4998")).body)["stock"] == 0)

    await auntil(told)
    await connection.close()


async def test_the_console_sees_every_worker_s_caches(lab, shop):
    server = lab.part(ValkeyPart).primary
    console = Valkey("cache", ValkeyOptions(url=server.url, password=server.password))
    hits = await shop.metric("shop_cache_requests_total", prefix="product", result="hit")

    async def seen() -> bool:
        records = (await console.nodes()).records
        names = sorted(record.stats.namespace for record in records)
        return names == sorted([f"shop:{prefix}" for prefix in LIVES] * 3) and any(
            record.stats.of("hit.l1") for record in records
        )

    async def counted() -> bool:
        await shop.many("/products/17", 12)
        return await shop.metric("shop_cache_requests_total", prefix="product", result="hit") >= hits + 12

    await auntil(counted)
    await auntil(seen, 15)
    await console.close()


async def test_metrics_add_up_over_workers_and_survive_them(shop):
    name = "http_request_duration_seconds_count"
    before = await shop.metric(name, route="/health")
    await shop.many("/health", 24)

    async def counted() -> bool:
        return await shop.metric(name, route="/health", status="200") >= before + 24

    await auntil(counted)
    after = await shop.metric(name, route="/health")
    victim = (await shop.pool())["workers"][0]["id"]
    await shop.shop.ask(op="drain", worker=victim, deadline=6)
    await shop.shop.settled()
    assert await shop.metric(name, route="/health") >= after
    assert await shop.metric("db_pool_connections") >= 3


async def test_a_dead_cache_only_makes_it_slower(lab, shop):
    cache = lab.part(ValkeyPart).primary
    await cache.kill()
    try:
        assert set(await shop.many("/products/18", 4)) == {200}
    finally:
        await cache.restart()
    await asyncio.gather(*(shop.ask("/products/18") for _ in range(3)))


def test_histogram_is_cumulative_and_complete():
    board = Board()
    for slot, seconds in ((0, 0.0001), (1, 0.02), (1, 99.0)):
        board.slot(slot).observe("/", "GET", 200, seconds)
    board.slot(2).observe("/unheard-of", "BREW", 418, 0.1)
    text = exposition(board)
    labels = 'method="GET",route="/",status="200"'
    assert f'http_request_duration_seconds_bucket{{{labels},le="0.001"}} 1' in text
    assert f'http_request_duration_seconds_bucket{{{labels},le="{BUCKETS[-1]:g}"}} 2' in text
    assert f'http_request_duration_seconds_bucket{{{labels},le="+Inf"}} 3' in text
    assert f"http_request_duration_seconds_count{{{labels}}} 3" in text
    assert 'route="other"' in text
