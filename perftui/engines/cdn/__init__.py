"""CDN: what every connected edge serves and holds, and what keeps it from serving more."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar

from perftui.model.cdn import CdnReport, EdgeFacts, EdgeView
from perftui.model.finding import Effort, Finding, Offer, Severity
from perftui.model.frame import SeriesReader
from perftui.model.reading import Look

HIT_TARGET = 0.9
ENOUGH = 2.0  # requests/s below which a hit ratio says nothing
FULL = 0.95


class CdnEngine:
    """One report over every connected edge."""

    stem: ClassVar[str] = "cdn"
    kinds: ClassVar[tuple[str, ...]] = ("varnish", "pyedge")

    def observe(self, now: float, looks: Mapping[str, Look], _history: SeriesReader) -> CdnReport:
        """The newest facts of each edge, lost ones included with their last good figures."""
        views = [
            EdgeView(name, look.reading.facts)
            for name, look in sorted(looks.items())
            if look.reading is not None and isinstance(look.reading.facts, EdgeFacts)
        ]
        return CdnReport(now, tuple(views))

    def findings(self, report: CdnReport) -> Sequence[Finding]:
        """Low hit ratio, sick origins, errors, a full store."""
        return tuple(f for edge in report.edges for f in _findings(edge))

    def actions(self, _report: CdnReport) -> Sequence[Offer]:
        """None by itself: a purge needs to be told of what."""
        return ()


def _findings(edge: EdgeView) -> Iterator[Finding]:
    yield from _hit_ratio(edge)
    yield from _origins(edge)
    yield from _errors(edge)
    yield from _full(edge)


def _hit_ratio(edge: EdgeView) -> Iterator[Finding]:
    facts = edge.facts
    busy = (facts.requests_per_s or 0.0) >= ENOUGH
    if not busy or facts.hit_ratio is None or facts.hit_ratio >= HIT_TARGET:
        return
    states = ", ".join(f"{state} {rate:.1f}/s" for state, rate in facts.by_state if rate > 0)
    missed = dict(facts.by_state).get("miss", 0.0)
    title = f"{edge.source} serves {facts.hit_ratio:.0%} from cache, target {HIT_TARGET:.0%}"
    evidence = (f"{facts.requests_per_s:.1f} requests/s: {states}",)
    yield Finding(
        "cdn.hit-ratio-low",
        Severity.WARNING,
        edge.source,
        title,
        evidence,
        gain=missed,
        gain_unit="1/s",
        effort=Effort.HOURS,
    )


def _origins(edge: EdgeView) -> Iterator[Finding]:
    for origin in edge.facts.origins:
        if origin.healthy is False:
            title = f"{edge.source}: backend {origin.name} is sick"
            yield Finding("cdn.origin-sick", Severity.CRITICAL, edge.source, title, (origin.detail,))


def _errors(edge: EdgeView) -> Iterator[Finding]:
    facts = edge.facts
    rate, errors = facts.requests_per_s or 0.0, facts.errors_per_s or 0.0
    if rate >= ENOUGH and errors / rate > 0.01:
        title = f"{edge.source}: {errors / rate:.1%} of requests fail"
        evidence = (f"{errors:.2f} errors/s of {rate:.1f} requests/s",)
        yield Finding("cdn.errors", Severity.CRITICAL, edge.source, title, evidence)


def _full(edge: EdgeView) -> Iterator[Finding]:
    used, limit = edge.facts.stored_bytes, edge.facts.limit_bytes
    if used and limit and used / limit > FULL:
        title = f"{edge.source}: its store is {used / limit:.0%} full"
        evidence = (f"{used:,} of {limit:,} bytes, {edge.facts.objects} objects",)
        yield Finding("cdn.store-full", Severity.INFO, edge.source, title, evidence, effort=Effort.HOURS)
