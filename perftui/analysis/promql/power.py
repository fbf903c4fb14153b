"""Powers with Go's roundings: whole exponents by squaring, so that `x ^ 3` has a server's last digit."""

from __future__ import annotations

import math

_HUGE = 4096  # of the binary exponent: certain overflow, or nothing


def power(x: float, y: float) -> float:
    """The power of two numbers, with IEEE's answers at the edges."""
    if y == 0 or x == 1:
        return 1.0
    if math.isnan(x) or math.isnan(y):
        return math.nan
    if not x or math.isinf(x) or math.isinf(y):
        return _edge(x, y)
    fraction, whole = math.modf(abs(y))
    if fraction and x < 0:
        return math.nan
    if whole >= 2**63:
        return 1.0 if x == -1 else 0.0 if (abs(x) < 1) is (y > 0) else math.inf
    if abs(y) == 0.5:
        root = math.sqrt(x)
        return root if y > 0 else 1 / root
    return _squared(x, whole, fraction, negative=y < 0)


def _edge(x: float, y: float) -> float:
    try:
        return math.pow(x, y)
    except ValueError:  # a negative power of zero
        return math.copysign(math.inf, x) if y % 2 == 1 else math.inf


def _squared(x: float, whole: float, fraction: float, *, negative: bool) -> float:
    result, exponent = 1.0, 0
    if fraction:
        if fraction > 0.5:
            fraction, whole = fraction - 1, whole + 1
        result = math.exp(fraction * math.log(x))
    base, scale = math.frexp(x)
    bits = int(whole)
    while bits:
        if abs(scale) > _HUGE:
            exponent += scale
            break
        if bits & 1:
            result *= base
            exponent += scale
        base, scale, bits = base * base, scale * 2, bits >> 1
        if base < 0.5:
            base, scale = base + base, scale - 1
    if negative:
        result, exponent = 1 / result, -exponent
    try:
        return math.ldexp(result, exponent)
    except OverflowError:
        return math.copysign(math.inf, result)
