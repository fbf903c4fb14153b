"""What was applied to caches, and what their figures did: ten minutes before and after each action."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any, NamedTuple

from perftui.analysis.changes import SIDE, Shift, shift
from perftui.draw import format as fmt
from perftui.draw.clean import inert
from perftui.draw.table import Cell, Column
from perftui.model.event import Event, Events
from perftui.model.frame import Frame
from perftui.model.series import SeriesKey

MOST = 20
FIGURES = (("hit_ratio", "ratio"), ("evicted_per_s", "1/s"), ("used_bytes", "bytes"), ("ops_per_s", "1/s"))


class Applied(NamedTuple):
    """An action with what each figure of its server did, in the order of FIGURES; None: too few samples."""

    event: Event
    shifts: tuple[Shift | None, ...]

    @property
    def key(self) -> Any:
        """What tells it from others."""
        return self.event.identity


class Ledger:
    """Remembers what was worked out for actions that are over; a newer one is looked at again each `step`."""

    def __init__(self) -> None:
        self._known: dict[Any, tuple[float, Applied]] = {}

    def rows(
        self, events: Frame, figures: Frame, sources: Collection[str], step: float = 10.0
    ) -> list[Applied]:
        """The newest actions on these servers, newest first."""
        report = events.report
        every = report.events if isinstance(report, Events) else ()
        mine = [event for event in every if event.kind == "action" and _source(event) in sources]
        newest = sorted(mine, key=lambda event: -event.at)[:MOST]
        self._known = {e.identity: self._row(e, figures, step) for e in newest}
        return [self._known[event.identity][1] for event in newest]

    def _row(self, event: Event, figures: Frame, step: float) -> tuple[float, Applied]:
        known = self._known.get(event.identity)
        if known is not None and (known[0] > event.at + SIDE or figures.at - known[0] < step):
            return known
        return figures.at, Applied(event, tuple(_shifts(event, figures)))


def _source(event: Event) -> str:
    return event.source.partition(" ")[0]  # an action's target goes on with what of it is meant


def _shifts(event: Event, figures: Frame) -> Iterable[Shift | None]:
    for name, _unit in FIGURES:
        key = SeriesKey(_source(event), name)
        series = figures.history.series(key, event.at - SIDE, event.at + SIDE) if figures.history else None
        yield shift(series, event.at) if series is not None else None


def columns(tz: str) -> list[Column]:
    """When, what, and each figure before and after."""

    def figure(place: int, title: str, priority: int) -> Column:
        unit = FIGURES[place][1]

        def form(moved: Shift | None) -> Cell:
            if moved is None:
                return "–", "muted"
            text = f"{fmt.value(moved.before, unit)} → {fmt.value(moved.after, unit)}"
            return text, "text bold" if moved.beyond_noise else "muted"

        return Column(
            FIGURES[place][0],
            title,
            form,
            value=lambda row: row.shifts[place],
            order=lambda row: _moved(row.shifts[place]),
            width=21,
            align="right",
            priority=priority,
            help="medians of ten minutes before and after; bold: beyond noise",
        )

    return [
        Column("at", "When", lambda at: fmt.clock(at, tz), value=lambda row: row.event.at, width=8),
        Column("what", "What", lambda text: inert(text, 80), value=_what, width=24, grow=True),
        figure(0, "Hit ratio", 1),
        figure(1, "Evicted", 3),
        figure(2, "Used", 2),
        figure(3, "Commands", 4),
    ]


def _moved(shift: Shift | None) -> float | None:
    return None if shift is None else shift.after - shift.before


def _what(row: Applied) -> str:
    return f"{row.event.source}: {row.event.title}"
