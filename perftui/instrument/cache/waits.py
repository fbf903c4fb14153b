"""Waiting for a load no longer than is said."""

from __future__ import annotations

import asyncio
from typing import Any

from perftui.instrument.cache.context import MISS, LoadTimeout
from perftui.model.tiers import EntryOptions


def left(limit: float, began: float) -> float:
    """What is left of a limit in seconds, by the loop's clock; never below 0."""
    return max(0.0, limit - (asyncio.get_running_loop().time() - began))


async def waited(future: asyncio.Future[Any], timeout: float | None) -> bool:
    """Wait for a future; whether it took too long. No time at all: not even a turn of the loop."""
    if not future.done() and timeout != 0:
        await asyncio.wait((future,), timeout=timeout)
    return not future.done()


async def first(future: asyncio.Future[Any], event: asyncio.Event, timeout: float | None) -> None:
    """Wait until one of both is there."""
    looked = asyncio.ensure_future(event.wait())
    try:
        await asyncio.wait((future, looked), timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
    finally:
        looked.cancel()


def outcome(future: asyncio.Future[Any], options: EntryOptions, default: Any) -> Any:
    """What came of a load that is over; the default in place of the loader's exception."""
    try:
        return future.result()
    except LoadTimeout:
        raise
    except Exception:
        if default is not MISS and options.fail_safe:
            return default
        raise


def retrieved(future: asyncio.Future[Any]) -> None:
    """An error nobody waited for was counted: the loop need not complain."""
    if not future.cancelled():
        future.exception()
