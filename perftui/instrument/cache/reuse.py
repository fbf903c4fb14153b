"""When sampled keys come again: times between their visits, and since the last one of those that have not."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import count
from typing import Final

from perftui.analysis.missratio import MASK
from perftui.analysis.quantile import Sketch
from perftui.model.reuse import ENDED, OPEN

STEPS: Final = 8  # an octave: a time is told within 5 % of what it was
SHORTEST: Final = 2.0**-7  # seconds
LONGEST: Final = 2.0**30


class Reuse:
    """Of the keys that the miss ratio curve looks at, by their hash.

    What is used between two looks at them, two seconds as a rule, is one visit. A time that is not over is
    never left out: it is told as open, also of a key that is looked at no more.
    """

    __slots__ = ("_ended", "_last", "_left")

    def __init__(self) -> None:
        self._last: dict[int, float] = {}
        self._ended: Counter[int] = Counter()
        self._left: Counter[int] = Counter()

    def visited(self, keys: Sequence[int], since: float, now: float) -> None:
        """These were used between the two instants, in this order."""
        each = (now - since) / max(1, len(keys))
        last, ended = self._last, self._ended
        for key, at in dict(zip(keys, count(since + each / 2, each), strict=False)).items():
            was = last.get(key)
            if was is not None:
                ended[_step(at - was)] += 1
            last[key] = at

    def narrow(self, below: int, now: float) -> None:
        """Keys are looked at below this alone from now on."""
        for key in [key for key in self._last if key & MASK >= below]:
            self._left[_step(now - self._last.pop(key))] += 1

    def leave_out(self, keys: Iterable[int]) -> None:
        """Keys that come all the time, whose uses are told no more: they are nobody's late ones."""
        for key in keys:
            self._last.pop(key, None)

    def packed(self, now: float) -> Mapping[str, bytes]:
        """Both sketches; nothing before the first visit."""
        still = self._left + Counter(_step(now - at) for at in self._last.values())
        return {ENDED: _sketch(self._ended), OPEN: _sketch(still)} if still else {}


def _step(seconds: float) -> int:
    return round(math.log2(min(max(seconds, SHORTEST), LONGEST)) * STEPS)


def _sketch(counts: Mapping[int, int]) -> bytes:
    sketch = Sketch()
    for step, times in counts.items():
        sketch.add(2.0 ** (step / STEPS), times)
    return sketch.pack()
