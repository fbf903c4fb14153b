"""When to load a value before its time, so that no crowd finds it gone: each by chance, few at once.

Source: Vattani, Chierichetti, Lowenstein, Optimal Probabilistic Cache Stampede Prevention, VLDB 2015: refresh
when now - load time * beta * ln(draw) >= expiry.
"""

from __future__ import annotations

import math


def early(remaining: float, load_s: float, beta: float, draw: float) -> bool:
    """Whether this caller refreshes, `remaining` seconds before the end.

    `load_s` is how long the last load took, `beta` how eager (1: the optimum of the paper; 0: never), `draw`
    one uniform number in [0, 1).
    """
    return remaining <= 0 or -load_s * beta * math.log(1.0 - draw) >= remaining


def chance(remaining: float, load_s: float, beta: float) -> float:
    """The probability that one caller refreshes."""
    if remaining <= 0:
        return 1.0
    scale = load_s * beta
    return math.exp(-remaining / scale) if scale > 0 else 0.0
