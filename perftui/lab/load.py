"""`python -m perftui.lab.load`: an open-loop load generator with visitors' habits and a day of minutes.

Open loop: requests leave when they are due, not when earlier ones return, so a slow shop meets a
growing crowd as it would in life. Bounded: at most RATE_LIMIT requests a second and INFLIGHT at once;
what is over is counted as shed, never queued.

Standard input: one JSON line of configuration, then orders such as {"rate": 80}, {"pause": true},
{"factor": 5}, {"hot": 0.9}, {"port": 8000}. Its end ends us. Standard output: a line of figures a second.
"""

from __future__ import annotations

import asyncio
import bisect
import itertools
import json
import math
import os
import random
import sys
import time
from collections import deque
from typing import Any

from perftui.analysis import tracecontext
from perftui.lab.folders import Owner
from perftui.lab.processes import become, die_with_parent
from perftui.lab.wire import Wires

RATE_LIMIT = 2000.0
INFLIGHT = 200
DAY_SECONDS = 240.0
WAVE = 0.35
NEW = 0.01  # of requests come from somebody who was never here
PRODUCTS = 5000
CUSTOMERS = 2000
ZIPF = 1.3
CATEGORIES = ("chairs", "lamps", "tables", "kitchen", "clocks", "storage", "textiles", "garden")
WORDS = ("chair", "lamp", "table", "cup", "clock", "shelf", "rug", "vase", "red", "quiet", "solid", "warm")
# Links in newsletters carry the visitor's name: an edge in front takes each for a page of its own, so
# that some of the traffic always reaches shop. Assets, which every page asks for, are what an edge serves
# most of: with them its hit ratio is above 60 %.
LINKED = ("product", "category", "front")
FROM_NEWSLETTER = 0.4
MIX = (
    ("product", 42.2),
    ("category", 12.0),
    ("front", 8.0),
    ("reviews", 8.0),
    ("order", 8.0),
    ("asset", 40.0),
    ("search", 6.0),
    ("orders", 6.0),
    ("session", 4.0),
    ("report", 0.2),
)


class Visitors:
    """What is asked next; deterministic for a seed."""

    def __init__(self, seed: int | None = None) -> None:
        self.random = random.Random(seed)  # noqa: S311 - load, not secrets
        self.hot = 0.0
        self._ranks = list(itertools.accumulate(1 / rank**ZIPF for rank in range(1, PRODUCTS + 1)))
        self._kinds = [kind for kind, _ in MIX]
        self._weights = list(itertools.accumulate(weight for _, weight in MIX))
        self._sessions = [f"{self.random.getrandbits(64):016x}" for _ in range(300)]

    def product(self) -> int:
        """A product by zipf; its rank says nothing about its number."""
        rank = bisect.bisect(self._ranks, self.random.random() * self._ranks[-1])
        return (rank * 1877) % PRODUCTS + 1

    def next(self) -> tuple[str, str, bytes]:
        """Method, path, body."""
        if self.hot and self.random.random() < self.hot:
            return "GET", f"/products/1?ref={self.random.getrandbits(64):x}", b""
        kind = self.random.choices(self._kinds, cum_weights=self._weights)[0]
        maker = getattr(self, f"_{kind}")
        method, path, body = maker()
        if kind in LINKED and self.random.random() < FROM_NEWSLETTER:
            path += f"?visitor={self.session()}"
        return method, path, body

    def _product(self) -> tuple[str, str, bytes]:
        return "GET", f"/products/{self.product()}", b""

    def _reviews(self) -> tuple[str, str, bytes]:
        return "GET", f"/products/{self.product()}/reviews", b""

    def _category(self) -> tuple[str, str, bytes]:
        return "GET", f"/categories/{self.random.choice(CATEGORIES)}", b""

    def _front(self) -> tuple[str, str, bytes]:
        return "GET", "/", b""

    def _asset(self) -> tuple[str, str, bytes]:
        name = self.random.choice(("app.css", "app.js", f"product-{self.random.randrange(24)}.svg"))
        return "GET", f"/assets/{name}", b""

    def _search(self) -> tuple[str, str, bytes]:
        return "GET", f"/search?q={self.random.choice(WORDS)}", b""

    def _orders(self) -> tuple[str, str, bytes]:
        return "GET", f"/customers/{self.random.randrange(1, CUSTOMERS + 1)}/orders", b""

    def _report(self) -> tuple[str, str, bytes]:
        return "GET", "/report", b""

    def _session(self) -> tuple[str, str, bytes]:
        return "POST", "/sessions", b""

    def _order(self) -> tuple[str, str, bytes]:
        chosen = {self.product() for _ in range(self.random.randint(1, 3))}
        items = [{"product": product, "quantity": self.random.randint(1, 2)} for product in sorted(chosen)]
        basket = {"customer": self.random.randrange(1, CUSTOMERS + 1), "items": items}
        return "POST", "/orders", json.dumps(basket).encode()

    def session(self) -> str:
        """A visitor's session name."""
        place = self.random.randrange(len(self._sessions))
        if self.random.random() < NEW:
            self._sessions[place] = f"{self.random.getrandbits(64):016x}"
        return self._sessions[place]


class Load:
    """Sends, counts, and does what it is told."""

    def __init__(self, config: dict[str, Any]) -> None:
        self.visitors = Visitors(config.get("seed"))
        self.rate = float(config["rate"])
        self.factor = 1.0
        self.paused = False
        self.wires = Wires(config["host"], int(config["port"]))
        self.counts = {"sent": 0, "ok": 0, "errors": 0, "failed": 0, "shed": 0, "order": 0}
        self._recent: deque[float] = deque(maxlen=500)
        self._tasks: set[asyncio.Task[None]] = set()
        self._began = time.monotonic()

    def wanted(self) -> float:
        """Requests a second at this moment of the short day."""
        if self.paused:
            return 0.0
        wave = 1 + WAVE * math.sin(2 * math.pi * (time.monotonic() - self._began) / DAY_SECONDS)
        return min(RATE_LIMIT, self.rate * self.factor * wave)

    async def run(self) -> None:
        """Send for ever, each request at its own moment."""
        due = time.monotonic()
        while True:
            rate = self.wanted()
            if rate <= 0:
                await asyncio.sleep(0.05)
                due = time.monotonic()
                continue
            due += self.visitors.random.expovariate(rate)
            now = time.monotonic()
            if due < now - 1.0:  # we were held up: what is lost is lost
                due = now
            # A rate lowered meanwhile must not wait for an arrival drawn from the old one.
            await asyncio.sleep(min(max(0.0, due - now), 0.5))
            self._send()

    def _send(self) -> None:
        if len(self._tasks) >= INFLIGHT:
            self.counts["shed"] += 1
            return
        self.counts["sent"] += 1
        task = asyncio.create_task(self._request())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _request(self) -> None:
        method, path, body = self.visitors.next()
        began = time.monotonic()
        try:
            reply = await self.wires.ask(self.head(method, path, body), again=method == "GET")
        except (OSError, TimeoutError):
            self.counts["failed"] += 1
            return
        self._recent.append(time.monotonic() - began)
        self.counts["ok" if reply.status < 500 else "errors"] += 1

    def head(self, method: str, path: str, body: bytes) -> bytes:
        """A whole request as bytes."""
        trace = tracecontext.start(os.urandom)
        lines = [
            f"{method} {path} HTTP/1.1",
            f"host: {self.wires.host}:{self.wires.port}",
            f"traceparent: {trace.traceparent}",
            f"x-session: {self.visitors.session()}",
            f"content-length: {len(body)}",
        ]
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + body

    def order(self, order: dict[str, Any]) -> None:
        """Change what is being done; figures from now on carry the order's number."""
        self.counts["order"] = int(order.get("order", self.counts["order"]))
        if "rate" in order:
            self.rate, self.paused = min(RATE_LIMIT, max(0.0, float(order["rate"]))), False
        self.paused = bool(order.get("pause", self.paused))
        self.factor = float(order.get("factor", self.factor))
        self.visitors.hot = float(order.get("hot", self.visitors.hot))
        if "port" in order:
            self.wires.close()
            self.wires = Wires(str(order.get("host", self.wires.host)), int(order["port"]))

    def figures(self) -> dict[str, Any]:
        """Counters so far, and percentiles of the last responses."""
        ordered = sorted(self._recent)
        quantile = (
            {q: ordered[min(len(ordered) - 1, int(len(ordered) * q))] for q in (0.5, 0.95)} if ordered else {}
        )
        return {
            **self.counts,
            "retried": self.wires.retried,
            "inflight": len(self._tasks),
            "rate": self.wanted(),
            "paused": self.paused,
            "p50": quantile.get(0.5),
            "p95": quantile.get(0.95),
        }


async def main(config: dict[str, Any]) -> None:
    """Run until standard input ends."""
    load = Load(config)
    loop = asyncio.get_running_loop()
    orders = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
    tasks = [asyncio.create_task(load.run()), asyncio.create_task(report(load))]
    while line := await orders.readline():
        load.order(json.loads(line))
        say(load)
    for task in tasks:
        task.cancel()


async def report(load: Load) -> None:
    """A line a second."""
    while True:
        await asyncio.sleep(1.0)
        say(load)


def say(load: Load) -> None:
    """Figures to whoever started us; nobody there means that it is over."""
    try:
        sys.stdout.write(json.dumps(load.figures()) + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        os._exit(0)


def start() -> None:
    """Read the configuration, drop rights, go."""
    import httptools as _warm  # noqa: F401 - later the package may be out of reach

    parent = os.getppid()
    config = json.loads(sys.stdin.buffer.raw.readline())  # type: ignore[union-attr]
    owner = config.get("owner")
    become(Owner(*owner) if owner else None, parent)
    die_with_parent(parent)
    asyncio.run(main(config))


if __name__ == "__main__":
    start()
