"""The layers of the Summary: which figure stands for each, where it comes from and where it leads."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from perftui.draw import format as fmt
from perftui.model.finding import Finding, Severity
from perftui.model.frame import Frame
from perftui.model.health import Health, Link
from perftui.model.series import Series, SeriesKey
from perftui.model.targets import whole

WINDOW = 900.0


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer: the kinds of backend that feed it, its figure, and further figures on its card.

    Where several feed it, the first of `topic` stands for it, else the first of `also`.
    """

    name: str
    topic: str
    kinds: tuple[str, ...]
    series: str
    title: str
    unit: str
    tab: str
    connect: str
    more: tuple[tuple[str, str, str], ...] = ()  # title, series, unit
    also: tuple[str, ...] = ()
    """Topics of other engines that tell of some of its kinds."""


LAYERS: tuple[Layer, ...] = (
    Layer(
        "hosts",
        "resources",
        ("host", "targets", "promhosts"),
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
        "overview.api",
        'kind = "scrape", url = "http://…/metrics"',
        (("p95", "http.p95_s", "s"), ("errors", "http.error_ratio", "ratio")),
    ),
    Layer(
        "cache",
        "cache",
        ("valkey", "valkey-cluster", "valkey-sentinel"),
        "hit_ratio",
        "hit ratio",
        "ratio",
        "cache.tiers",
        'kind = "valkey", url = "redis://…"',
        (("ops", "ops_per_s", "1/s"), ("used", "used_bytes", "bytes"), ("evict", "evicted_per_s", "1/s")),
        ("cachecluster",),
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
        (("p95", "p95_estimate_s", "s"), ("tx", "tps", "1/s"), ("conns", "connections", "1")),
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

LIMITS = {"used_bytes": "max_bytes", "connections": "max_connections"}
"""Series of what a figure may come to, where that is known."""

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
    frame: Frame

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
    return tuple(_card(layer, _frames(layer, frames), kind_of) for layer in LAYERS)


def _frames(layer: Layer, frames: Mapping[str, Frame]) -> list[Frame]:
    return [frames[topic] for topic in (layer.topic, *layer.also) if topic in frames]


def _card(layer: Layer, told: list[Frame], kind_of: Callable[[str], str]) -> Card:
    health = {name: h for frame in told for name, h in frame.health.items() if kind_of(name) in layer.kinds}
    if not health:
        return Card(layer, "", None, None, None, (), None, told[0])
    frame = next(one for one in told if health.keys() & one.health.keys())
    source = _told(frame, [name for name in frame.health if name in health])
    worst = min(health.values(), key=lambda h: ORDER.index(h.link))
    series = frame.window(SeriesKey(source, layer.series), WINDOW)
    more = tuple((title, _figure(frame, source, name, unit)) for title, name, unit in layer.more)
    findings = [f for one in told for f in one.findings if whole(f.source) in health]
    finding = max(findings, key=lambda f: f.severity, default=None)
    last = series.last
    return Card(layer, source, worst, last.value if last else None, series, more, finding, frame)


def _told(frame: Frame, mine: list[str]) -> str:
    """The source whose figures stand for the layer: of a list the first host in it."""
    views = getattr(frame.report, "hosts", ())
    return next((view.source for view in views if whole(view.source) == mine[0]), mine[0])


def _figure(frame: Frame, source: str, name: str, unit: str) -> str:
    """One of the other figures, against its limit where it has one: a share of bytes, a count of so many."""
    amount = _last(frame, source, name)
    limit = _last(frame, source, LIMITS[name]) if name in LIMITS else None
    if amount is None or not limit:
        return fmt.value(amount, unit)
    return fmt.ratio(amount / limit) if unit == "bytes" else f"{fmt.count(amount)}/{fmt.count(limit)}"


def _last(frame: Frame, source: str, name: str) -> float | None:
    last = frame.window(SeriesKey(source, name), WINDOW).last
    return last.value if last else None
