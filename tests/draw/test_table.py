"""What tables are sorted by."""

from __future__ import annotations

from dataclasses import dataclass

from perftui.draw.rows import Look
from perftui.draw.table import Column, sort_items
from perftui.model.alerts import Alert, AlertState
from perftui.model.cache import PrefixShare
from perftui.model.event import Event
from perftui.model.finding import Effort, Finding, Severity
from perftui.model.recommendation import Recommendation
from perftui.screens.cache.advisor import finding_columns
from perftui.screens.cache.rows import share_columns
from perftui.screens.optimization.base import columns as columns_of_advice
from perftui.screens.overview.alertrows import alert_columns
from perftui.screens.overview.happenings import columns


@dataclass(frozen=True)
class Thing:
    name: str
    size: float | None


THINGS = [Thing("b", 9.0), Thing("a", 10.0), Thing("c", None)]


def test_a_cell_that_draws_the_whole_item_is_sorted_by_what_it_shows_or_by_its_order() -> None:
    shown = Column("name", "Name", lambda t: t.name, value=lambda t: t)
    assert [t.name for t in sort_items(THINGS, shown)] == ["a", "b", "c"]
    sized = Column("size", "Size", lambda t: f"{t.size}", value=lambda t: t, order=lambda t: t.size)
    assert [t.name for t in sort_items(THINGS, sized)] == ["b", "a", "c"]
    assert [t.name for t in sort_items(THINGS, sized, reverse=True)] == ["a", "b", "c"]


def test_a_share_with_its_interval_is_sorted_as_a_figure() -> None:
    parts = {b"a": 0.095, b"b": 0.12, b"c": 0.02}
    shares = [PrefixShare(name, 1, part, 0.01, 1, part, 0.01) for name, part in parts.items()]
    by = {column.key: column for column in share_columns()}
    for key in ("byte_share", "bar", "key_share"):
        assert [s.prefix for s in sort_items(shares, by[key])] == [b"c", b"a", b"b"], key


def test_events_are_sorted_by_kind_and_by_how_long_they_lasted() -> None:
    events = [
        Event(1.0, "scale", "pool", "ready"),
        Event(2.0, "action", "cache", "purge", until=11.0),
        Event(3.0, "finding", "db", "slow"),
        Event(4.0, "action", "cache", "warm", until=124.0),
    ]
    by = {column.key: column for column in columns(Look)}
    assert [e.at for e in sort_items(events, by["kind"])] == [2.0, 4.0, 3.0, 1.0]
    assert [e.at for e in sort_items(events, by["lasted"], reverse=True)] == [3.0, 4.0, 2.0, 1.0]


def test_gains_are_sorted_by_unit_and_figure() -> None:
    gains = {"a": (900.0, "bytes"), "b": (2048.0, "bytes"), "c": (3.0, "1/s"), "d": (0.0, "")}
    found = [Finding(name, Severity.INFO, "s", name, ("e",), *gained) for name, gained in gains.items()]
    ranked = [Recommendation("cache", one, 1.0, "") for one in found]
    advised = next(column for column in finding_columns() if column.key == "gain")
    listed = next(column for column in columns_of_advice() if column.key == "gain")
    assert [one.id for one in sort_items(found, advised)] == ["c", "a", "b", "d"]
    assert [one.finding.id for one in sort_items(ranked, listed, reverse=True)] == ["b", "a", "c", "d"]
    assert advised.datum(found[1]) == "2.00 KiB"


def test_efforts_are_sorted_from_a_key_to_days() -> None:
    ranked = [
        Recommendation("cache", Finding("f", Severity.INFO, "s", "t", ("e",), effort=effort), 1.0, "")
        for effort in (Effort.DAYS, Effort.HOURS, Effort.KEY)
    ]
    column = next(column for column in columns_of_advice() if column.key == "effort")
    assert [one.finding.effort for one in sort_items(ranked, column)] == [1, 3, 4]


def test_values_of_alerts_are_sorted_by_unit_and_figure() -> None:
    told = [
        Alert(name, rule, name, Severity.INFO, (), value, AlertState.FIRING, 1.0, 1.0, op=op, unit=unit)
        for name, rule, value, op, unit in (
            ("a", "r", 9.0, ">", "s"),
            ("b", "r", 70.0, ">", "s"),
            ("c", "finding:x", 0.0, "", ""),
            ("d", "r", 1e6, ">", "bytes"),
        )
    ]
    column = next(column for column in alert_columns(Look, float) if column.key == "value")
    assert [one.fingerprint for one in sort_items(told, column)] == ["d", "a", "b", "c"]
