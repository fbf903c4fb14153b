"""`python -m perftui.lab.supervisor`: the process that holds a lab, and the socket by which it is told.

Standard input: one JSON line {"rate", "workers", "parts", "bound"}. `bound`: the lab ends when that
pipe does (a console started it); otherwise it goes on until told. Standard output: one line, either
{"endpoints": …} or {"error": {"message": …}}, after which nobody need listen any more.

Control: a 0600 unix socket, line-JSON, named by `lab.json` in the state folder:
{"op": "status" | "load" | "incident" | "part" | "cluster" | "kill" | "revive" | "down", …}; a refusal is
{"error": {"code", "message"}}.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

from perftui.lab.cluster import Cluster
from perftui.lab.folders import write_private
from perftui.lab.holding import Holder, alone, say
from perftui.lab.parts import WHOLE
from perftui.lab.processes import LabError, die_with_parent, end_all
from perftui.lab.shardspart import ShardsPart
from perftui.lab.whole import Lab, LabOptions


class Supervisor(Holder):
    """Holds one lab; its methods answer the control socket."""

    def __init__(self, lab: Lab) -> None:
        super().__init__()
        self.lab = lab
        self.operations |= {"load": self.load, "incident": self.incident, "part": self.part}
        self.operations |= {"kill": self.kill, "revive": self.revive}
        self.looks = {"status": self.status, "cluster": self.cluster}

    async def status(self, question: dict[str, Any]) -> dict[str, Any]:
        """Everything: parts, incidents, endpoints."""
        del question
        return {**self.lab.status(), "endpoints": self.lab.endpoints}

    async def load(self, question: dict[str, Any]) -> dict[str, Any]:
        """{"rate": N} or {"pause": true}."""
        from perftui.lab.loadpart import LoadPart

        order: dict[str, Any] = (
            {"pause": True} if question.get("pause") else {"rate": float(question["rate"])}
        )
        return {"load": await self.lab.part(LoadPart).order(**order)}

    async def incident(self, question: dict[str, Any]) -> dict[str, Any]:
        """{"verb": "list" | "start" | "stop", "name": …, "all": bool}."""
        verb, incidents = question["verb"], self.lab.incidents
        if verb == "start":
            await incidents.start(str(question["name"]))
        elif verb == "stop" and question.get("all"):
            left = await incidents.stop_all()
            if left:
                raise LabError(f"not undone: {', '.join(left)}")
        elif verb == "stop":
            await incidents.stop(str(question["name"]))
        elif verb != "list":
            raise LabError(f"no verb {verb!r}: list, start or stop")
        return {"incidents": incidents.rows()}

    async def part(self, question: dict[str, Any]) -> dict[str, Any]:
        """{"verb": "up" | "down" | "status", "name": …}."""
        name, verb = str(question["name"]), question["verb"]
        if verb == "up":
            await self.lab.part_up(name)
        elif verb == "down":
            await self.lab.part_down(name)
        self.lab.config_path()
        part = self.lab.parts.get(name)
        return {"part": name, **(part.status() if part else {"running": False})}

    async def cluster(self, question: dict[str, Any]) -> dict[str, Any]:
        """Every node of `shards`."""
        del question
        return await self._shards().status()

    async def kill(self, question: dict[str, Any]) -> dict[str, Any]:
        """{"node": N}: end one as a crash does."""
        return await self._shards().operations["kill"](question)

    async def revive(self, question: dict[str, Any]) -> dict[str, Any]:
        """{"node": N}: start one that was killed again."""
        return await self._shards().operations["revive"](question)

    def _shards(self) -> Cluster:
        cluster = self.lab.part(ShardsPart).cluster
        if cluster is None:
            raise LabError("the cluster is down: perftui lab shards up")
        return cluster


async def hold(config: dict[str, Any], state: Path) -> None:
    """Start the lab, tell its endpoints, keep it until it is told to end."""
    parts = tuple(dict.fromkeys((*WHOLE, *config.get("parts", ()))))
    lab = Lab(LabOptions(float(config.get("rate", 80)), int(config.get("workers", 3)), parts))
    supervisor = Supervisor(lab)
    if config.get("bound"):
        await _bind(supervisor.ended)
    if not await supervisor.started(lab.start()):
        return
    try:
        await _serve(supervisor, state)
    finally:
        end_all()  # their data dies with them anyway, so none need take its time
        await lab.stop()


async def _serve(supervisor: Supervisor, state: Path) -> None:
    lab = supervisor.lab
    socket_path = lab.folder.path / "control.sock"
    server = await supervisor.serve(socket_path)
    facts = {"pid": os.getpid(), "socket": str(socket_path), "dir": str(lab.folder.path)}
    file = write_private(state / "lab.json", json.dumps(facts))
    say({"endpoints": lab.endpoints})
    try:
        await supervisor.ended.wait()
    finally:
        file.unlink(missing_ok=True)
        server.close()


async def _bind(ended: asyncio.Event) -> None:
    """End when standard input does: whoever held its other end is gone, however that came."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)

    async def watch() -> None:
        while await reader.read(4096):
            pass
        ended.set()

    _tasks.add(loop.create_task(watch()))


_tasks: set[asyncio.Task[None]] = set()


def main() -> int:
    """Read the configuration, take the state folder's lock, hold the lab."""
    parent = os.getppid()
    config = json.loads(sys.stdin.buffer.raw.readline() or b"{}")  # type: ignore[union-attr]
    if config.get("bound"):
        # At once: the servers follow by their own tie, and the next start sweeps the folder.
        die_with_parent(parent)
    other = "another lab is up or coming up: perftui lab status"
    return alone("lab", lambda state: hold(config, state), other)


if __name__ == "__main__":
    sys.exit(main())
