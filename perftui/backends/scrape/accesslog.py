"""Requests of a web server or proxy out of its access log, read as it grows."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from perftui.analysis.accesslines import OTHER, Request, Routes, reader
from perftui.analysis.promtext import Labels
from perftui.analysis.quantile import Histogram
from perftui.backends.scrape.requests import Requests
from perftui.backends.scrape.roles import Counters, Names, Roles
from perftui.model.endpoint import Endpoint, EndpointPast, Gauge
from perftui.model.errors import BackendError, ConfigError, Lost, Protocol, Refused
from perftui.model.options import AccessLogOptions
from perftui.model.reading import Measure, Reading
from perftui.model.series import SeriesKey

A_READ = 4 << 20  # bytes taken at a time
TAKING = 1.0  # seconds in which a look goes on with what is left; then the rest waits for the next one
BEHIND = 64 << 20  # bytes of backlog beyond which the older ones are passed over, and counted
LONGEST = 16 << 10  # bytes of a line
BOUNDS = tuple(round(0.0005 * 1.5**n, 6) for n in range(26))  # seconds: half a millisecond to 12.6 s
MOST_SERIES = 2000  # of route, method and status; what comes beyond is of the route `other`
PATIENCE = 1.0  # seconds in which a read that was given up may end
ENOUGH = 20  # lines that cannot be read before a format is called wrong


class AccessLog:
    """One log file, followed through rotation; only what is written from now on counts."""

    kind: ClassVar[str] = "accesslog"
    layer: ClassVar[str] = "api"
    Options: ClassVar[type] = AccessLogOptions
    libraries: ClassVar[tuple[str, ...]] = ()
    period: ClassVar[float] = 2.0
    idle_period: ClassVar[float] = 10.0
    deadline: ClassVar[float] = 3.0

    def __init__(self, name: str, options: AccessLogOptions) -> None:
        self.name = name
        self._path = Path(options.path).expanduser()
        try:
            self._request_of = reader(options.format, options.unit)
        except ValueError as error:
            raise ConfigError(f"{name}: {error}") from error
        self._routes = Routes(options.routes)
        self._roles = Roles(Names())
        self._requests = Requests(name, options.service or name, options.window, self._roles.role)
        self._tail = _Tail(name, self._path)
        self._counts: dict[tuple[str, str, str], tuple[Labels, float]] = {}
        self._durations: dict[tuple[str, str], tuple[Labels, list[int], float]] = {}
        self._lines = self._broken = 0
        self._busy, self._closed = threading.Lock(), False

    async def open(self) -> None:
        """Stand at the file's end."""
        self._closed = False
        await asyncio.to_thread(self._alone, self._tail.open)

    async def close(self) -> None:
        """Let go of the file; may be called twice. A read that was given up lets go of it when it ends."""
        self._closed = True
        self._let_go()

    async def read(self) -> Reading:
        """What was written since the last read; rates and quantiles cover about `window` seconds."""
        at, began = time.time(), time.monotonic()
        self._closed = False
        await asyncio.to_thread(self._alone, self._take)
        if self._lines == self._broken and self._broken >= ENOUGH:
            raise Protocol(
                f"{self.name}: none of {self._broken} lines of {self._path} is a request: set `format`"
            )
        facts = self._requests.add(self._counters(at))
        samples = self._requests.measures(facts)
        told = {"lines": self._lines, "broken_lines": self._broken, "passed_over_bytes": self._tail.skipped}
        told["unread_bytes"] = self._tail.behind
        rows = {f"accesslog.{name}": float(value) for name, value in told.items()}
        samples += [Measure(SeriesKey(self.name, name), value) for name, value in rows.items()]
        facts = replace(facts, gauges=tuple(Gauge(name, value) for name, value in rows.items()))
        return Reading(self.name, at, time.monotonic() - began, tuple(samples), facts)

    async def endpoints(self, window: float) -> tuple[Endpoint, ...]:
        """Routes over the last `window` seconds as far as looks reach back, busiest first."""
        if self._requests.empty:
            await self.read()
        return self._requests.endpoints(window)

    async def endpoint_past(self, route: str, method: str) -> EndpointPast:
        """The last quarter of an hour of one endpoint, by ten seconds."""
        return self._requests.past(route, method)

    def _alone(self, work: Callable[[], None]) -> None:
        """A read that was given up goes on in its thread and counts what it took: no other may meet it."""
        if not self._busy.acquire(timeout=PATIENCE):
            raise Lost(f"{self.name}: the read before has yet to end: {self._path} is slow, or this machine")
        try:
            work()
        finally:
            self._busy.release()
            self._let_go()

    def _let_go(self) -> None:
        if self._closed and self._busy.acquire(blocking=False):
            try:
                self._tail.close()
            finally:
                self._busy.release()

    def _take(self) -> None:
        until = time.monotonic() + TAKING
        self._count_all(self._tail.lines())
        while self._tail.behind and time.monotonic() < until and not self._closed:
            self._count_all(self._tail.lines())

    def _count_all(self, lines: list[bytes]) -> None:
        for line in lines:
            request = self._request_of(line.decode(errors="replace")) if len(line) <= LONGEST else None
            self._lines += 1
            if request is None:
                self._broken += 1
            else:
                self._count(request)

    def _count(self, request: Request) -> None:
        route = self._routes.of(request)
        key = (route, request.method, request.status)
        if key not in self._counts and len(self._counts) >= MOST_SERIES:
            route = OTHER  # errors of an outage come last, and must count
            key = (route, request.method, request.status)
        known = self._counts.get(key)
        if known is None:
            known = (("method", request.method), ("route", route), ("status", request.status)), 0.0
        self._counts[key] = known[0], known[1] + 1.0
        if request.seconds == request.seconds:  # told at all
            pair = (route, request.method)
            fresh: tuple[Labels, list[int], float] = known[0][:2], [0] * (len(BOUNDS) + 1), 0.0
            of_route, counts, total = self._durations.get(pair, fresh)
            counts[bisect_left(BOUNDS, request.seconds)] += 1
            self._durations[pair] = of_route, counts, total + request.seconds

    def _counters(self, at: float) -> Counters:
        found = Counters(at=at, mono=time.monotonic(), requests=dict(self._counts.values()))
        for labels, counts, total in self._durations.values():
            running, below = 0.0, []
            for count in counts:
                running += count
                below.append(running)
            found.histograms[labels] = Histogram((*BOUNDS, float("inf")), tuple(below))
            found.sums[labels] = total
        return found


class _Tail:
    """The end of a growing file, whole lines at a time, through rename and truncation."""

    def __init__(self, name: str, path: Path) -> None:
        self._name, self._path = name, path
        self._file: int | None = None
        self._place, self._rest = 0, b""
        self.skipped = self.behind = 0

    def open(self) -> None:
        """At its end; what was written before is nobody's rate."""
        self.close()
        self._begin()
        self._place = self._size()

    def close(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            os.close(file)

    def lines(self) -> list[bytes]:
        """Whole lines that are new, at most `A_READ` bytes of them."""
        if self._file is None:
            self._begin()
        found = self._more()
        if not self.behind and self._replaced():  # the old file is read to its end: on to the new one
            self.close()
            try:
                self._begin()
            except BackendError:
                if not found:  # else the next look says so
                    raise
            else:
                found += self._more()
        return found

    def _begin(self) -> None:
        try:
            self._file = os.open(self._path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except PermissionError as error:
            raise Refused(
                f"{self._name}: may not read {self._path}: add perftui's user to the log's group"
            ) from error
        except OSError as error:
            raise Lost(f"{self._name}: cannot read {self._path}: {error.strerror}") from error
        self._place, self._rest = 0, b""

    def _size(self) -> int:
        assert self._file is not None
        return os.fstat(self._file).st_size

    def _more(self) -> list[bytes]:
        assert self._file is not None
        size = self._size()
        if size < self._place:  # emptied in place (copytruncate)
            self._place, self._rest = 0, b""
        if size - self._place > BEHIND:
            self.skipped += size - A_READ - self._place
            self._place, self._rest = size - A_READ, b""
            piece = os.pread(self._file, A_READ, self._place)
            cut = piece.find(b"\n") + 1
            self._place, piece = self._place + len(piece), piece[cut:]
        else:
            piece = os.pread(self._file, A_READ, self._place)
            self._place += len(piece)
        self.behind = max(0, size - self._place)
        *lines, rest = (self._rest + piece).split(b"\n")
        self._rest = rest if len(rest) <= LONGEST else b"\0" * (LONGEST + 1)  # too long, whatever its end
        return [line for line in lines if line.strip()]

    def _replaced(self) -> bool:
        try:
            now = self._path.stat()
        except OSError:
            return False  # between rename and creation, or gone: what is open is still there
        assert self._file is not None
        mine = os.fstat(self._file)
        # A new one that is still empty: the server has yet to be told, and writes on into the old one.
        return now.st_size > 0 and (now.st_dev, now.st_ino) != (mine.st_dev, mine.st_ino)
