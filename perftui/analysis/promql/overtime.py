"""Functions of a window of samples: rates, regressions, and everything `_over_time`."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import islice, pairwise
from operator import le
from typing import NamedTuple

from perftui.analysis.promql import sums
from perftui.model.errors import ExpressionError


class Stretch(NamedTuple):
    """Samples of one series in a window without stale markers, and the window itself (ms)."""

    seconds: Sequence[float]
    values: Sequence[float]
    start: int
    end: int
    now: int  # the instant asked for, before offsets
    generation: int

    @property
    def at(self) -> list[int]:
        """Times in ms."""
        return [round(second * 1000) for second in self.seconds]


def rate(w: Stretch) -> float | None:
    """Per-second growth of a counter."""
    return _extrapolated(w, counter=True, per_second=True)


def increase(w: Stretch) -> float | None:
    """Growth of a counter over the window."""
    return _extrapolated(w, counter=True, per_second=False)


def delta(w: Stretch) -> float | None:
    """Change of a gauge over the window."""
    return _extrapolated(w, counter=False, per_second=False)


def _extrapolated(w: Stretch, *, counter: bool, per_second: bool) -> float | None:
    values = w.values
    if len(values) < 2:
        return None
    change = values[-1] - values[0]
    if counter and not all(map(le, values, islice(values, 1, None))):
        before = values[0]
        for value in values:
            if value < before:
                change += before
            before = value
    first, last = round(w.seconds[0] * 1000), round(w.seconds[-1] * 1000)
    to_start, to_end = (first - w.start) / 1000, (w.end - last) / 1000
    sampled = (last - first) / 1000
    spacing = sampled / (len(values) - 1)
    to_zero = math.inf
    if counter and change > 0 and values[0] >= 0:
        to_zero = sampled * (values[0] / change)
    threshold = spacing * 1.1
    if w.generation >= 3:
        to_start = min(to_start if to_start < threshold else spacing / 2, to_zero)
        whole = sampled + to_start + (to_end if to_end < threshold else spacing / 2)
    else:
        to_start = min(to_start, to_zero)
        whole = sampled + (to_start if to_start < threshold else spacing / 2)
        whole += to_end if to_end < threshold else spacing / 2
    factor = whole / sampled
    if per_second:
        factor /= (w.end - w.start) / 1000
    return change * factor


def irate(w: Stretch) -> float | None:
    """Per-second growth between the last two samples of a counter."""
    if len(w.values) < 2:
        return None
    before, last = w.values[-2], w.values[-1]
    apart = round(w.seconds[-1] * 1000) - round(w.seconds[-2] * 1000)
    if not apart:
        return None
    return (last if last < before else last - before) / (apart / 1000)


def idelta(w: Stretch) -> float | None:
    """Change between the last two samples."""
    if len(w.values) < 2 or w.seconds[-1] == w.seconds[-2]:
        return None
    return w.values[-1] - w.values[-2]


def deriv(w: Stretch) -> float | None:
    """Slope by least squares."""
    if len(w.values) < 2:
        return None
    at = w.at
    return sums.regression(at, w.values, at[0])[0]


def predict_linear(w: Stretch, ahead: float) -> float | None:
    """The value so many seconds from now on the line of least squares."""
    if len(w.values) < 2:
        return None
    slope, intercept = sums.regression(w.at, w.values, w.now)
    return slope * ahead + intercept


def resets(w: Stretch) -> float:
    """How often the value fell."""
    return float(sum(after < before for before, after in pairwise(w.values)))


def changes(w: Stretch) -> float:
    """How often it became another; NaN after NaN is no change."""
    return float(sum(a != b and not (a != a and b != b) for a, b in pairwise(w.values)))  # noqa: PLR0124


def smoothed(w: Stretch, smoothing: float, trend: float) -> float | None:
    """Double exponential smoothing."""
    for name, factor in (("smoothing", smoothing), ("trend", trend)):
        if factor <= 0 or factor >= 1:
            sign = name[0] + "f"
            raise ExpressionError(f"invalid {name} factor. Expected: 0 < {sign} < 1, got: {factor:f}")
    values = w.values
    if len(values) < 2:
        return None
    older, newer, slope = 0.0, values[0], values[1] - values[0]
    for place in range(1, len(values)):
        scaled = smoothing * values[place]
        if place > 1:
            slope = trend * (newer - older) + (1 - trend) * slope
        older, newer = newer, scaled + (1 - smoothing) * (newer + slope)
    return newer


def mean(w: Stretch) -> float:
    """The mean of the samples."""
    return sums.mean_direct(w.values) if w.generation >= 3 else sums.mean_running(w.values)


def total(w: Stretch) -> float:
    """Their sum."""
    return sums.added(w.values, forget_at_infinity=w.generation >= 3)


OF_WINDOW: dict[str, Callable[[Stretch], float | None]] = {
    "rate": rate,
    "increase": increase,
    "delta": delta,
    "irate": irate,
    "idelta": idelta,
    "deriv": deriv,
    "resets": resets,
    "changes": changes,
    "avg_over_time": mean,
    "sum_over_time": total,
    "min_over_time": lambda w: sums.smallest(w.values),
    "max_over_time": lambda w: sums.largest(w.values),
    "count_over_time": lambda w: float(len(w.values)),
    "stddev_over_time": lambda w: math.sqrt(sums.variance(w.values)),
    "stdvar_over_time": lambda w: sums.variance(w.values),
    "last_over_time": lambda w: w.values[-1],
    "present_over_time": lambda w: 1.0,
}
WITH_NUMBERS: dict[str, Callable[..., float | None]] = {
    "predict_linear": predict_linear,
    "holt_winters": smoothed,
    "double_exponential_smoothing": smoothed,
    "quantile_over_time": lambda w, q: sums.quantile(q, w.values),
}
"""Those that take numbers beside the window."""
