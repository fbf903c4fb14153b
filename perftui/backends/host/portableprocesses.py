"""Processes through psutil where there is no /proc: what every system tells of them, at a higher price."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from perftui.backends.host.language import by_name
from perftui.model.resources import ProcessRow

FIGURES = (
    "ppid",
    "name",
    "cmdline",
    "username",
    "status",
    "cpu_percent",
    "memory_info",
    "num_threads",
    "create_time",
    "nice",
)
STATES = {
    "running": "R",
    "sleeping": "S",
    "disk-sleep": "D",
    "stopped": "T",
    "tracing-stop": "t",
    "zombie": "Z",
    "idle": "I",
}
COMMAND = 4096
KEPT = 64
MISSING = (
    ("read_per_s", "bytes from storage are told of processes by Linux' /proc only"),
    ("write_per_s", "bytes to storage are told of processes by Linux' /proc only"),
)
"""Columns that stay empty, and why."""


class PortableProcesses:
    """Scans by psutil; CPU use covers the time between two scans. A field that is denied stays unknown."""

    missing = MISSING

    def __init__(self, psutil: Any) -> None:
        self._psutil = psutil
        self._seen: set[tuple[int, float]] = set()
        self._held: dict[int, Any] = {}  # looked at by themselves, which CPU use is counted between

    def close(self) -> None:
        """Nothing is held open."""

    def scan(self) -> list[ProcessRow]:
        """All processes, busiest first, then by memory."""
        rows = [_row(p.pid, p.info) for p in self._psutil.process_iter(FIGURES, ad_value=None)]
        rows = [row if (row.pid, row.started) in self._seen else replace(row, cpu=None) for row in rows]
        self._seen = {(row.pid, row.started) for row in rows}
        return sorted(rows, key=lambda r: (-(r.cpu or 0.0), -r.rss, r.pid))

    def one(self, pid: int) -> ProcessRow | None:
        """One process as it is now, None when it has ended; CPU use since the last look, if any."""
        try:
            process = self._psutil.Process(pid)
            held = self._held.pop(pid, None)
            fresh = held is None or held != process  # psutil compares pid and start
            self._held[pid] = held = process if fresh else held
            row = _row(pid, held.as_dict(FIGURES, ad_value=None))
        except self._psutil.NoSuchProcess:
            return None
        while len(self._held) > KEPT:
            del self._held[next(iter(self._held))]
        return None if row.state == "Z" else replace(row, cpu=None) if fresh else row

    def closely(self, rows: list[ProcessRow]) -> list[ProcessRow]:
        """The rows with their open descriptors, where those may be counted."""
        return [replace(row, fds=self._fds(row.pid)) for row in rows]

    def _fds(self, pid: int) -> int | None:
        try:
            return int(self._psutil.Process(pid).num_fds())
        except (self._psutil.Error, AttributeError, OSError):  # Windows has handles in their place
            return None


def _row(pid: int, told: dict[str, Any]) -> ProcessRow:
    name = told["name"] or ""
    percent, memory = told["cpu_percent"], told["memory_info"]
    return ProcessRow(
        pid=pid,
        parent=told["ppid"] or 0,
        name=name,
        command=" ".join(told["cmdline"] or (name,))[:COMMAND],
        user=told["username"] or "",
        state=STATES.get(told["status"] or "", ""),
        language=by_name(name),
        cpu=None if percent is None else percent / 100,
        rss=memory.rss if memory is not None else 0,
        threads=told["num_threads"] or 0,
        started=told["create_time"] or 0.0,
        nice=told["nice"] if isinstance(told["nice"], int) else 0,
    )
