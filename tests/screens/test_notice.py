"""The row that says what of a past instant is not known."""

from __future__ import annotations

from perftui.draw.rows import Look, plain
from perftui.model.frame import Frame
from perftui.model.health import Health, Link
from perftui.model.moment import Moment
from perftui.screens.notice import past_row

WAS = Moment(100.0)


def said(**frames: Frame) -> str:
    row = past_row(frames, WAS, 120, Look())
    return "" if row is None else plain([row])[0]


def read(at: float = 99.0) -> Frame:
    return Frame("cache", at, object(), {"main": Health(Link.LIVE, 0.0)})


def bare(**health: Health) -> Frame:
    return Frame("cachecluster", 100.0, None, health, error="not read then")


def test_nothing_is_said_of_an_instant_that_was_read() -> None:
    assert said(cache=read()) == ""


def test_what_was_not_read_is_said_and_how_old_the_rest_is() -> None:
    assert "not read then" in said(cachecluster=bare())
    assert "not read then" in said(cache=read(), cachecluster=bare(shards=Health(Link.LIVE, 0.0)))
    assert "before: no finer reading" in said(cache=read(90.0))


def test_a_kind_of_system_that_is_not_there_is_not_missed() -> None:
    assert said(cache=read(), cachecluster=bare()) == ""
