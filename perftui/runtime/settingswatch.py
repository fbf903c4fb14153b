"""Notices when a server's settings change, by comparing what it says now with what it said a minute ago."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from perftui.model.errors import PerftuiError
from perftui.model.event import Event
from perftui.model.ports import SettingsReader
from perftui.runtime.audit import MASK, masked
from perftui.runtime.clock import Clock

log = logging.getLogger(__name__)

EVERY = 60.0
DEADLINE = 5.0
SECRET = re.compile(r"pass|auth$|secret|conninfo|token", re.IGNORECASE)
MOST = 50  # changes told one by one; a server that was replaced changes hundreds


class SettingsWatch:
    """One environment's servers; `note` is told each changed setting as an event of kind `config`."""

    def __init__(
        self, backends: Mapping[str, Any], note: Callable[..., None], clock: Clock, every: float = EVERY
    ) -> None:
        self._backends, self._note, self._clock, self._every = backends, note, clock, every
        self._known: dict[str, Mapping[str, str]] = {}

    async def run(self) -> None:
        """Compare once a minute until cancelled."""
        while True:
            for name, backend in tuple(self._backends.items()):
                if isinstance(backend, SettingsReader):
                    await self.look(name, backend)
            await asyncio.sleep(self._every)

    async def look(self, name: str, backend: SettingsReader) -> None:
        """One server, now; a failure is its poller's to tell."""
        try:
            async with asyncio.timeout(DEADLINE):
                now = dict(await backend.settings())
        except (TimeoutError, PerftuiError) as error:
            log.debug("settings of %s: %s", name, error)
            return
        before = self._known.get(name)
        self._known[name] = now
        if before is not None:
            self._note(*changes(name, before, now, self._clock.wall()))


def changes(source: str, before: Mapping[str, str], now: Mapping[str, str], at: float) -> Iterator[Event]:
    """One event a changed setting, value before and after; what only one of both knows is no change."""
    changed = [name for name in sorted(now) if name in before and now[name] != before[name]]
    for name in changed[:MOST]:
        title = f"{name} = {_shown(name, now[name])}"
        yield Event(at, "config", source, title, f"was {_shown(name, before[name])}", ref=name)
    if len(changed) > MOST:
        yield Event(at, "config", source, f"{len(changed) - MOST} more settings changed")


def _shown(name: str, value: str) -> str:
    if not value:
        return '""'
    return MASK if SECRET.search(name) else str(masked(value, name))[:200]
