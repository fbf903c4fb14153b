"""Modes and last decisions of control loops in the store that all consoles and agents share."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from perftui.model.codec import from_jsonable, to_jsonable
from perftui.model.schedule import LoopState, Mode, Setting
from perftui.runtime.driver import Driver
from perftui.runtime.leases import Lease, stands
from perftui.runtime.store import Store

T = TypeVar("T")
log = logging.getLogger(__name__)

_SET = (
    "INSERT INTO perftui_loop (env, name, mode, version, who, at) VALUES (?, ?, ?, 1, ?, ?) "
    "ON CONFLICT (env, name) DO UPDATE SET mode = excluded.mode, version = perftui_loop.version + 1, "
    "who = excluded.who, at = excluded.at WHERE perftui_loop.version = ?"
)
# A firing is dealt with once: whoever moves the slot on has it.
_CLAIM = (
    "INSERT INTO perftui_loop_state (env, name, slot, body) VALUES (?, ?, ?, ?) "
    "ON CONFLICT (env, name) DO UPDATE SET slot = excluded.slot, body = excluded.body "
    "WHERE perftui_loop_state.slot < excluded.slot"
)
_PUT = (
    "INSERT INTO perftui_loop_state (env, name, slot, body) VALUES (?, ?, ?, ?) "
    "ON CONFLICT (env, name) DO UPDATE SET body = excluded.body"
)
_HELD = "SELECT name, holder FROM perftui_lease WHERE until > {now}"


@dataclass(frozen=True, slots=True)
class Sheet:
    """All that the store knows of an environment's loops: modes, states, and who holds which lease."""

    settings: Mapping[str, Setting] = field(default_factory=dict)
    states: Mapping[str, LoopState] = field(default_factory=dict)
    holders: Mapping[str, str] = field(default_factory=dict)


class LoopTable:
    """The loops of one environment; methods raise StoreError."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._env = store.env

    async def sheet(self) -> Sheet:
        """Everything, as it is now."""
        return await asyncio.wrap_future(self._store.read(self._sheet))

    async def set(self, name: str, mode: Mode, version: int, who: str, at: float) -> bool:
        """Set a mode; False when it was changed since `version` (0: never set) was read."""
        row = (self._env, name, mode.value, who, at, version)
        return await self._write(lambda driver: driver.execute(_SET, row) == 1)

    async def set_all(self, modes: Mapping[str, Mode], who: str, at: float) -> None:
        """Set many at once, whatever they were."""

        def work(driver: Driver) -> None:
            with driver.transaction():
                for name, mode in modes.items():
                    known = driver.query(
                        "SELECT version FROM perftui_loop WHERE env = ? AND name = ?", (self._env, name)
                    )
                    version = known[0][0] if known else 0
                    driver.execute(_SET, (self._env, name, mode.value, who, at, version))

        await self._write(work)

    async def claim(self, lease: Lease, name: str, state: LoopState) -> bool:
        """Take the firing `state.slot`; False when our lease is gone or somebody had it already."""
        row = (self._env, name, state.slot, _text(state))

        def work(driver: Driver) -> bool:
            with driver.transaction():
                return stands(driver, lease) and driver.execute(_CLAIM, row) == 1

        return await self._write(work)

    async def put(self, name: str, state: LoopState) -> None:
        """Write down what became of it."""
        row = (self._env, name, state.slot, _text(state))
        await self._write(lambda driver: driver.execute(_PUT, row))

    async def _write(self, work: Callable[[Driver], T]) -> T:
        return await asyncio.wrap_future(self._store.write(work))

    def _sheet(self, driver: Driver) -> Sheet:
        env = (self._env,)
        modes = driver.query("SELECT name, mode, version, who, at FROM perftui_loop WHERE env = ?", env)
        states = driver.query("SELECT name, slot, body FROM perftui_loop_state WHERE env = ?", env)
        held = _HELD.format(now=driver.now)
        ending = f"/{self._env}"
        return Sheet(
            {name: Setting(Mode(mode), *rest) for name, mode, *rest in modes if mode in _KNOWN},
            dict(_states(states)),
            {n.removesuffix(ending): who for n, who in driver.query(held) if n.endswith(ending)},
        )


_KNOWN = {mode.value for mode in Mode}


def _text(state: LoopState) -> str:
    return json.dumps(to_jsonable(state), separators=(",", ":"))


def _states(rows: Iterable[tuple[str, float, str]]) -> Iterable[tuple[str, LoopState]]:
    for name, _slot, body in rows:
        try:
            yield name, from_jsonable(LoopState, json.loads(body))
        except ValueError as error:
            log.warning("what the loop %s did last is not readable: %s", name, error)
