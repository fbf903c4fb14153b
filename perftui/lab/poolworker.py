"""A worker of the pool, seen from inside (its seat) and from its supervisor."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import time
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Seat:
    """What a forked worker gets: its number, its slot, the shared socket, the line to its supervisor."""

    id: int
    slot: int
    listener: socket.socket
    channel: socket.socket


@dataclass(slots=True)
class Worker:
    """A worker as its supervisor sees it."""

    id: int
    pid: int
    slot: int
    channel: socket.socket
    base: int
    state: str = "starting"
    since: float = field(default_factory=time.time)
    born: float = field(default_factory=time.monotonic)
    deadline: float = 0.0
    usage: tuple[float, int] = (0.0, 0)
    applied: int = -1

    def tell(self, message: dict[str, Any]) -> None:
        """Send a line; a worker that just ended does not mind."""
        with contextlib.suppress(OSError):
            self.channel.send(json.dumps(message).encode() + b"\n")

    def become(self, state: str) -> None:
        """Enter a state now."""
        self.state, self.since = state, time.time()


def describe(status: int) -> str:
    """How a process ended, from its wait status, in words."""
    if os.WIFSIGNALED(status):
        return f"was killed by {signal.Signals(os.WTERMSIG(status)).name}"
    return f"exited with {os.waitstatus_to_exitcode(status)}"


def usage(pid: int) -> tuple[float, int] | None:
    """CPU seconds and resident bytes of a process; None when it has ended."""
    import psutil

    try:
        process = psutil.Process(pid)
        times = process.cpu_times()
        return times.user + times.system, process.memory_info().rss
    except psutil.Error:
        return None
