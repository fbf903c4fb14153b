"""The whole lab in one object: parts start in the order of their needs, stop in reverse, leave nothing."""

from __future__ import annotations

import asyncio
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self, TypeVar

from perftui.lab.folders import CONFIG, Folder, server_owner, write_private
from perftui.lab.incidents import Incidents
from perftui.lab.parts import DEFAULT, Part, make
from perftui.lab.processes import LabError

P = TypeVar("P")

FIGURES = """
[business.orders]
title = "Orders"
kind = "counter"
source = "shop"
read = "shop_orders_total"
target = 200.0
owner = "sales"

[business.signups]
source = "shop"
read = "shop_signups_total"

[business.revenue]
source = "shop"
read = "shop_revenue_minor_total"
unit = "cents"

[business.sessions]
source = "valkey"
read = "ZCARD shop:active"

[business.features]
source = "shop"
read = 'http_request_duration_seconds_count{status="200"}'
by = "route"
"""
"""What the shop sells, as the configuration of any shop would say it."""


@dataclass(frozen=True, slots=True)
class LabOptions:
    """What to start: `rate` in requests a second, `workers` of shop, `base` where its folder is made."""

    rate: float = 80.0
    workers: int = 3
    parts: tuple[str, ...] = DEFAULT
    base: Path | None = None


@dataclass(slots=True)
class Lab:
    """Real servers under load; `async with Lab(LabOptions()) as lab`."""

    options: LabOptions = field(default_factory=LabOptions)
    parts: dict[str, Part] = field(default_factory=dict)
    incidents: Incidents = field(init=False)
    _folder: Folder | None = None

    def __post_init__(self) -> None:
        self.incidents = Incidents(self)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    @property
    def folder(self) -> Folder:
        """The lab's folder; only while it is up."""
        if self._folder is None:
            raise LabError("the lab is not up")
        return self._folder

    async def start(self) -> None:
        """Start all parts; when one cannot, the others are stopped again.

        Raises:
            LabError: why it cannot.
        """
        self._folder = await asyncio.to_thread(Folder.create, server_owner(), self.options.base)
        try:
            await self._start_parts()
        except BaseException:
            await self.stop()
            raise

    async def _start_parts(self) -> None:
        for name in self.options.parts:
            self.parts[name] = make(name, self)
        from perftui.lab.shoppart import ShopPart

        shop = self.parts.get("shop")
        if isinstance(shop, ShopPart):
            shop.warm()
        started: dict[str, asyncio.Task[None]] = {}
        try:
            async with asyncio.TaskGroup() as group:
                for name, part in self.parts.items():
                    # Visitors come when everything stands.
                    needs = started if name == "load" else part.needs
                    before = [started[need] for need in needs if need in started]
                    started[name] = group.create_task(_after(before, part))
        except* LabError as errors:
            raise _first(errors) from None
        await self._retarget()

    async def stop(self) -> None:
        """Undo incidents, stop all parts, remove the folder; may be called twice."""
        await self.incidents.stop_all()
        for part in reversed(self.parts.values()):
            await part.down()
        self.parts.clear()
        if self._folder is not None:
            await asyncio.to_thread(self._folder.remove)
            self._folder = None

    def part(self, kind: type[P]) -> P:
        """The part of a class.

        Raises:
            LabError: it is not among this lab's parts.
        """
        for part in self.parts.values():
            if isinstance(part, kind):
                return part
        raise LabError(f"this lab has no {kind.__name__.removesuffix('Part').lower()}")

    async def part_up(self, name: str) -> None:
        """Start one more part, and what it needs; nothing happens to one that runs."""
        part = self.parts.get(name) or make(name, self)
        if name in self.parts and part.status()["running"]:
            return
        for need in part.needs:
            await self.part_up(need)
        self.parts[name] = part
        await part.up()
        await self._retarget()

    async def part_down(self, name: str) -> None:
        """Stop one part; it keeps its ports and passwords for the next `part_up`.

        Raises:
            LabError: another running part needs it, or it is not among the parts.
        """
        if name not in self.parts:
            raise LabError(f"this lab has no part {name!r}; it has: {', '.join(self.parts)}")
        needing = [p.name for p in self.parts.values() if name in p.needs and p.status()["running"]]
        if needing:
            raise LabError(f"{name} is needed by {', '.join(needing)}: stop that first")
        await self.parts[name].down()
        await self._retarget()

    async def _retarget(self) -> None:
        from perftui.lab.loadpart import LoadPart

        load = self.parts.get("load")
        if isinstance(load, LoadPart):
            await load.retarget()

    @property
    def front_url(self) -> str:
        """What visitors ask: an edge (a part whose endpoints have `front`) when one is up, else shop."""
        for part in reversed(self.parts.values()):
            front = part.endpoints().get("front")
            if front and part.status()["running"]:
                return str(front)
        return str(self.parts["shop"].endpoints()["url"])

    @property
    def endpoints(self) -> dict[str, Any]:
        """JSON-able: how to reach every part, credentials included."""
        found = {name: part.endpoints() for name, part in self.parts.items()}
        return {
            **{name: value for name, value in found.items() if value},
            "dir": str(self.folder.path),
            "pid": os.getpid(),
            "config": str(self.config_path()),
        }

    def status(self) -> dict[str, Any]:
        """JSON-able: every part and incident."""
        return {
            "parts": {name: part.status() for name, part in self.parts.items()},
            "incidents": self.incidents.rows(),
            "dir": str(self.folder.path),
            "pid": os.getpid(),
        }

    def config_toml(self) -> str:
        """A ready configuration of environment `lab`; secrets are references to 0600 files."""
        lines = ['# Written by "perftui lab"; it ends with the lab.', "[env.lab]", 'kind = "lab"']
        for part in self.parts.values():
            for name, options in part.backends().items():
                lines.append(f"\n[env.lab.backends.{name}]")
                lines += [f"{key} = {json.dumps(value)}" for key, value in options.items()]
        for part in self.parts.values():
            for header, table in getattr(part, "tables", dict)().items():
                lines.append(f"\n[{header}]")
                lines += [f"{key} = {json.dumps(value)}" for key, value in table.items()]
        return "\n".join(lines) + "\n" + FIGURES

    def config_path(self) -> Path:
        """The same in a 0600 file, current with the parts."""
        return write_private(self.folder.path / CONFIG, self.config_toml())


async def _after(before: list[asyncio.Task[None]], part: Part) -> None:
    for task in before:
        await asyncio.shield(task)
    await part.up()


def _first(errors: BaseExceptionGroup[LabError]) -> LabError:
    """The first of several failures: the others mostly follow from it."""
    error = errors.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error
