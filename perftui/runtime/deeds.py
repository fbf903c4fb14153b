"""What becomes of actions, told to whoever looks."""

from __future__ import annotations

from typing import NamedTuple

from perftui.model.frame import Frame
from perftui.runtime.clock import Clock
from perftui.runtime.conductor import Conductor, Running, Undoable
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
