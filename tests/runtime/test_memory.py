"""What outlives a session comes back: reports marked stale, samples in history, nothing from bad data."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import pytest

from perftui.model.event import Event
from perftui.model.finding import Finding, Offer
from perftui.model.frame import SeriesReader
from perftui.model.health import Health, Link
from perftui.model.reading import Look, Measure, Reading
from perftui.model.series import SeriesKey
from perftui.runtime import memory as memory_module
from perftui.runtime.clock import Clock
from perftui.runtime.events import EventLog, Spans
from perftui.runtime.eventstore import KEEP
from perftui.runtime.memory import Memory, report_type
from perftui.runtime.observer import Observer
from perftui.runtime.rings import Rings
from perftui.runtime.topic import Topic
from tests.waiting import auntil

KEY = SeriesKey("one", "load")


@dataclass(frozen=True)
class Report:
    """What the small engine of this test says."""

    total: float
    names: tuple[str, ...]


class Engine:
    stem: ClassVar[str] = "small"
    kinds: ClassVar[tuple[str, ...]] = ("one",)

    def observe(self, now: float, looks: Mapping[str, Look], history: SeriesReader) -> Report | None:
        return Report(sum(m.value for look in looks.values() for m in look.reading.samples), tuple(looks))

    def findings(self, report: Any) -> Sequence[Finding]:
        return ()

    def actions(self, report: Any) -> Sequence[Offer]:
        return ()


def observer() -> Observer:
    topic: Topic[Look] = Topic("one")
    return Observer(Engine(), {"one": topic}, Rings(), Clock())


def reading(at: float, value: float) -> Reading:
    return Reading("one", at, 0.0, (Measure(KEY, value),), None)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.sqlite"


def memory(path: Path) -> Memory:
    return Memory(str(path), "test", Clock(), 1 << 20)


async def test_the_newest_report_comes_back_stale(path: Path) -> None:
    first, seen = memory(path), observer()
    look = Look("one", "one", reading(100.0, 7.0), Health(Link.LIVE, 0.0))
    seen._looks["one"].publish(look)
    seen.topic.publish(seen.observe())
    await first.close({"small": seen}, 5.0)

    second, again = memory(path), observer()
    assert await second.store.ready()
    await second.restore([again])
    frame = again.topic.value
    assert frame is not None
    assert frame.stale
    assert frame.report == Report(7.0, ("one",))
    assert frame.health["one"].link is Link.WAITING
    await second.close({}, 5.0)


async def test_a_stale_report_is_not_remembered_again_and_never_replaces_a_live_one(path: Path) -> None:
    first, seen = memory(path), observer()
    await first.store.ready()
    await first.store.put_last("small", '{"total": 1.0, "names": []}')
    await first.close({}, 5.0)
    second = memory(path)
    await second.store.ready()
    await second.restore([seen])
    stale = seen.topic.value
    assert stale is not None
    assert stale.stale
    await second.remember({"small": seen})
    assert second.store.take_last() == {}
    live = observer()
    live._looks["one"].publish(Look("one", "one", reading(1.0, 2.0), Health(Link.LIVE, 0.0)))
    live.topic.publish(live.observe())
    await second.restore([live])
    assert live.topic.value is not None
    assert not live.topic.value.stale
    await second.close({}, 5.0)


@pytest.mark.parametrize(
    "body", ["", "not json", "[]", '{"total": "x"}', '{"total": 1.0}', "x" * (600 << 10)]
)
async def test_a_body_that_does_not_fit_is_left_alone(path: Path, body: str) -> None:
    kept, seen = memory(path), observer()
    await kept.store.ready()
    await kept.store.put_last("small", body)
    await kept.history.flush()
    await kept.restore([seen])
    assert seen.topic.value is None
    await kept.close({}, 5.0)


async def test_samples_are_there_after_a_restart(path: Path) -> None:
    first = memory(path)
    await first.store.ready()
    for n in range(5):
        first.history.record(reading(1000.0 + n, float(n)))
    await first.close({}, 5.0)
    second = memory(path)
    await second.store.ready()
    assert list(second.history.series(KEY, 1000.0, 1004.0).between(0, 2000)[1]) == [0, 1, 2, 3, 4]
    await second.close({}, 5.0)


def test_report_type() -> None:
    assert report_type(Engine()) is Report

    class Vague(Engine):
        def observe(self, now: float, looks: Any, history: Any) -> Any:
            return None

    assert report_type(Vague()) is None


async def test_events_past_their_time_go_while_the_console_runs(path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(memory_module, "SOON", 0.01)
    monkeypatch.setattr(memory_module, "FORGET", 0.05)
    memory = Memory(str(path), "here", Clock(), 1 << 20)
    assert await memory.store.ready()
    now = time.time()
    old = Event(now - KEEP - 10.0, "note", "shop", "old")
    await memory.events.put([replace(old, title="new", at=now)])
    turn = True
    memory.history.folds = lambda: turn
    told = EventLog(lambda _events: None)
    task = asyncio.create_task(memory._keep_events(told, Spans(told)))
    try:
        for _ in range(2):  # not only once
            await memory.events.put([old])

            async def gone() -> bool:
                return [event.title for event in await memory.events.load()] == ["new"]

            await auntil(gone, 10.0)
        turn = False  # whoever may not fold lets nothing go
        await memory.events.put([old])
        looks = memory.store.read(lambda _driver: None)
        await asyncio.wrap_future(looks)
        before = await memory.events.load()
        assert [event.title for event in before] == ["old", "new"]
    finally:
        task.cancel()
        await memory.close({}, 1.0)
