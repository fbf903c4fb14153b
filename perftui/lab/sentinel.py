"""A group of Valkey servers on this machine that sentinels watch: a master, two replicas, three sentinels.

Source: https://valkey.io/topics/sentinel. Sentinels are the same program; they find each other and the
replicas through the master, and write what they learn into their own configuration.
"""

from __future__ import annotations

import asyncio
import secrets
from typing import Any

from perftui.lab.cluster import Asked, all_of, numbered, soon
from perftui.lab.folders import Folder, programs, write_private
from perftui.lab.holding import Operation
from perftui.lab.processes import Command, LabError, spawn, tail, until
from perftui.lab.valkey import START_SECONDS, server_program

GROUP = "lab"
DATA, SENTINELS, QUORUM = 3, 3, 2
DOWN_AFTER_MS = 1000
FAILOVER_MS = 3000


class Data(Asked):
    """A server of the group; `replica_of` is whom it follows when it starts, until the first switch."""

    async def role(self) -> dict[str, Any]:
        """What it says of itself (`run_id`) and its replication; {} when it does not answer."""
        try:
            said = (await self.ask("INFO", "server", "replication")).decode("utf-8", "replace")
        except LabError:
            return {}
        return dict(line.split(":", 1) for line in said.splitlines() if ":" in line)


class Sentinel(Asked):
    """One that watches the group from `master` on and promotes when QUORUM of them agree."""

    def __init__(self, folder: Folder, name: str, master: Data, password: str, down_after_ms: int) -> None:
        super().__init__(folder, name)
        self._master, self._down_after_ms = master, down_after_ms
        self.password = password

    async def start(self) -> None:
        """Start and wait for PONG; one that ran before goes on with what it had written down.

        Raises:
            LabError: it does not come up; the text carries the end of its log.
        """
        program = programs(server_program(), "valkey-server", self.folder)
        config = self.home / "sentinel.conf"
        if self.child is None:
            write_private(config, self._config(), self.folder.owner)
        command = Command([str(program), str(config), "--sentinel"], self.home, self.log, self.folder.owner)
        self.child = await spawn(self.name, command)
        self.folder.give(self.log)
        try:
            await until(
                self._answers, START_SECONDS, f"an answer from {self.name} on port {self.port}", 0.005
            )
        except LabError as error:
            raise LabError(f"{error}\n{tail(self.log)}") from error

    def _config(self) -> str:
        at = self._master
        lines = [
            "bind 127.0.0.1",
            f"port {self.port}",
            f"dir {self.home}",
            f"requirepass {self.password}",
            f"sentinel monitor {GROUP} {at.host} {at.port} {QUORUM}",
            f"sentinel auth-pass {GROUP} {at.password}",
            f"sentinel down-after-milliseconds {GROUP} {self._down_after_ms}",
            f"sentinel failover-timeout {GROUP} {FAILOVER_MS}",
            f"sentinel sentinel-pass {self.password}",
        ]
        return "\n".join(lines) + "\n"

    async def facts(self) -> dict[str, str]:
        """What it says of the group's master: ip, port, flags, num-slaves, num-other-sentinels, quorum …"""
        said = await self.ask("SENTINEL", "MASTER", GROUP)
        pairs = said.items() if isinstance(said, dict) else zip(said[::2], said[1::2], strict=True)
        return {key.decode(): value.decode("utf-8", "replace") for key, value in pairs}


class SentinelGroup:
    """Servers numbered from 1: 1 to 3 hold data and 1 begins as their master, 4 to 6 are the sentinels.

    `name` begins the names of their folders, and no other group in `folder` had it; `down_after_ms` is how
    long one may be silent before a sentinel thinks it is down.
    """

    def __init__(self, folder: Folder, name: str = "sentinel", down_after_ms: int = DOWN_AFTER_MS) -> None:
        first = Data(folder, f"{name}-1")
        self.data = [first, *(Data(folder, f"{name}-{n}", first) for n in range(2, DATA + 1))]
        password = secrets.token_urlsafe(24)
        self.sentinels = [
            Sentinel(folder, f"{name}-{DATA + n}", first, password, down_after_ms)
            for n in range(1, SENTINELS + 1)
        ]
        self.servers: dict[int, Data | Sentinel] = dict(enumerate([*self.data, *self.sentinels], 1))
        self.operations: dict[str, Operation] = {"kill": self._kill_asked, "revive": self._revive_asked}

    @property
    def url(self) -> str:
        """What the cache library takes, both passwords inside."""
        places = ",".join(f"{s.host}:{s.port}" for s in self.sentinels)
        own = f"sentinel_password={self.sentinels[0].password}"
        return f"redis+sentinel://:{self.data[0].password}@{places}/{GROUP}?{own}"

    async def start(self) -> None:
        """Bring all up; replicas are in step and all sentinels know all when this returns.

        Raises:
            LabError: why it does not; `stop` ends what came up.
        """
        await self.data[0].start()
        await all_of(*(replica.start() for replica in self.data[1:]))
        # After the replicas: a sentinel asks the master who follows it at once, and then each 10 s only.
        await all_of(*(sentinel.start() for sentinel in self.sentinels))
        await soon(self._acquainted, "the sentinels' acquaintance")

    async def stop(self) -> None:
        """End all; never raises, may be called twice."""
        await asyncio.gather(*(server.kill() for server in reversed(self.servers.values())))

    async def kill(self, number: int) -> None:
        """End a server by SIGKILL, as a crash does.

        Raises:
            LabError: there is no such server, or it does not run.
        """
        await numbered(self.servers, number, "server", runs=True).kill()

    async def revive(self, number: int) -> None:
        """Start a server that was killed again; one with data comes back empty, behind the master of now.

        Where no master runs it is a master.

        Raises:
            LabError: there is no such server, it runs, or it does not come up.
        """
        server = numbered(self.servers, number, "server", runs=False)
        if isinstance(server, Data):
            server.primary = await self._master()
        await server.start()

    async def _master(self) -> Data | None:
        """Whom the sentinels call the master, where that one runs and says so too."""
        rows = [await self._row(number) for number, one in self.servers.items() if one.pid]
        named = {row["watches"] for row in rows}
        leading = [row["node"] for row in rows if row["role"] == "master" and row["node"] in named]
        found = self.servers[leading[0]] if leading else None
        return found if isinstance(found, Data) else None

    async def status(self) -> dict[str, Any]:
        """JSON-able: every server's role and link, and whom each sentinel takes for the master.

        `id` is new with each start of a server that holds data; sentinels have none.
        """
        rows = await asyncio.gather(*(self._row(number) for number in self.servers))
        return {"running": all(row["pid"] for row in rows), "group": GROUP, "nodes": rows}

    async def _row(self, number: int) -> dict[str, Any]:
        server = self.servers[number]
        row = {
            "node": number,
            "role": "sentinel" if isinstance(server, Sentinel) else "unknown",
            "port": server.port,
            "id": "",
            "link": "unknown" if server.pid else "down",
            "replica_of": None,
            "watches": None,
            "pid": server.pid,
        }
        if not server.pid:
            return row
        return {**row, **await (self._seen(server) if isinstance(server, Sentinel) else self._held(server))}

    async def _held(self, server: Data) -> dict[str, Any]:
        said = await server.role()
        own = {"id": said.get("run_id", "")}
        if said.get("role") == "master":
            return {**own, "role": "master", "link": "connected"}
        if said.get("role") != "slave":
            return {}
        link = "connected" if said["master_link_status"] == "up" else "disconnected"
        return {**own, "role": "replica", "link": link, "replica_of": self._number(said["master_port"])}

    async def _seen(self, server: Sentinel) -> dict[str, Any]:
        try:
            facts = await server.facts()
        except LabError:
            return {}
        return {
            "link": "connected",
            "watches": self._number(facts["port"]),
            "master_flags": facts["flags"],
            "epoch": int(facts["config-epoch"]),
        }

    def _number(self, port: str) -> int | None:
        return next((number for number, server in self.servers.items() if str(server.port) == port), None)

    async def _acquainted(self) -> bool:
        """Whether each sentinel knows the replicas and the other sentinels."""
        for sentinel in self.sentinels:
            facts = await sentinel.facts()
            known = (int(facts["num-slaves"]), int(facts["num-other-sentinels"]))
            if known != (DATA - 1, SENTINELS - 1):
                return False
        return True

    async def _kill_asked(self, question: dict[str, Any]) -> dict[str, Any]:
        await self.kill(int(question["node"]))
        return {"killed": int(question["node"])}

    async def _revive_asked(self, question: dict[str, Any]) -> dict[str, Any]:
        await self.revive(int(question["node"]))
        return {"revived": int(question["node"])}
