"""Objectives: a figure, and the side of a goal it should stay on."""

from __future__ import annotations

from dataclasses import dataclass

from perftui.model.targets import family


@dataclass(frozen=True, slots=True)
class Target:
    """One objective in base units. The figure is the newest value of series `series` of a backend of
    `kind` or of one that tells the same (the worst of several), or of backend `source` alone; exactly one
    of `below` and `above` is set.

    `connect` says what would feed it.
    """

    id: str
    title: str
    unit: str
    below: float | None = None
    above: float | None = None
    kind: str = ""
    series: str = ""
    source: str = ""
    connect: str = ""

    def met(self, value: float) -> bool:
        """Whether `value` is on the right side."""
        if self.below is not None:
            return value < self.below
        return self.above is None or value > self.above

    def fed_by(self, source: str, kind: str) -> bool:
        """Whether a backend of that name and kind has the figure."""
        return source == self.source if self.source else family(kind) == self.kind

    @property
    def goal(self) -> float:
        """The line itself."""
        return self.below if self.below is not None else self.above or 0.0


DEFAULTS: tuple[Target, ...] = (
    Target(
        "api.p95", "API p95", "s", below=0.1, kind="scrape", series="http.p95_s", connect="a scrape backend"
    ),
    Target(
        "api.errors",
        "API errors",
        "ratio",
        below=0.001,
        kind="scrape",
        series="http.error_ratio",
        connect="a scrape backend",
    ),
    Target(
        "cache.hit",
        "Cache hit",
        "ratio",
        above=0.95,
        kind="valkey",
        series="served_ratio",
        connect="a valkey backend",
    ),
    Target(
        "db.p95",
        "DB p95 (est.)",
        "s",
        below=0.02,
        kind="postgres",
        series="p95_estimate_s",
        connect="a postgres backend with pg_stat_statements",
    ),
    Target(
        "api.availability",
        "Availability",
        "ratio",
        above=0.9999,
        kind="scrape",
        series="http.availability_ratio",
        connect="a scrape backend",
    ),
    Target("web.lcp", "LCP p75", "s", below=1.5, connect="no source yet: real users' measurements"),
    Target("scaling.reaction", "Scaling reaction", "s", below=30.0, connect="no source yet: a control loop"),
    Target("recovery", "Recovery", "s", below=30.0, connect="no source yet: failovers"),
)
