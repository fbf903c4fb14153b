"""How well and how cheaply unusual values are found: seeded incidents against plain 3-sigma.

Run: python -m benchmarks.mon_anomaly [SERIES]
"""

from __future__ import annotations

import math
import random
import statistics
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from perftui.analysis.anomaly import DetectorState, detect
from perftui.analysis.halfspace import Forest
from perftui.analysis.seasonal import learn

STEP = 300.0
DAY = 86400.0
TRAIN, TEST = 14 * 288, 7 * 288  # points
KINDS = ("spike", "shift", "drift", "variance", "dropout", "season")
MERGE = 900.0  # seconds: alarms nearer than that are one, for both detectors
LATE = 6  # points after an incident's end in which an alarm still counts for it


@dataclass(frozen=True)
class Case:
    """One series with what was done to it: (first point, last point, kind)."""

    values: list[float]
    incidents: list[tuple[int, int, str]]


def make(seed: int) -> Case:
    """Three weeks of one series by five minutes; incidents in the last one only."""
    r = random.Random(seed)
    level, noise = r.uniform(50, 500), r.uniform(0.02, 0.08)
    daily = r.choice((0.0, 0.2, 0.4, 0.6))
    phase, weekend = r.uniform(0, 2 * math.pi), r.choice((1.0, 1.0, 0.7))
    sticky, e = r.uniform(0.0, 0.6), 0.0
    values, clean = [], []
    for i in range(TRAIN + TEST):
        at = i * STEP
        wave = math.sin(2 * math.pi * at / DAY + phase) + 0.3 * math.sin(4 * math.pi * at / DAY)
        base = level * (1 + daily * wave) * (weekend if int(at // DAY) % 7 in (2, 3) else 1.0)
        e = sticky * e + math.sqrt(1 - sticky**2) * r.gauss(0, 1)
        clean.append(base)
        values.append(base + level * noise * e)
    incidents = []
    count = r.randint(1, 3)
    for n in range(count):
        begin = TRAIN + 100 + n * (TEST // count) + r.randint(0, TEST // count // 3)
        kind = r.choice(KINDS if daily >= 0.2 else KINDS[:-1])
        length = {"spike": r.randint(3, 8), "drift": r.randint(60, 120)}.get(kind, r.randint(24, 72))
        end = min(begin + length, len(values) - 1)
        _spoil(kind, values, clean, (begin, end), level * noise, r)
        incidents.append((begin, end, kind))
    return Case(values, incidents)


def _spoil(
    kind: str, values: list[float], clean: list[float], span: tuple[int, int], sigma: float, r: random.Random
) -> None:
    begin, end = span
    side, size = r.choice((-1, 1)), r.uniform(5, 10)
    morning = clean[begin]
    for i in range(begin, end):
        if kind in {"spike", "shift"}:
            values[i] += side * size * sigma
        elif kind == "drift":
            values[i] += side * size * 1.3 * sigma * (i - begin) / (end - begin)
        elif kind == "variance":
            values[i] += r.gauss(0, 1) * size * 0.7 * sigma
        elif kind == "dropout":
            values[i] = 0.0
        elif kind == "season":  # what should have come up or gone down stays where it was
            values[i] = morning + values[i] - clean[i]


def ours(values: list[float]) -> Iterator[int]:
    """Alarms of the detector, its season learned from the two weeks before."""
    state = DetectorState(season=learn([i * STEP for i in range(TRAIN)], values[:TRAIN]))
    for i, value in enumerate(values):
        state, score = detect(state, i * STEP + 1, value)
        if score.alarm and i >= TRAIN:
            yield i


def plain(values: list[float]) -> Iterator[int]:
    """Points more than three standard deviations from the mean of the day before them."""
    window: deque[float] = deque(maxlen=288)
    total = square = 0.0
    for i, value in enumerate(values):
        if len(window) == 288:
            mean = total / 288
            sigma = math.sqrt(max(0.0, square / 288 - mean * mean))
            if abs(value - mean) > 3 * sigma and i >= TRAIN:
                yield i
            total -= window[0]
            square -= window[0] ** 2
        window.append(value)
        total += value
        square += value * value


@dataclass
class Tally:
    """Incidents found and missed, and alarms that were none."""

    found: int = 0
    missed: int = 0
    false: int = 0

    @property
    def precision(self) -> float:
        """Alarms that were right."""
        return self.found / max(1, self.found + self.false)

    @property
    def recall(self) -> float:
        """Incidents that were found."""
        return self.found / max(1, self.found + self.missed)

    @property
    def f1(self) -> float:
        """Both in one figure."""
        p, r = self.precision, self.recall
        return 2 * p * r / (p + r) if p + r else 0.0


def judge(
    finder: Callable[[list[float]], Iterator[int]], cases: list[Case]
) -> tuple[Tally, dict[str, list[float]]]:
    """Incidents found and missed, alarms that were none, delays in points by kind (inf: missed)."""
    tally, delays = Tally(), {kind: [] for kind in KINDS}
    for case in cases:
        alarms: list[int] = []
        last = -math.inf
        for i in finder(case.values):
            if (i - last) * STEP > MERGE:
                alarms.append(i)
            last = i
        explained: set[int] = set()
        for begin, end, kind in case.incidents:
            mine = [i for i in alarms if begin <= i <= end + LATE]
            explained |= set(mine)
            tally.found += bool(mine)
            tally.missed += not mine
            delays[kind].append(mine[0] - begin if mine else math.inf)
        tally.false += len(set(alarms) - explained)
    return tally, delays


def cost(points: int = 50_000) -> tuple[float, float]:
    """Microseconds of processor a point with a season, and what the trees take beside."""
    case = make(1)
    state = DetectorState(season=learn([i * STEP for i in range(TRAIN)], case.values[:TRAIN]))
    row = [case.values[i % TRAIN] for i in range(points)]
    began = time.process_time()
    for i, value in enumerate(row):
        state, _ = detect(state, i * STEP + 1, value)
    judged, forest = time.process_time(), Forest()
    for i, value in enumerate(row):
        forest.rate(i * STEP + 1, value, value - 100, value - 100)
    return (judged - began) / points * 1e6, (time.process_time() - judged) / points * 1e6


def main(count: int = 200, first: int = 10_000) -> None:
    cases = [make(first + n) for n in range(count)]
    weeks = count * TEST * STEP / (7 * DAY)
    for name, finder in (("ours", ours), ("plain 3-sigma", plain)):
        tally, delays = judge(finder, cases)
        found = [d for row in delays.values() for d in row if d < math.inf]
        print(
            f"{name:14} precision {tally.precision:.3f}  recall {tally.recall:.3f}  F1 {tally.f1:.3f}  "
            f"false alarms a series-week {tally.false / weeks:.2f}  "
            f"median delay {statistics.median(found):g} points"
        )
        for kind, row in delays.items():
            hit = sum(d < math.inf for d in row)
            print(f"    {kind:9} {hit:3} of {len(row):3}")
    judge_cost, tree_cost = cost()
    print(f"cost {judge_cost:.2f} µs of processor a point, the trees {tree_cost:.2f} µs beside")


if __name__ == "__main__":
    main(*(int(word) for word in sys.argv[1:]))
