"""Rate, errors and durations between two scrapes, for a whole service and for each of its routes."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from perftui.analysis.apdex import apdex
from perftui.analysis.promtext import Labels
from perftui.analysis.quantile import Histogram, added, increase, merge
from perftui.backends.scrape.roles import Counters, Role, exception_of
from perftui.model.endpoint import ApiReading, Endpoint, Thrown

MAX_ROUTES = 200
MAX_THROWN = 50  # classes of exceptions at routes
DETAILED = 30  # endpoints whose buckets are told and kept
RoleOf = Callable[[Labels], Role]


@dataclass(slots=True)
class Gained:
    """What one route (or everything) gained in a window."""

    requests: float = 0.0
    errors: float = 0.0
    client_errors: float = 0.0
    seconds: float = 0.0
    histograms: list[Histogram] = field(default_factory=list)
    statuses: dict[str, float] = field(default_factory=dict)

    def add(self, other: Gained) -> None:
        """Count another's gains in."""
        self.requests += other.requests
        self.errors += other.errors
        self.client_errors += other.client_errors
        self.seconds += other.seconds
        self.histograms += other.histograms
        for status, gained in other.statuses.items():
            self.statuses[status] = self.statuses.get(status, 0.0) + gained


def endpoints(service: str, now: Counters, before: Counters, role_of: RoleOf) -> tuple[Endpoint, ...]:
    """Routes by rate, the busiest first; without a window between the looks there are none."""
    window = now.mono - before.mono
    if window <= 0:
        return ()
    return _ranked(service, gains(now, before, role_of), window)


def _ranked(service: str, by_route: dict[tuple[str, str], Gained], window: float) -> tuple[Endpoint, ...]:
    busiest = sorted(by_route.items(), key=lambda item: (-item[1].requests, item[0]))[:MAX_ROUTES]
    return tuple(
        _endpoint(service, key, gained, window, detailed=place < DETAILED)[0]
        for place, (key, gained) in enumerate(busiest)
    )


def reading(service: str, now: Counters, before: Counters, role_of: RoleOf) -> ApiReading:
    """The whole service and its routes between two scrapes."""
    window = max(0.0, now.mono - before.mono)
    whole = Gained()
    by_route = gains(now, before, role_of)
    for gained in by_route.values():
        whole.add(gained)
    total, merged = _endpoint(service, ("", ""), whole, window)
    errors = sum(v for labels, v in now.requests.items() if role_of(labels).status.startswith("5"))
    return ApiReading(
        service=service,
        window=window,
        total=total,
        endpoints=_ranked(service, by_route, window) if window else (),
        requests_total=sum(now.requests.values()),
        errors_total=errors,
        in_flight=now.in_flight,
        buckets=merged.per_bucket(),
        gauges=now.gauges,
        exceptions=thrown(now, before, role_of),
    )


def thrown(now: Counters, before: Counters, role_of: RoleOf) -> tuple[Thrown, ...]:
    """Exceptions between two scrapes by class and route, the most frequent first, then those of before."""
    window, told = now.mono - before.mono, dict[tuple[str, str], tuple[float, float]]()
    for labels, value in now.exceptions.items():
        key = exception_of(labels) or "?", role_of(labels).route
        more, total = told.get(key, (0.0, 0.0))
        told[key] = more + increase(value, before.exceptions.get(labels, 0.0)), total + value
    found = [Thrown(*key, more / window if window > 0 else 0.0, total) for key, (more, total) in told.items()]
    return tuple(sorted(found, key=lambda t: (-t.rate, -t.total, t.exception, t.route))[:MAX_THROWN])


def gains(now: Counters, before: Counters, role_of: RoleOf) -> dict[tuple[str, str], Gained]:
    """Gains by (route, method); each series is compared with itself, so one worker's restart is its own.

    A series that was not there before counts from zero: its first request made it.
    """
    by_route: dict[tuple[str, str], Gained] = {}
    for labels, value in now.requests.items():
        role = role_of(labels)
        gained = by_route.setdefault((role.route, role.method), Gained())
        more = increase(value, before.requests.get(labels, 0.0))
        gained.requests += more
        gained.errors += more if role.status.startswith("5") else 0.0
        gained.client_errors += more if role.status.startswith("4") else 0.0
        if more:
            gained.statuses[role.status] = gained.statuses.get(role.status, 0.0) + more
    for labels, histogram in now.histograms.items():
        role = role_of(labels)
        gained = by_route.setdefault((role.route, role.method), Gained())
        old = before.histograms.get(labels, Histogram(histogram.bounds, (0.0,) * len(histogram.bounds)))
        gained.histograms.append(added(histogram, old))
        gained.seconds += increase(now.sums.get(labels, 0.0), before.sums.get(labels, 0.0))
    for gained in by_route.values():
        gained.histograms = [merge(gained.histograms)]
    return by_route


def _endpoint(
    service: str, key: tuple[str, str], gained: Gained, window: float, *, detailed: bool = False
) -> tuple[Endpoint, Histogram]:
    merged = merge(gained.histograms)
    n = gained.requests
    endpoint = Endpoint(
        service=service,
        route=key[0],
        method=key[1],
        rate=n / window if window > 0 else 0.0,
        error_ratio=gained.errors / n if n else 0.0,
        client_error_ratio=gained.client_errors / n if n else 0.0,
        p50_s=_known(merged.quantile(0.5)),
        p95_s=_known(merged.quantile(0.95)),
        p99_s=_known(merged.quantile(0.99)),
        mean_s=gained.seconds / merged.count if merged.count else None,
        source_of_quantiles=f"histogram, {len(merged.bounds)} buckets" if merged.bounds else "",
        apdex=apdex(merged),
        statuses=tuple((s, n / window) for s, n in sorted(gained.statuses.items())) if window > 0 else (),
        buckets=merged.per_bucket() if detailed else (),
    )
    return endpoint, merged


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None
