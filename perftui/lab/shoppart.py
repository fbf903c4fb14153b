"""Shop as a part of the lab: its supervisor's process, warmed while the databases start."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from typing import TYPE_CHECKING, Any

from perftui.lab.datastores import PostgresPart, ValkeyPart
from perftui.lab.ports import free_port
from perftui.lab.processes import Child, Command, LabError, python_env, spawn, tail, until
from perftui.lab.talking import Talker, ask

if TYPE_CHECKING:
    from perftui.lab.whole import Lab


class ShopPart:
    """Three workers behind one port, and the supervisor's control socket."""

    name = "shop"
    needs: tuple[str, ...] = ("valkey", "postgres")

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self.host = "127.0.0.1"
        self.port = free_port()
        self.home = lab.folder.part("shop")
        self.log = self.home / "shop.log"
        self.control = self.home / "pool.sock"
        self._child: Child | None = None
        self._talker: Talker | None = None
        self._warming: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        """Where shop is served."""
        return f"http://{self.host}:{self.port}"

    def warm(self) -> None:
        """Begin to import in the background while the databases start."""
        if self._warming is None:
            self._warming = asyncio.create_task(self._warm())

    async def _warm(self) -> None:
        argv = [sys.executable, "-m", "perftui.lab.shop"]
        command = Command(argv, self.home, self.log, env=python_env(self.home), pipes=True)
        self._child = await spawn("shop", command)
        self._talker = Talker(self._child)
        await self._talker.open()
        await self._talker.hear(60)

    async def up(self) -> None:
        """Fork the workers; all of them serve when this returns.

        Raises:
            LabError: it does not come up; the text carries the end of its log.
        """
        self.warm()
        try:
            assert self._warming is not None
            await self._warming
            assert self._talker is not None
            self._lab.folder.give(self.log)
            self._talker.say(self._config())
            await self._talker.hear(60)
        except LabError as error:
            raise LabError(f"{error}\n{tail(self.log)}") from error

    def _config(self) -> dict[str, Any]:
        valkey = self._lab.part(ValkeyPart).primary
        postgres = self._lab.part(PostgresPart).primary
        owner = self._lab.folder.owner
        return {
            "host": self.host,
            "port": self.port,
            "control": str(self.control),
            "workers": self._lab.options.workers,
            "owner": [owner.uid, owner.gid, owner.name] if owner else None,
            "valkey": {"host": valkey.host, "port": valkey.port, "password": valkey.password},
            "postgres": {
                "host": postgres.host,
                "port": postgres.port,
                "user": "shop",
                "password": postgres.passwords["shop"],
                "database": postgres.database,
                "ssl": False,
            },
        }

    async def down(self) -> None:
        """Stop the supervisor, which stops its workers."""
        if self._warming is not None:
            with contextlib.suppress(LabError, OSError):
                await self._warming
            self._warming = None
        if self._talker is not None:
            self._talker.close()
        if self._child is not None:
            await self._child.stop()

    async def ask(self, **question: Any) -> dict[str, Any]:
        """A question to the supervisor (see `perftui.lab.pool`)."""
        return await ask(self.control, question)

    async def fault(self, name: str, arguments: dict[str, Any] | None) -> None:
        """Switch a fault on (with arguments) or off (None); every worker has obeyed when this returns.

        Raises:
            LabError: some worker did not within 15 s.
        """
        await self.ask(op="fault", name=name, arguments=arguments)

        async def obeyed() -> bool:
            return not (await self.ask(op="status"))["faults_pending"]

        await until(obeyed, 15, f"{name} in all of shop's workers", 0.02)

    async def settled(self) -> None:
        """Wait until as many workers serve as are wanted, and no others.

        Raises:
            LabError: not within 25 s.
        """

        async def calm() -> bool:
            status = await self.ask(op="status")
            states = [worker["state"] for worker in status["workers"]]
            return states == ["ready"] * int(status["desired"])

        await until(calm, 25, "calm among shop's workers", 0.05)

    @property
    def running(self) -> bool:
        """Whether the supervisor lives."""
        return self._child is not None and self._child.alive

    def status(self) -> dict[str, Any]:
        """The supervisor."""
        return {
            "running": self.running,
            "pid": self._child.pid if self._child and self.running else 0,
            "port": self.port,
        }

    def endpoints(self) -> dict[str, Any]:
        """Shop's addresses."""
        return {
            "url": self.url,
            "metrics": f"{self.url}/metrics",
            "host": self.host,
            "port": self.port,
            "admin_socket": str(self.control),
            "pid": self.status()["pid"],
        }

    def backends(self) -> dict[str, dict[str, str]]:
        """Shop's metrics, its workers, the machine they run on, and what samples their stacks."""
        return {
            "shop": {"kind": "scrape", "url": f"{self.url}/metrics"},
            "pool": {"kind": "processpool", "socket": str(self.control)},
            "host": {"kind": "host"},
            "pyspy": {"kind": "pyspy"},
        }
