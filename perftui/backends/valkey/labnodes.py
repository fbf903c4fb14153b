"""Nodes of a cluster that a lab of ours holds: told apart from all others, killed, and brought back."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from perftui.draw.clean import inert
from perftui.model.errors import Lost, PlanRejected, Refused

LONGEST = 4 << 20
QUICK, SLOW = 5.0, 30.0


class LabNodes:
    """The control socket of a lab, found by the file that says where it is, anew for each question.

    The file and the socket must be this login's own: nobody else tells us what may be killed.
    """

    def __init__(self, file: str) -> None:
        self._file = Path(file).expanduser()

    async def numbers(self) -> Mapping[str, int]:
        """The numbers of the nodes by their ids in the cluster, as the lab that holds them says.

        Raises:
            PlanRejected: no lab is up there.
        """
        said = await self._asked({"op": "cluster"}, QUICK)
        rows = said.get("nodes")
        try:
            return {str(row["id"]): int(row["node"]) for row in rows or ()}
        except (TypeError, KeyError, ValueError) as error:
            raise PlanRejected("what the lab says of its nodes cannot be read") from error

    async def kill(self, number: int) -> None:
        """End a node by SIGKILL."""
        await self._asked({"op": "kill", "node": number}, QUICK)

    async def revive(self, number: int) -> None:
        """Start it again, with the identity it had."""
        await self._asked({"op": "revive", "node": number}, SLOW)

    async def _asked(self, question: dict[str, Any], seconds: float) -> dict[str, Any]:
        place = await asyncio.to_thread(self._socket)
        try:
            async with asyncio.timeout(seconds):
                reader, writer = await asyncio.open_unix_connection(str(place), limit=LONGEST)
                try:
                    writer.write(json.dumps(question).encode() + b"\n")
                    await writer.drain()
                    line = await reader.readline()
                finally:
                    writer.close()
            said = json.loads(line)
        except (OSError, ValueError, TimeoutError) as error:
            raise Lost(f"the lab does not answer at its socket: {error or 'timed out'}") from error
        if not isinstance(said, dict):
            raise Lost("the lab answers something else than was asked")
        if "error" in said:
            refusal = said["error"]
            why = refusal.get("message", "") if isinstance(refusal, dict) else ""
            raise Refused(f"the lab refuses: {inert(str(why), 300)}")
        return said

    def _socket(self) -> Path:
        try:
            _own(self._file)
            place = Path(str(json.loads(self._file.read_text("utf-8"))["socket"]))
            _own(place)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise PlanRejected(f"no lab is up by {self._file}: its nodes are no lab's own") from error
        return place


def _own(path: Path) -> None:
    """Raises PermissionError for what belongs to somebody else."""
    if path.stat().st_uid != os.geteuid():
        raise PermissionError(f"{path} is somebody else's")
