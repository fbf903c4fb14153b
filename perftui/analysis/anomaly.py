"""Whether a value is unusual for its series: a short and a long memory that must agree, cheaply."""

from __future__ import annotations

import math
from array import array
from dataclasses import dataclass, field, replace

from perftui.analysis.seasonal import Season

ALPHA = 0.02  # of the short memory: about the last fifty points
LONG = 6400  # points of the long one
WARM = 60  # points before anything is judged
GAP = 10.0  # steps without a value after which all is learned anew
QUIET = 900.0  # seconds at least without a second alarm
HELD = 3.0  # times the quiet time a shift must hold to be the new normal
MOST = 1e100  # beyond, squares have no room: no number to learn from
CLIP = 3.0  # sigmas: an outlier moves the memories no further than that


@dataclass(frozen=True, slots=True)
class Judge:
    """How strict: sigmas from which a point is odd, and how many (`k`) of the last `n` make an alarm.

    `floor` is the smallest standard deviation believed, in the series' unit: what differs by less is
    nobody's concern. `quiet` are seconds without a second alarm (0: a tenth of the season, ≥ 15 min).
    """

    sigmas: float = 3.0
    k: int = 3
    n: int = 5
    floor: float = 0.0
    quiet: float = 0.0


@dataclass(frozen=True, slots=True)
class Score:
    """What is thought of one point. `score` is 0-1, `z` its distance in sigmas with its sign.

    `low` and `high` are the band it was expected in. `learned` below 1 means no judgement yet.
    `odd` counts this point alone, `alarm` is true at the point where enough were odd, `lasting` while
    they are. `moved` is (from, to) when what was odd has become the new normal at this point.
    """

    at: float
    value: float
    expected: float = math.nan
    sigma: float = 0.0
    z: float = 0.0
    low: float = math.nan
    high: float = math.nan
    learned: float = 0.0
    odd: bool = False
    alarm: bool = False
    lasting: bool = False
    moved: tuple[float, float] | None = None

    @property
    def score(self) -> float:
        """The share of points of a Gaussian that are nearer."""
        return math.erf(abs(self.z) / math.sqrt(2))


@dataclass(slots=True)
class DetectorState:
    """All that is remembered of one series: 51 kB when its long memory is full."""

    judge: Judge = field(default_factory=Judge)
    season: Season | None = None
    at: float = 0.0
    step: float = 0.0
    seen: int = 0
    mean: float = 0.0
    variance: float = 0.0
    hits: int = 0
    quiet_until: float = -math.inf
    odd_since: float = 0.0  # 0: nothing is going on
    held: int = 0
    held_mean: float = 0.0
    held_square: float = 0.0
    ring: array[float] = field(default_factory=lambda: array("d"))
    place: int = 0
    total: float = 0.0
    square: float = 0.0
    origin: float = 0.0

    @property
    def quiet(self) -> float:
        """Seconds after an alarm in which there is no other."""
        if self.judge.quiet:
            return self.judge.quiet
        return max(QUIET, 0.1 * self.season.period if self.season else 0.0)

    def push(self, value: float) -> None:
        """Into the long memory. Its sums are about an origin and taken anew once a round: they stay exact."""
        ring = self.ring
        if not ring:
            self.origin = value
        off = value - self.origin
        if len(ring) < LONG:
            ring.append(off)
        else:
            old, ring[self.place] = ring[self.place], off
            self.total -= old
            self.square -= old * old
            self.place += 1
            if self.place == LONG:
                self.place, self.total = 0, math.fsum(ring) - off
                self.square = math.fsum(v * v for v in ring) - off * off
        self.total += off
        self.square += off * off

    def long(self) -> tuple[float, float]:
        """Mean and standard deviation of the long memory."""
        n = len(self.ring)
        mean = self.total / n
        return self.origin + mean, math.sqrt(max(0.0, self.square / n - mean * mean))


def detect(
    state: DetectorState, at: float, value: float, *, learning: bool = True, as_of: float | None = None
) -> tuple[DetectorState, Score]:
    """Judge one point and learn from it; the state returned is the one given, moved on.

    A value that is no number, or no later than the one before, changes nothing and alarms nobody. Without
    `learning` (silenced, maintenance) the point is judged, no memory takes it in and no level becomes normal.
    `as_of` is the instant whose season is expected, where that is another one's.
    """
    if not -MOST < value < MOST or at <= state.at:
        return state, Score(at, value, learned=min(1.0, state.seen / WARM))
    _pace(state, at)
    base = state.season.at(at if as_of is None else as_of) if state.season else 0.0
    rest = value - base
    if state.seen < WARM:
        if learning:
            _learn(state, rest)
        return state, Score(at, value, learned=min(1.0, state.seen / WARM))
    long_mean, long_sigma = state.long()
    floor = max(state.judge.floor, 1e-9 * abs(long_mean), 1e-300)
    short_sigma = math.sqrt(state.variance)
    if long_sigma <= floor and short_sigma <= floor and not state.judge.floor:
        if learning:
            _learn(state, rest)  # a constant: there is no measure of unusual yet
        return state, Score(at, value, base + long_mean, 0.0, 0.0, base + long_mean, base + long_mean, 1.0)
    short_sigma, long_sigma = max(short_sigma, floor), max(long_sigma, floor)
    z = _agreed((rest - state.mean) / short_sigma, (rest - long_mean) / long_sigma)
    odd = abs(z) >= state.judge.sigmas
    alarm, lasting, moved = _conclude(state, at, rest, z, odd, learning)
    centre, sigma = (state.mean + long_mean) / 2, math.sqrt(short_sigma * long_sigma)
    reach = state.judge.sigmas * sigma
    if not lasting and learning:
        clip = CLIP * short_sigma
        _learn(state, min(max(rest, state.mean - clip), state.mean + clip) if odd else rest)
    return state, Score(
        at,
        value,
        base + centre,
        sigma,
        z,
        base + centre - reach,
        base + centre + reach,
        1.0,
        odd,
        alarm,
        lasting,
        (moved[0] + base, moved[1] + base) if moved else None,
    )


def aside(state: DetectorState, at: float, value: float) -> Score:
    """A point of a time that is like no other: it has its band, teaches nothing and is not unusual."""
    quiet = state.quiet_until
    _, score = detect(state, at, value, learning=False)
    state.hits, state.odd_since, state.quiet_until = 0, 0.0, quiet
    return replace(score, odd=False, alarm=False, lasting=False)


def _pace(state: DetectorState, at: float) -> None:
    """Follow the distance between points; a long gap begins the learning again."""
    gap = at - state.at
    if state.seen == 0 or state.step == 0.0:
        state.step = gap if state.seen else 0.0
    elif gap > GAP * state.step:
        state.seen, state.hits, state.odd_since, state.held = 0, 0, 0.0, 0
        state.ring, state.place, state.total, state.square = array("d"), 0, 0.0, 0.0
    else:
        state.step += ALPHA * (gap - state.step)
    state.at = at


def _learn(state: DetectorState, rest: float) -> None:
    """Into both memories; the short one starts as a plain mean, lest its first point weigh for ever."""
    state.seen += 1
    weight = max(ALPHA, 1.0 / state.seen)
    off = rest - state.mean
    state.mean += weight * off
    state.variance = (1 - weight) * (state.variance + weight * off * off)
    state.push(rest)


def _agreed(short: float, long: float) -> float:
    """The geometric mean of two distances on the same side; on different sides there is nothing."""
    if (short > 0) != (long > 0):
        return 0.0
    return math.copysign(math.sqrt(short * long), long)


def _conclude(
    state: DetectorState, at: float, rest: float, z: float, odd: bool, learning: bool
) -> tuple[bool, bool, tuple[float, float] | None]:
    """Alarm, whether it lasts, and a baseline that moved."""
    judge = state.judge
    state.hits = (state.hits << 1 | odd) & ((1 << judge.n) - 1)
    if odd and abs(z) >= 3 * judge.sigmas:
        state.hits |= state.hits << 1 & ((1 << judge.n) - 1)  # far out: as good as two
    lasting = state.hits.bit_count() >= judge.k
    if not lasting:
        state.odd_since, state.held = (0.0, 0) if not state.hits else (state.odd_since, state.held)
        return False, False, None
    alarm = state.odd_since == 0.0 and at >= state.quiet_until
    if state.odd_since == 0.0:
        state.odd_since = at
    if alarm:
        state.quiet_until = at + state.quiet
    if not learning:
        state.odd_since = at  # what is known to be out of the ordinary does not become normal by lasting
    return alarm, True, _settle(state, at, rest) if learning else None


def _settle(state: DetectorState, at: float, rest: float) -> tuple[float, float] | None:
    """Gather what the new level is; when it has held long enough, take it for normal."""
    state.held += 1
    off = rest - state.held_mean
    state.held_mean += off / state.held if state.held > 1 else off
    state.held_square = 0.0 if state.held == 1 else state.held_square + off * (rest - state.held_mean)
    if at - state.odd_since < HELD * state.quiet:
        return None
    before, _ = state.long()
    after, by = state.held_mean, state.held_mean - before
    state.origin += by  # the long memory keeps its shape around another middle
    state.mean = after
    state.variance = max(state.variance, state.held_square / max(1, state.held))
    state.hits, state.odd_since, state.held = 0, 0.0, 0
    return before, after
