"""The operator's calendar files: read again when they change and once a day, what was there before kept."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from perftui.analysis.ical import INSTALL, MOST_BYTES, read
from perftui.model.calendar import AHEAD, BEHIND, CalendarFile, CalendarsReport, Occasion
from perftui.runtime.clock import Clock

log = logging.getLogger(__name__)

AGAIN = 86400.0  # seconds after which what recurs is worked out anew


@dataclass(slots=True)
class _Shelved:
    """One file as it was read last."""

    file: CalendarFile
    mark: tuple[int, int] | None = None
    at: float = 0.0
    occasions: tuple[Occasion, ...] = ()
    problems: tuple[str, ...] = ()


@dataclass(slots=True)
class Calendars:
    """What the calendars say; `problem` is the first reason why one cannot be read, "" when all can."""

    files: Iterable[CalendarFile]
    clock: Clock
    occasions: tuple[Occasion, ...] = ()
    problem: str = ""
    _shelf: list[_Shelved] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._shelf = [_Shelved(file) for file in self.files]

    @property
    def names(self) -> tuple[str, ...]:
        """Of all calendars, in order."""
        return tuple(one.file.name for one in self._shelf)

    async def refresh(self) -> bool:
        """Read what changed; whether anything did. What cannot be read leaves what was known of it."""
        now, changed = self.clock.wall(), False
        for one in self._shelf:
            mark = _mark(one.file.file)
            if mark == one.mark and 0 <= now - one.at < AGAIN:
                continue
            one.mark, one.at, changed = mark, now, True
            try:
                one.occasions, one.problems = await asyncio.to_thread(_read, one.file, now)
            except (OSError, ValueError, ImportError) as error:
                one.problems = (_said(one.file, error),)
                log.warning("calendar %s: %s", one.file.name, one.problems[0])
        if changed:
            found = (occasion for one in self._shelf for occasion in one.occasions)
            self.occasions = tuple(sorted(found, key=lambda it: (it.start, it.end, it.title)))
            self.problem = next(
                (f"calendar {one.file.name}: {one.problems[0]}" for one in self._shelf if one.problems), ""
            )
        return changed

    async def report(self) -> CalendarsReport:
        """All of it, as it is now."""
        await self.refresh()
        problems = {one.file.name: one.problems for one in self._shelf if one.problems}
        return CalendarsReport(self.clock.wall(), self.names, self.occasions, problems)


def _mark(path: str) -> tuple[int, int] | None:
    try:
        found = os.stat(path)  # noqa: PTH116 - five times cheaper, every few seconds
    except OSError:
        return (0, 0)
    return found.st_mtime_ns, found.st_size


def _read(file: CalendarFile, now: float) -> tuple[tuple[Occasion, ...], tuple[str, ...]]:
    with Path(file.file).open("rb") as stream:
        data = stream.read(MOST_BYTES + 1)
    return read(data, file, now - BEHIND, now + AHEAD)


def _said(file: CalendarFile, error: Exception) -> str:
    if isinstance(error, ImportError):
        return INSTALL
    why = (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
    return f"{file.file}: {why}"
