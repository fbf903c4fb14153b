"""What outlives the console: its samples, and the newest report of each engine for the next start."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import logging
import math
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from perftui.model.codec import from_jsonable, to_jsonable
from perftui.model.errors import StoreError
from perftui.model.frame import Frame
from perftui.model.health import Health, Link
from perftui.model.hitpast import SHELF as HITS
from perftui.model.rehearsal import SHELF
from perftui.runtime import heap
from perftui.runtime.budgets import Budgets
from perftui.runtime.clock import Clock
from perftui.runtime.events import EventLog, Spans
from perftui.runtime.eventstore import EventStore
from perftui.runtime.framelog import FrameLog
from perftui.runtime.history import History, Writing
from perftui.runtime.hitpast import HitRecords
from perftui.runtime.leases import AGENT, RENEW, WAIT, Lease, Leases, Turn
from perftui.runtime.observer import Observer
from perftui.runtime.rehearsals import RehearsalLog
from perftui.runtime.rewind import Rewind
from perftui.runtime.store import Store
from perftui.runtime.tasks import Crew

log = logging.getLogger(__name__)

EVERY = 60.0  # seconds between two savings of the newest reports
FORGET = 3600.0  # seconds between looks for events past their time
SOON = 2.0  # seconds between two savings of what happened
LOOK = 1.0  # seconds between two looks at whether we may write
OVERLAP = 30.0  # seconds of events looked at again: another's clock may be behind
RECORDER = "recorder"  # its lease: one console or agent writes what all of them see
OWN = frozenset({"action", "note", "deploy"})  # events that only one console knows of
MOST = 512 << 10  # characters of a stored report, one way and the other


class Memory:
    """One environment's store as the session uses it; a store that fails costs memory of the past only."""

    def __init__(
        self,
        url: str,
        env: str,
        clock: Clock,
        max_bytes: int,
        *,
        agent: bool = False,
        shared: bool = False,
        looks_on: bool = False,
    ) -> None:
        """An `agent` goes before consoles; with `shared`, one of all on the store writes for everybody.

        Who only `looks_on` reads what others wrote, and leaves everything as it was.
        """
        self.store = Store.open(url, env)
        self.history = History(self.store, clock, max_bytes)
        self.events = EventStore(self.store)
        self.budgets = Budgets(self.history, self.store, clock)
        self.frames = FrameLog(self.store, clock, max_bytes)
        self.past = Rewind(self.store, self.frames, self.history)
        self.rehearsals = RehearsalLog(self.store)
        self.desks: dict[str, Any] = {  # what stands beside the backends
            SHELF: self.rehearsals,
            HITS: HitRecords(self.history, clock),
        }
        self.leases = Leases(self.store, after="" if agent else f"{AGENT}/{env}", looks_on=looks_on)
        self.recorder = Turn(self.leases, f"{RECORDER}/{env}", clock)
        self.presence = Turn(self.leases, f"{AGENT}/{env}", clock) if agent else None
        self.allowed: Callable[[], bool] = lambda: True
        self._shared = shared
        self.looks_on = looks_on
        self._clock = clock
        if shared:
            self.history.turn = Writing.UNKNOWN

    @property
    def writes(self) -> bool:
        """Whether what is observed is written down by us."""
        return not self._shared or self.recorder.lease is not None

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
            if self.presence is not None:
                group.create_task(self.presence.keep(_heard), name="presence")
            if self._shared:
                group.create_task(self._record(), name="recorder")
            group.create_task(self.history.run(), name="history")
            group.create_task(self.budgets.run(), name="budgets")
            group.create_task(self.frames.run(self._allowed), name="frames")
            group.create_task(self._keep_reports(observers), name="last reports")
            group.create_task(self._keep_events(log_, spans), name="events")
            group.create_task(heap.tidy(), name="heap")

    def _allowed(self) -> bool:
        return self.allowed()

    async def attend(
        self, crew: Crew, observers: Mapping[str, Observer], log_: EventLog, spans: Spans
    ) -> None:
        """Start what belongs to it, after the reports of last time are back."""
        if self.looks_on:
            crew.start("look on", self.look_on(log_))
        else:
            await self.restore(observers.values())
            crew.start("remember", self.run(observers, log_, spans))

    async def look_on(self, log_: EventLog) -> None:
        """What others write: events until now, budgets while somebody watches them; until cancelled."""
        try:
            log_.restore(await self.events.load())
        except StoreError as error:
            log.info("events are not there: %s", error)
        await self.budgets.run()

    async def _record(self) -> None:
        """Write while it is our turn, follow while it is another's; stopped, it stops within a second."""
        due = 0.0
        while True:
            now = self._clock.monotonic()
            if not self.allowed():
                if self.history.turn is not Writing.THEIRS:
                    await self.history.flush()
                    await self.recorder.drop()
                    await self.history.follow(None, known=True)
                due = 0.0
            elif now >= due:
                await self._heed(await self.recorder.beat())
                due = now + (RENEW if self.recorder.lease is not None else WAIT)
            await asyncio.sleep(LOOK)

    async def _heed(self, lease: Lease | None) -> None:
        try:
            await self.history.follow(lease, known=self.recorder.asked)
        except StoreError as error:
            log.info("what is stored already cannot be read: %s", error)

    async def _keep_reports(self, observers: Mapping[str, Observer]) -> None:
        while True:
            await asyncio.sleep(EVERY)
            await self.remember(observers)

    async def _keep_events(self, log_: EventLog, spans: Spans) -> None:
        """Bring back what happened before, then write down what happens."""
        try:
            before = await self.events.load()
            log_.restore(before)
            spans.resume(before, self._clock.wall())
        except StoreError as error:
            log.info("events of earlier runs are not there: %s", error)
        looked, expired = self._clock.wall(), -math.inf
        while True:
            now = self._clock.monotonic()
            if self.writes and self.history.folds() and now - expired >= FORGET:
                expired = now
                await self.let_go_of_events()
            await self.remember_events(log_)
            if self._shared and self._clock.wall() - looked >= RENEW:
                looked, since = self._clock.wall(), looked - OVERLAP
                await self._bring_events(log_, since)
            await asyncio.sleep(SOON)

    async def let_go_of_events(self) -> None:
        """Delete what is past its time, by whoever folds the history; a failure waits for the next time."""
        try:
            await self.events.expire(self._clock.wall())
        except StoreError as error:
            log.debug("%s", error)

    async def _bring_events(self, log_: EventLog, since: float) -> None:
        """What others did and were told meanwhile."""
        try:
            log_.restore(event for event in await self.events.load(since) if event.kind in OWN)
        except StoreError as error:
            log.debug("%s", error)

    async def remember_events(self, log_: EventLog) -> None:
        """Write what is new; what the store cannot take now waits for the next time."""
        taken = log_.take()
        if not self.writes:  # what everybody sees is written by one
            taken = tuple(event for event in taken if event.kind in OWN)
        try:
            await self.events.put(taken)
        except StoreError:  # `store.problem` says it
            log_.put_back(taken)
        except asyncio.CancelledError:
            log_.put_back(taken)
            raise

    async def remember(self, observers: Mapping[str, Observer]) -> None:
        """Put each engine's newest live report into the store."""
        for stem, observer in tuple(observers.items()):  # one may join meanwhile
            frame = observer.topic.value
            if frame is None or frame.stale or frame.report is None or report_type(observer.engine) is None:
                continue
            body = json.dumps(to_jsonable(frame.report), separators=(",", ":"))
            if len(body) <= MOST:
                await self.store.put_last(stem, body)

    async def _keep_frames(self) -> None:
        try:
            await self.frames.flush()
        except StoreError as error:
            log.info("the last frames were not kept: %s", error)

    async def close(
        self, observers: Mapping[str, Observer], within: float, events: EventLog | None = None
    ) -> None:
        """Write what is left and let go, in `within` seconds at most."""
        try:
            async with asyncio.timeout(within):
                if not self.looks_on:
                    await self._keep_all(observers, events)
                await self.recorder.drop()
                if self.presence is not None:
                    await self.presence.drop()
                await self.store.close(within / 2)
        except TimeoutError:
            log.warning("the store at %s did not finish in %g s", self.store.where, within)

    async def _keep_all(self, observers: Mapping[str, Observer], events: EventLog | None) -> None:
        await self.remember(observers)
        if events is not None:
            await self.remember_events(events)
        await self.history.flush()
        await self._keep_frames()


async def _heard(_lease: Lease | None) -> None:
    """An agent's presence needs no answer."""


def report_type(engine: Any) -> type | None:
    """The frozen class an engine's `observe` says it returns; None when it says nothing definite."""
    try:
        kind = typing.get_type_hints(engine.observe).get("return")
    except NameError:
        return None
    kinds = [k for k in typing.get_args(kind) or (kind,) if k is not types.NoneType]
    kind = kinds[0] if len(kinds) == 1 else None
    return kind if isinstance(kind, type) and dataclasses.is_dataclass(kind) else None
