"""A store with samples and events of a test's own choosing, for commands that look back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping

from perftui.config import paths
from perftui.model.event import Event
from perftui.model.reading import Measure, Reading
from perftui.model.series import SeriesKey
from perftui.runtime.clock import Clock
from perftui.runtime.eventstore import EventStore
from perftui.runtime.history import History
from perftui.runtime.store import Store

Course = Callable[[float], float | None]
UNITS = {"_s": "s", "ratio": "ratio", "bytes": "bytes"}


def unit_of(name: str) -> str:
    return next((unit for end, unit in UNITS.items() if name.endswith(end)), "1")


def fill(
    env: str,
    courses: Mapping[SeriesKey, Course] | None = None,
    times: Iterable[float] = (),
    events: Iterable[Event] = (),
) -> None:
    """Write what each series was at each of `times`, and events."""

    async def put() -> None:
        store = Store.open(str(paths.private_dir(paths.state_dir()) / "store.sqlite"), env)
        history = History(store, Clock())
        sources = {key.source for key in courses or {}}
        for number, at in enumerate(times):
            for source in sources:
                found = ((k, course(at)) for k, course in (courses or {}).items() if k.source == source)
                measures = tuple(Measure(k, v, unit_of(k.name)) for k, v in found if v is not None)
                history.record(Reading(source, at, 0.0, measures, None))
            if number % 3000 == 2999:
                await history.tick()
        await history.flush()
        await EventStore(store).put(events)
        await store.close()

    asyncio.run(put())
