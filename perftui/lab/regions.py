"""Two regions on this machine: a server and its replica, or two that know nothing of each other."""

from __future__ import annotations

import asyncio
from typing import Any

from perftui.lab.cluster import all_of, numbered
from perftui.lab.folders import Folder
from perftui.lab.holding import Operation
from perftui.lab.processes import LabError
from perftui.lab.sentinel import Data

PAIR, APART = "pair", "apart"
NAMES = ("A", "B")


class Regions:
    """Server 1 is region A, server 2 region B. As a `pair` B begins as replica of A; `apart` each is alone.

    They have one password. `name` begins the names of their folders, and no others in `folder` had it.
    """

    def __init__(self, folder: Folder, form: str = PAIR, name: str = "regions") -> None:
        if form not in {PAIR, APART}:
            raise LabError(f"regions are a {PAIR} or {APART}, not {form}")
        self.form = form
        first = Data(folder, f"{name}-1")
        second = Data(folder, f"{name}-2", first if form == PAIR else None)
        second.password = first.password
        self.servers: dict[int, Data] = {1: first, 2: second}
        self.operations: dict[str, Operation] = {"kill": self._kill_asked, "revive": self._revive_asked}

    @property
    def urls(self) -> list[str]:
        """What the cache library takes: one URL of a pair, one each of those apart; password inside."""
        if self.form == APART:
            return [server.url for server in self.servers.values()]
        places = ",".join(f"{s.host}:{s.port}" for s in self.servers.values())
        return [f"redis+region://:{self.servers[1].password}@{places}"]

    @property
    def url(self) -> str:
        """The first of them."""
        return self.urls[0]

    async def start(self) -> None:
        """Bring both up; a replica is in step when this returns.

        Raises:
            LabError: why it does not; `stop` ends what came up.
        """
        if self.form == APART:
            await all_of(*(server.start() for server in self.servers.values()))
            return
        for server in self.servers.values():
            await server.start()

    async def stop(self) -> None:
        """End both; never raises, may be called twice."""
        await asyncio.gather(*(server.kill() for server in self.servers.values()))

    async def kill(self, number: int) -> None:
        """End a region by SIGKILL, as a crash does.

        Raises:
            LabError: there is no such region, or it does not run.
        """
        await numbered(self.servers, number, "region", runs=True).kill()

    async def revive(self, number: int) -> None:
        """Start a region that was killed again, empty, as its configuration says.

        A is a primary then, whatever B became meanwhile; B follows A where A is a primary that runs.

        Raises:
            LabError: there is no such region, it runs, or it does not come up.
        """
        server = numbered(self.servers, number, "region", runs=False)
        if number == 2 and self.form == PAIR:
            first = self.servers[1]
            leads = bool(first.pid) and (await first.role()).get("role") == "master"
            server.primary = first if leads else None
        await server.start()

    async def status(self) -> dict[str, Any]:
        """JSON-able: each region's role, link, whom it follows and how far it is behind."""
        rows = await asyncio.gather(*(self._row(number) for number in self.servers))
        running = all(row["pid"] for row in rows)
        return {"running": running, "form": self.form, "urls": self.urls, "nodes": rows}

    async def _row(self, number: int) -> dict[str, Any]:
        server = self.servers[number]
        row = {
            "node": number,
            "region": NAMES[number - 1],
            "role": "unknown",
            "port": server.port,
            "link": "unknown" if server.pid else "down",
            "replica_of": None,
            "offset": None,
            "pid": server.pid,
        }
        said = await server.role() if server.pid else {}
        if said.get("role") == "master":
            return {**row, "role": "primary", "link": "connected", "offset": int(said["master_repl_offset"])}
        if said.get("role") != "slave":
            return row
        ports = {str(one.port): n for n, one in self.servers.items()}
        return {
            **row,
            "role": "replica",
            "link": "connected" if said["master_link_status"] == "up" else "disconnected",
            "replica_of": ports.get(said["master_port"]),
            "offset": int(said["slave_repl_offset"]),
        }

    async def _kill_asked(self, question: dict[str, Any]) -> dict[str, Any]:
        await self.kill(int(question["node"]))
        return {"killed": int(question["node"])}

    async def _revive_asked(self, question: dict[str, Any]) -> dict[str, Any]:
        await self.revive(int(question["node"]))
        return {"revived": int(question["node"])}
