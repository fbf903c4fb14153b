"""Which events may explain an alert, in which order, and with what evidence."""

from __future__ import annotations

import random

from perftui.analysis.changes import BEFORE, reach, shift, what_changed
from perftui.model.event import Event
from perftui.model.series import Series, SeriesKey

AT = 1_700_000_000.0
KEY = SeriesKey("shop", "http.p95_s")


def stepped(step_at: float, by: float, seed: int = 1) -> Series:
    """An hour of noise around 0.1 that moves by `by` at an instant."""
    noise = random.Random(seed)
    series = Series(KEY, "s", capacity=10_000)
    for second in range(3600):
        at = AT - 3000 + second
        series.append(at, 0.1 + noise.gauss(0, 0.01) + (by if at >= step_at else 0.0))
    return series


def event(before: float, kind: str = "config", source: str = "shop", title: str = "x") -> Event:
    return Event(AT - before, kind, source, title)


def test_dependencies_are_followed_and_may_be_circular():
    depends = {"shop": ("pg", "cache"), "pg": ("disk",), "disk": ("shop",)}
    assert reach("shop", depends) == {"pg", "cache", "disk"}
    assert reach("other", depends) == frozenset()


def test_near_events_come_first_then_what_it_depends_on_then_the_rest():
    events = [
        event(60, source="mail"),
        event(600, source="pg"),
        event(900, source="shop pattern:*"),
        event(300),
    ]
    found = what_changed(events, AT, "shop", {"shop": ("pg",)}, None)
    assert [(c.event.source, c.ahead) for c in found] == [
        ("shop", 300),
        ("shop pattern:*", 900),
        ("pg", 600),
        ("mail", 60),
    ]
    assert [c.where for c in found][2:] == ["depends on it", "elsewhere"]
    assert all(c.shift is None for c in found)


def test_what_moved_the_figure_beats_what_is_merely_later():
    series = stepped(AT - 700, 0.05)
    found = what_changed(
        [event(30, title="late"), event(700, title="cause")], AT, "shop", {}, lambda *_: series
    )
    assert [c.event.title for c in found] == ["cause", "late"]
    cause = found[0].shift
    assert cause.beyond_noise
    assert abs(cause.before - 0.1) < 0.005
    assert abs(cause.after - 0.15) < 0.005


def test_symptoms_come_last_and_only_the_half_hour_counts():
    events = [
        event(10, "finding", title="slow"),
        event(1700, source="elsewhere", title="deploy"),
        event(BEFORE + 1, title="too old"),
        event(-60, title="told late"),
        event(-300, title="after"),
    ]
    titles = [c.event.title for c in what_changed(events, AT, "shop", {}, None)]
    assert titles == ["told late", "deploy", "slow"]


def test_what_comes_again_and_again_counts_once():
    job = [
        Event(AT - 60 * n, "action", "job", "Run: done", detail=f"{n} loaded in {n}.5 s") for n in (1, 2, 3)
    ]
    faults = [Event(AT - 300 - n, "scale", "pool", "fault", detail=name) for n, name in enumerate("ab")]
    deploys = [Event(AT - 900 - n, "deploy", "ci", f"v{n}") for n in (1, 2)]
    found = what_changed([*job, *faults, *deploys], AT, "host", {}, None)
    assert [c.times for c in found] == [3, 1, 1, 1, 1]
    assert [c.event.detail for c in found[:3]] == ["1 loaded in 1.5 s", "a", "b"]


def test_noise_is_told_from_a_shift():
    wrong = sum(shift(stepped(AT, 0.0, seed), AT - 1200).beyond_noise for seed in range(40))
    assert wrong <= 2
    assert all(shift(stepped(AT - 1200, 0.02, seed), AT - 1200).beyond_noise for seed in range(10))


def test_too_few_samples_say_nothing():
    series = Series(KEY, "s")
    for second in range(30):
        series.append(AT + second, 1.0)
    assert shift(series, AT) is None
    assert shift(Series(KEY), AT) is None
