"""Findings about an application's requests: failing, or slower than they should be."""

from __future__ import annotations

from collections.abc import Iterator

from perftui.model.endpoint import ApiView, Endpoint
from perftui.model.finding import Effort, Finding, Severity

ERRORS_HIGH, ERRORS_CRITICAL = 0.01, 0.05
P95_TARGET = 0.1  # seconds
P99_TARGET = 1.0
POOL_HIGH, POOL_FULL = 0.9, 0.98  # share of a pool's connections in use
WAITING = 0.5  # requests that wait, on average
ENOUGH = 20  # requests in the window below which a share or a quantile says little


def findings(view: ApiView) -> Iterator[Finding]:
    """What is wrong with this application now."""
    reading = view.reading
    if reading.total.rate * reading.window >= ENOUGH:
        yield from _errors(view)
        yield from _slow(view)
    yield from _pools(view)
    yield from _page(view)


def _errors(view: ApiView) -> Iterator[Finding]:
    total, reading = view.reading.total, view.reading
    if total.error_ratio < ERRORS_HIGH:
        return
    failing = sorted(reading.endpoints, key=lambda e: -e.rate * e.error_ratio)
    evidence = [f"{total.rate * total.error_ratio:.1f} of {total.rate:.1f} requests/s answered 5xx"]
    evidence += [
        f"{name(e)}: {e.error_ratio:.0%} of {e.rate:.1f}/s" for e in failing[:3] if e.error_ratio > 0
    ]
    evidence += [f"{t.exception} at {t.route}: {t.rate:.1f}/s" for t in reading.exceptions[:3] if t.rate > 0]
    yield Finding(
        "api.error-rate-high",
        Severity.CRITICAL if total.error_ratio >= ERRORS_CRITICAL else Severity.WARNING,
        view.source,
        f"{reading.service}: {total.error_ratio:.1%} of requests fail",
        tuple(evidence),
        gain=total.rate * total.error_ratio,
        gain_unit="1/s",
        effort=Effort.HOURS,
    )


def _slow(view: ApiView) -> Iterator[Finding]:
    total, reading = view.reading.total, view.reading
    p95, p99 = total.p95_s, total.p99_s
    if p95 is None or p99 is None or (p95 <= P95_TARGET and p99 <= P99_TARGET):
        return
    evidence = [f"p50 {_ms(total.p50_s)}, p95 {_ms(p95)}, p99 {_ms(p99)} at {total.rate:.1f} requests/s"]
    costly = sorted(reading.endpoints, key=_seconds_per_s, reverse=True)
    evidence += [
        f"{name(e)}: p95 {_ms(e.p95_s)}, {_seconds_per_s(e):.2f} s of request time a second"
        for e in costly[:3]
    ]
    over = f"p95 {_ms(p95)}, target {_ms(P95_TARGET)}"
    if p95 <= P95_TARGET:
        over = f"p99 {_ms(p99)}, target {_ms(P99_TARGET)}"
    yield Finding(
        "api.slow",
        Severity.WARNING,
        view.source,
        f"{reading.service}: {over}",
        tuple(evidence),
        gain=sum(_seconds_per_s(e) for e in costly if (e.p95_s or 0.0) > P95_TARGET),
        gain_unit="s/s",
        effort=Effort.HOURS,
    )


def _pools(view: ApiView) -> Iterator[Finding]:
    """A pool whose connections are all lent out: requests wait for one, whatever the database could do."""
    for use in view.pools:
        pool, called = use.pool, f" {use.pool.name}" if use.pool.name else ""
        if use.share is None or use.share < POOL_HIGH:
            continue
        waits = use.waiting is not None and use.waiting >= WAITING
        evidence = [f"{use.share:.0%} of {pool.limit} connections in use over 30 s"]
        evidence += [f"{use.waiting:.1f} requests wait for one"] if waits else []
        evidence += [f"a wait took {_ms(pool.wait_s)}"] if pool.wait_s is not None else []
        yield Finding(
            "api.pool-exhausted",
            Severity.CRITICAL if waits and use.share >= POOL_FULL else Severity.WARNING,
            view.source,
            f"{view.reading.service}: the connection pool{called} is {use.share:.0%} used",
            tuple(evidence),
            effort=Effort.MINUTES,
            labels=(("pool", pool.name),) if pool.name else (),
        )


def _page(view: ApiView) -> Iterator[Finding]:
    """Metrics that are not all read: what is counted from them may be too little."""
    reading = view.reading
    rows = (
        (reading.damaged, "lines longer than 16 KiB, passed over"),
        (reading.duplicates, "samples told again, of which the first counts"),
    )
    evidence = tuple(f"{what}: {count:,}" for count, what in rows if count)
    if evidence:
        title = f"{reading.service}: its metrics are not all read"
        yield Finding(
            "api.metrics-damaged", Severity.WARNING, view.source, title, evidence, effort=Effort.HOURS
        )


def name(endpoint: Endpoint) -> str:
    """Method and route as people say them."""
    return f"{endpoint.method} {endpoint.route}".strip()


def _seconds_per_s(endpoint: Endpoint) -> float:
    return endpoint.rate * (endpoint.mean_s or 0.0)


def _ms(seconds: float | None) -> str:
    return "–" if seconds is None else f"{seconds * 1000:.0f} ms"
