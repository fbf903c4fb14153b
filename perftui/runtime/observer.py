"""Turns looks into frames: runs one pure engine whenever one of its backends has something new."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

from perftui.model.backend import Engine
from perftui.model.frame import Frame, SeriesReader
from perftui.model.reading import Look
from perftui.runtime.clock import Clock
from perftui.runtime.topic import Topic

log = logging.getLogger(__name__)

GATHER = 0.05  # seconds: backends that answer together make one frame

# What a bug in an engine raises; it costs that engine's frame, never the console.
BUGS = (ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError)


class Observer:
    """One engine's clockwork: coalesces looks, observes, publishes a `Frame` on `topic`.

    With `hold`, the look topics behind it are held while anybody watches `topic`, so that their
    pollers run at full pace; nobody watching, they idle.
    """

    def __init__(
        self,
        engine: Engine,
        looks: Mapping[str, Topic[Look]],
        history: SeriesReader,
        clock: Clock,
        *,
        hold: bool = True,
        topic: Topic[Frame] | None = None,
    ) -> None:
        self.engine = engine
        self.topic: Topic[Frame] = topic or Topic(engine.stem)
        self._looks = dict(looks)
        self._history = history
        self._clock = clock
        self._changed = asyncio.Event()
        self._holds = ExitStack()
        if hold:
            self.topic.on_demand(self._demand)
            self._demand(self.topic.level > 0)

    @property
    def sources(self) -> tuple[str, ...]:
        """Names of the backends this engine listens to."""
        return tuple(self._looks)

    def changed(self) -> None:
        """Something new is there to look at."""
        self._changed.set()

    async def run(self) -> None:
        """Observe for as long as it is not cancelled."""
        while True:
            await self._changed.wait()
            await asyncio.sleep(GATHER)
            self._changed.clear()
            self.topic.publish(self.observe())

    def observe(self) -> Frame:
        """One frame from the newest looks, now."""
        now = self._clock.wall()
        looks = {name: look for name, topic in self._looks.items() if (look := topic.value) is not None}
        report, error = self._report(now, looks)
        findings, offers = self._conclusions(report)
        return Frame(
            topic=self.engine.stem,
            at=now,
            report=report,
            health={name: look.health for name, look in looks.items()},
            findings=findings,
            offers=offers,
            history=self._history,
            error=error,
            seen=max((look.reading.at for look in looks.values() if look.reading), default=0.0),
        )

    def _report(self, now: float, looks: Mapping[str, Look]) -> tuple[Any, str]:
        if not any(look.reading is not None for look in looks.values()):
            return None, ""
        try:
            return self.engine.observe(now, looks, self._history), ""
        except BUGS as error:
            log.exception("engine %s", self.engine.stem)
            return None, f"the {self.engine.stem} engine failed: {type(error).__name__}: {error}"

    def _conclusions(self, report: Any) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        if report is None:
            return (), ()
        try:
            return tuple(self.engine.findings(report)), tuple(self.engine.actions(report))
        except BUGS:
            log.exception("engine %s: findings", self.engine.stem)
            return (), ()

    def _demand(self, _wanted: bool) -> None:
        self._holds.close()
        if self.topic.level:
            for topic in self._looks.values():
                self._holds.enter_context(topic.hold(glance=self.topic.level == 1))
