"""How the Business tab says its figures: columns, the course over last week's ghost, words; pure."""

from __future__ import annotations

import math
from collections.abc import Callable

from perftui.analysis.buckets import Window
from perftui.draw import format as fmt
from perftui.draw.band import Band
from perftui.draw.chart import Line, Threshold
from perftui.draw.clean import inert
from perftui.draw.rows import Look, Rows, Size, plain
from perftui.draw.sparkline import spark
from perftui.draw.table import Cell, Column
from perftui.draw.text import fill, line
from perftui.model.anomaly import HIGH, LOW, told
from perftui.model.business import MetricView, series_key
from perftui.model.frame import SeriesReader
from perftui.model.series import Series

WINDOW = 900.0
SPARK = 15
WEEK = 7 * 86400.0


def amount(value: float | None) -> str:
    """A figure as people say it: whole from a hundred on."""
    if value is None:
        return "–"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def columns(spark_of: Callable[[MetricView], tuple[Series, float]], look: Callable[[], Look]) -> list[Column]:
    """80 columns keep name, value, last week, target and the last quarter of an hour."""

    def drawn(view: MetricView) -> Cell:
        series, at = spark_of(view)
        return plain([spark(series, Window.last(WINDOW, at), SPARK, look(), low=0)])[0], "s1"

    def of(
        key: str,
        title: str,
        form: Callable[[MetricView], Cell],
        width: int,
        priority: int,
        order: Callable[[MetricView], float | None] | None = None,
    ) -> Column:
        itself = lambda v: v  # noqa: E731 - the cell says more than the figure
        return Column(key, title, form, itself, width, "right", priority, order=order)

    return [
        Column(
            "title", "Figure", lambda v: inert(v.metric.title, 60), value=lambda v: v, width=14, grow=True
        ),
        of("value", "Value", value, 11, 1, lambda v: v.value),
        Column("per", "", per, value=lambda v: v, width=10, priority=5),
        of("week", "Last week", lambda v: amount(v.week), 9, 2, lambda v: v.week),
        of("change", "Change", change, 7, 4, _shift),
        of("band", "Expected", expected, 13, 6, lambda v: v.low),
        of("target", "Target", target, 9, 3, lambda v: v.metric.target),
        of("cost", "Incident cost", costs, 13, 4, lambda v: v.cost.amount if v.cost else None),
        Column(
            "owner",
            "Owner",
            lambda v: inert(v.metric.owner, 20) or "–",
            value=lambda v: v,
            width=8,
            priority=7,
        ),
        Column("spark", "15 min", drawn, value=lambda v: v, width=SPARK),
    ]


def value(view: MetricView) -> Cell:
    """The figure; of several currencies the largest, for their sum would be none."""
    if view.error:
        return (amount(view.value) if view.value is not None else "lost"), "lost"
    if view.value is None and view.parts:
        name, most = view.parts[0]
        return f"{amount(most)} {inert(name, 4)}"
    odd = (
        view.value is not None
        and view.low is not None
        and not view.low <= view.value <= (view.high or math.inf)
    )
    return amount(view.value), "warn" if odd else ""


def per(view: MetricView) -> str:
    """Its unit, a minute where it is counted."""
    return inert(view.metric.unit, 6) + ("/min" if view.metric.counted else "")


def _shift(view: MetricView) -> float | None:
    """Against last week, as a share of it."""
    return view.value / view.week - 1 if view.value is not None and view.week else None


def change(view: MetricView) -> Cell:
    """Against last week."""
    share = _shift(view)
    if share is None:
        return "–"
    return f"{share:+.0%}", "warn" if share <= -0.2 else ""


def expected(view: MetricView) -> str:
    """The band."""
    return "–" if view.low is None else f"{amount(max(0.0, view.low))}…{amount(view.high)}"


def target(view: MetricView) -> Cell:
    """The goal, and whether it is reached."""
    if view.metric.target is None:
        return "–"
    return amount(view.metric.target), {True: "ok", False: "warn", None: ""}[view.on_target]


def costs(view: MetricView) -> Cell:
    """What the incident cost so far, or did."""
    if view.cost is None:
        return "–"
    return amount(view.cost.amount), "crit" if view.cost.until is None else "muted"


def course(
    view: MetricView, history: SeriesReader, at: float, seconds: float
) -> tuple[list[Line], Band | None, tuple[Threshold, ...]]:
    """The figure, last week's ghost shifted to now, the band and the target."""
    key = series_key(view.metric.name)
    lines = [Line.of(history.series(key, at - seconds, at), "now")]
    parts = [name for name, _ in view.parts if name]
    if view.value is None and parts:
        rows = [history.series(series_key(view.metric.name, name), at - seconds, at) for name in parts[:4]]
        lines = [Line.of(row, inert(name, 8)) for row, name in zip(rows, parts, strict=False)]
    ghost = history.series(key, at - WEEK - seconds, at - WEEK)
    if len(ghost):
        then, values = ghost.between(0, math.inf)
        lines.append(Line("last week", [t + WEEK for t in then], values, "muted"))
    band = Band.of(*(history.series(told(edge, key), at - seconds, at) for edge in (LOW, HIGH)))
    goal = (Threshold(view.metric.target, "ok"),) if view.metric.target is not None else ()
    return lines, band if len(band.at) else None, goal


def about(view: MetricView, size: Size, look: Look) -> Rows:
    """Words beside the chart."""
    del look
    texts = [
        f"{amount(v)}{per(view)}  {inert(name, 30)}{reach(view, name)}" for name, v in view.parts[:12] if name
    ]
    if view.cost is not None:
        c = view.cost
        word = "cost so far" if c.until is None else "cost"
        texts.insert(0, f"incident {word}: {amount(c.amount)} ({amount(c.least)} to {amount(c.most)})")
    for trouble in filter(None, (view.unknown, view.error)):
        texts.insert(0, inert(trouble, 200))
    return fill([line(size.width, text) for text in texts or ["one figure, no parts"]], size)


def reach(view: MetricView, part: str) -> str:
    """How many different users a part has, and what share of the active ones that is."""
    users, share = view.adoption(part)
    if users is None:
        return ""
    return f"  {amount(users)} users" + (f", {fmt.ratio(share)}" if share is not None else "")


def evidence(view: MetricView) -> str:
    """Where it comes from, and how old it is."""
    m = view.metric
    how = "growth of a total over the last minute" if m.counted else "as read"
    said = f"{m.title}: {m.read} of {m.source}, {how}, every {m.every:g} s"
    if view.error:
        age = f", last value {fmt.duration(view.at - view.seen).strip()} ago" if view.seen else ""
        said += f"; now: {view.error}{age}"
    return said
