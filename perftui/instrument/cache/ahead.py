"""Having a value before anybody asks for it; nothing here counts as a hit, a miss or a use."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from enum import Enum
from typing import Any, NamedTuple

from perftui.instrument.cache.context import LoadContext, LoadTimeout, takes_context
from perftui.instrument.cache.core import Core
from perftui.instrument.cache.flight import Flights
from perftui.instrument.cache.state import DIRTY
from perftui.model.tiers import EntryOptions


class Had(Enum):
    """Where a value came from."""

    FRESH = "fresh"  # L1 had it
    FILLED = "filled"  # L2 had it, or another node loads it just now
    LOADED = "loaded"
    ABSENT = "absent"  # it takes a load
    FAILED = "failed"


class Got(NamedTuple):
    """What came of it; `error` with FAILED only."""

    had: Had
    error: BaseException | None = None


def loading(flights: Flights, now: float) -> dict[str, float]:
    """The keys that are being loaded, and for how many seconds; the oldest first."""
    ages = {key: now - flight.began for key, flight in flights.running.items()}
    for key, flight in flights.alone:
        ages[key] = max(ages.get(key, 0.0), now - flight.began)
    return dict(sorted(ages.items(), key=lambda one: -one[1])) if flights.alone else ages


def cancelled(flights: Flights, key: str) -> bool:
    """End a load: who waits gets the stale value where there is one, else LoadTimeout. Whether it ran."""
    running = flights.running.get(key)
    found = [flight for name, flight in flights.alone if name == key] + ([running] if running else [])
    for flight in found:
        if not flight.future.done():  # at once: a loader may be deaf to its end
            if flight.stale is not None:
                flight.future.set_result(flight.stale.value)
            else:
                flight.future.set_exception(LoadTimeout(f"the load of {key!r} was cancelled"))
        flights.cancel(key, flight)
    return bool(found)


async def present(core: Core, key: str, options: EntryOptions) -> Got:
    """Whether L1 or L2 has a fresh value; L2's is brought to L1. L2 silent: ABSENT."""
    had = core.memory.look(key) if core.memory is not None else None
    if had is not None and had.epoch != DIRTY and await core.settled(had, options.l2_hard):
        return Got(Had.FRESH)
    mark = core.mark(key)
    try:
        _, found = await core.read_l2(key, options.but(raise_l2=False), None)
        if found is None:
            return Got(Had.ABSENT)
        found.epoch = core.covered
        if not await core.settled(found, options.l2_hard):
            return Got(Had.ABSENT)
        if not mark.void:
            core.fill(key, found, options)
        return Got(Had.FILLED)
    finally:
        core.unmark(key, mark)


async def loaded(
    flights: Flights,
    key: str,
    loader: Callable[..., Awaitable[Any]],
    options: EntryOptions,
    tags: Iterable[str],
    within: float | None,
) -> Got:
    """Load a key as an eager refresh does: nobody's hit waits for it, and its failure changes nothing."""
    called = False

    async def load(context: LoadContext) -> Any:
        nonlocal called
        called = True
        return await (loader(context) if takes_context(loader) else loader())

    flight = flights.running.get(key)
    ours = flight is None
    if flight is None:
        flight = flights.start(key, load, options.but(raise_l2=False), tags, eager=True)
    try:
        await asyncio.wait((flight.future,), timeout=within)
    finally:
        if ours and not flight.future.done():
            flights.give_up(key, flight)
    if not flight.future.done():
        return Got(Had.FAILED, LoadTimeout(f"{key!r} was not there within {within:g} s"))
    error = flight.future.exception()
    if error is not None:
        return Got(Had.FAILED, error)
    return Got(Had.LOADED if called or not ours else Had.FILLED)
