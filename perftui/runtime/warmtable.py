"""Warm jobs and their runs in the store that all consoles and agents share."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from perftui.model.codec import from_jsonable, to_jsonable
from perftui.model.schedule import Mode
from perftui.model.warmjob import WARMING, JobRow, JobState, WarmJob
from perftui.runtime.driver import Driver
from perftui.runtime.leases import AGENT, Lease, stands
from perftui.runtime.store import Store

T = TypeVar("T")
log = logging.getLogger(__name__)

_NEW = (
    "INSERT INTO perftui_warm_job (env, name, version, body, keys, who, at) VALUES (?, ?, 1, ?, ?, ?, ?) "
    "ON CONFLICT (env, name) DO NOTHING"
)
_CHANGE = (
    "UPDATE perftui_warm_job SET version = version + 1, body = ?, keys = coalesce(?, keys), who = ?, at = ? "
    "WHERE env = ? AND name = ? AND version = ?"
)
_REMOVE = "DELETE FROM perftui_warm_job WHERE env = ? AND name = ? AND version = ?"
_FORGET = "DELETE FROM perftui_warm_run WHERE env = ? AND name = ?"
_RUNS = "SELECT run FROM perftui_warm_run WHERE env = ? AND name = ? AND run <> ''"
# What came before a job was changed is not missed by it.
_SINCE = (
    "INSERT INTO perftui_warm_run (env, name, slot, run, body) VALUES (?, ?, ?, '', '{}') "
    "ON CONFLICT (env, name) DO UPDATE SET slot = excluded.slot"
)
# A firing is dealt with once, by whoever moves the slot on, and never while a run is under way.
_CLAIM = (
    "UPDATE perftui_warm_run SET slot = ?, run = ?, body = ? "
    "WHERE env = ? AND name = ? AND slot < ? AND run = ''"
)
_BEGIN = "UPDATE perftui_warm_run SET run = ?, body = ? WHERE env = ? AND name = ? AND run = ''"
_TELL = "UPDATE perftui_warm_run SET run = ?, body = ? WHERE env = ? AND name = ? AND run = ?"
_JOBS = "SELECT name, version, body, who, at FROM perftui_warm_job WHERE env = ? ORDER BY name"
_STATES = "SELECT name, slot, run, body FROM perftui_warm_run WHERE env = ?"
_HELD = "SELECT name, holder FROM perftui_lease WHERE name IN (?, ?) AND until > {now}"
_MODE = "SELECT mode FROM perftui_loop WHERE env = ? AND name = ?"


@dataclass(frozen=True, slots=True)
class Page:
    """All that the store knows: jobs by name, whether all are paused, and who holds which lease."""

    rows: tuple[JobRow, ...] = ()
    paused: bool = False
    holders: dict[str, str] = field(default_factory=dict)


class WarmTable:
    """The warm jobs of one environment; methods raise StoreError."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._env = store.env

    async def page(self) -> Page:
        """Everything but the keys that jobs name, as it is now."""
        return await asyncio.wrap_future(self._store.read(self._page))

    async def keys(self, name: str) -> tuple[str, ...]:
        """The keys that a job names."""
        sql, row = "SELECT keys FROM perftui_warm_job WHERE env = ? AND name = ?", (self._env, name)
        rows = await asyncio.wrap_future(self._store.read(lambda driver: driver.query(sql, row)))
        return tuple(rows[0][0].split("\n")) if rows and rows[0][0] else ()

    async def put(self, job: WarmJob, keys: Sequence[str] | None, version: int, who: str, at: float) -> bool:
        """Enter it; False when there is one already (`version` 0), or it was changed since.

        `keys` None: as they are.
        """
        body, named = _text(job), None if keys is None else "\n".join(keys)

        def work(driver: Driver) -> bool:
            with driver.transaction():
                if version:
                    row: tuple[Any, ...] = (body, named, who, at, self._env, job.name, version)
                    done = driver.execute(_CHANGE, row) == 1
                else:
                    new = (self._env, job.name, body, named or "", who, at)
                    done = driver.execute(_NEW, new) == 1
                if done:
                    driver.execute(_SINCE, (self._env, job.name, at))
                return done

        return await self._write(work)

    async def remove(self, name: str, version: int) -> bool:
        """Take it out; False when it was changed since, or runs."""

        def work(driver: Driver) -> bool:
            with driver.transaction():
                if driver.query(_RUNS, (self._env, name)):
                    return False
                gone = driver.execute(_REMOVE, (self._env, name, version)) == 1
                if gone:
                    driver.execute(_FORGET, (self._env, name))
                return gone

        return await self._write(work)

    async def claim(self, lease: Lease, name: str, state: JobState) -> bool:
        """Take the firing `state.slot`; False: our lease is gone, somebody had it, or a run is under way."""
        row = (state.slot, state.run, _text(state), self._env, name, state.slot)

        def work(driver: Driver) -> bool:
            with driver.transaction():
                return stands(driver, lease) and driver.execute(_CLAIM, row) == 1

        return await self._write(work)

    async def begin(self, name: str, state: JobState) -> bool:
        """Begin `state.run` by hand; False when one is under way, or there is no such job."""
        row = (state.run, _text(state), self._env, name)
        return await self._write(lambda driver: driver.execute(_BEGIN, row) == 1)

    async def tell(self, name: str, run: str, state: JobState, lease: Lease | None = None) -> bool:
        """Write down how far a run is, with `state.run` empty that it is over; with a lease, only under it.

        False when it is no longer ours.
        """
        row = (state.run, _text(state), self._env, name, run)

        def work(driver: Driver) -> bool:
            with driver.transaction():
                return (lease is None or stands(driver, lease)) and driver.execute(_TELL, row) == 1

        return await self._write(work)

    async def _write(self, work: Callable[[Driver], T]) -> T:
        return await asyncio.wrap_future(self._store.write(work))

    def _page(self, driver: Driver) -> Page:
        env = (self._env,)
        states = {name: _state(slot, run, body) for name, slot, run, body in driver.query(_STATES, env)}
        jobs = [(_job(body), version, who, at) for _, version, body, who, at in driver.query(_JOBS, env)]
        names = (f"{WARMING}/{self._env}", f"{AGENT}/{self._env}")
        held = driver.query(_HELD.format(now=driver.now), names)
        mode = driver.query(_MODE, (self._env, WARMING))
        rows = (
            JobRow(job, states.get(job.name, JobState()), *rest) for job, *rest in jobs if job is not None
        )
        holders = {name.partition("/")[0]: holder for name, holder in held}
        return Page(tuple(rows), bool(mode) and mode[0][0] == Mode.OFF.value, holders)


def _text(value: WarmJob | JobState) -> str:
    return json.dumps(to_jsonable(value), separators=(",", ":"))


def _job(body: str) -> WarmJob | None:
    try:
        return from_jsonable(WarmJob, json.loads(body))
    except ValueError as error:
        log.warning("a stored warm job is not used: %s", error)
        return None


def _state(slot: float, run: str, body: str) -> JobState:
    try:
        state = from_jsonable(JobState, json.loads(body))
    except ValueError as error:
        log.warning("what a warm job did last is not readable: %s", error)
        state = JobState()
    return replace(state, slot=slot, run=run)
