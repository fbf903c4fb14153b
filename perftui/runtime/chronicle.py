"""What timeline and audit need kept up, and what is looked at unasked: settings, command streams."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from perftui.model.backend import Backend
from perftui.model.errors import StoreError
from perftui.model.event import Event
from perftui.model.frame import Frame
from perftui.runtime.auditdesk import AuditDesk
from perftui.runtime.clock import Clock
from perftui.runtime.conductor import Conductor
from perftui.runtime.events import EventLog
from perftui.runtime.settingswatch import SettingsWatch
from perftui.runtime.streamwatch import StreamWatch
from perftui.runtime.topic import Topic

EVERY = 5.0


class Chronicle:
    """Writes into `events` and publishes the audit on `topic`, for as long as it runs."""

    def __init__(self, conductor: Conductor, events: EventLog, topic: Topic[Frame], clock: Clock) -> None:
        self._conductor, self._events, self._clock = conductor, events, clock
        self._desk = AuditDesk(conductor.audit, topic, clock)

    async def run(self, backends: Mapping[str, Backend]) -> None:
        """Until cancelled; each part on its own."""
        watch = SettingsWatch(backends, self._events.add, self._clock)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._desk.run(), name="read the audit")
            group.create_task(self._follow(), name="follow the audit")
            group.create_task(watch.run(), name="watch settings")
            group.create_task(StreamWatch(backends).run(), name="watch command streams")
            group.create_task(self._tell(), name="tell events")

    async def _tell(self) -> None:
        await self._tell_unfinished()
        while True:
            self._events.tell()
            await asyncio.sleep(EVERY)

    async def _follow(self) -> None:
        async for _running in self._conductor.actions.watch():
            self._desk.refresh()

    async def _tell_unfinished(self) -> None:
        """What an earlier console began and never ended stands among the events until it is looked at."""
        try:
            entries = await self._conductor.unfinished()
        except StoreError:
            return  # said by `problem` as soon as something must be written
        for entry in entries:
            title = f"unfinished: {entry.plan or entry.action}"
            detail = f"begun by {entry.user} and never ended: look at its state now"
            self._events.add(
                Event(entry.at, "action", entry.target, title, detail, entry.user, ref=entry.run)
            )
