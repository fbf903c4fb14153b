"""One process looked at by itself: processor use since the last look, descriptors, bytes, shared memory."""

from __future__ import annotations

import time
from dataclasses import replace

from perftui.backends.host.extras import Extras, Key
from perftui.backends.host.processes import HZ, parse_pid_stat, read_file
from perftui.model.resources import ProcessRow

KEPT = 32  # processes whose last look is remembered
SOON = 0.2  # seconds below which a share would be noise


class Closely:
    """Completes the rows it is given, and holds what it found until it is taken."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._extras = Extras(root)
        self._ticks: dict[Key, tuple[float, int]] = {}
        self._found: dict[Key, ProcessRow] = {}

    def close(self) -> None:
        """Close what is open; may be called twice."""
        self._extras.close()

    def of(self, row: ProcessRow) -> ProcessRow:
        """The row with what takes a look of its own; rates since its last one, unknown on the first."""
        key = (row.pid, row.started)
        (whole,) = self._extras.of((replace(row, cpu=self._cpu(key), pss=self._pss(row.pid)),))
        return self.keep(whole)

    def keep(self, row: ProcessRow) -> ProcessRow:
        """The row as it is, to be taken later."""
        key = (row.pid, row.started)
        self._found.pop(key, None)
        self._found[key] = row
        while len(self._found) > KEPT:
            del self._found[next(iter(self._found))]
        return row

    def take(self) -> list[ProcessRow]:
        """What was found since the last time."""
        found, self._found = list(self._found.values()), {}
        return found

    def _cpu(self, key: Key) -> float | None:
        stat = parse_pid_stat(read_file(f"{self._root}/{key[0]}/stat"))
        if stat is None:
            return None
        now, before = time.monotonic(), self._ticks.pop(key, None)
        if before is not None and now - before[0] < SOON:
            self._ticks[key] = before
            return None
        self._ticks[key] = (now, stat.ticks)  # popped before: the longest unasked stand first
        while len(self._ticks) > KEPT:
            del self._ticks[next(iter(self._ticks))]
        if before is None or stat.ticks < before[1]:
            return None
        return (stat.ticks - before[1]) / HZ / (now - before[0])

    def _pss(self, pid: int) -> int | None:
        """Proportional set size (`proc(5)`, `smaps_rollup`); None where hidden, and before Linux 4.14."""
        for line in read_file(f"{self._root}/{pid}/smaps_rollup").splitlines():
            words = line.split()
            if words[0] == b"Pss:" and len(words) > 1:
                return int(words[1]) * 1024
        return None
