"""A quantile of many kinds of calls of which only count, mean and deviation are known."""

from __future__ import annotations

from collections.abc import Sequence
from math import erf, exp, log, sqrt
from typing import NamedTuple

_SQRT2 = sqrt(2.0)


class Part(NamedTuple):
    """`n` values with this mean and standard deviation (population), both in one unit, mean > 0."""

    n: float
    mean: float
    stddev: float


def lognormal_quantile(parts: Sequence[Part], q: float) -> float | None:
    """The value below which a share `q` of all lies, each part taken as log-normal.

    An estimate, good to tens of percent for latencies and to be labelled as one: moments do not
    determine a distribution. Method of moments; the mixture's inverse by bisection on the
    logarithm. None without values.
    """
    shapes = [_shape(part) for part in parts if part.n > 0 and part.mean > 0]
    total = sum(n for n, _, _ in shapes)
    if not total:
        return None
    low = min(mu - 8 * sigma for _, mu, sigma in shapes) - 1e-9
    high = max(mu + 8 * sigma for _, mu, sigma in shapes) + 1e-9
    for _ in range(40):
        middle = (low + high) / 2
        below = sum(n * _below(middle, mu, sigma) for n, mu, sigma in shapes) / total
        low, high = (low, middle) if below >= q else (middle, high)
    return exp(high)


def _shape(part: Part) -> tuple[float, float, float]:
    variance = log(1.0 + (part.stddev / part.mean) ** 2)
    return part.n, log(part.mean) - variance / 2, sqrt(variance)


def _below(x: float, mu: float, sigma: float) -> float:
    if sigma < 1e-9:
        return 1.0 if x >= mu else 0.0
    return 0.5 * (1.0 + erf((x - mu) / (sigma * _SQRT2)))


def split_off(
    n_all: float, mean_all: float, dev_all: float, n_old: float, mean_old: float, dev_old: float
) -> Part:
    """The part added to an older aggregate, from the newer one that contains both.

    Inverts the pairwise update of Chan, Golub and LeVeque (1979); rounding is clipped at zero.
    """
    n = n_all - n_old
    if n <= 0:
        return Part(0.0, 0.0, 0.0)
    mean = (n_all * mean_all - n_old * mean_old) / n
    between = (mean - mean_old) ** 2 * n_old * n / n_all
    squares = n_all * dev_all**2 - n_old * dev_old**2 - between
    return Part(n, max(0.0, mean), sqrt(max(0.0, squares / n)))
