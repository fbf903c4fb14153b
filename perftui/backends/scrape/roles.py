"""Which metric plays which role: requests, errors and durations out of a service's own names."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from perftui.analysis.accesslines import bare, templated
from perftui.analysis.promtext import MAX_CACHED, Labels, Scrape
from perftui.analysis.quantile import Histogram
from perftui.model.endpoint import Gauge

REQUESTS = ("http_requests_total", "http_server_requests_total")
DURATIONS = (
    "http_request_duration_seconds",
    "http_server_request_duration_seconds",
    "http_server_duration_seconds",
    "request_duration_seconds",
    "request_latency_seconds",
)
IN_FLIGHT = (
    "http_requests_in_flight",
    "http_requests_in_progress",
    "http_server_active_requests",
    "requests_in_flight",
    "requests_in_progress",
)
EXCEPTIONS = ("http_exceptions_total", "http_server_exceptions_total")
RSS = "process_resident_memory_bytes"
TEMPLATES = ("route", "handler", "path_template", "http_route", "endpoint")
PATHS = ("path", "url", "uri")  # what was asked for, ids and all
METHOD = ("method", "http_method", "http_request_method", "verb")
STATUS = ("status", "status_code", "code", "http_status", "http_status_code", "http_response_status_code")
EXCEPTION = ("exception", "exception_type", "exception_class", "error_type")
MAX_GAUGES = 64
MACHINE = "node_"  # gauges of the machine are read as a host: beside an application's they would crowd it out


class Role(NamedTuple):
    """What a series' labels say: where it belongs, how it ended, and its bucket's bound."""

    route: str
    method: str
    status: str
    bound: float
    rest: Labels  # every label but `le`: what tells one histogram from another


@dataclass(slots=True)
class Counters:
    """The counters of one scrape that have a role, each under its own labels."""

    at: float
    mono: float
    requests: dict[Labels, float] = field(default_factory=dict)
    histograms: dict[Labels, Histogram] = field(default_factory=dict)
    sums: dict[Labels, float] = field(default_factory=dict)
    in_flight: float | None = None
    rss: dict[Labels, float] = field(default_factory=dict)
    gauges: tuple[Gauge, ...] = ()
    exceptions: dict[Labels, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Names:
    """Names that replace the known ones where a service has its own; empty: the known ones."""

    requests: str = ""
    durations: str = ""
    in_flight: str = ""


class Roles:
    """Sorts the samples of one service into roles, remembering what labels mean."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self._seen: dict[int, tuple[Labels, Role]] = {}
        self._rests: dict[Labels, Labels] = {}

    def role(self, labels: Labels) -> Role:
        """What these labels say; worked out once for each object.

        Found by identity: hashing the labels of every bucket would cost more than all the rest. The
        entry holds the labels, so their identity cannot come to mean others.
        """
        entry = self._seen.get(id(labels))
        if entry is not None and entry[0] is labels:
            return entry[1]
        if len(self._seen) >= MAX_CACHED:
            self._seen.clear()
            self._rests.clear()
        role = _role(labels)
        role = role._replace(rest=self._rests.setdefault(role.rest, role.rest))
        self._seen[id(labels)] = (labels, role)
        return role

    def sort(self, scrape: Scrape, at: float, mono: float) -> Counters:
        """The counters of a scrape by role."""
        samples = scrape.samples
        durations = self.durations(scrape)
        requests = _choose(self._names.requests, REQUESTS, samples) or f"{durations}_count"
        in_flight = samples.get(_choose(self._names.in_flight, IN_FLIGHT, samples), [])
        return Counters(
            at=at,
            mono=mono,
            requests=dict(samples.get(requests, ())),
            histograms=self._histograms(samples.get(f"{durations}_bucket", ())),
            sums=dict(samples.get(f"{durations}_sum", ())),
            in_flight=sum(value for _, value in in_flight) if in_flight else None,
            rss=dict(samples.get(RSS, ())),
            gauges=_gauges(scrape),
            exceptions=dict(samples.get(_choose("", EXCEPTIONS, samples), ())),
        )

    def durations(self, scrape: Scrape) -> str:
        """Name of the histogram of request durations, without its ending; empty when there is none."""
        bases = {name.removesuffix("_bucket") for name in scrape.samples if name.endswith("_bucket")}
        return _choose(self._names.durations, DURATIONS, bases)

    def _histograms(self, rows: Iterable[tuple[Labels, float]]) -> dict[Labels, Histogram]:
        apart: dict[int, list[tuple[float, float]]] = {}
        rests: dict[int, Labels] = {}
        seen = self._seen
        for labels, value in rows:
            entry = seen.get(id(labels))
            role = entry[1] if entry is not None and entry[0] is labels else self.role(labels)
            cells = apart.get(id(role.rest))
            if cells is None:
                cells = apart[id(role.rest)] = []
                rests[id(role.rest)] = role.rest
            cells.append((role.bound, value))
        return {rests[at]: _histogram(cells) for at, cells in apart.items()}


def exception_of(labels: Labels) -> str:
    """The class of a counted exception; empty where the labels name none."""
    return _first(dict(labels), EXCEPTION)


def _histogram(cells: list[tuple[float, float]]) -> Histogram:
    cells.sort()
    bounds, counts = zip(*cells, strict=True)
    return Histogram(bounds, counts)


def _choose(own: str, known: tuple[str, ...], there: Iterable[str]) -> str:
    """The metric that plays a role: the configured one, else the first known name or ending."""
    if own:
        return own
    names = sorted(there)
    exact = next((name for name in known if name in names), "")
    return exact or next((n for end in known for n in names if n.endswith(f"_{end}")), "")


def _role(labels: Labels) -> Role:
    by_name = dict(labels)
    bound = by_name.pop("le", "")
    return Role(
        route=_first(by_name, TEMPLATES) or _common(_first(by_name, PATHS)),
        method=_first(by_name, METHOD),
        status=_first(by_name, STATUS),
        bound=_bound(bound),
        rest=tuple(pair for pair in labels if pair[0] != "le"),
    )


def _common(path: str) -> str:
    """What paths of one route have in common; without a path there is no route."""
    return templated(bare(path)) if path else ""


def _first(by_name: dict[str, str], names: tuple[str, ...]) -> str:
    return next((by_name[name] for name in names if name in by_name), "")


def _bound(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.inf


def _gauges(scrape: Scrape) -> tuple[Gauge, ...]:
    found: list[Gauge] = []
    for name, kind in scrape.types.items():
        if kind == "gauge" and name in scrape.samples and not name.startswith(MACHINE):
            found += [Gauge(name, value, labels) for labels, value in scrape.samples[name][:8]]
            if len(found) >= MAX_GAUGES:
                break
    return tuple(found[:MAX_GAUGES])
