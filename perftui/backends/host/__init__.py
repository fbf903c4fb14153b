"""The machine perftui runs on: processor, memory, disks, network, and its processes on demand."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from perftui.analysis.hostcounters import Snapshot, compare
from perftui.analysis.hostmeasures import measures, process_measures
from perftui.backends.host import nicer, ranking, signals
from perftui.backends.host.closely import Closely
from perftui.backends.host.extras import Extras
from perftui.backends.host.portable import PsutilSource
from perftui.backends.host.portableprocesses import PortableProcesses
from perftui.backends.host.proc import ProcSource
from perftui.backends.host.processes import Processes, user_name
from perftui.model.errors import Lost, Protocol
from perftui.model.options import HostOptions
from perftui.model.reading import Reading
from perftui.model.resources import NiceRules, ProcessList, ProcessLook, ProcessRow

TOP_PERIOD = 10.0  # seconds between looks at all processes for the few that use most
TOP = 5
SETTLED = 30.0  # seconds a process must have lived to be sampled unasked: a compiler's hundreds are not


class Host:
    """This host, from /proc or by psutil; powers `ProcessReader`, `ProcessSignaller`, `ProcessNicer`."""

    kind: ClassVar[str] = "host"
    layer: ClassVar[str] = "host"
    Options: ClassVar[type] = HostOptions
    period: ClassVar[float] = 1.0
    idle_period: ClassVar[float] = 5.0
    deadline: ClassVar[float] = 2.0

    def __init__(self, name: str, options: HostOptions) -> None:
        self.name = name
        self._proc = options.proc
        self._options = options
        self._source: ProcSource | PsutilSource | None = None
        self._processes: Processes | PortableProcesses | None = None
        self._before: Snapshot | None = None
        self._host = os.uname().nodename
        self._extras = {use: Extras(options.proc) for use in ("top", "list")}  # each at a pace of its own
        self._closely = Closely(options.proc)
        self._sampled: list[ProcessRow] = []  # of the busiest, to go with the next reading
        self._top_at = 0.0
        self._top_rows: tuple[ProcessRow, ...] = ()

    async def open(self) -> None:
        """Choose the source; Unsupported where there is neither /proc nor psutil."""
        if Path(self._proc, "stat").exists():
            options = self._options
            self._source = ProcSource(options.proc, options.sys, every_disk=options.every_disk)
            self._processes = Processes(self._proc)
        else:
            self._source = PsutilSource()
            self._processes = PortableProcesses(self._source.psutil)

    async def close(self) -> None:
        """Close the files held open."""
        for part in (self._source, self._processes, self._closely, *self._extras.values()):
            if part is not None:
                part.close()
        self._source = self._processes = self._before = None

    async def read(self) -> Reading:
        """All counters, and their rates since the read before."""
        if self._source is None:
            raise Lost(f"{self.name}: not open")
        at, began = time.time(), time.monotonic()
        try:
            now = self._source.take()
        except (ValueError, IndexError) as error:
            raise Protocol(f"{self.name}: {self._proc} is not as Linux writes it: {error}") from error
        facts = replace(compare(self._host, now, self._before), top=self._top(now.mono))
        self._before = now
        rows = [*self._closely.take(), *self._sampled]
        self._sampled = []
        samples = (*process_measures(self.name, rows), *measures(self.name, facts))
        return Reading(self.name, at, time.monotonic() - began, samples, facts)

    async def processes(self, limit: int = 200, by: str = "") -> ProcessList:
        """Processes, busiest first; CPU use covers the time since the last call (unknown on the first).

        Descriptors and bytes are read of the 30 that have most `by` a field (busiest, where it is none of
        those). By these themselves they are read of 200: who has most is not known before.
        """
        if self._processes is None:
            raise Lost(f"{self.name}: not open")
        try:
            rows = self._processes.scan()
        except OSError as error:
            raise Lost(f"{self.name}: cannot list {self._proc}: {error.strerror}") from error
        wanted = ranking.wanted(rows, by, limit)
        closely = {row.pid: row for row in self._completed("list", wanted)}
        listed = ranking.first([closely.get(row.pid, row) for row in rows], by, limit)
        return ProcessList(self._host, time.time(), listed, len(rows), self._processes.missing)

    async def look_closely(self, pid: int, started: float) -> ProcessLook:
        """The very process of that pid and start, sampled with the next reading."""
        if self._processes is None:
            raise Lost(f"{self.name}: not open")
        row = self._processes.one(pid)
        if row is None or (started and abs(row.started - started) > signals.SAME):
            return ProcessLook(pid, started, None)
        if isinstance(self._processes, PortableProcesses):
            (row,) = self._processes.closely([row])
            return ProcessLook(pid, row.started, self._closely.keep(row))
        return ProcessLook(pid, row.started, self._closely.of(row))

    async def find_process(self, pid: int) -> ProcessRow | None:
        """The process that has `pid` now; None when it ended."""
        if self._processes is None:
            raise Lost(f"{self.name}: not open")
        return self._processes.one(pid)

    async def own_user(self) -> str:
        """The login perftui runs under."""
        return user_name(os.getuid())

    async def signal_process(self, pid: int, started: float, name: str) -> bool:
        """Signal the very process of that pid and start."""
        return signals.send(self._proc, pid, started, name)

    async def nice_rules(self) -> NiceRules:
        """What this login may set."""
        return NiceRules(nicer.floor(self._proc), nicer.grouped(self._proc))

    async def renice_process(
        self, pid: int, started: float, nice: int | Mapping[int, int]
    ) -> dict[int, int] | None:
        """Set the threads of the very process of that pid and start."""
        found = nicer.set_nice(self._proc, pid, started, nice)
        if isinstance(self._processes, Processes):
            self._processes.look_again(pid)
        return found

    def _completed(self, use: str, rows: list[ProcessRow]) -> list[ProcessRow]:
        """Rows with what is too dear to look up of all."""
        if isinstance(self._processes, PortableProcesses):
            return self._processes.closely(rows)
        return self._extras[use].of(rows)

    def _top(self, mono: float) -> tuple[ProcessRow, ...]:
        """The few processes that use most processor and memory or grew most, as of the last slow look."""
        if self._processes is not None and mono - self._top_at >= TOP_PERIOD:
            self._top_at = mono
            rows = self._processes.scan()
            largest = sorted(rows, key=lambda r: -r.rss)[:TOP]
            grown = sorted(rows, key=lambda r: -r.grew)[:TOP]
            chosen = dict.fromkeys([*rows[:TOP], *largest, *grown])
            self._top_rows = tuple(self._completed("top", list(chosen)))
            old = time.time() - SETTLED
            self._sampled = [r for r in self._top_rows if r.cpu is not None and r.started < old]
        return self._top_rows
