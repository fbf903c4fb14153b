"""Trouble on demand: each incident is caused for real, is seen where an engineer looks, and undoes itself."""

from __future__ import annotations

import asyncio
from collections.abc import Container
from typing import TYPE_CHECKING, Any

from perftui.lab.incidents.catalogue import CATALOGUE
from perftui.lab.incidents.kinds import Incident
from perftui.lab.processes import LabError

if TYPE_CHECKING:
    from perftui.lab.whole import Lab

STOP_SECONDS = 20.0

__all__ = ["CATALOGUE", "Incident", "Incidents", "rows_of"]


class Incidents:
    """Those of one lab that run."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._running: dict[str, Incident] = {}

    def rows(self) -> list[dict[str, Any]]:
        """All kinds with what they do, where to look, and whether they run."""
        return rows_of(self._running)

    async def start(self, name: str) -> None:
        """Cause it; nothing happens when it runs already.

        Raises:
            LabError: no such incident, or the lab lacks the part it needs.
        """
        if name not in CATALOGUE:
            raise LabError(f"no incident {name!r}; there are: {', '.join(CATALOGUE)}")
        if name not in self._running:
            incident = CATALOGUE[name](self._lab)
            self._running[name] = incident
            try:
                await incident.start()
            except BaseException:
                await self.stop(name)
                raise

    async def stop(self, name: str) -> None:
        """End it and undo what it did; nothing happens when it does not run.

        Raises:
            LabError: no such incident, or it could not be undone.
        """
        if name not in CATALOGUE:
            raise LabError(f"no incident {name!r}; there are: {', '.join(CATALOGUE)}")
        incident = self._running.pop(name, None)
        if incident is not None:
            try:
                async with asyncio.timeout(STOP_SECONDS):
                    await incident.stop()
            except TimeoutError as error:
                raise LabError(f"{name} was not undone within {STOP_SECONDS:g} s") from error

    async def stop_all(self) -> list[str]:
        """End all; the names of those that could not be undone (their servers may be gone)."""
        left = []
        for name in list(self._running):
            try:
                await self.stop(name)
            except LabError:
                left.append(name)
        return left


def rows_of(running: Container[str]) -> list[dict[str, Any]]:
    """The catalogue as JSON-able rows."""
    return [
        {"name": name, "what": kind.what, "look": kind.look, "running": name in running}
        for name, kind in CATALOGUE.items()
    ]
