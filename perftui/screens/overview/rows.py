"""The Summary's drawings: cards, targets, the host, the service and what happened last."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from perftui.analysis.buckets import Window
from perftui.analysis.budget import TargetsReport
from perftui.draw import format as fmt
from perftui.draw.clean import fit
from perftui.draw.palette import state_span
from perftui.draw.rows import Look, Row, Rows, Size, Span
from perftui.draw.sparkline import spark, sparkline
from perftui.draw.text import line
from perftui.model.event import Event
from perftui.model.frame import Frame
from perftui.model.series import SeriesKey
from perftui.model.target import Target
from perftui.screens.overview.budgetrows import under
from perftui.screens.overview.layers import WINDOW, Card

if TYPE_CHECKING:  # the report is there before the class has to be
    from perftui.model.endpoint import ApiView
    from perftui.model.resources import CpuUse, HostReading, HostView

HEAD = (Span("   rate ", "muted"), Span("    p95", "muted"))


def card_rows(card: Card, now: float, size: Size, look: Look) -> Rows:
    """State and figure, the last 15 minutes, further figures, the worst finding."""
    if card.health is None:
        return [
            line(size.width, state_span("off", look), Span("  not connected", "muted")),
            line(size.width, Span(card.layer.connect, "faint")),
        ]
    head = line(size.width, state_span(card.state, look), Span(f"  {card.figure} ", "bold"), card.layer.title)
    rows = [head, _spark(card, now, size.width, look)]
    rows.append(line(size.width, *_pairs(card.more)))
    if card.finding is not None:
        style = {"crit": "crit", "warn": "warn"}.get(card.state, "muted")
        rows.append(line(size.width, Span(card.finding.title, style)))
    elif card.health.error:
        rows.append(line(size.width, Span(card.health.error, "crit")))
    return rows[: size.height]


def _spark(card: Card, now: float, width: int, look: Look) -> Row:
    if card.series is None or not len(card.series):
        return line(width, Span("no sample yet", "faint"))
    return spark(card.series, Window.last(WINDOW, now), width, look, low=0)


def _pairs(pairs: Sequence[tuple[str, str]]) -> list[Span]:
    spans: list[Span] = []
    for title, text in pairs:
        spans += [Span(f"{title} ", "muted"), Span(f"{text}  ")]
    return spans


ROOM = 54  # columns from which a target's row says how far its figure is from the goal


def target_rows(
    targets: Sequence[Target],
    value_of: Callable[[Target], float | None],
    size: Size,
    look: Look,
    report: TargetsReport | None = None,
) -> Rows:
    """One target a row: state, figure against goal; in one or two rows when that is all there is.

    With room for two rows each that has a figure, the second tells how it fared; those without a source
    come last then.
    """
    if size.height < len(targets):
        return _target_strip(targets, value_of, size, look)
    values = [(target, value_of(target)) for target in targets]
    known = [(target, value) for target, value in values if value is not None]
    deep = report is not None and size.height >= 2 * len(known) + (len(known) < len(values))
    rows: Rows = []
    for target, value in known if deep else values:
        rows.append(_target(target, value, size.width, look))
        if deep:
            rows.append(under(target, value, report, size.width, look))
    unfed = [_target(target, None, size.width, look) for target, value in values if deep and value is None]
    return [*rows, *unfed][: size.height]


def _target(target: Target, value: float | None, width: int, look: Look) -> Row:
    sign = "<" if target.below is not None else ">"
    goal = f"{sign} {fmt.value(target.goal, target.unit).strip()}"
    word = "waiting" if value is None else ("ok" if target.met(value) else "warn")
    said = fmt.value(value, target.unit) if value is not None else target.connect or "no figure yet"
    return line(
        width,
        _target_state(word, value, look),
        Span(f" {fit(target.title, 16 if value is None else 13)} "),
        Span(f"{said:>8} ", "bold" if value is not None else "faint"),
        Span(f"{goal:<10}" if width >= ROOM else goal, "muted"),
        _distance(target, value) if width >= ROOM else Span(""),
    )


def _distance(target: Target, value: float | None) -> Span:
    """How far the figure is from its goal, on which side."""
    if value is None:
        return Span("")
    far = fmt.value(abs(target.goal - value), target.unit).strip()
    return Span(f" {far} to spare", "faint") if target.met(value) else Span(f" {far} off", "warn")


def _target_state(word: str, value: float | None, look: Look) -> Span:
    """The state, as wide as the widest, so that figures stand in a column."""
    if value is None:
        return Span("-     " if look.ascii_ else "◌ –   ", "muted")
    span = state_span(word, look)
    return Span(f"{span.text:<6}", span.style)


def _target_strip(
    targets: Sequence[Target], value_of: Callable[[Target], float | None], size: Size, look: Look
) -> Rows:
    rows: Rows = []
    spans: list[Span] = []
    used = 0
    for target in targets:
        value = value_of(target)
        if value is None:
            continue
        good = target.met(value)
        mark = ("+" if good else "!") if look.ascii_ else ("●" if good else "▲")
        text = f"{mark} {target.title} {fmt.value(value, target.unit)}   "
        if used + len(text) > size.width and spans:
            rows.append(line(size.width, *spans))
            spans, used = [], 0
        spans.append(Span(text, "ok" if good else "warn"))
        used += len(text)
    if spans:
        rows.append(line(size.width, *spans))
    return rows[: size.height]


def host_rows(frame: Frame, size: Size, look: Look) -> Rows:
    """Cores, memory, disks and network of the first host, as many rows as fit."""
    report = frame.report
    views: tuple[HostView, ...] = report.hosts if report is not None else ()
    if not views:
        return [line(size.width, Span('no host connected: add a backend of kind = "host"', "muted"))]
    view = views[0]
    reading = view.reading
    rows = [_memory(reading, size.width), *_disks(reading, size.width), _network(reading, size.width)]
    cores = _cores(reading.cores, max(1, size.height - len(rows)), size.width, look)
    extra = _core_history(frame, view.source, size, look, len(rows) + len(cores))
    return [*cores, *extra, *rows][: size.height]


def _cores(cores: Sequence[CpuUse], height: int, width: int, look: Look) -> Rows:
    """One bar a core while they fit, else all of them as one row of blocks."""
    if len(cores) > height:
        room = max(0, min(len(cores), width - 6))
        blocks = sparkline([c.busy for c in cores], room, look, high=1.0)
        return [line(width, Span("cores ", "muted"), *blocks)]
    return [_bar(core, width, look) for core in cores]


def _bar(core: CpuUse, width: int, look: Look) -> Row:
    room = max(4, width - 18)
    full = round(max(0.0, min(1.0, core.busy)) * room)
    wait = round(max(0.0, min(1.0, core.iowait)) * room)
    on, off = ("#", ".") if look.ascii_ else ("█", "·")
    style = "crit" if core.busy > 0.9 else "warn" if core.busy > 0.7 else "s1"
    rest = max(0, room - full - wait)
    bar = (Span(on * full, style), Span(on * min(wait, room - full), "muted"), Span(off * rest, "faint"))
    return line(width, Span(f"core {core.name:<4}", "muted"), *bar, Span(f" {fmt.ratio(core.busy, width=6)}"))


def _core_history(frame: Frame, source: str, size: Size, look: Look, used: int) -> Rows:
    if size.height - used < 1:
        return []
    series = frame.window(SeriesKey(source, "cpu.busy_ratio"), WINDOW)
    room = max(4, size.width - 9)
    drawn = spark(series, Window.last(WINDOW, frame.at), room, look, low=0, high=1.0)
    return [line(size.width, Span("15 min   ", "muted"), *drawn)]


def _memory(reading: HostReading, width: int) -> Row:
    memory = reading.memory
    style = "warn" if memory.used_ratio > 0.9 else ""
    swap = f"  swap {fmt.ratio(memory.swap_ratio)}" if memory.swap_total else ""
    return line(
        width,
        Span("memory   ", "muted"),
        Span(f"{fmt.ratio(memory.used_ratio)} ", style),
        Span(f"{fmt.bytes_(memory.used)} of {fmt.bytes_(memory.total)}{swap}"),
    )


def _disks(reading: HostReading, width: int) -> Rows:
    busiest = max(reading.disks, key=lambda d: d.busy, default=None)
    if busiest is None:
        mount = max(reading.mounts, key=lambda m: m.used_ratio, default=None)
        if mount is None:
            return []
        return [
            line(width, Span("disk     ", "muted"), Span(f"{mount.path} {fmt.ratio(mount.used_ratio)} full"))
        ]
    text = (
        f"{busiest.device} {fmt.ratio(busiest.busy)} busy  read {fmt.rate(busiest.read_bytes_per_s, 'bytes')}"
        f"  write {fmt.rate(busiest.write_bytes_per_s, 'bytes')}"
    )
    return [line(width, Span("disk     ", "muted"), Span(text))]


def _network(reading: HostReading, width: int) -> Row:
    nets = [n for n in reading.nets if not n.loopback] or list(reading.nets)
    received = sum(n.rx_bytes_per_s for n in nets)
    sent = sum(n.tx_bytes_per_s for n in nets)
    loop = sum(n.rx_bytes_per_s for n in reading.nets if n.loopback)
    text = (
        f"in {fmt.rate(received, 'bytes')}  out {fmt.rate(sent, 'bytes')}  loopback {fmt.rate(loop, 'bytes')}"
    )
    return line(width, Span("network  ", "muted"), Span(text))


def service_rows(frame: Frame, size: Size, look: Look) -> Rows:
    """The first service: requests, errors, quantiles, and its busiest routes in what room is left."""
    report = frame.report
    views: tuple[ApiView, ...] = report.apis if report is not None else ()
    if not views:
        return [line(size.width, Span('no service connected: add a backend of kind = "scrape"', "muted"))]
    view = views[0]
    total = view.reading.total
    bad = "crit" if total.error_ratio > 0.01 else ""
    rows = [
        line(
            size.width,
            Span(f"{fmt.rate(total.rate)} ", "bold"),
            Span("errors ", "muted"),
            Span(f"{fmt.ratio(total.error_ratio)}  ", bad),
            *_pairs([(n, fmt.duration(v)) for n, v in _quantiles(total.p50_s, total.p95_s, total.p99_s)]),
        )
    ]
    series = frame.window(SeriesKey(view.source, "http.requests_per_s"), WINDOW)
    rows.append(spark(series, Window.last(WINDOW, frame.at), size.width, look, low=0))
    rows.append(line(size.width, Span(f"{'busiest routes':<{max(8, size.width - 15)}}", "muted"), *HEAD))
    routes = sorted(view.reading.endpoints, key=lambda e: -e.rate)[: max(0, size.height - len(rows))]
    for route in routes:
        name = f"{route.method} {route.route}"
        figures = f"{fmt.rate(route.rate, width=7)} {fmt.duration(route.p95_s, width=7)}"
        room = max(8, size.width - len(figures))
        rows.append(line(size.width, Span(f"{fit(name, room - 1)} "), Span(figures, "muted")))
    return rows[: size.height]


def _quantiles(p50: float | None, p95: float | None, p99: float | None) -> list[tuple[str, float | None]]:
    return [("p50", p50), ("p95", p95), ("p99", p99)]


def event_rows(events: Sequence[Event], size: Size, look: Look) -> Rows:
    """The newest events, newest first."""
    if not events:
        return [line(size.width, Span("nothing has happened since the console started", "muted"))]
    rows = []
    for event in reversed(events[-size.height :]):
        at = Span(f"{fmt.clock(event.at, look.tz)} ", "muted")
        rows.append(line(size.width, at, Span(f"{event.title}  "), Span(event.detail, "muted")))
    return rows


def finding_rows(frame: Frame, size: Size, look: Look) -> Rows:
    """The first findings of all layers."""
    if not frame.findings:
        return [line(size.width, Span("no finding", "muted"))]
    rows = []
    for finding in frame.findings[: size.height]:
        word = {3: "crit", 2: "warn", 1: "ok"}[int(finding.severity)]
        spans = (state_span(word, look), Span(f" {finding.source} ", "muted"), Span(finding.title))
        rows.append(line(size.width, *spans))
    return rows
