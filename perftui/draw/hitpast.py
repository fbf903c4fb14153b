"""Hit ratios of longer windows in words, with how much of them history has."""

from __future__ import annotations

from collections.abc import Sequence

from perftui.draw import format as fmt
from perftui.model.hitpast import PastRatio


def words(ratios: Sequence[PastRatio]) -> str:
    """`15 m 93.1%, 24 h 95.0% (3 h recorded)`; what is not recorded wholly says how much of it is."""
    return ", ".join(map(_one, ratios))


def _one(past: PastRatio) -> str:
    text = f"{fmt.age(past.window) if past.window < 86400 else '24 h'} {fmt.ratio(past.ratio)}"
    return text if past.whole else f"{text} ({fmt.age(past.seen_s)} recorded)"
