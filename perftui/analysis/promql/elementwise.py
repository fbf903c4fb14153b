"""Functions of one number: mathematics by IEEE, and the calendar in UTC."""

from __future__ import annotations

import math
from calendar import monthrange
from collections.abc import Callable
from datetime import date

from perftui.analysis.promql.sums import divided

_DAWN = -9_223_372_028_715_321_600  # where Go begins to count, seconds
_FIRST_YEAR = -292_277_022_399


def _safe(function: Callable[[float], float], at_infinity: float | None = None) -> Callable[[float], float]:
    """A function of `math` that answers NaN where that raises a domain error and infinity on overflow."""

    def call(x: float) -> float:
        try:
            return function(x)
        except ValueError:
            return math.nan
        except OverflowError:
            return math.inf if at_infinity is None else math.copysign(at_infinity, x)

    return call


def _logarithm(function: Callable[[float], float]) -> Callable[[float], float]:
    def call(x: float) -> float:
        return -math.inf if x == 0 else math.nan if x < 0 else function(x)

    return call


def _whole(function: Callable[[float], int]) -> Callable[[float], float]:
    def call(x: float) -> float:
        return math.copysign(float(function(x)), x) if math.isfinite(x) else x

    return call


def _sign(x: float) -> float:
    return 1.0 if x > 0 else -1.0 if x < 0 else x


def _atanh(x: float) -> float:
    return math.copysign(math.inf, x) if abs(x) == 1 else _safe(math.atanh)(x)


def nearest(x: float, to: float) -> float:
    """Rounded to a multiple of `to`, halves up."""
    inverse = divided(1.0, to)
    scaled = x * inverse + 0.5
    return divided(float(math.floor(scaled)) if math.isfinite(scaled) else scaled, inverse)


def least(a: float, b: float) -> float:
    """Go's Min: -Inf before NaN before the rest."""
    if -math.inf in {a, b}:
        return -math.inf
    return math.nan if math.isnan(a) or math.isnan(b) else min(a, b)


def most(a: float, b: float) -> float:
    """Go's Max: +Inf before NaN before the rest."""
    if math.inf in {a, b}:
        return math.inf
    return math.nan if math.isnan(a) or math.isnan(b) else max(a, b)


OF_NUMBER: dict[str, Callable[[float], float]] = {
    "abs": abs,
    "ceil": _whole(math.ceil),
    "floor": _whole(math.floor),
    "exp": _safe(math.exp),
    "sqrt": _safe(math.sqrt),
    "ln": _logarithm(math.log),
    "log2": _logarithm(math.log2),
    "log10": _logarithm(math.log10),
    "sgn": _sign,
    "sin": _safe(math.sin),
    "cos": _safe(math.cos),
    "tan": _safe(math.tan),
    "asin": _safe(math.asin),
    "acos": _safe(math.acos),
    "atan": math.atan,
    "sinh": _safe(math.sinh, math.inf),
    "cosh": _safe(math.cosh),
    "tanh": math.tanh,
    "asinh": math.asinh,
    "acosh": _safe(math.acosh),
    "atanh": _atanh,
    "deg": lambda x: x * 180 / math.pi,
    "rad": lambda x: x * math.pi / 180,
}


def _calendar(part: Callable[[int, date, int], int]) -> Callable[[float], float]:
    """A part of an instant (year, the day in a cycle of 400 years, seconds of that day).

    Instants no calendar reaches, NaN among them, come out as they do with Go's 64 bits.
    """

    def call(seconds: float) -> float:
        inside = math.isfinite(seconds) and abs(seconds) < 2**63
        days, rest = divmod(((int(seconds) if inside else -(2**63)) - _DAWN) % 2**64, 86_400)
        cycles, day = divmod(days, 146_097)
        when = date.fromordinal(day + 1)
        return float(part(_FIRST_YEAR - 1 + cycles * 400 + when.year, when, rest))

    return call


CALENDAR: dict[str, Callable[[float], float]] = {
    "minute": _calendar(lambda year, day, rest: rest % 3600 // 60),
    "hour": _calendar(lambda year, day, rest: rest // 3600),
    "day_of_week": _calendar(lambda year, day, rest: day.isoweekday() % 7),
    "day_of_month": _calendar(lambda year, day, rest: day.day),
    "day_of_year": _calendar(lambda year, day, rest: day.timetuple().tm_yday),
    "days_in_month": _calendar(lambda year, day, rest: monthrange(day.year, day.month)[1]),
    "month": _calendar(lambda year, day, rest: day.month),
    "year": _calendar(lambda year, day, rest: year),
}
