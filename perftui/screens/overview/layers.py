"""The layers of the Summary: which figure stands for each, where it comes from and where it leads."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from perftui.draw import format as fmt
from perftui.model.finding import Finding, Severity
from perftui.model.frame import Frame
from perftui.model.health import Health, Link
from perftui.model.series import Series, SeriesKey

WINDOW = 900.0


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer: the kinds of backend that feed it, its figure, and further figures on its card."""

    name: str
    topic: str
    kinds: tuple[str, ...]
    series: str
    title: str
    unit: str
    tab: str
    connect: str
    more: tuple[tuple[str, str, str], ...] = ()  # title, series, unit


LAYERS: tuple[Layer, ...] = (
    Layer(
        "hosts",
        "resources",
        ("host",),
        "cpu.busy_ratio",
        "CPU busy",
        "ratio",
        "overview.hosts",
        'kind = "host"',
        (("mem", "memory.used_ratio", "ratio"), ("load", "load.1m", "1")),
    ),
    Layer(
        "service",
        "resources",
        ("scrape",),
        "http.requests_per_s",
        "requests",
        "1/s",
        "overview.summary",
        'kind = "scrape", url = "http://…/metrics"',
        (("p95", "http.p95_s", "s"), ("errors", "http.error_ratio", "ratio")),
    ),
    Layer(
        "cache",
        "cache",
        ("valkey",),
        "hit_ratio",
        "hit ratio",
        "ratio",
        "cache.tiers",
        'kind = "valkey", url = "redis://…"',
        (("ops", "ops_per_s", "1/s"), ("used", "used_bytes", "bytes"), ("evict", "evicted_per_s", "1/s")),
    ),
    Layer(
        "cdn",
        "cdn",
        ("varnish", "pyedge"),
        "hit_ratio",
        "edge hit ratio",
        "ratio",
        "cdn.traffic",
        'kind = "varnish", url = "http://…", dir = "…"',
        (("requests", "requests_per_s", "1/s"), ("out", "bytes_per_s", "bytes/s")),
    ),
    Layer(
        "database",
        "database",
        ("postgres",),
        "mean_s",
        "mean statement",
        "s",
        "database.overview",
        'kind = "postgres", dsn = "postgresql://…"',
        (("tx", "tps", "1/s"), ("hit", "hit_ratio", "ratio"), ("conns", "connections", "1")),
    ),
    Layer(
        "scaling",
        "autoscaling",
        ("processpool",),
        "ready",
        "ready",
        "1",
        "scaling.overview",
        'kind = "processpool", socket = "…"',
        (("wanted", "desired", "1"), ("cpu", "cpu_ratio", "ratio")),
    ),
)

ORDER = (Link.REFUSED, Link.LOST, Link.LATE, Link.WAITING, Link.LIVE, Link.OFF)


@dataclass(frozen=True, slots=True)
class Card:
    """A layer at one moment. `source` "": nothing of its kinds is configured."""

    layer: Layer
    source: str
    health: Health | None
    value: float | None
    series: Series | None
    more: tuple[tuple[str, str], ...]
    finding: Finding | None

    @property
    def figure(self) -> str:
        """The one figure that matters, with its unit."""
        return fmt.value(self.value, self.layer.unit)

    @property
    def state(self) -> str:
        """The word for the card: the link's while it is not live, else the worst finding's, else ok."""
        if self.health is None:
            return "off"
        if self.health.link is not Link.LIVE:
            return str(self.health.link.value)
        if self.finding is None or self.finding.severity is Severity.INFO:
            return "ok"
        return "crit" if self.finding.severity is Severity.CRITICAL else "warn"


def cards(frames: Mapping[str, Frame], kind_of: Callable[[str], str]) -> tuple[Card, ...]:
    """Every layer in its order, from the newest frames."""
    return tuple(_card(layer, frames[layer.topic], kind_of) for layer in LAYERS)


def _card(layer: Layer, frame: Frame, kind_of: Callable[[str], str]) -> Card:
    mine = [name for name in frame.health if kind_of(name) in layer.kinds]
    if not mine:
        return Card(layer, "", None, None, None, (), None)
    source = mine[0]
    worst = min((frame.health[name] for name in mine), key=lambda h: ORDER.index(h.link))
    series = frame.window(SeriesKey(source, layer.series), WINDOW)
    more = tuple((title, fmt.value(_last(frame, source, name), unit)) for title, name, unit in layer.more)
    findings = [f for f in frame.findings if f.source in mine]
    finding = max(findings, key=lambda f: f.severity, default=None)
    last = series.last
    return Card(layer, source, worst, last.value if last else None, series, more, finding)


def _last(frame: Frame, source: str, name: str) -> float | None:
    last = frame.window(SeriesKey(source, name), WINDOW).last
    return last.value if last else None
