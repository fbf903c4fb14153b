"""Where ticks go and what they say: value axes in their unit, time axes at round instants."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from perftui.analysis.buckets import Grid
from perftui.draw import format as fmt
from perftui.draw.clean import cell_width

_TIME_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400)
_DAY = 86400
_LONG_SECONDS = (60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 21600, 43200, 86400)


@dataclass(frozen=True, slots=True)
class Scale:
    """A value axis from `low` to `high`, logarithmic when `log`."""

    low: float
    high: float
    log: bool = False

    def share(self, value: float) -> float:
        """Where a value lies, 0 at the bottom and 1 at the top, clamped."""
        if self.log:
            floor = math.log(self.low)
            part = (math.log(value) - floor) / (math.log(self.high) - floor) if value > 0 else 0.0
        else:
            part = (value - self.low) / (self.high - self.low)
        return min(1.0, max(0.0, part))

    def placer(self, dots: int) -> Callable[[float], int]:
        """A function from values to dot rows: 0 on top, `dots - 1` at the bottom, clamped."""
        bottom = dots - 1
        low = math.log(self.low) if self.log else self.low
        factor = bottom / ((math.log(self.high) if self.log else self.high) - low)

        def linear(value: float) -> int:
            row = bottom - int((value - low) * factor + 0.5)
            return 0 if row < 0 else bottom if row > bottom or value < low else row

        def logarithmic(value: float) -> int:
            return linear(math.log(value)) if value > 0 else bottom

        return logarithmic if self.log else linear


def nice_step(raw: float, unit: str = "1") -> float:
    """The next round step at or above `raw`: 1, 2, 5 × 10ⁿ, powers of two for bytes, minutes for seconds."""
    if raw <= 0 or not math.isfinite(raw):
        return 1.0
    if unit.startswith("bytes") and raw >= 1:
        return float(2 ** math.ceil(math.log2(raw)))
    if unit == "s" and raw > 30:
        index = bisect_left(_LONG_SECONDS, raw)
        return (
            float(_LONG_SECONDS[index]) if index < len(_LONG_SECONDS) else math.ceil(raw / _DAY) * float(_DAY)
        )
    power = 10.0 ** math.floor(math.log10(raw))
    for factor in (1.0, 2.0, 5.0, 10.0):
        if factor * power >= raw * (1 - 1e-9):
            return factor * power
    return 10.0 * power


def value_scale(
    lowest: float, highest: float, ticks: int, unit: str, low: float | None, high: float | None
) -> tuple[Scale, list[float]]:
    """A linear scale with round bounds around [lowest, highest], and its ticks.

    Zero is included unless everything lies in the upper third: a flat line must not look like noise.
    """
    if low is None:
        low = 0.0 if 0 <= lowest <= 0.7 * highest or lowest == highest >= 0 else lowest
        bottom = None
    else:
        bottom = low
    top = high
    peak = highest if high is None else high
    if peak <= low:
        peak = low + (abs(low) * 0.1 or 1.0)
    step = nice_step((peak - low) / max(1, ticks), unit)
    base = math.floor(low / step + 1e-9) * step if bottom is None else bottom
    if top is None:
        top = math.ceil(peak / step - 1e-9) * step
    if top <= base:
        top = base + step
    count = math.floor((top - base) / step + 1e-9)
    return Scale(base, top), [base + i * step for i in range(count + 1)]


def log_scale(lowest: float, highest: float) -> tuple[Scale, list[float]]:
    """Whole decades around the positive values of [lowest, highest], and their ticks."""
    first = math.floor(math.log10(max(lowest, 1e-12)))
    last = max(first + 1, math.ceil(math.log10(max(highest, 1e-12)) - 1e-9))
    return Scale(10.0**first, 10.0**last, log=True), [10.0**power for power in range(first, last + 1)]


def labels(ticks: Sequence[float], unit: str) -> list[str]:
    """What the ticks say, each in the unit; written out further where rounding made two alike."""
    texts = [fmt.value(tick, unit) for tick in ticks]
    if len(set(texts)) == len(texts):
        return texts
    return [f"{tick:.6g}" for tick in ticks]


@dataclass(frozen=True, slots=True)
class TimeTick:
    """A label of the time axis and the cell its instant lies in."""

    cell: int
    text: str


def time_ticks(columns: Grid, per_cell: int, tz: str, room: int = 11) -> list[TimeTick]:
    """Round instants at least `room` cells apart; `columns` has `per_cell` columns a cell."""
    cell_step = columns.step * per_cell
    cells = columns.count // per_cell
    step = _time_step(cell_step * room)
    start = columns.start(0)
    offset = _utc_offset(start, tz)
    at = math.ceil((start + offset) / step) * step - offset
    out: list[TimeTick] = []
    while True:
        cell = math.floor(at / cell_step) - columns.first // per_cell
        if cell >= cells:
            return out
        text = _time_text(at, step, tz)
        if cell >= 0 and cell + cell_width(text) <= cells:
            out.append(TimeTick(cell, text))
        at += step


def _time_step(least: float) -> float:
    index = bisect_left(_TIME_STEPS, least)
    return float(_TIME_STEPS[index]) if index < len(_TIME_STEPS) else math.ceil(least / _DAY) * float(_DAY)


def _utc_offset(at: float, tz: str) -> float:
    offset = datetime.fromtimestamp(at, fmt.zone(tz)).utcoffset()
    return offset.total_seconds() if offset else 0.0


def _time_text(at: float, step: float, tz: str) -> str:
    when = datetime.fromtimestamp(at, fmt.zone(tz))
    if step >= _DAY or (step >= 3600 and when.hour == 0 and when.minute == 0):
        return f"{when:%b} {when.day}"
    return f"{when:%H:%M:%S}" if step < 60 else f"{when:%H:%M}"
