"""What becomes of actions, told to whoever looks: those under way, and those nobody ended."""

from __future__ import annotations

from typing import NamedTuple

from perftui.model.errors import StoreError
from perftui.model.event import Event
from perftui.model.frame import Frame
from perftui.runtime.clock import Clock
from perftui.runtime.conductor import Conductor, Running, Undoable
from perftui.runtime.events import EventLog
from perftui.runtime.topic import Topic


class ActionsReport(NamedTuple):
    """What is under way, oldest first, and what can be undone, latest first."""

    running: tuple[Running, ...]
    undoable: tuple[Undoable, ...]


async def follow(conductor: Conductor, clock: Clock, topic: Topic[Frame]) -> None:
    """Publish every change of what is under way, until cancelled."""
    async for running in conductor.actions.watch():
        now = clock.wall()
        report = ActionsReport(tuple(running), conductor.undoable)
        topic.publish(Frame(topic.name, now, report, {}, seen=now))


async def tell_unfinished(conductor: Conductor, log: EventLog) -> None:
    """What an earlier console began and never ended stands among the events until it is looked at."""
    try:
        entries = await conductor.unfinished()
    except StoreError:
        return  # said by the session's `problem` as soon as something must be written
    for entry in entries:
        title = f"unfinished: {entry.plan or entry.action}"
        detail = f"begun by {entry.user} and never ended: look at its state now"
        log.add(Event(entry.at, "action", entry.target, title, detail, entry.user, ref=entry.run))
