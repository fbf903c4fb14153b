"""Faults that can be switched on in a worker: real bugs of real services, each with its end."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import threading
import time
import zlib
from collections.abc import Mapping
from typing import Any

from perftui.lab.shop.metrics import Slot
from perftui.runtime.heap import trim

LEAK_CHUNK = 512 * 1024
LEAK_LIMIT = 96 * 1024 * 1024
LEAKED_CONNECTIONS = 6


class DiscountError(ArithmeticError):
    """The bug of error-burst: a discount computed from nothing."""


class Faults:
    """The faults of one worker; handlers ask, the supervisor sets."""

    def __init__(self, slot: Slot, database: Mapping[str, Any]) -> None:
        self._slot = slot
        self._database = database
        self._on: dict[str, Any] = {}
        self._hoard: list[bytearray] = []
        self._connections: list[Any] = []
        self._hog: threading.Event | None = None
        self._closing: set[asyncio.Task[None]] = set()

    def on(self, name: str) -> bool:
        """Whether a fault is switched on here."""
        return name in self._on

    def set(self, faults: Mapping[str, Any], *, first: bool) -> None:
        """Take the supervisor's list; what is no longer on is undone."""
        self._on = dict(faults)
        self._spin(wanted=first and "cpu-hog" in faults)
        if "memory-leak" not in faults and self._hoard:
            self._hoard.clear()
            trim()
        if "connection-leak" not in faults and self._connections:
            task = asyncio.get_running_loop().create_task(self._close_leaked())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    def block(self) -> None:
        """blocking-call: a synchronous wait in the event loop, as a forgotten requests.get() would be."""
        if self.on("blocking-call"):
            time.sleep(float(self._on["blocking-call"].get("seconds", 0.25)))

    def fail(self) -> None:
        """error-burst: some requests meet a bug.

        Raises:
            DiscountError: for the given share of calls.
        """
        if self.on("error-burst") and random.random() < float(self._on["error-burst"].get("share", 0.3)):  # noqa: S311
            raise DiscountError("discount of an empty basket")

    def hoard(self) -> None:
        """memory-leak: each call keeps some memory that nobody will ask for again."""
        if self.on("memory-leak") and len(self._hoard) * LEAK_CHUNK < LEAK_LIMIT:
            self._hoard.append(bytearray(os.urandom(64)) * (LEAK_CHUNK // 64))

    async def leak(self) -> None:
        """connection-leak: a transaction is begun and its connection forgotten."""
        if not self.on("connection-leak") or len(self._connections) >= LEAKED_CONNECTIONS:
            return
        import asyncpg

        connection = await asyncpg.connect(**self._database, server_settings={"application_name": "shop"})
        self._slot.add("leaked", 1)
        self._connections.append(connection)
        if not self.on("connection-leak"):  # it was switched off meanwhile
            await self._close_leaked()
            return
        try:
            await connection.execute("BEGIN")
            await connection.fetchval("SELECT stock FROM products WHERE id = $1", 1)
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
            if self.on("connection-leak"):
                raise

    async def _close_leaked(self) -> None:
        while self._connections:
            self._connections.pop().terminate()
            self._slot.add("leaked", -1)

    def _spin(self, *, wanted: bool) -> None:
        """cpu-hog: a thread of one worker computes thumbnails nobody asked for."""
        if wanted and self._hog is None:
            self._hog = threading.Event()
            threading.Thread(
                target=make_thumbnails, args=(self._hog,), name="thumbnails", daemon=True
            ).start()
        elif not wanted and self._hog is not None:
            self._hog.set()
            self._hog = None

    def crash(self) -> None:
        """worker-crash: end as a segmentation fault does."""
        os.kill(os.getpid(), signal.SIGSEGV)


def make_thumbnails(stop: threading.Event) -> None:
    """Burn one core until told to stop, with no pause: beside other work half of it would be left."""
    picture = os.urandom(32 * 1024) * 4
    while not stop.is_set():
        shrink(zlib.compress(picture, 6))


def shrink(data: bytes) -> int:
    """A checksum in plain Python, slow on purpose, so that a profile of it has Python frames."""
    total = 0
    for byte in data[:4000]:
        total = (total * 31 + byte) & 0xFFFFFFFF
    return total
