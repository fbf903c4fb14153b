"""Endpoints of all applications in one list: the same one served by several instances is one row."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

from perftui.analysis.apdex import apdex
from perftui.analysis.quantile import Histogram, merge
from perftui.model.endpoint import ApiView, Endpoint


@dataclass(frozen=True, slots=True)
class EndpointRow:
    """One endpoint with the backends its figures come from and the window they cover, in seconds."""

    endpoint: Endpoint
    sources: tuple[str, ...]
    window: float

    @property
    def key(self) -> tuple[str, str, str]:
        """Service, method, route: what makes it one row."""
        e = self.endpoint
        return e.service, e.method, e.route


def merged(views: Iterable[ApiView]) -> tuple[EndpointRow, ...]:
    """One row for each (service, method, route), busiest first."""
    rows: dict[tuple[str, str, str], EndpointRow] = {}
    for view in views:
        for endpoint in view.reading.endpoints:
            row = EndpointRow(endpoint, (view.source,), view.reading.window)
            rows[row.key] = together(rows[row.key], row) if row.key in rows else row
    return tuple(sorted(rows.values(), key=lambda row: (-row.endpoint.rate, row.key)))


def together(one: EndpointRow, other: EndpointRow) -> EndpointRow:
    """Two instances' figures as one: rates add, shares weigh by requests, quantiles come from added buckets.

    Where an instance tells no buckets there is no quantile: the mean of quantiles is none.
    """
    a, b = one.endpoint, other.endpoint
    rate = a.rate + b.rate
    known = bool(a.buckets and b.buckets)
    # counts cover each instance's own window; as rates they can be added
    whole = merge([_per_s(a, one.window), _per_s(b, other.window)]) if known else Histogram((), ())
    figures = [_known(whole.quantile(q)) for q in (0.5, 0.95, 0.99)]
    window = max(one.window, other.window)
    endpoint = replace(
        a,
        rate=rate,
        error_ratio=_weighed(a, b, a.error_ratio, b.error_ratio),
        client_error_ratio=_weighed(a, b, a.client_error_ratio, b.client_error_ratio),
        p50_s=figures[0],
        p95_s=figures[1],
        p99_s=figures[2],
        mean_s=_weighed(a, b, a.mean_s, b.mean_s) if a.mean_s is not None and b.mean_s is not None else None,
        source_of_quantiles=f"histogram, {len(whole.bounds)} buckets" if known else "",
        apdex=apdex(whole),
        statuses=_statuses(a, b),
        buckets=tuple((bound, n * window) for bound, n in whole.per_bucket()),
    )
    return EndpointRow(endpoint, (*one.sources, *other.sources), window)


def thrown(views: Iterable[ApiView], row: EndpointRow) -> tuple[tuple[str, float], ...]:
    """Exceptions a second by class at the route of an endpoint, whatever its method, the most frequent first.

    Classes that came earlier and not in the window are told with 0.
    """
    found: dict[str, float] = {}
    for view in views:
        if view.source in row.sources and view.reading.service == row.endpoint.service:
            for one in view.reading.exceptions:
                if one.route == row.endpoint.route:
                    found[one.exception] = found.get(one.exception, 0.0) + one.rate
    return tuple(sorted(found.items(), key=lambda item: (-item[1], item[0])))


def _per_s(endpoint: Endpoint, window: float) -> Histogram:
    bounds = tuple(bound for bound, _ in endpoint.buckets)
    counts = tuple(n / window if window > 0 else 0.0 for n in accumulate(n for _, n in endpoint.buckets))
    return Histogram(bounds, counts)


def _weighed(a: Endpoint, b: Endpoint, x: float, y: float) -> float:
    rate = a.rate + b.rate
    return (x * a.rate + y * b.rate) / rate if rate else 0.0


def _statuses(*parts: Endpoint) -> tuple[tuple[str, float], ...]:
    found: dict[str, float] = {}
    for part in parts:
        for status, rate in part.statuses:
            found[status] = found.get(status, 0.0) + rate
    return tuple(sorted(found.items()))


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None


def classes(statuses: Sequence[tuple[str, float]]) -> dict[str, float]:
    """Amounts by class of status: `4xx`, `5xx`, …; what is no HTTP status counts under its own name."""
    found: dict[str, float] = {}
    for status, amount in statuses:
        name = f"{status[0]}xx" if len(status) == 3 and status.isdigit() else status or "?"
        found[name] = found.get(name, 0.0) + amount
    return found
