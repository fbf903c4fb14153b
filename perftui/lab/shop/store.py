"""What shop's handlers stand on: Valkey in front of PostgreSQL, and every look counted."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

from perftui.lab.shop.faults import Faults
from perftui.lab.shop.metrics import Slot

ACQUIRE_SECONDS = 5.0
STATEMENT_SECONDS = 8.0
COSTLY, COSTLY_S = 3, 0.4  # reports and seconds of them that a page is worth, while there is a stampede
PRODUCTS, WARMED_AT_ONCE = 5000, 250
TTL = {"product": 1800, "page": 30, "search": 300, "session": 1800}


class Busy(Exception):
    """No database connection came free in time."""


class Store:
    """One worker's connections; opened after the fork."""

    def __init__(self, config: Mapping[str, Any], slot: Slot) -> None:
        self._config = config
        self.slot = slot
        self.faults = Faults(slot, config["postgres"])
        self._flights: dict[str, asyncio.Future[Any]] = {}
        self.valkey: Any = None
        self._pool: Any = None

    async def open(self) -> None:
        """Connect; the pool grows with need."""
        import asyncpg
        import redis.asyncio
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff

        self.valkey = redis.asyncio.Redis(
            **self._config["valkey"],
            socket_timeout=1.0,
            socket_connect_timeout=1.0,
            max_connections=16,
            retry=Retry(NoBackoff(), 0),
            client_name="shop",
        )
        self._pool = await asyncpg.create_pool(
            **self._config["postgres"],
            min_size=1,
            max_size=5,
            command_timeout=STATEMENT_SECONDS,
            max_inactive_connection_lifetime=60,
            server_settings={"application_name": "shop", "lock_timeout": "4s"},
        )

    async def close(self) -> None:
        """Let go of both within a second."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1.0):
                await self.valkey.aclose()
                await self._pool.close()

    @contextlib.asynccontextmanager
    async def database(self) -> AsyncIterator[Any]:
        """A pooled connection.

        Raises:
            Busy: none came free in time.
        """
        self.slot.add("pool_waiting", 1)
        try:
            connection = await self._pool.acquire(timeout=ACQUIRE_SECONDS)
        except TimeoutError as error:
            raise Busy(f"no database connection within {ACQUIRE_SECONDS:g} s") from error
        finally:
            self.slot.add("pool_waiting", -1)
        try:
            yield connection
        finally:
            await self._pool.release(connection)

    async def warm(self) -> None:
        """Every product into the cache, as a shop does before it opens.

        Their lives are drawn up to the TTL, as those of a shop that is open for long: none end together.
        """
        async with self.database() as connection:
            for first in range(1, PRODUCTS + 1, WARMED_AT_ONCE):
                rows = await connection.fetch(PRODUCTS_FROM, first, first + WARMED_AT_ONCE)
                pipe = self.valkey.pipeline(transaction=False)
                for row in rows:
                    life = random.randint(1, TTL["product"])  # noqa: S311 - load, not secrets
                    pipe.set(f"shop:product:{row['id']}", json.dumps(dict(row)), ex=life)
                if await self.attempt(pipe.execute()) is None:
                    return

    def sample_pool(self) -> None:
        """Note the pool's size for `/metrics`."""
        self.slot.set("pool_size", self._pool.get_size())
        self.slot.set("pool_idle", self._pool.get_idle_size())

    async def cached(self, prefix: str, name: str, load: Callable[[], Awaitable[Any]]) -> Any:
        """Cache-aside: `shop:PREFIX:NAME` from Valkey, else loaded once and kept for the prefix's TTL.

        A cache that does not answer is a miss, never an error.
        """
        key = f"shop:{prefix}:{name}"
        found = await self._get(key)
        self.slot.count(f"{'miss' if found is None else 'hit'}:{prefix}")
        if found is not None:
            return json.loads(found)
        if self.faults.on("stampede") and prefix == "page":
            return await self._load_alone(key, 1, load)
        return await self._single_flight(key, TTL[prefix], load)

    async def _single_flight(self, key: str, ttl: int, load: Callable[[], Awaitable[Any]]) -> Any:
        """Callers that miss together wait for one load."""
        flight = self._flights.get(key)
        if flight is None:
            flight = self._flights[key] = asyncio.ensure_future(self._fill(key, ttl, load))
            flight.add_done_callback(lambda _: self._flights.pop(key, None))
        return await asyncio.shield(flight)

    async def _load_alone(self, key: str, ttl: int, load: Callable[[], Awaitable[Any]]) -> Any:
        """stampede: a short life, a costly load, and everybody loads for himself."""
        async with self.database() as connection:
            began, reports = time.monotonic(), 0
            while reports < COSTLY or time.monotonic() - began < COSTLY_S:
                await connection.fetch(REPORT)
                reports += 1
        return await self._fill(key, ttl, load)

    async def _fill(self, key: str, ttl: int, load: Callable[[], Awaitable[Any]]) -> Any:
        value = await load()
        if value is not None:
            await self.attempt(self.valkey.set(key, json.dumps(value), ex=ttl))
        return value

    async def _get(self, key: str) -> Any:
        return await self.attempt(self.valkey.get(key))

    async def attempt(self, command: Awaitable[Any]) -> Any:
        """A Valkey command whose failure only costs its effect."""
        from redis.exceptions import RedisError

        try:
            return await command
        except (RedisError, OSError, TimeoutError):
            return None


PRODUCT = """
SELECT id, sku, name, category, description, price_cents, stock, updated_at::text
FROM products WHERE id = $1"""
PRODUCTS_FROM = """
SELECT id, sku, name, category, description, price_cents, stock, updated_at::text
FROM products WHERE id >= $1 AND id < $2"""
REVIEWS = """
SELECT stars, body, created_at::text FROM reviews WHERE product_id = $1 ORDER BY created_at DESC LIMIT 20"""
CATEGORY = """
SELECT id, name, price_cents FROM products WHERE category = $1 ORDER BY price_cents LIMIT 40"""
FRONT = """
SELECT category, count(*) AS products, min(price_cents) AS from_cents
FROM products GROUP BY category ORDER BY 1"""
SEARCH = """
SELECT id, name, price_cents FROM products WHERE name ILIKE '%' || $1 || '%' ORDER BY price_cents LIMIT 20"""
ORDERS = """
SELECT o.id, o.status, o.total_cents, i.product_id, i.quantity, p.name
FROM (SELECT * FROM orders WHERE customer_id = $1 ORDER BY created_at DESC LIMIT 10) o
JOIN order_items i ON i.order_id = o.id JOIN products p ON p.id = i.product_id ORDER BY o.created_at DESC"""
ORDERS_ONLY = """
SELECT id, status, total_cents FROM orders WHERE customer_id = $1 ORDER BY created_at DESC LIMIT 10"""
ITEMS_OF = "SELECT product_id, quantity FROM order_items WHERE order_id = $1"
NAME_OF = "SELECT name FROM products WHERE id = $1"
TAKE_STOCK = "UPDATE products SET stock = stock - $2 WHERE id = $1 AND stock >= $2 RETURNING price_cents"
NEW_ORDER = "INSERT INTO orders (customer_id, total_cents) VALUES ($1, $2) RETURNING id"
NEW_ITEM = "INSERT INTO order_items (order_id, product_id, quantity, price_cents) VALUES ($1, $2, $3, $4)"
REPORT = """
SELECT date_trunc('month', o.created_at)::date::text AS month, p.category, count(*) AS items,
       sum(i.quantity * i.price_cents) AS cents, round(avg(r.stars), 2)::float AS stars
FROM orders o JOIN order_items i ON i.order_id = o.id JOIN products p ON p.id = i.product_id
LEFT JOIN (SELECT product_id, avg(stars) AS stars FROM reviews GROUP BY product_id) r ON r.product_id = p.id
GROUP BY 1, 2 ORDER BY 1, 2"""
