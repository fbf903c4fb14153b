"""What an application serves: requests, errors and durations, by route."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Requests of one route and method over one window.

    `rate` is requests a second, ratios 0-1, quantiles seconds (None: no requests, or no histogram).
    `source_of_quantiles` says how they were found ("histogram, 12 buckets"). `apdex` is 0-1 for a target
    of 100 ms, None without a histogram. `statuses` are requests a second by status, `buckets` requests by
    duration as in `ApiReading` (the busiest endpoints only).
    """

    service: str
    route: str
    method: str
    rate: float
    error_ratio: float = 0.0
    client_error_ratio: float = 0.0
    p50_s: float | None = None
    p95_s: float | None = None
    p99_s: float | None = None
    mean_s: float | None = None
    source_of_quantiles: str = ""
    apdex: float | None = None
    statuses: tuple[tuple[str, float], ...] = ()
    buckets: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Exemplar:
    """One request behind an endpoint's histogram: its trace, how long it took (seconds), and when."""

    route: str
    method: str
    status: str
    trace_id: str
    seconds: float
    at: float


@dataclass(frozen=True, slots=True)
class Stretch:
    """What one endpoint gained between two scrapes, `start` to `end` in epoch seconds.

    `counts` are requests in each bucket, `statuses` requests by status.
    """

    start: float
    end: float
    counts: tuple[float, ...]
    statuses: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class EndpointPast:
    """One endpoint's last quarter of an hour, oldest first; `bounds` are upper ones, the last infinite."""

    route: str
    method: str
    bounds: tuple[float, ...]
    stretches: tuple[Stretch, ...]


@dataclass(frozen=True, slots=True)
class Gauge:
    """One number an application says of itself, by its own metric name and labels."""

    name: str
    value: float
    labels: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Pool:
    """Connections of an application to a database; `name` is "" where it has one pool only.

    `limit` is how many it may open, 0: not told. `waiting` counts requests that wait for one (None: not
    told), `wait_s` is the mean of waits lately.
    """

    name: str
    used: int
    idle: int
    limit: int
    waiting: int | None = None
    wait_s: float | None = None

    @property
    def used_ratio(self) -> float | None:
        """Used share of what it may open; None where that is not told."""
        return self.used / self.limit if self.limit else None


@dataclass(frozen=True, slots=True)
class PoolUse:
    """A pool with means of its use and of who waits over the last half minute; None: too few samples."""

    pool: Pool
    share: float | None = None
    waiting: float | None = None


@dataclass(frozen=True, slots=True)
class Tally:
    """What one endpoint has counted since it was first watched, whatever restarted meanwhile.

    `counts` are requests in each bucket, `seconds` their durations together, `statuses` requests by status.
    """

    route: str
    method: str
    bounds: tuple[float, ...]
    counts: tuple[float, ...]
    seconds: float
    statuses: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class Thrown:
    """Exceptions of one class that left the application at one route.

    `rate` is how many a second came in the window, `total` how many since the application started.
    """

    exception: str
    route: str
    rate: float
    total: float


@dataclass(frozen=True, slots=True)
class ApiReading:
    """One scrape: the whole service over the window since the scrape before, and its routes.

    `buckets` are the whole service's requests by duration in the window: upper bounds (the last is
    infinite) with counts in each. `exemplars` are the slowest requests of late of which a trace is known,
    a few an endpoint. `metrics` counts samples scraped, `window` seconds (0: first scrape), `damaged` lines
    too long to be read, `duplicates` samples told twice. `exceptions` are the most frequent of late first.
    """

    service: str
    window: float
    total: Endpoint
    endpoints: tuple[Endpoint, ...]
    requests_total: float
    errors_total: float
    in_flight: float | None
    buckets: tuple[tuple[float, float], ...] = ()
    gauges: tuple[Gauge, ...] = ()
    metrics: int = 0
    bytes_: int = 0
    tallies: tuple[Tally, ...] = ()
    exemplars: tuple[Exemplar, ...] = ()
    pools: tuple[Pool, ...] = ()
    damaged: int = 0
    duplicates: int = 0
    exceptions: tuple[Thrown, ...] = ()


@dataclass(frozen=True, slots=True)
class Surge:
    """Requests a second far above those of the `over` seconds before it `began` (epoch seconds).

    `usual` is their median; `routes` are (method and route, usual rate) of the routes that gained most.
    """

    began: float
    usual: float
    over: float
    routes: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class ApiView:
    """An application in a report, with when it was asked."""

    source: str
    at: float
    reading: ApiReading
    surge: Surge | None = None
    pools: tuple[PoolUse, ...] = ()
