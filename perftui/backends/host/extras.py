"""What is too dear to read of every process: open descriptors, and bytes to and from its disks."""

# ruff: noqa: PTH208 - plain strings, as its caller has them
from __future__ import annotations

import os
import time
from collections.abc import Iterable
from dataclasses import replace

from perftui.model.resources import ProcessRow

Key = tuple[int, float]  # pid and start: a pid is used again
KEPT = 400  # processes whose bytes are remembered
SOON = 0.2  # seconds below which a rate would be noise


class Extras:
    """Adds to the rows it is given; what we may not look at stays unknown."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._io: dict[Key, tuple[float, int, int]] = {}

    def of(self, rows: Iterable[ProcessRow]) -> list[ProcessRow]:
        """The rows with descriptors, and bytes a second since the last time each was asked for."""
        found = [self._one(row) for row in rows]
        while len(self._io) > KEPT:
            self._io.pop(next(iter(self._io)))
        return found

    def _one(self, row: ProcessRow) -> ProcessRow:
        folder = f"{self._root}/{row.pid}"
        try:
            fds = len(os.listdir(f"{folder}/fd"))
        except OSError:
            return row
        read, written = self._bytes(row, folder)
        return replace(row, fds=fds, fd_limit=limit(folder), read_per_s=read, write_per_s=written)

    def _bytes(self, row: ProcessRow, folder: str) -> tuple[float | None, float | None]:
        counts = disk_bytes(folder)
        if counts is None:
            return None, None
        now, key = time.monotonic(), (row.pid, row.started)
        before = self._io.pop(key, None)
        if before is not None and now - before[0] < SOON:
            self._io[key] = before
            return None, None
        self._io[key] = (now, *counts)  # popped before: the longest unasked stand first
        if before is None or counts[0] < before[1] or counts[1] < before[2]:
            return None, None
        seconds = now - before[0]
        return (counts[0] - before[1]) / seconds, (counts[1] - before[2]) / seconds


def disk_bytes(folder: str) -> tuple[int, int] | None:
    """Bytes fetched from and sent to storage since its start (`proc(5)`, `io`); None where hidden."""
    try:
        with open(f"{folder}/io", "rb") as file:
            fields = dict(line.split(b": ") for line in file.read(4096).splitlines() if b": " in line)
        return int(fields[b"read_bytes"]), int(fields[b"write_bytes"])
    except (OSError, KeyError, ValueError):
        return None


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
