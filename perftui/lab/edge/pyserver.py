"""Runs the Python edge as a child of ours: own folder, random token, gone when we are."""

from __future__ import annotations

import secrets
import sys
from typing import Any

from perftui.lab.folders import Folder, write_private
from perftui.lab.ports import free_port
from perftui.lab.processes import Command, LabError, python_env, spawn, tail, until
from perftui.lab.server import Server
from perftui.lab.wire import status_of


class PyEdgeServer(Server):
    """The program `perftui.lab.edge.python` before an origin on 127.0.0.1."""

    def __init__(self, folder: Folder, origin_port: int, name: str = "edge") -> None:
        self.folder = folder
        self.name = name
        self.origin_port = origin_port
        self.port = free_port()
        self.home = folder.part(name)
        self.log = self.home / "edge.log"
        self.token = secrets.token_urlsafe(24)

    @property
    def url(self) -> str:
        """Where visitors go."""
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Start and wait until it serves.

        Raises:
            LabError: it does not come up; the text carries the end of its log.
        """
        token = write_private(self.home / "token", self.token, self.folder.owner)
        argv = [sys.executable, "-m", "perftui.lab.edge.python"]
        argv += ["--origin", f"http://127.0.0.1:{self.origin_port}", "--port", str(self.port)]
        argv += ["--token-file", str(token)]
        owner = self.folder.owner
        if owner:  # it drops to that user itself, once it has loaded what that user may not read
            argv += ["--owner", str(owner.uid), str(owner.gid), owner.name]
        self.child = await spawn(self.name, Command(argv, self.home, self.log, env=python_env(self.home)))
        try:
            await until(self._answers, 15, f"an answer from the edge on port {self.port}", 0.05)
        except LabError as error:
            raise LabError(f"{error}\n{tail(self.log)}") from error

    async def _answers(self) -> bool:
        if self.child is not None and not self.child.alive:
            raise LabError(f"the edge ended at once:\n{tail(self.log)}")
        return await status_of(self.port, "/_edge/ping") == 204

    def status(self) -> dict[str, Any]:
        """JSON-able: pid, port, running."""
        return {"product": "python edge", "pid": self.pid, "port": self.port, "running": self.pid != 0}

    def endpoint(self) -> dict[str, Any]:
        """JSON-able: how to reach it, token included."""
        return {"kind": "pyedge", "url": self.url, "token": self.token, "pid": self.pid}
