"""Firings of an alert last from their event to the one that ends them."""

from __future__ import annotations

from perftui.analysis.buckets import Window
from perftui.draw.rows import Look
from perftui.model.event import Event
from perftui.screens.overview import happenings


def event(at: float, word: str, ref: str = "f") -> Event:
    return Event(at, "alert", "web", f"{word}: CPU busy", ref=ref)


TOLD = (
    event(10.0, "firing"),
    event(20.0, "acknowledged"),
    event(30.0, "firing", "g"),
    event(40.0, "firing"),  # the acknowledgement was taken back
    event(60.0, "resolved"),
    event(70.0, "resolved", "h"),
    event(80.0, "firing"),
)


def test_a_firing_lasts_to_its_end_and_one_that_goes_on_is_a_moment() -> None:
    found = happenings.lasting(TOLD)
    assert [(e.at, e.until) for e in found if e.until is not None] == [(10.0, 60.0)]
    assert [e.identity for e in found] == [e.identity for e in TOLD]


def test_its_bar_has_its_end_and_no_sign_there() -> None:
    lanes = happenings.lanes_of(happenings.lasting(TOLD))
    (alerts,) = (lane for lane in lanes if lane.name == "alerts")
    assert [(item.start, item.end) for item in alerts.items] == [
        (10.0, 60.0),
        (20.0, None),
        (30.0, None),
        (40.0, None),
        (70.0, None),
        (80.0, None),
    ]


def test_one_that_began_before_the_span_shown_is_in_it() -> None:
    shown = happenings.within(happenings.lasting(TOLD), Window(50.0, 75.0))
    assert [e.at for e in shown] == [10.0, 60.0, 70.0]


def test_how_long_it_lasted_stands_in_the_table() -> None:
    (lasted,) = (c for c in happenings.columns(Look) if c.key == "lasted")
    assert str(lasted.format(happenings.lasting(TOLD)[0])).strip() == "50.0 s"
