"""Processes that sleep: of one with a single thread a short line tells whether it ran since it was last read.

`schedstat` holds the time a thread ran, the time it waited, and how often it was put on a processor; it costs
the kernel a third of `stat`. What a process does to itself (time spent, memory touched, files opened, threads
begun) it cannot do without running, so where the line is the same, the rest is too. What others do to it
(a nice value set, pages taken away) shows at the next whole look, ten seconds later at most.
Source: `proc_pid_schedstat` in Linux's fs/proc/base.c, Documentation/scheduler/sched-stats.rst.
"""

from __future__ import annotations

import os

SHORT = 128  # bytes, three numbers
UNTOLD = b"0 0 0\n"  # of a kernel that keeps no such counts


class Naps:
    """Keeps the file of each sleeping process open."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._told = True
        self.opened: dict[int, int] = {}

    def begin(self, pid: int) -> bytes:
        """What the line says now; empty where the kernel does not tell."""
        if not self._told:
            return b""
        try:
            descriptor = os.open(f"{self._root}/{pid}/schedstat", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return b""
        self.end(pid)
        self.opened[pid] = descriptor
        text = self.now(pid)
        self._told = text != UNTOLD
        return text if self._told else b""

    def now(self, pid: int) -> bytes:
        """The line as it is; empty when the process ended."""
        try:
            return os.pread(self.opened[pid], SHORT, 0)
        except (KeyError, OSError):
            return b""

    def end(self, pid: int) -> None:
        """Close its file; may be called twice."""
        descriptor = self.opened.pop(pid, None)
        if descriptor is not None:
            os.close(descriptor)
