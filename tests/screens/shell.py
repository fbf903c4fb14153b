"""A session with fixed frames, for tests of how the console itself behaves."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from textual.pilot import Pilot

from perftui.app import Options, PerftuiApp
from perftui.model.action import Plan, Receipt
from perftui.model.errors import PlanRejected
from perftui.model.frame import Frame
from perftui.model.moment import Moment
from perftui.runtime.clock import Clock
from perftui.runtime.topic import Topic


@dataclass
class ShellConductor:
    """Plans, asks and runs, in the order the real one does, without an audit."""

    running: list[Any] = field(default_factory=list)
    undone: int = 0
    left_over: tuple[Any, ...] = ()
    undoable: tuple[Any, ...] = ()

    async def perform(self, action: Any, ask: Any) -> Receipt:
        plan = await action.plan()
        if not await ask(action, plan):
            raise PlanRejected(f"{action.title}: declined")
        receipt: Receipt = await action.run(lambda progress: None)
        return receipt

    async def unfinished(self) -> tuple[Any, ...]:
        return self.left_over

    async def undo_last(self, ask: Any) -> Receipt:
        self.undone += 1
        return Receipt("taken back")


class ShellSession:
    """The interface of a session over frames a test publishes."""

    def __init__(
        self,
        frames: Mapping[str, Frame] | None = None,
        *,
        env: str = "lab",
        kind: str = "lab",
        sources: Mapping[str, Sequence[str]] | None = None,
        refuse: Mapping[str, str] | None = None,
        actions: Mapping[str, Any] | None = None,
    ) -> None:
        self.env = SimpleNamespace(name=env, kind=kind, read_only=False, label=env, backends={})
        self.read_only = False
        self.problem = ""
        self.conductor = ShellConductor()
        self.topics: dict[str, Topic[Frame]] = {}
        self.powers = dict(sources or {})
        self.refuse = dict(refuse or {})
        self.actions = dict(actions or {})
        self.retried: list[str] = []
        self.watching: list[str] = []
        self.started = False
        self.closed = False
        self.history = None
        self.clock = Clock()
        self.past = None
        self.keeping: list[Any] = []
        self.alerts = None
        for topic, frame in (frames or {}).items():
            self.publish(topic, frame)

    def topic(self, name: str) -> Topic[Frame]:
        return self.topics.setdefault(name, Topic(name))

    def publish(self, name: str, frame: Frame) -> None:
        self.topic(name).publish(frame)

    async def start(self) -> None:
        self.started = True

    async def close(self) -> None:
        self.closed = True

    async def watch(self, topic: str, *, glance: bool = False) -> AsyncIterator[Frame]:
        self.watching.append(topic)
        try:
            async for frame in self.topic(topic).watch():
                yield frame
        finally:
            self.watching.remove(topic)

    def frame(self, topic: str) -> Frame:
        return self.topic(topic).value or Frame(topic, time.time(), None, {})

    def at(self, moment: Moment, topic: str) -> Frame:
        return self.frame(topic)

    async def probe(self, topic: str, source: str, port: Any, call: Any, deadline: float = 10.0) -> Frame:
        frame = Frame(topic, time.time(), await call(None), {})
        self.publish(topic, frame)
        return frame

    def sources(self, port: str) -> tuple[str, ...]:
        return tuple(self.powers.get(port, ()))

    def can(self, action: str, source: str) -> tuple[bool, str]:
        return (False, self.refuse[action]) if action in self.refuse else (True, "")

    def action(self, action_id: str, source: str, **params: Any) -> Any:
        return self.actions[action_id](source, **params)

    def retry(self, source: str) -> None:
        self.retried.append(source)

    def setting(self, name: str) -> Any:
        return None

    def __iter__(self) -> Iterator[str]:
        return iter(self.topics)


@asynccontextmanager
async def shown(
    tab: str, session: Any, size: tuple[int, int] = (80, 24), **options: Any
) -> AsyncIterator[tuple[PerftuiApp, Pilot[Any]]]:
    """The console on one tab, started and painted once."""
    app = PerftuiApp(
        lambda env: session, Options(screen=tab, **options), environment={"TERM": "xterm-256color"}
    )
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        app.base.tick()
        await pilot.pause()
        yield app, pilot


__all__ = ["Plan", "ShellConductor", "ShellSession", "shown"]
