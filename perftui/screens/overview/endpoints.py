"""What the API tab says of an endpoint: columns, pictures, and where its figures come from; pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from perftui.analysis.buckets import Window
from perftui.analysis.endpoints import EndpointRow, classes
from perftui.draw import format as fmt
from perftui.draw.chart import Line, Mark
from perftui.draw.clean import inert
from perftui.draw.heatmap import Heat
from perftui.draw.rows import Look, Rows, Size, Span, plain
from perftui.draw.sparkline import spark
from perftui.draw.table import Cell, Column
from perftui.draw.text import fill, line
from perftui.model.endpoint import ApiReading, EndpointPast, Exemplar
from perftui.model.event import Events
from perftui.model.frame import Frame
from perftui.model.series import Series, SeriesKey

WINDOW = 900.0
SPARK = 15
STEP, COLUMNS = 10.0, 90  # a heat map of a quarter of an hour; what was not watched is empty
SLOW, SLOWEST = 0.1, 1.0  # seconds
TOGETHER = 15.0  # seconds in which figures of several backends are of one moment
THROWN = 4  # classes of exceptions named
ERRORS, MOST_ERRORS = 0.001, 0.01


def series_key(row: EndpointRow, name: str, place: int = 0) -> SeriesKey:
    """The recorded series of an endpoint at one of the backends that tell it."""
    _, method, route = row.key
    return SeriesKey(row.sources[place], f"http.route.{name}", (("method", method), ("route", route)))


def summed(frame: Frame, row: EndpointRow, name: str, seconds: float) -> Series:
    """What all backends that tell an endpoint recorded of it together, at the first one's instants."""
    first, *others = (
        frame.window(series_key(row, name, place), seconds) for place in range(len(row.sources))
    )
    if not others:
        return first
    whole = Series(first.key, first.unit)
    for sample in first:
        near = (other.between(sample.at - TOGETHER, sample.at)[1] for other in others)
        whole.append(sample.at, sample.value + sum(values[-1] for values in near if values))
    return whole


def columns(
    spark_of: Callable[[EndpointRow], tuple[Series, float]], look: Callable[[], Look]
) -> list[Column]:
    """80 columns keep route, rate, p95, 5xx and the last quarter of an hour."""

    def drawn(row: EndpointRow) -> Cell:
        series, at = spark_of(row)
        return plain([spark(series, Window.last(WINDOW, at), SPARK, look(), low=0)])[0], "s1"

    def of(name: str) -> Callable[[EndpointRow], Any]:
        return lambda row: getattr(row.endpoint, name)

    def right(key: str, title: str, form: Callable[[Any], Cell], width: int, priority: int) -> Column:
        return Column(key, title, form, value=of(key), width=width, align="right", priority=priority)

    return [
        Column("method", "Method", lambda t: inert(t, 12), value=of("method"), width=6, priority=2),
        Column("route", "Route", lambda t: inert(t, 200) or "–", value=of("route"), width=14, grow=True),
        Column("service", "Service", lambda t: inert(t, 40), value=of("service"), width=10, priority=7),
        right("rate", "Rate", fmt.rate, 8, 1),
        right("p50_s", "p50", fmt.duration, 8, 5),
        right("p95_s", "p95", _slow, 8, 1),
        right("p99_s", "p99", fmt.duration, 8, 4),
        right("client_error_ratio", "4xx", fmt.ratio, 6, 6),
        right("error_ratio", "5xx", _failing, 6, 1),
        right("apdex", "Apdex", _apdex, 5, 3),
        Column("spark", "15 min", drawn, value=lambda row: row, width=SPARK),
    ]


def _slow(value: float | None) -> Cell:
    style = "" if value is None or value <= SLOW else "warn" if value <= SLOWEST else "crit"
    return fmt.duration(value), style


def _failing(value: float) -> Cell:
    return fmt.ratio(value), "" if value <= ERRORS else "warn" if value <= MOST_ERRORS else "crit"


def _apdex(value: float | None) -> Cell:
    """Below 0.85 is fair, below 0.7 poor, in the words of the specification."""
    if value is None:
        return "–"
    return f"{value:.2f}", "crit" if value < 0.7 else "warn" if value < 0.85 else ""


def lines(frame: Frame, row: EndpointRow, names: tuple[str, ...], seconds: float) -> list[Line]:
    """Recorded series of an endpoint as lines; of several backends the one in the middle at each."""
    if len(row.sources) == 1:
        return [
            Line.of(frame.window(series_key(row, name), seconds), name=name.removesuffix("_s"))
            for name in names
        ]
    name = names[len(names) // 2]
    return [
        Line.of(frame.window(series_key(row, name, place), seconds), name=inert(source, 20))
        for place, source in enumerate(row.sources)
    ]


def errors(past: EndpointPast) -> list[Line]:
    """Failed requests a second by status."""
    names = sorted({status for s in past.stretches for status, _ in s.statuses if status[:1] in {"4", "5"}})
    at = [s.end for s in past.stretches]
    if not names:
        return [Line("none", at, [0.0] * len(at))]
    found = [
        [dict(s.statuses).get(name, 0.0) / max(1e-3, s.end - s.start) for s in past.stretches]
        for name in names
    ]
    return [Line(name, at, values) for name, values in zip(names, found, strict=True)]


def deploys(report: object) -> tuple[Mark, ...]:
    """What was deployed, as marks on the time axes of an endpoint's charts."""
    events = report.events if isinstance(report, Events) else ()
    return tuple(Mark(event.at, event.title) for event in events if event.kind == "deploy")


def heat(past: EndpointPast) -> Heat | None:
    """Requests by time and duration from what the buckets gained; None before the first stretch."""
    if not past.stretches or len(past.bounds) < 2:
        return None
    first, missing = past.stretches[0].start, max(0, COLUMNS - len(past.stretches))
    times = [first - STEP * n for n in range(missing, -1, -1)]
    none = (0.0,) * len(past.bounds)
    return Heat(
        times=[*times, *(s.end for s in past.stretches)],
        edges=(0.0, *past.bounds),
        counts=[none] * missing + [s.counts for s in past.stretches],
    )


def traces(api: ApiReading | None, row: EndpointRow, size: Size, look: Look) -> Rows:
    """The slowest requests of late whose trace the service told, slowest first."""
    found = exemplars(api, row)
    return fill(
        [
            line(
                size.width,
                Span(f"{fmt.duration(e.seconds):>9}", "warn" if e.seconds > SLOW else ""),
                Span(f"  {fmt.clock(e.at, look.tz)}  {inert(e.status, 6) or '–':<4} trace "),
                Span(inert(e.trace_id, 64), "accent"),
            )
            for e in found
        ],
        size,
    )


def exemplars(api: ApiReading | None, row: EndpointRow) -> list[Exemplar]:
    """Those of one endpoint."""
    return [e for e in (api.exemplars if api else ()) if (e.method, e.route) == row.key[1:]]


def classes_of(thrown: Sequence[tuple[str, float]]) -> str:
    """Classes of exceptions with how many a second, those that came of late before others."""
    return ", ".join(f"{inert(name, 60)} {fmt.rate(rate)}" for name, rate in thrown[:THROWN])


def evidence(row: EndpointRow, thrown: Sequence[tuple[str, float]] = ()) -> str:
    """Where each figure comes from, and which exceptions left the application there."""
    e = row.endpoint
    sources = ", ".join(row.sources)
    by_class = ", ".join(f"{name} {fmt.rate(rate)}" for name, rate in classes(e.statuses).items())
    measured = f"p50, p95, p99 and Apdex (T 100 ms) from its {e.source_of_quantiles}"
    return (
        f"{e.method} {e.route} of {e.service}: rate and errors from what {sources} counted over "
        f"{row.window:.0f} s ({by_class or 'no request'}); "
        + (measured if e.source_of_quantiles else "no quantiles: no histogram")
        + (f"; exceptions at this route: {classes_of(thrown)}" if thrown else "")
    )


def figures(row: EndpointRow) -> dict[str, Any]:
    """True values for copying."""
    e = row.endpoint
    names = ("rate", "p50_s", "p95_s", "p99_s", "client_error_ratio", "error_ratio", "apdex")
    return {
        "service": e.service,
        "method": e.method,
        "route": e.route,
        **{name: getattr(e, name) for name in names},
    }
