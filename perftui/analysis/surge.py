"""Whether a rate has jumped: compared with its own last minutes, with nothing learnt before.

The median of the past is what is usual, whatever a few of its minutes were like; the 95th percentile is
what has been seen before, so that a burst that comes again and again is news once.
"""

from __future__ import annotations

from collections.abc import Sequence

JUMP = 2.5  # times the median; a day's wave between 65 and 135 % spans 2.08
OVER_PEAKS = 1.5  # times the 95th percentile
BACK = 1.75  # times the median, below which a jump is over
LEAST_USUAL = 1.0  # a second, below which nothing is usual
LEAST = 10.0  # a second, below which a jump is no matter
FEWEST = 10  # samples


def usual(rates: Sequence[float], now: float) -> float | None:
    """The median of `rates` when `now` has jumped far above them, all in 1/s; None when it has not."""
    if len(rates) < FEWEST or now < LEAST:
        return None
    ranked = sorted(rates)
    median = (ranked[(len(ranked) - 1) // 2] + ranked[len(ranked) // 2]) / 2
    peak = ranked[(len(ranked) * 95 - 1) // 100]
    jumped = median >= LEAST_USUAL and now >= JUMP * median and now >= OVER_PEAKS * peak
    return median if jumped else None
