"""Budgets are found while watched, by what was stored, and a baseline outlives its console."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from perftui.analysis.budget import TargetsReport
from perftui.draw.rows import Look, Size, plain
from perftui.model.errors import StoreError
from perftui.model.reading import Measure, Reading
from perftui.model.series import SeriesKey
from perftui.model.target import DEFAULTS, Target
from perftui.runtime.budgets import Budgets, keys_of
from perftui.runtime.clock import Clock
from perftui.runtime.history import History
from perftui.runtime.store import Store
from perftui.runtime.topic import Topic
from perftui.screens.overview.rows import target_rows
from tests.waiting import until

P95 = Target("api.p95", "API p95", "s", below=0.1, kind="scrape", series="http.p95_s")
KINDS = {"shop": "scrape", "cache": "valkey"}


def begun(path: Path) -> tuple[Store, History, Budgets, Topic]:
    store = Store.open(str(path), "x")
    history = History(store, Clock())
    topic: Topic = Topic("overview.targets")
    budgets = Budgets(history, store, Clock())
    budgets.follow((P95,), KINDS, topic)
    return store, history, budgets, topic


def feed(history: History, seconds: int, bad: int, ago: float = 0.0) -> None:
    now = Clock().wall() - ago
    for n in range(seconds):
        value = 0.3 if n < bad else 0.05
        measure = Measure(SeriesKey("shop", "http.p95_s"), value, "s")
        history.record(Reading("shop", now - seconds + n, 0.0, (measure,), None))


def test_a_target_is_fed_by_its_kind_or_by_one_backend() -> None:
    keys = [SeriesKey("shop", "http.p95_s"), SeriesKey("shop", "http.p95_s", (("route", "/"),))]
    keys += [SeriesKey("cache", "http.p95_s"), SeriesKey("shop", "other")]
    assert keys_of(keys, P95, KINDS) == keys[:1]
    own = Target("o", "o", "s", below=1.0, series="http.p95_s", source="cache")
    assert keys_of(keys, own, KINDS) == [keys[2]]


async def test_nothing_is_read_before_somebody_watches(tmp_path: Path) -> None:
    store, history, budgets, topic = begun(tmp_path / "s.sqlite")
    feed(history, 1000, 100)
    await store.ready()
    running = asyncio.create_task(budgets.run())
    with topic.hold():
        await until(lambda: topic.value is not None)
    running.cancel()
    report = topic.value.report
    assert isinstance(report, TargetsReport)
    found = report.of("api.p95")
    assert found.value == 0.05
    assert [name for name, _ in found.spent] == ["1 h", "24 h", "30 d"]
    hour, day, month = (one.ratio for _, one in found.spent)
    assert hour == pytest.approx(0.1, abs=0.002)
    assert (day, month) == (hour, hour)  # nothing older is known
    await store.close()


async def test_what_is_older_than_the_hour_is_added_by_its_rows(tmp_path: Path) -> None:
    store, history, budgets, topic = begun(tmp_path / "s.sqlite")
    feed(history, 600, 600, ago=7200.0)
    feed(history, 1000, 100)
    await store.ready()
    with topic.hold():
        await budgets.look()
        hour, day, month = (one for _, one in topic.value.report.of("api.p95").spent)
    assert hour.ratio == pytest.approx(0.1, abs=0.002)
    assert (day.span, month.span) == (86400.0, 30 * 86400.0)
    assert day.observed == pytest.approx(1600, abs=30)  # rows of ten seconds
    assert day.breach == pytest.approx(700, abs=30)
    assert (month.observed, month.breach) == (day.observed, day.breach)
    await store.close()


async def test_a_baseline_comes_back_and_is_compared_with(tmp_path: Path) -> None:
    store, history, budgets, topic = begun(tmp_path / "s.sqlite")
    feed(history, 100, 0)
    await budgets.pin({"api.p95": 0.12})
    await history.flush()
    await history.tick()
    await store.close()
    store, history, budgets, topic = begun(tmp_path / "s.sqlite")
    running = asyncio.create_task(budgets.run())
    with topic.hold():
        await until(lambda: topic.value is not None)
    running.cancel()
    report = topic.value.report
    assert report.pinned.values == {"api.p95": 0.12}
    rows = plain(target_rows([P95], lambda _: 0.05, Size(60, 2), Look(), report))
    assert "120 ms → 50.0 ms, -58%" in rows[1]
    assert "1h 0%" in rows[1]
    await budgets.pin({})
    assert topic.value.report.pinned is None
    await store.close()


async def test_another_console_sees_a_baseline_while_it_runs(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    one, two = begun(path), begun(path)
    assert await one[0].ready()
    await two[2].look()
    assert two[3].value.report.pinned is None
    await one[2].pin({"api.p95": 0.12})
    await two[2].look()
    assert two[3].value.report.pinned.values == {"api.p95": 0.12}
    for console in (one, two):
        await console[0].close()


async def test_a_baseline_that_cannot_be_kept_leaves_the_one_before(tmp_path: Path) -> None:
    store, _, budgets, topic = begun(tmp_path / "s.sqlite")
    await budgets.pin({"api.p95": 0.12})
    await asyncio.wrap_future(store.write(lambda driver: driver.execute("DROP TABLE perftui_last")))
    with pytest.raises(StoreError):
        await budgets.pin({"api.p95": 0.5})
    assert topic.value.report.pinned.values == {"api.p95": 0.12}
    await store.close()


@pytest.mark.parametrize(
    ("target", "kind", "fed"),
    [
        ("api.p95", "scrape", True),
        ("api.p95", "accesslog", True),
        ("cache.hit", "valkey-cluster", True),
        ("cache.hit", "valkey-sentinel", True),
        ("cache.hit", "valkey-regions", False),
        ("db.p95", "valkey", False),
    ],
)
def test_targets_are_fed_by_all_kinds_that_tell_the_same(target: str, kind: str, fed: bool) -> None:
    (one,) = (t for t in DEFAULTS if t.id == target)
    assert one.fed_by("x", kind) is fed
    assert bool(keys_of([SeriesKey("x", one.series)], one, {"x": kind})) is fed
    assert not replace(one, source="y").fed_by("x", kind)
