"""A measured figure to 0–100 points by a log-normal curve, as the Lighthouse score does it.

Source: Lighthouse scoring documentation ("log-normal distribution", two control points), and
A. M. Mood et al. for the log-normal's survival function.
"""

from __future__ import annotations

import math

from perftui.model.score import Curve

_Z90 = 1.2815515655446004  # standard normal quantile of 0.9


def score(value: float, curve: Curve) -> float:
    """Points (0–100) of `value` where less is better: 90 at `curve.good`, 50 at `curve.median`.

    Zero or less scores 100. Raises ValueError unless 0 < good < median.
    """
    if not 0 < curve.good < curve.median:
        raise ValueError(f"a curve needs 0 < good < median, not {curve.good} and {curve.median}")
    if value <= 0:
        return 100.0
    sigma = math.log(curve.median / curve.good) / _Z90
    return 50.0 * math.erfc((math.log(value) - math.log(curve.median)) / (sigma * math.sqrt(2)))


def value_at(points: float, curve: Curve) -> float:
    """The figure that scores `points` (0 < points < 100), the inverse of `score` by bisection."""
    low, high = curve.good * 1e-6, curve.median * 1e6
    for _ in range(200):
        middle = math.sqrt(low * high)
        if score(middle, curve) > points:
            low = middle
        else:
            high = middle
    return math.sqrt(low * high)
