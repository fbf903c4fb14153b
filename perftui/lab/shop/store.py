"""What shop's handlers stand on: its caches in front of PostgreSQL, and Valkey for what is no cache."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from typing import Any

from perftui.instrument.cache.context import LoadContext
from perftui.lab.shop.caches import Caches, product_tags
from perftui.lab.shop.faults import Faults
from perftui.lab.shop.metrics import Slot

ACQUIRE_SECONDS = 5.0
STATEMENT_SECONDS = 8.0
COSTLY, COSTLY_S = 3, 0.4  # reports and seconds of them that a page is worth, while there is a stampede
PRODUCTS, WARMED_AT_ONCE = 5000, 250
SESSION_SECONDS = 1800


class Busy(Exception):
    """No database connection came free in time."""


class Store:
    """One worker's connections; opened after the fork."""

    def __init__(self, config: Mapping[str, Any], slot: Slot) -> None:
        self._config = config
        self.slot = slot
        self.faults = Faults(slot, config["postgres"])
        self.caches = Caches(config["valkey"], slot)
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
        self.caches.open()
        self.caches.keep_warm(self._bought, self.load_product)

    async def close(self) -> None:
        """Let go of all within a second."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1.0):
                await self.caches.close()
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
        """Every product into the cache, as a shop does before it opens."""
        async with self.database() as connection:
            for first in range(1, PRODUCTS + 1, WARMED_AT_ONCE):
                rows = await connection.fetch(PRODUCTS_FROM, first, first + WARMED_AT_ONCE)
                await self.caches.warm([dict(row) for row in rows])

    async def _bought(self) -> AsyncIterator[str]:
        """The numbers of products that were bought lately, the most bought first."""
        async with self.database() as connection:
            rows = await connection.fetch(BOUGHT)
        for row in rows:
            yield str(row["product_id"])

    async def load_product(self, ctx: LoadContext) -> Any:
        """The product of that number with its tags; None, not kept, where there is none."""
        async with self.database() as connection:
            row = await connection.fetchrow(PRODUCT, int(ctx.key))
        if row is None:
            ctx.ttl = 0  # it may come any moment
            return None
        ctx.tags = product_tags(row)
        return dict(row)

    def sample(self) -> None:
        """Note the pool's size and what the caches counted, for `/metrics`."""
        self.slot.set("pool_size", self._pool.get_size())
        self.slot.set("pool_idle", self._pool.get_idle_size())
        self.caches.sample()

    async def cached(
        self, prefix: str, name: str, load: Callable[..., Awaitable[Any]], tags: Iterable[str] = ()
    ) -> Any:
        """Read-through: the value of `shop:PREFIX:NAME` from a worker's memory or Valkey, else loaded once.

        A cache that does not answer is a miss, never an error. A stampede takes the one load away, a hot key
        the copies in memory.
        """
        if prefix == "page" and self.faults.on("stampede"):
            return await self.caches.get_alone(prefix, name, lambda: self._costly(load))
        copy = prefix != "product" or not self.faults.on("hot-key")
        return await self.caches.get(prefix, name, load, tags=tags, copy=copy)

    async def _costly(self, load: Callable[[], Awaitable[Any]]) -> Any:
        """stampede: what a page needs takes a heavy query."""
        async with self.database() as connection:
            began, reports = time.monotonic(), 0
            while reports < COSTLY or time.monotonic() - began < COSTLY_S:
                await connection.fetch(REPORT)
                reports += 1
        return await load()

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
BOUGHT = """
SELECT product_id FROM (SELECT product_id FROM order_items ORDER BY order_id DESC LIMIT 2000) AS lately
GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 100"""
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
