"""What changed before an alert, as rows of its detail; found anew only when there may be news."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from perftui.analysis.changes import BEFORE, SIDE, Change, what_changed
from perftui.draw import format as fmt
from perftui.draw.clean import inert
from perftui.draw.rows import Look, Rows, Size, Span
from perftui.draw.text import line
from perftui.model.alerts import Alert
from perftui.model.event import Event
from perftui.model.series import Series, SeriesKey

if TYPE_CHECKING:
    from perftui.session import Session

SHOWN = 5
AGAIN = 30.0  # seconds after which the figures on both sides are read again


class Causes:
    """The changes before one alert at a time; what was found is kept until there is news."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._about: tuple[object, ...] = ()
        self._found: tuple[Change, ...] = ()
        self._unit = "1"

    def rows(self, alert: Alert, events: Sequence[Event], now: float, size: Size, look: Look) -> Rows:
        """A heading and the likeliest changes; nothing when nothing happened."""
        about = (alert.fingerprint, alert.began, alert.fired_at, len(events), now // AGAIN)
        if about != self._about:
            self._about = about
            self._found = self._think(alert, events, now)
        return change_rows(self._found, self._unit, size, look)

    def _think(self, alert: Alert, events: Sequence[Event], now: float) -> tuple[Change, ...]:
        fired = alert.fired_at or alert.began
        key = alert.key or self._figure_of(alert.source)
        series = Series(key) if key is not None else None
        if key is not None:
            until = min(now, fired + 2 * SIDE)
            series = self._session.history.series(key, fired - BEFORE - SIDE, until)
            self._unit = series.unit
        reader = None if series is None else lambda _start, _end: series
        return what_changed(events, fired, alert.source, self._session.env.depends_on, reader)

    def _figure_of(self, source: str) -> SeriesKey | None:
        """What tells how a backend fares: the figure of the first target it feeds."""
        backend = self._session.env.backends.get(source)
        for target in self._session.config.objectives():
            if target.series and target.fed_by(source, backend.kind if backend is not None else ""):
                return SeriesKey(source, target.series)
        return None


def change_rows(changes: Sequence[Change], unit: str, size: Size, look: Look) -> Rows:
    """Two rows a change: what happened and how near, then what the figure did."""
    if not changes:
        return []
    rows: Rows = [line(size.width, Span("what changed in the 30 min before", "muted"))]
    for change in changes[:SHOWN]:
        e = change.event
        by = f" by {e.actor}" if e.actor else ""
        times = f"{change.times} times, " if change.times > 1 else ""
        head = Span(f"{fmt.clock(e.at, look.tz)} ", "muted")
        rows.append(line(size.width, head, inert(f"{times}{e.source}: {e.title} {e.detail}{by}", 300)))
        where = change.where if change.ahead >= 0 else f"{change.where}, {-change.ahead:.0f} s after it"
        rows.append(line(size.width, "  ", Span(where, "muted"), "  ", _shift(change, unit, look)))
    left = len(changes) - SHOWN
    return [*rows, line(size.width, Span(f"  and {left} more", "muted"))] if left > 0 else rows


def _shift(change: Change, unit: str, look: Look) -> Span:
    shift = change.shift
    if shift is None:
        return Span("too few samples to compare", "faint")
    arrow = "->" if look.ascii_ else "→"
    sure = "beyond noise" if shift.beyond_noise else "within noise"
    moved = f"{fmt.value(shift.before, unit).strip()} {arrow} {fmt.value(shift.after, unit).strip()}"
    return Span(f"{moved}, {sure}", "warn" if shift.beyond_noise else "muted")
