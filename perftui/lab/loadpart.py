"""The load generator as a part of the lab: a small process that visits shop (or the edge before it)."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from perftui.lab.processes import Child, Command, LabError, python_env, spawn
from perftui.lab.talking import Talker

if TYPE_CHECKING:
    from perftui.lab.whole import Lab


class LoadPart:
    """Visitors."""

    name = "load"
    needs: tuple[str, ...] = ("shop",)

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self.home = lab.folder.part("load")
        self.rate = lab.options.rate
        self.figures: dict[str, Any] = {}
        self._child: Child | None = None
        self._talker: Talker | None = None
        self._listening: asyncio.Task[None] | None = None
        self._news = asyncio.Event()
        self._orders = 0

    async def up(self) -> None:
        """Start visiting."""
        argv = [sys.executable, "-m", "perftui.lab.load"]
        command = Command(argv, self.home, self.home / "load.log", env=python_env(self.home), pipes=True)
        self._child = await spawn("load", command)
        self._talker = Talker(self._child)
        await self._talker.open()
        self._talker.say({**self._target(), "rate": self.rate, "owner": self._owner()})
        self._listening = asyncio.create_task(self._listen(self._talker))

    def _owner(self) -> list[Any] | None:
        owner = self._lab.folder.owner
        return [owner.uid, owner.gid, owner.name] if owner else None

    def _target(self) -> dict[str, Any]:
        parts = urlsplit(self._lab.front_url)
        return {"host": parts.hostname, "port": parts.port}

    async def _listen(self, talker: Talker) -> None:
        with contextlib.suppress(LabError):
            while True:
                self.figures = await talker.hear(3600)
                self._news.set()

    async def order(self, **order: Any) -> dict[str, Any]:
        """Change the load; its figures right after.

        Raises:
            LabError: the generator does not answer.
        """
        if self._talker is None:
            raise LabError("the load generator is not up")
        if "rate" in order:
            self.rate = float(order["rate"])
        self._orders += 1
        self._talker.say({**order, "order": self._orders})
        try:
            async with asyncio.timeout(5):
                while self.figures.get("order") != self._orders:
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError as error:
            raise LabError("the load generator does not answer") from error
        return self.figures

    async def retarget(self) -> None:
        """Visit what now stands in front."""
        if self.running:
            await self.order(**self._target())

    @property
    def running(self) -> bool:
        """Whether the process lives."""
        return self._child is not None and self._child.alive

    async def down(self) -> None:
        """Stop visiting."""
        if self._listening is not None:
            self._listening.cancel()
            self._listening = None
        if self._talker is not None:
            self._talker.close()
            self._talker = None
        if self._child is not None:
            await self._child.stop()

    def status(self) -> dict[str, Any]:
        """Process and newest figures."""
        return {
            "running": self.running,
            "pid": self._child.pid if self._child and self.running else 0,
            **self.figures,
        }

    def endpoints(self) -> dict[str, Any]:
        """Nothing to connect to."""
        return {}

    def backends(self) -> dict[str, dict[str, str]]:
        """Nothing to watch: shop's own figures tell."""
        return {}
