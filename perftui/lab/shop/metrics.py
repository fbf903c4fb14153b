"""One set of figures for all of shop's workers: shared memory with one writer per slot.

Every worker process counts in its own slot; whoever is asked for `/metrics` adds the slots up.
A slot outlives its worker, so sums never go back when a worker ends.
"""

from __future__ import annotations

import mmap
import time
from collections.abc import Iterator

SLOTS = 48
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
STATUSES = (200, 201, 304, 400, 404, 405, 409, 500, 503)
ROUTES: dict[str, str] = {
    "/": "GET",
    "/products/{id}": "GET",
    "/products/{id}/reviews": "GET",
    "/categories/{name}": "GET",
    "/search": "GET",
    "/customers/{id}/orders": "GET",
    "/orders": "POST",
    "/sessions": "POST",
    "/assets/{name}": "GET",
    "/report": "GET",
    "/health": "GET",
    "/metrics": "GET",
    "other": "ANY",
}
PREFIXES = ("product", "page", "search", "session")
COUNTERS = (
    *(f"{result}:{prefix}" for prefix in PREFIXES for result in ("hit", "miss")),
    "orders",
    "revenue_cents",
    "signups",
    "errors",
    "requests",
)
GAUGES = ("inflight", "pool_size", "pool_idle", "pool_waiting", "loop_lag", "leaked", "beat")

_HISTOGRAM = len(BUCKETS) + 2  # one bucket for +Inf, one for the sum
_SERIES = [(route, method, status) for route, method in ROUTES.items() for status in STATUSES]
_AT = {series: index * _HISTOGRAM for index, series in enumerate(_SERIES)}
_COUNTER_AT = {name: len(_SERIES) * _HISTOGRAM + index for index, name in enumerate(COUNTERS)}
_GAUGE_AT = {name: len(_SERIES) * _HISTOGRAM + len(COUNTERS) + index for index, name in enumerate(GAUGES)}
WIDTH = len(_SERIES) * _HISTOGRAM + len(COUNTERS) + len(GAUGES)


class Board:
    """The shared memory, made before the first fork."""

    def __init__(self) -> None:
        self._cells = memoryview(mmap.mmap(-1, SLOTS * WIDTH * 8)).cast("d")

    def slot(self, number: int) -> Slot:
        """The part that one worker writes."""
        return Slot(self._cells[number * WIDTH : (number + 1) * WIDTH])

    def total(self, cell: int) -> float:
        """A cell added up over all slots."""
        return sum(self._cells[cell::WIDTH].tolist())

    def counter(self, name: str) -> float:
        """A counter over all workers that ever were."""
        return self.total(_COUNTER_AT[name])

    def gauge(self, name: str) -> float:
        """A gauge over the living workers."""
        return self.total(_GAUGE_AT[name])

    def greatest(self, name: str) -> float:
        """A gauge's largest value among the living workers."""
        values = self._cells[_GAUGE_AT[name] :: WIDTH].tolist()
        return max(values)


class Slot:
    """One worker's figures; nobody else writes here."""

    def __init__(self, cells: memoryview[float]) -> None:
        self._cells = cells

    def count(self, name: str, by: float = 1.0) -> None:
        """Add to a counter."""
        self._cells[_COUNTER_AT[name]] += by

    def set(self, name: str, value: float) -> None:
        """Set a gauge."""
        self._cells[_GAUGE_AT[name]] = value

    def add(self, name: str, by: float) -> None:
        """Move a gauge."""
        self._cells[_GAUGE_AT[name]] += by

    def observe(self, route: str, method: str, status: int, seconds: float) -> None:
        """A finished request."""
        key = (route if ROUTES.get(route) == method else "other", method, status)
        if key not in _AT:
            key = ("other", "ANY", status if status in STATUSES else 500)
        base = _AT[key]
        place = next((i for i, bound in enumerate(BUCKETS) if seconds <= bound), len(BUCKETS))
        self._cells[base + place] += 1
        self._cells[base + _HISTOGRAM - 1] += seconds
        self.count("requests")
        if status >= 500:
            self.count("errors")

    def requests(self) -> int:
        """Requests finished in this slot."""
        return int(self._cells[_COUNTER_AT["requests"]])

    def inflight(self) -> int:
        """Requests begun and not finished."""
        return int(self._cells[_GAUGE_AT["inflight"]])

    def silent(self) -> float:
        """Seconds since its event loop last turned; 0 before the first time."""
        beat = self._cells[_GAUGE_AT["beat"]]
        return max(0.0, time.monotonic() - beat) if beat else 0.0

    def clear_gauges(self) -> None:
        """Its worker ended: what it held is gone, what it counted stays."""
        for name in GAUGES:
            self.set(name, 0.0)


def exposition(board: Board) -> str:
    """All figures in Prometheus' text format (0.0.4)."""
    return "\n".join([*_durations(board), *_counters(board), *_gauges(board)]) + "\n"


def _durations(board: Board) -> Iterator[str]:
    name = "http_request_duration_seconds"
    yield f"# HELP {name} Time from the request's head to the response's end."
    yield f"# TYPE {name} histogram"
    for series in _SERIES:
        cells = [board.total(_AT[series] + i) for i in range(_HISTOGRAM)]
        if not any(cells):
            continue
        route, method, status = series
        labels = f'method="{method}",route="{route}",status="{status}"'
        running = 0.0
        for bound, count in zip((*(f"{b:g}" for b in BUCKETS), "+Inf"), cells, strict=False):
            running += count
            yield f'{name}_bucket{{{labels},le="{bound}"}} {running:.0f}'
        yield f"{name}_sum{{{labels}}} {cells[-1]:.9g}"
        yield f"{name}_count{{{labels}}} {running:.0f}"


def _counters(board: Board) -> Iterator[str]:
    yield "# HELP shop_cache_requests_total Look-ups in the cache by key prefix and result."
    yield "# TYPE shop_cache_requests_total counter"
    for prefix in PREFIXES:
        for result in ("hit", "miss"):
            value = board.counter(f"{result}:{prefix}")
            yield f'shop_cache_requests_total{{prefix="{prefix}",result="{result}"}} {value:.0f}'
    yield from _single("shop_orders_total", "counter", "Orders committed.", board.counter("orders"))
    revenue = board.counter("revenue_cents") / 100
    yield from _single("shop_revenue_total", "counter", "Value of committed orders, in euros.", revenue)
    cents = f'{{currency="EUR"}} {board.counter("revenue_cents"):.0f}'
    yield "# HELP shop_revenue_minor_total Value of committed orders in the currency's minor unit."
    yield "# TYPE shop_revenue_minor_total counter"
    yield f"shop_revenue_minor_total{cents}"
    signups = board.counter("signups")
    yield from _single("shop_signups_total", "counter", "Sessions that ordered for the first time.", signups)
    yield from _single("shop_errors_total", "counter", "Responses with status 5xx.", board.counter("errors"))


def _gauges(board: Board) -> Iterator[str]:
    yield "# HELP db_pool_connections Connections of the workers' database pools by state."
    yield "# TYPE db_pool_connections gauge"
    idle, size = board.gauge("pool_idle"), board.gauge("pool_size")
    yield f'db_pool_connections{{state="idle"}} {idle:.0f}'
    yield f'db_pool_connections{{state="used"}} {max(0.0, size - idle):.0f}'
    yield f'db_pool_connections{{state="leaked"}} {board.gauge("leaked"):.0f}'
    waiting = board.gauge("pool_waiting")
    yield from _single("db_pool_waiting", "gauge", "Requests waiting for a database connection.", waiting)
    inflight = board.gauge("inflight")
    yield from _single("http_requests_in_flight", "gauge", "Requests being served.", inflight)
    lag = board.greatest("loop_lag")
    yield from _single(
        "event_loop_lag_seconds", "gauge", "Longest recent delay of a worker's event loop.", lag
    )


def _single(name: str, kind: str, text: str, value: float) -> Iterator[str]:
    yield f"# HELP {name} {text}"
    yield f"# TYPE {name} {kind}"
    yield f"{name} {value:.12g}"
