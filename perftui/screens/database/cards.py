"""A server's figures as cards, or folded into lines where there is no room for cards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from perftui.analysis.buckets import Window
from perftui.draw import format as fmt
from perftui.draw.palette import glyph
from perftui.draw.rows import Look, Row, Rows, Size, Span
from perftui.draw.sparkline import spark
from perftui.draw.text import beside, fill, line
from perftui.model.database import ServerReport
from perftui.model.frame import Frame
from perftui.model.series import SeriesKey
from perftui.screens.database.columns import LAG_TARGET_S, SLOW_S, TARGET_S

WINDOW_S = 900.0
NARROW = 100


@dataclass(frozen=True, slots=True)
class Card:
    """A label, its figure with a state word ("" for none), a remark, and the series behind it."""

    label: str
    figure: str
    state: str = ""
    remark: str = ""
    series: SeriesKey | None = None


def cards_of(server: ServerReport) -> tuple[Card, ...]:
    """TPS, mean, estimated p95, hit ratio, connections, lag."""
    reading, source = server.reading, server.source
    work, used = reading.workload, reading.connections
    mean = work.mean_s if work else None
    p95 = work.p95_s if work else None
    hit = reading.totals.hit_ratio
    return (
        Card(
            "transactions",
            f"{fmt.number(reading.totals.tps)}/s",
            "",
            _rolled(server),
            SeriesKey(source, "tps"),
        ),
        Card(
            "mean",
            fmt.duration(mean),
            _above(mean, TARGET_S, SLOW_S),
            _busy(server),
            SeriesKey(source, "mean_s"),
        ),
        Card(
            "p95 estimate",
            _about(p95),
            _above(p95, TARGET_S, SLOW_S),
            "from mean ± σ",
            SeriesKey(source, "p95_estimate_s"),
        ),
        Card(
            "cache hit", fmt.ratio(hit), _below(hit, 0.95, 0.9), _temp(server), SeriesKey(source, "hit_ratio")
        ),
        Card(
            "connections",
            f"{used.used}/{used.maximum}",
            _above(used.ratio, 0.75, 0.9),
            f"{used.active} act {used.idle_in_transaction} in xact",
            SeriesKey(source, "connections"),
        ),
        lag_card(server),
    )


def lag_card(server: ServerReport) -> Card:
    """The worst replica's lag on a primary, its own on a standby."""
    reading, source = server.reading, server.source
    if reading.receiver is not None:
        lag = reading.receiver.lag_s
        return Card(
            "replay lag",
            fmt.duration(lag),
            _lag(lag),
            reading.receiver.status or "not streaming",
            SeriesKey(source, "replay_lag_s"),
        )
    if server.lost_replicas:
        return Card("lag", "gone", "crit", server.lost_replicas[0][0])
    if not reading.replicas:
        return Card("lag", "–", "", "no replica")
    worst = max(reading.replicas, key=lambda r: (r.lag_s or 0.0, r.replay_bytes or 0))
    remark = fmt.bytes_(worst.replay_bytes) + (
        f" of {len(reading.replicas)}" if len(reading.replicas) > 1 else ""
    )
    return Card(
        "lag",
        fmt.duration(worst.lag_s),
        _lag(worst.lag_s),
        remark,
        SeriesKey(source, "lag_s", (("replica", worst.name),)),
    )


def _about(seconds: float | None) -> str:
    return "–" if seconds is None else f"≈{fmt.duration(seconds)}"


def _above(value: float | None, warn: float, crit: float) -> str:
    if value is None:
        return ""
    return "crit" if value >= crit else "warn" if value >= warn else "ok"


def _below(value: float | None, warn: float, crit: float) -> str:
    if value is None:
        return ""
    return "crit" if value <= crit else "warn" if value <= warn else "ok"


def _lag(seconds: float | None) -> str:
    return _above(seconds, LAG_TARGET_S, 30.0)


def _busy(server: ServerReport) -> str:
    work = server.reading.workload
    return f"{fmt.number(work.calls_per_s)} calls/s" if work else ""


def _rolled(server: ServerReport) -> str:
    back = server.reading.totals.rollbacks_per_s
    return f"{fmt.number(back)}/s rolled back" if back else ""


def _temp(server: ServerReport) -> str:
    temp = server.reading.totals.temp_bytes_per_s
    return f"temp {fmt.bytes_(temp)}/s" if temp else ""


def draw_cards(cards: Sequence[Card], frame: Frame, size: Size, look: Look) -> Rows:
    """Cards beside each other with their sparklines; below 100 columns or three rows, lines of text."""
    if size.width < NARROW or size.height < 3:
        return fill(_folded(cards, size.width, look), size)
    width = (size.width - (len(cards) - 1) * 2) // len(cards)
    each = Size(width, size.height)
    return fill(beside([(_card(card, frame, each, look), width) for card in cards], gap=2), size)


def _card(card: Card, frame: Frame, size: Size, look: Look) -> Rows:
    """Label, figure, remark and sparkline, as many as there are rows."""
    width = size.width
    rows: Rows = [line(width, Span(card.label, "muted")), line(width, *_figure(card, look))]
    if size.height >= 4:
        rows.append(line(width, Span(card.remark, "muted")))
    if card.series is None:
        return rows
    series = frame.window(card.series, WINDOW_S)
    return [*rows, spark(series, Window.last(WINDOW_S, frame.at), width, look)]


def _figure(card: Card, look: Look) -> tuple[Span, ...]:
    if not card.state or card.state == "ok":
        return (Span(card.figure, "bold"),)
    return (Span(f"{glyph(card.state, look)} ", card.state), Span(card.figure, f"{card.state} bold"))


def _folded(cards: Sequence[Card], width: int, look: Look) -> list[Row]:
    """As many cards a line as fit, three at least."""
    each = max(3, min(len(cards), width // 26))
    cell = width // each
    rows = []
    for start in range(0, len(cards), each):
        part = cards[start : start + each]
        spans = [line(cell, Span(f"{card.label} ", "muted"), *_figure(card, look)) for card in part]
        rows.append(line(width, *(span for row in spans for span in row)))
    return rows
