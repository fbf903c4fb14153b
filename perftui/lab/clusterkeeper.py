"""`python -m perftui.lab.clusterkeeper KIND [WORDS]`: the process that holds a cluster, group or pair.

Its servers end when it does, however that comes. Standard output: one line, either {"url", "dir", "pid",
"nodes"} or {"error": {"message": …}}. It goes on until it is told to end.

Control: a 0600 unix socket, line-JSON, named by `KIND.json` in the state folder while `KIND.lock` is held:
{"op": "status" | "cluster" | "kill" | "revive" | "add" | "remove" | "down", …}; a refusal is
{"error": {"code", "message"}}.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from perftui.lab.folders import Folder, server_owner, write_private
from perftui.lab.holding import Holder, alone, say
from perftui.lab.processes import end_all

if TYPE_CHECKING:
    from perftui.lab.holding import Operation

KINDS: dict[str, str] = {
    "cluster": "perftui.lab.cluster:Cluster",
    "sentinel": "perftui.lab.sentinel:SentinelGroup",
    "regions": "perftui.lab.regions:Regions",
}


class Group(Protocol):
    """Servers held together; made as `Class(folder, *words)`. `operations` are what it can be told."""

    operations: dict[str, Operation]

    @property
    def url(self) -> str:
        """What the cache library takes, password inside."""
        ...

    async def start(self) -> None:
        """Bring all up; LabError says why not."""
        ...

    async def stop(self) -> None:
        """End all; never raises."""
        ...

    async def status(self) -> dict[str, Any]:
        """JSON-able, `nodes` among it."""
        ...


class Keeper(Holder):
    """Holds one group; its methods answer the control socket."""

    def __init__(self, group: Group, folder: Path) -> None:
        super().__init__()
        self.group, self.folder = group, folder
        self.operations |= group.operations
        self.looks = {"status": self.status, "cluster": self.status, "down": self.down}

    async def status(self, question: dict[str, Any]) -> dict[str, Any]:
        """How to reach it, and every server."""
        del question
        at = {"url": self.group.url, "dir": str(self.folder), "pid": os.getpid()}
        return {**at, **await self.group.status()}


async def hold(kind: str, words: Sequence[str], state: Path) -> None:
    """Start the group, tell how to reach it, keep it until told to end.

    Raises:
        LabError: it does not come up.
    """
    module, _, name = KINDS[kind].partition(":")
    folder = await asyncio.to_thread(Folder.create, server_owner())
    try:
        group: Group = getattr(importlib.import_module(module), name)(folder, *words)
        keeper = Keeper(group, folder.path)
        try:
            if await keeper.started(group.start()):
                await _keep(keeper, state / f"{kind}.json")
        finally:
            end_all()
            await group.stop()
    finally:
        await asyncio.to_thread(folder.remove)


async def _keep(keeper: Keeper, facts: Path) -> None:
    socket_path = keeper.folder / "control.sock"
    server = await keeper.serve(socket_path)
    write_private(facts, json.dumps({"pid": os.getpid(), "socket": str(socket_path)}))
    try:
        say(await keeper.status({}))
        await keeper.ended.wait()
    finally:
        facts.unlink(missing_ok=True)
        server.close()


def main(kind: str, *words: str) -> int:
    """Take the kind's lock in the state folder and hold the group."""
    other = f"another one is up or coming up: perftui lab {kind} status"
    return alone(kind, lambda state: hold(kind, words, state), other)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
