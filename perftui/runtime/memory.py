"""What outlives the console: its samples, and the newest report of each engine for the next start."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import logging
import types
import typing
from collections.abc import Iterable, Mapping
from typing import Any

from perftui.model.codec import from_jsonable, to_jsonable
from perftui.model.errors import StoreError
from perftui.model.frame import Frame
from perftui.model.health import Health, Link
from perftui.runtime.clock import Clock
from perftui.runtime.events import EventLog, Spans
from perftui.runtime.eventstore import EventStore
from perftui.runtime.history import History
from perftui.runtime.observer import Observer
from perftui.runtime.store import Store

log = logging.getLogger(__name__)

EVERY = 60.0  # seconds between two savings of the newest reports
SOON = 2.0  # seconds between two savings of what happened
MOST = 512 << 10  # characters of a stored report, one way and the other


class Memory:
    """One environment's store as the session uses it; a store that fails costs memory of the past only."""

    def __init__(self, url: str, env: str, clock: Clock, max_bytes: int) -> None:
        self.store = Store.open(url, env)
        self.history = History(self.store, clock, max_bytes)
        self.events = EventStore(self.store)
        self._clock = clock

    async def restore(self, observers: Iterable[Observer]) -> None:
        """Publish the reports of last time, marked stale, where nothing newer is there."""
        stored = await asyncio.to_thread(self.store.last_all)
        for observer in observers:
            at, body = stored.get(observer.engine.stem, (0.0, ""))
            if body and observer.topic.value is None:
                frame = self._stale(observer, at, body)
                if frame is not None:
                    observer.topic.publish(frame)
                await asyncio.sleep(0)  # reading one takes long enough that a key should come between

    def _stale(self, observer: Observer, at: float, body: str) -> Frame | None:
        kind = report_type(observer.engine)
        if kind is None or len(body) > MOST:
            return None
        try:
            report: Any = from_jsonable(kind, json.loads(body))
        except ValueError as error:
            log.info("the stored report of %s is not used: %s", observer.engine.stem, error)
            return None
        health = {name: Health(Link.WAITING, at, seen=at) for name in observer.sources}
        return Frame(observer.engine.stem, at, report, health, history=self.history, stale=True, seen=at)

    async def run(self, observers: Mapping[str, Observer], log_: EventLog, spans: Spans) -> None:
        """Write samples each second, events every other and reports each minute, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.history.run(), name="history")
            group.create_task(self._keep_reports(observers), name="last reports")
            group.create_task(self._keep_events(log_, spans), name="events")

    async def _keep_reports(self, observers: Mapping[str, Observer]) -> None:
        while True:
            await asyncio.sleep(EVERY)
            await self.remember(observers)

    async def _keep_events(self, log_: EventLog, spans: Spans) -> None:
        """Bring back what happened before, then write down what happens."""
        try:
            await self.events.expire(self._clock.wall())
            before = await self.events.load()
            log_.restore(before)
            spans.resume(before, self._clock.wall())
        except StoreError as error:
            log.info("events of earlier runs are not there: %s", error)
        while True:
            await self.remember_events(log_)
            await asyncio.sleep(SOON)

    async def remember_events(self, log_: EventLog) -> None:
        """Write what is new; what the store cannot take now waits for the next time."""
        taken = log_.take()
        try:
            await self.events.put(taken)
        except StoreError:  # `store.problem` says it
            log_.put_back(taken)
        except asyncio.CancelledError:
            log_.put_back(taken)
            raise

    async def remember(self, observers: Mapping[str, Observer]) -> None:
        """Put each engine's newest live report into the store."""
        for stem, observer in observers.items():
            frame = observer.topic.value
            if frame is None or frame.stale or frame.report is None or report_type(observer.engine) is None:
                continue
            body = json.dumps(to_jsonable(frame.report), separators=(",", ":"))
            if len(body) <= MOST:
                await self.store.put_last(stem, body)

    async def close(
        self, observers: Mapping[str, Observer], within: float, events: EventLog | None = None
    ) -> None:
        """Write what is left and let go, in `within` seconds at most."""
        try:
            async with asyncio.timeout(within):
                await self.remember(observers)
                if events is not None:
                    await self.remember_events(events)
                await self.history.flush()
                await self.store.close(within / 2)
        except TimeoutError:
            log.warning("the store at %s did not finish in %g s", self.store.where, within)


def report_type(engine: Any) -> type | None:
    """The frozen class an engine's `observe` says it returns; None when it says nothing definite."""
    try:
        kind = typing.get_type_hints(engine.observe).get("return")
    except NameError:
        return None
    kinds = [k for k in typing.get_args(kind) or (kind,) if k is not types.NoneType]
    kind = kinds[0] if len(kinds) == 1 else None
    return kind if isinstance(kind, type) and dataclasses.is_dataclass(kind) else None
