"""What neighbours call rare: as rare as they say on series nobody spoiled, and what was spoiled is named."""

from __future__ import annotations

import json
import math
import random
from statistics import fmean, stdev

import pytest

from perftui.analysis.lagwindows import FEATURES, SPAN, STEP, features, grid
from perftui.analysis.neighbours import KEPT, Neighbours, train
from perftui.analysis.seasonal import DAY

START = 1_699_920_000.0  # a midnight


def series(days, seed, noise="gauss"):
    """A daily season with noise that remembers a little; `noise` of another shape must not matter."""
    r = random.Random(seed)
    draw = {"gauss": lambda: r.gauss(0, 1), "heavy": lambda: r.gauss(0, 1) * math.exp(r.gauss(0, 0.5))}[noise]
    at, value, rest = [], [], 0.0
    for n in range(int(days * 1440)):
        rest = 0.6 * rest + draw()
        at.append(START + STEP * n)
        value.append(100 + 30 * math.sin(2 * math.pi * n / 1440) + 3 * rest)
    return at, value


@pytest.fixture(scope="module")
def learned():
    at, value = series(14, 1)
    return train(at, value, 1)


def judged(model, at, value, ends):
    return [model.judge(int(at[end - 1] // STEP), value[end - SPAN : end]) for end in ends]


@pytest.mark.slow
@pytest.mark.parametrize("noise", ["gauss", "heavy"])
def test_one_in_a_thousand_is_one_in_a_thousand(noise):
    """Minutes of days it has not seen: the share told lies in its interval.

    Minutes next to each other share their hour and alarm together, so the interval is taken of hours.
    """
    told = {0.01: [], 0.001: []}
    for seed in range(4):
        at, value = series(16, seed, noise)
        model = train(at[: 14 * 1440], value[: 14 * 1440], seed)
        assert model.finest < 0.001
        for hour in range(14 * 1440 + 60, len(at) - 59, 60):
            ranks = judged(model, at, value, range(hour + 1, hour + 60, 3))
            for share, rates in told.items():
                rates.append(fmean(rank <= share for rank, _ in ranks))
    for share, rates in told.items():
        wide = 3.3 * stdev(rates) / math.sqrt(len(rates))
        assert fmean(rates) - wide < share < fmean(rates) + wide
        assert fmean(rates) < 4 * share


def test_ranks_are_even_over_all_they_are_kept_for(learned):
    """Fresh minutes an hour apart: a tenth of them ranks below a tenth, a hundredth below a hundredth."""
    at, value = series(60, 2)
    ranks = [rank for rank, _ in judged(learned, at, value, range(SPAN, len(at), 61))]
    for share in (0.1, 0.03, 0.01):
        seen = fmean(rank <= share for rank in ranks)
        assert abs(seen - share) < 4 * math.sqrt(share * (1 - share) / len(ranks)) + 0.01


@pytest.mark.parametrize(
    ("spoil", "name"),
    [
        (lambda w: [*w[:-1], w[-1] + 40], "value"),
        (lambda w: [*w[:-16], *[w[-17]] * 16], "spread of 15 min"),
        (lambda w: [*w[:-5], *(v - 25 for v in w[-5:])], "mean of 5 min"),
        (lambda w: [*w[:-15], *(v + 2.5 * (n - 14) for n, v in enumerate(w[-15:]))], "trend of 15 min"),
        (lambda w: [*w[:-20], *(v + (-1) ** n * 20 for n, v in enumerate(w[-20:]))], "change in a minute"),
    ],
)
def test_what_is_odd_is_found_and_named(learned, spoil, name):
    at, value = series(15, 3)
    found = named = 0
    for end in range(14 * 1440 + 100, len(at), 133):
        window = spoil(value[end - SPAN : end])
        rank, reasons = learned.judge(int(at[end - 1] // STEP), window)
        found += rank <= 0.001
        assert 1 <= len(reasons) <= 3
        named += name in {known for known, _ in reasons}
    assert found >= 9
    assert named >= 9


def test_the_season_is_taken_away(learned):
    assert learned.season.period == DAY
    at, value = series(15, 4)
    night, noon = 14 * 1440 + 1080, 14 * 1440 + 360
    ranks = [learned.judge(int(at[end - 1] // STEP), value[end - SPAN : end])[0] for end in (night, noon)]
    assert min(ranks) > 0.001
    moved = learned.judge(int(at[night - 1] // STEP), value[noon - SPAN : noon])
    assert moved[0] == learned.finest


def test_it_is_small_and_survives_being_told(learned):
    told = json.dumps(learned.told())
    assert len(told) < 400_000
    again = Neighbours.read(json.loads(told))
    assert again == learned
    assert len(again.sample) == KEPT
    assert all(len(one) == len(FEATURES) for one in again.sample)


@pytest.mark.parametrize(
    ("days", "change", "said"),
    [
        (6, lambda v, n: v, "6.0 days without gaps are known, 7 are needed"),
        (8, lambda v, n: math.nan if n % 50 == 0 else v, "0.0 days without gaps"),
        (8, lambda v, n: 5.0, "hardly ever changes"),
        (0, lambda v, n: v, "0.0 days"),
    ],
)
def test_what_nothing_can_be_learned_of(days, change, said):
    at, value = series(days, 1)
    with pytest.raises(ValueError, match=said):
        train(at, [change(v, n) for n, v in enumerate(value)])


def test_minutes_are_means_with_gaps():
    first, minutes = grid([120.0, 150.0, 300.0], [1.0, 3.0, 5.0])
    assert first == 2
    assert minutes[0] == 2.0
    assert math.isnan(minutes[1])
    assert minutes[3] == 5.0
    assert grid([], []) == (0, [])
    assert features([0.0] * 46 + [float(n) for n in range(15)])[-1] == pytest.approx(1.0)
