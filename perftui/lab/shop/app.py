"""Shop's routes: pages and assets that caches may keep, orders in transactions, one slow report."""

from __future__ import annotations

import hashlib
import html
import itertools
import json
import os
import sys
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from perftui.analysis import tracecontext
from perftui.instrument.cache import LoadTimeout
from perftui.instrument.cache.edge import page as for_edge
from perftui.lab.shop import store as sql
from perftui.lab.shop.assets import ASSETS, Asset
from perftui.lab.shop.caches import product_tags
from perftui.lab.shop.metrics import ROUTES, Board, exposition
from perftui.lab.shop.store import Busy, Store

CATEGORIES = ("chairs", "lamps", "tables", "kitchen", "clocks", "storage", "textiles", "garden")
LOG_LINES = 2000
ACTIVE = "shop:active"  # sessions by when they were last seen
ACTIVE_SECONDS = 300.0
Handler = Callable[[Request], Awaitable[Response]]
Scope = MutableMapping[str, Any]


class Shop:
    """The handlers; one object per worker."""

    def __init__(self, store: Store, board: Board) -> None:
        self._store = store
        self._board = board

    async def front(self, request: Request) -> Response:
        """The start page."""
        del request

        async def load() -> Any:
            async with self._store.database() as connection:
                return [dict(row) for row in await connection.fetch(sql.FRONT)]

        rows = await self._store.cached("page", "front", load, ("front",))
        items = "".join(
            f'<li><a href="/categories/{r["category"]}">{r["category"]}</a> {r["products"]}' for r in rows
        )
        return page("Shop", f"<ul>{items}</ul>", "front")

    async def category(self, request: Request) -> Response:
        """A category's cheapest products."""
        name = request.path_params["name"]
        if name not in CATEGORIES:
            return PlainTextResponse("no such category\n", 404)

        async def load() -> Any:
            async with self._store.database() as connection:
                return [dict(row) for row in await connection.fetch(sql.CATEGORY, name)]

        rows = await self._store.cached("page", f"category:{name}", load, (f"category-{name}",))
        items = "".join(f'<li><a href="/products/{r["id"]}">{html.escape(r["name"])}</a>' for r in rows)
        return page(name, f"<ol>{items}</ol>", f"category-{name}")

    async def product(self, request: Request) -> Response:
        """A product as JSON, through the cache."""
        number = request.path_params["id"]
        self._store.faults.fail()
        self._store.faults.hoard()

        found = await self._store.cached("product", str(number), self._store.load_product)
        if found is None:
            return PlainTextResponse("no such product\n", 404)
        for_edge(ttl=30, browser=5, tags=(f"product-{number}", *product_tags(found)))
        return Response(json.dumps(found), media_type="application/json")

    async def reviews(self, request: Request) -> Response:
        """A product's newest reviews, always from the database."""
        async with self._store.database() as connection:
            rows = await connection.fetch(sql.REVIEWS, request.path_params["id"])
        return JSONResponse([dict(row) for row in rows], headers={"cache-control": "no-store"})

    async def search(self, request: Request) -> Response:
        """Products by part of their name."""
        words = request.query_params.get("q", "")[:40].lower()
        self._store.faults.block()

        async def load() -> Any:
            async with self._store.database() as connection:
                return [dict(row) for row in await connection.fetch(sql.SEARCH, words)]

        rows = await self._store.cached("search", hashlib.sha256(words.encode()).hexdigest()[:12], load)
        return JSONResponse(rows, headers={"cache-control": "private, max-age=5"})

    async def orders(self, request: Request) -> Response:
        """A customer's last orders with their items."""
        customer = request.path_params["id"]
        async with self._store.database() as connection:
            if self._store.faults.on("n-plus-one"):
                found = await one_by_one(connection, customer)
            else:
                found = [dict(row) for row in await connection.fetch(sql.ORDERS, customer)]
        return JSONResponse(found, headers={"cache-control": "private, no-store"})

    async def order(self, request: Request) -> Response:
        """A new order: stock taken, order and items written, all or nothing."""
        try:
            basket = await request.json()
            customer = int(basket["customer"])
            items = sorted({int(i["product"]): int(i["quantity"]) for i in basket["items"][:10]}.items())
        except (ValueError, KeyError, TypeError):
            return PlainTextResponse('send {"customer": …, "items": [{"product": …, "quantity": …}]}\n', 400)
        self._store.faults.fail()
        await self._store.faults.leak()
        async with self._store.database() as connection:
            placed = await place(connection, customer, items)
        if placed is None:
            await self._store.caches.expire("product", [str(product) for product, _ in items])
            return PlainTextResponse("out of stock\n", 409)
        number, cents = placed
        await self._remember(request, number, [product for product, _ in items])
        self._store.slot.count("orders")
        self._store.slot.count("revenue_cents", cents)
        return JSONResponse({"order": number, "total_cents": cents}, 201)

    async def _remember(self, request: Request, order: int, products: list[int]) -> None:
        """What an order leaves in Valkey: lists, sorted sets and sessions of several types."""
        store = self._store
        session = request.headers.get("x-session", "")[:32]
        pipe = store.valkey.pipeline(transaction=False)
        pipe.lpush("shop:recent:orders", order).ltrim("shop:recent:orders", 0, 99)
        for product in products:
            pipe.zincrby("shop:bestsellers", 1, product)
        pipe.sadd(f"shop:buyers:{time.strftime('%Y-%m-%d')}", session or "guest")
        if session.isalnum():
            pipe.hset(f"shop:session:{session}", mapping={"order": order, "seen": int(time.time())})
            pipe.expire(f"shop:session:{session}", sql.SESSION_SECONDS)
            pipe.zadd(ACTIVE, {session: time.time()})
            pipe.hsetnx(f"shop:session:{session}", "customer", 1)
        replies = await store.attempt(pipe.execute())
        if session.isalnum() and replies and replies[-1] == 1:
            store.slot.count("signups")

    async def session(self, request: Request) -> Response:
        """A visitor's session in Valkey, found or begun."""
        given = request.headers.get("x-session", "")
        name = given if given.isalnum() and len(given) <= 32 else os.urandom(8).hex()
        key = f"shop:session:{name}"
        known = await self._store.attempt(self._store.valkey.hget(key, "seen"))
        self._store.slot.count(f"{'hit' if known else 'miss'}:session")
        pipe = self._store.valkey.pipeline(transaction=False)
        now = time.time()
        pipe.hset(key, mapping={"seen": int(now)}).expire(key, sql.SESSION_SECONDS)
        pipe.zadd(ACTIVE, {name: now}).zremrangebyscore(ACTIVE, "-inf", now - ACTIVE_SECONDS)
        await self._store.attempt(pipe.execute())
        return JSONResponse({"session": name}, 200 if known else 201)

    async def asset(self, request: Request) -> Response:
        """A static file; a hashed name may be kept for ever."""
        asset: Asset | None = ASSETS.get(request.path_params["name"])
        if asset is None:
            return PlainTextResponse("no such asset\n", 404)
        for_edge(ttl=asset.life, tags=("assets",))
        return Response(asset.body, 200, {"cache-control": asset.control}, asset.kind)

    async def report(self, request: Request) -> Response:
        """Sales by month and category, computed afresh: slow on purpose."""
        del request
        async with self._store.database() as connection:
            rows = await connection.fetch(sql.REPORT)
        return JSONResponse([dict(row) for row in rows], headers={"cache-control": "private, no-store"})

    async def health(self, request: Request) -> Response:
        """Whether this worker reaches its database."""
        del request
        async with self._store.database() as connection:
            await connection.fetchval("SELECT 1")
        return JSONResponse({"status": "ok", "pid": os.getpid()}, headers={"cache-control": "no-store"})

    async def metrics(self, request: Request) -> Response:
        """All workers' figures for Prometheus."""
        del request
        return PlainTextResponse(exposition(self._board), media_type="text/plain; version=0.0.4")


async def place(connection: Any, customer: int, items: list[tuple[int, int]]) -> tuple[int, int] | None:
    """Write an order in one transaction; its number and total, or None when stock ran out.

    Products are locked in the order of their ids, so that orders never wait in a circle.
    """
    transaction = connection.transaction()
    await transaction.start()
    try:
        priced = []
        for product, quantity in items:
            cents = await connection.fetchval(sql.TAKE_STOCK, product, quantity)
            if cents is None:
                await transaction.rollback()
                return None
            priced.append((product, quantity, cents))
        total = sum(quantity * cents for _, quantity, cents in priced)
        number = await connection.fetchval(sql.NEW_ORDER, customer, total)
        await connection.executemany(sql.NEW_ITEM, [(number, *item) for item in priced])
    except BaseException:
        await transaction.rollback()
        raise
    await transaction.commit()
    return int(number), int(total)


async def one_by_one(connection: Any, customer: int) -> list[dict[str, Any]]:
    """n-plus-one: a query for the orders, one for each one's items, one for each item's name."""
    found = []
    for order in await connection.fetch(sql.ORDERS_ONLY, customer):
        for item in await connection.fetch(sql.ITEMS_OF, order["id"]):
            name = await connection.fetchval(sql.NAME_OF, item["product_id"])
            found.append({**dict(order), **dict(item), "name": name})
    return found


def page(title: str, body: str, tag: str) -> Response:
    """An HTML page that shared caches may keep for a minute."""
    links = '<link rel="stylesheet" href="/assets/app.css"><script src="/assets/app.js" defer></script>'
    text = f"<!doctype html><title>{html.escape(title)}</title>{links}<h1>{html.escape(title)}</h1>{body}"
    for_edge(ttl=60, browser=10, stale=30, tags=("page", tag))
    return Response(text, media_type="text/html; charset=utf-8")


async def unavailable(request: Request, error: Exception) -> Response:
    """The database is away or full."""
    complain(request, error)
    return PlainTextResponse("try again soon\n", 503, {"retry-after": "1", "cache-control": "no-store"})


async def broken(request: Request, error: Exception) -> Response:
    """A bug of ours."""
    complain(request, error)
    return PlainTextResponse("something went wrong here\n", 500, {"cache-control": "no-store"})


_lines_left = itertools.count(LOG_LINES, -1)


def complain(request: Request, error: Exception) -> None:
    """A line about a failed request, findable by its trace; a worker writes a bounded number of them."""
    if next(_lines_left) > 0:
        line = {
            "at": time.time(),
            "route": request.scope.get("shop.route"),
            "error": f"{type(error).__name__}: {error}"[:300],
            "trace": request.scope["shop.trace"].trace_id,
        }
        sys.stderr.write(json.dumps(line) + "\n")


def named(route: str, handler: Handler) -> Route:
    """A route that tells the observer its template."""

    async def endpoint(request: Request) -> Response:
        request.scope["shop.route"] = route
        return await handler(request)

    path = route.replace("{id}", "{id:int}")
    return Route(path, endpoint, methods=[ROUTES[route]])


def build(store: Store, board: Board) -> Starlette:
    """The application without its observer."""
    import asyncpg

    shop = Shop(store, board)
    handlers: dict[str, Handler] = {
        "/": shop.front,
        "/products/{id}": shop.product,
        "/products/{id}/reviews": shop.reviews,
        "/categories/{name}": shop.category,
        "/search": shop.search,
        "/customers/{id}/orders": shop.orders,
        "/orders": shop.order,
        "/sessions": shop.session,
        "/assets/{name}": shop.asset,
        "/report": shop.report,
        "/health": shop.health,
        "/metrics": shop.metrics,
    }
    lost = (Busy, LoadTimeout, asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError)
    answers: dict[Any, Any] = {**dict.fromkeys(lost, unavailable), ArithmeticError: broken}
    return Starlette(routes=[named(*pair) for pair in handlers.items()], exception_handlers=answers)


class Observer:
    """Outermost: counts and times every request, carries the trace context, and ends connections on drain."""

    def __init__(self, app: Callable[..., Awaitable[None]], store: Store) -> None:
        self._app = app
        self._slot = store.slot
        self.draining = False

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        trace = scope["shop.trace"] = trace_of(scope)
        began, status = time.perf_counter(), 500

        async def sending(message: MutableMapping[str, Any]) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message.setdefault("headers", []).append((b"traceresponse", trace.traceparent.encode()))
                if self.draining:
                    message["headers"].append((b"connection", b"close"))
            await send(message)

        self._slot.add("inflight", 1)
        try:
            await self._app(scope, receive, sending)
        finally:
            self._slot.add("inflight", -1)
            route = scope.get("shop.route", "other")
            self._slot.observe(route, scope["method"], status, time.perf_counter() - began)


def trace_of(scope: Scope) -> tracecontext.TraceContext:
    """Our span of the caller's trace, or the first of a new one."""
    parent, states = None, []
    for name, value in scope["headers"]:
        if name == b"traceparent":
            parent = value.decode("latin-1")
        elif name == b"tracestate":
            states.append(value.decode("latin-1"))
    known = tracecontext.parse(parent, states)
    return tracecontext.child(known, os.urandom) if known else tracecontext.start(os.urandom)
