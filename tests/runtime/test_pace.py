"""Drawing slows down with the link and comes back when it is calm."""

from __future__ import annotations

from perftui.runtime.pace import CALM, STEPS, Pace


def test_full_pace_says_nothing() -> None:
    pace = Pace()
    pace.drew(0.0, 0.001, behind=False, rate=0.0)
    assert pace.interval == STEPS[0]
    assert pace.note() == ""
    assert pace.limit() > 1_000_000


def test_due_follows_the_interval() -> None:
    pace = Pace()
    assert pace.due(0.0)
    pace.drew(0.0, 0.001, behind=False, rate=0.0)
    assert not pace.due(0.3)
    assert pace.due(0.5)


def test_steps_down_while_pictures_do_not_leave() -> None:
    pace = Pace()
    seen = []
    now = 0.0
    for _ in range(6):
        pace.drew(now, 0.001, behind=True, rate=18_000.0)
        seen.append(pace.interval)
        now += pace.interval
    assert seen == [1.0, 2.0, 5.0, 5.0, 5.0, 5.0]
    assert pace.note() == "link 18 kB/s, drawing every 5 s"
    assert pace.limit() == 1800


def test_a_frame_that_costs_too_much_time_slows_down_too() -> None:
    pace = Pace()
    pace.drew(0.0, 0.3, behind=False, rate=0.0)
    assert pace.interval == 1.0
    assert pace.note() == "drawing every 1 s"
    pace.drew(1.0, 0.3, behind=False, rate=400.0)
    assert pace.note() == "drawing every 1 s"  # hardly anything was sent: the link is not what is slow


def test_comes_back_one_step_after_a_calm_time() -> None:
    pace = Pace(step=2, _calm_since=0.0)
    pace.drew(CALM / 2, 0.001, behind=False, rate=0.0)
    assert pace.step == 2
    pace.drew(CALM, 0.001, behind=False, rate=0.0)
    assert pace.step == 1
    pace.drew(CALM + 1, 0.001, behind=False, rate=0.0)
    assert pace.step == 1
    pace.drew(2 * CALM, 0.001, behind=False, rate=0.0)
    assert pace.step == 0
