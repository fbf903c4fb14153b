"""How rare the last hour of a series is among fourteen days of its own: distance to the nearest like it.

A sample of past hours stands for what is usual. The distance of a new one to the three nearest is ranked
among the distances of other past hours, which the sample has not seen: the rank is a probability whatever
the distance measures (conformal prediction: Vovk, Gammerman, Shafer, "Algorithmic Learning in a Random
World", 2005; of anomalies by inductive rank: Laxhammar and Falkman, 2015). Learning wants numpy and is done
in a process of its own; judging does without.
"""

from __future__ import annotations

import heapq
import math
import random
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from perftui.analysis.lagwindows import FEATURES, SPAN, STEP, features, grid
from perftui.analysis.seasonal import Season, learn

KEPT = 512  # hours that stand for all
NEAREST = 3
TOP = 2000  # calibration distances kept: those that ranks below a tenth or so need
LEAST = 7 * 1440  # windows to learn from: seven days
MOST = 14 * 1440 + SPAN  # minutes looked at
BLOCK = 60  # windows that go to the same half: neighbours share most of their minutes


@dataclass(frozen=True, slots=True)
class Neighbours:
    """What was learned of one series. `middle` and `scale` are of each feature; distances ascend.

    `known` is how many distances the ranks are among; those in `distances` are the largest of them.
    """

    middle: tuple[float, ...]
    scale: tuple[float, ...]
    sample: tuple[tuple[float, ...], ...]
    distances: tuple[float, ...]
    known: int
    season: Season | None
    until: float

    def told(self) -> dict[str, Any]:
        """JSON-able."""
        return asdict(self)

    @classmethod
    def read(cls, told: dict[str, Any]) -> Neighbours:
        """What `told` said."""
        season = told["season"]
        return cls(
            tuple(told["middle"]),
            tuple(told["scale"]),
            tuple(map(tuple, told["sample"])),
            tuple(told["distances"]),
            int(told["known"]),
            Season(**{**season, "table": tuple(season["table"])}) if season else None,
            float(told["until"]),
        )

    @property
    def finest(self) -> float:
        """The smallest rank there can be."""
        return 1 / (self.known + 1)

    def judge(self, minute: int, window: Sequence[float]) -> tuple[float, tuple[tuple[str, float], ...]]:
        """How rare the window that ends with that minute is (1: most usual), and which features make it so.

        Each feature comes with its distance from the middle in sigmas, the one that counts most first.
        """
        z = self._place(minute, window)
        near = heapq.nsmallest(
            NEAREST, ((sum((a - b) ** 2 for a, b in zip(z, one, strict=True)), one) for one in self.sample)
        )
        distance = sum(math.sqrt(square) for square, _ in near) / len(near)
        larger = len(self.distances) - bisect_left(self.distances, distance)
        if larger == len(self.distances):
            larger = self.known  # below all that were kept: nothing out of the ordinary
        shares = [sum((z[i] - one[i]) ** 2 for _, one in near) for i in range(len(z))]
        total = sum(shares) or 1.0
        order = sorted(range(len(z)), key=lambda i: -shares[i])
        named = tuple((FEATURES[i], z[i]) for i in order if shares[i] >= 0.15 * total)
        return (1 + larger) / (self.known + 1), named[:3]

    def _place(self, minute: int, window: Sequence[float]) -> tuple[float, ...]:
        rest = without(self.season, minute - len(window) + 1, window)
        return tuple((v - m) / s for v, m, s in zip(features(rest), self.middle, self.scale, strict=True))


def without(season: Season | None, first: int, values: Sequence[float]) -> list[float]:
    """Minutes from the first on without their season, which is asked at the middle of each."""
    if season is None:
        return list(values)
    return [v - season.at((first + n + 0.5) * STEP) for n, v in enumerate(values)]


def train(at: Sequence[float], value: Sequence[float], seed: int = 0) -> Neighbours:
    """Learn from up to fourteen days of minutes; ValueError says why nothing can be learned.

    Takes numpy, about a second and 100 MB. Half of the hours are sampled, the other half calibrates.
    """
    import numpy as np

    season = learn(at, value)
    first, minutes = grid(at, value)
    first, minutes = first + max(0, len(minutes) - MOST), minutes[-MOST:]
    rest = without(season, first, minutes)
    ends = [end for end in range(SPAN, len(rest) + 1) if not math.isnan(sum(rest[end - SPAN : end]))]
    if len(ends) < LEAST:
        raise ValueError(f"{len(ends) / 1440:.1f} days without gaps are known, {LEAST / 1440:g} are needed")
    rows = np.array([features(rest[end - SPAN : end]) for end in ends])
    middle = np.median(rows, axis=0)
    low, high = np.quantile(rows, [0.25, 0.75], axis=0)
    scale = (high - low) / 1.349
    spread = rows.std(axis=0)
    scale = np.where(scale > 1e-3 * spread, scale, spread)
    if not (scale > 0).all():
        raise ValueError("it hardly ever changes")
    rows = (rows - middle) / scale
    half = (np.array(ends) // BLOCK) % 2 == 0
    seen, fresh = rows[half], rows[~half]
    if len(seen) < KEPT or len(fresh) < KEPT:
        raise ValueError("what is known has too many gaps")
    chosen = random.Random(seed).sample(range(len(seen)), KEPT)  # noqa: S311 - a sample, no secret
    sample = seen[sorted(chosen)]
    distances: list[float] = []
    for start in range(0, len(fresh), 256):
        squares = ((fresh[start : start + 256, None] - sample[None]) ** 2).sum(axis=2)
        nearest = np.sqrt(np.partition(squares, NEAREST - 1, axis=1)[:, :NEAREST])
        distances += nearest.mean(axis=1).tolist()
    distances.sort()
    return Neighbours(
        tuple(middle.tolist()),
        tuple(scale.tolist()),
        tuple(map(tuple, sample.tolist())),
        tuple(distances[-TOP:]),
        len(distances),
        season,
        (first + len(minutes)) * STEP,
    )
