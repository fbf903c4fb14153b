"""What is too dear to read of every process: open descriptors, and bytes to and from its disks."""

# ruff: noqa: PTH208, PTH116 - plain strings, as its caller has them
from __future__ import annotations

import os
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace

from perftui.model.resources import ProcessRow

Key = tuple[int, float]  # pid and start: a pid is used again
Told = tuple[int, int | None, float | None, float | None]  # descriptors and their limit, bytes read, written
OPEN = 64  # files kept open
KEPT = 400  # processes whose bytes are remembered
SOON = 0.2  # seconds below which a rate would be noise
LIMIT_PERIOD = 10.0  # seconds between two looks at a process's limit, which hardly ever changes


class Extras:
    """Adds to the rows it is given; what we may not look at stays unknown."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._io: dict[Key, tuple[float, int, int]] = {}
        self._limits: dict[Key, tuple[float, int | None]] = {}
        self._files: dict[Key, int] = {}
        self._made: dict[Key, tuple[ProcessRow, Told, ProcessRow]] = {}

    def close(self) -> None:
        """Close every file; may be called twice."""
        for key in list(self._files):
            self._close(key)

    def of(self, rows: Iterable[ProcessRow]) -> list[ProcessRow]:
        """The rows with descriptors, and bytes a second since the last time each was asked for."""
        found = [self._one(row) for row in rows]
        for kept in (self._io, self._limits, self._made):
            while len(kept) > KEPT:
                kept.pop(next(iter(kept)))
        for key in self._files.keys() - {(row.pid, row.started) for row in found}:
            self._close(key)
        return found

    def _one(self, row: ProcessRow) -> ProcessRow:
        folder = f"{self._root}/{row.pid}"
        try:
            fds = descriptors(f"{folder}/fd")
        except OSError:
            return row
        told = (fds, self._limit(row, folder), *self._bytes(row, folder))
        key = (row.pid, row.started)
        before = self._made.pop(key, None)
        if before is None or before[0] is not row or before[1] != told:
            made = replace(row, fds=fds, fd_limit=told[1], read_per_s=told[2], write_per_s=told[3])
            before = (row, told, made)
        self._made[key] = before
        return before[2]

    def _limit(self, row: ProcessRow, folder: str) -> int | None:
        key, now = (row.pid, row.started), time.monotonic()
        known = self._limits.pop(key, None)
        if known is None or now - known[0] >= LIMIT_PERIOD:
            known = (now, limit(folder))
        self._limits[key] = known
        return known[1]

    def _bytes(self, row: ProcessRow, folder: str) -> tuple[float | None, float | None]:
        now, key = time.monotonic(), (row.pid, row.started)
        counts = self._counts(key, folder)
        if counts is None:
            return None, None
        before = self._io.pop(key, None)
        if before is not None and now - before[0] < SOON:
            self._io[key] = before
            return None, None
        self._io[key] = (now, *counts)  # popped before: the longest unasked stand first
        if before is None or counts[0] < before[1] or counts[1] < before[2]:
            return None, None
        seconds = now - before[0]
        return (counts[0] - before[1]) / seconds, (counts[1] - before[2]) / seconds

    def _counts(self, key: Key, folder: str) -> tuple[int, int] | None:
        """Bytes fetched from and sent to storage since its start (`proc(5)`, `io`); None where hidden."""
        descriptor = self._files.get(key)
        try:
            if descriptor is None:
                descriptor = os.open(f"{folder}/io", os.O_RDONLY | os.O_CLOEXEC)
            self._files[key] = descriptor
            text = os.pread(descriptor, 4096, 0)
            if len(self._files) > OPEN:
                self._close(key)
            return _counter(text, b"\nread_bytes: "), _counter(text, b"\nwrite_bytes: ")
        except (OSError, ValueError):
            self._close(key)
            return None

    def _close(self, key: Key) -> None:
        with suppress(KeyError):
            os.close(self._files.pop(key))


def descriptors(folder: str) -> int:
    """How many a process has open: the folder's size since Linux 6.2, its entries before that."""
    return os.stat(folder).st_size or len(os.listdir(folder))


def _counter(text: bytes, name: bytes) -> int:
    """The number after a name; ValueError where there is none."""
    start = text.index(name) + len(name)
    return int(text[start : text.index(b"\n", start)])


def limit(folder: str) -> int | None:
    """The soft limit of open files, None where unlimited or hidden."""
    try:
        with open(f"{folder}/limits", "rb") as file:
            text = file.read()
    except OSError:
        return None
    line = next((line for line in text.splitlines() if line.startswith(b"Max open files")), b"")
    words = line.split()
    return int(words[3]) if len(words) > 3 and words[3].isdigit() else None
