"""Waiting for a condition, so that no test guesses how long something takes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

STEP = 0.005

STALL = 0.5
"""Seconds that a pause counts at most: while a machine stands still, what is waited for does so too."""


async def until(condition: Callable[[], T], timeout: float = 5.0) -> T:
    """Let the loop run until `condition` is true and return its value; AssertionError after `timeout`."""

    async def asked() -> T:
        return condition()

    asked.__name__ = getattr(condition, "__name__", "condition")
    return await auntil(asked, timeout)


async def auntil(condition: Callable[[], Awaitable[T]], timeout: float = 5.0) -> T:
    """The same for a condition that itself waits, such as a question to a server."""
    limit = time.monotonic() + timeout
    while not (value := await condition()):
        if (now := time.monotonic()) > limit:
            name = getattr(condition, "__name__", "condition")
            raise AssertionError(f"{name} still {value!r} after {timeout:g} s")
        await asyncio.sleep(STEP)
        limit += max(0.0, time.monotonic() - now - STALL)
    return value


def until_now(condition: Callable[[], T], timeout: float = 20.0) -> T:
    """The same where no loop runs, for a program that was just started."""
    limit = time.monotonic() + timeout
    while not (value := condition()):
        assert time.monotonic() < limit, f"{condition} still {value!r} after {timeout:g} s"
        time.sleep(STEP)
    return value
