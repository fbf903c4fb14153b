"""`python -m perftui.lab.supervisor`: the process that holds a lab, and the socket by which it is told.

Standard input: one JSON line {"rate", "workers", "parts", "bound"}. `bound`: the lab ends when that
pipe does (a console started it); otherwise it goes on until told. Standard output: one line, either
{"endpoints": …} or {"error": {"message": …}}, after which nobody need listen any more.

Control: a 0600 unix socket, line-JSON, named by `lab.json` in the state folder:
{"op": "status" | "load" | "incident" | "part" | "down", …}; a refusal is {"error": {"code", "message"}}.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from perftui.lab.folders import state_dir, write_private
from perftui.lab.parts import DEFAULT
from perftui.lab.processes import LabError, die_with_parent, end_all
from perftui.lab.whole import Lab, LabOptions

Operation = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]


class Supervisor:
    """Holds one lab; its methods answer the control socket."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.ended = asyncio.Event()
        self._turn = asyncio.Lock()
        self._operations: dict[str, Operation] = {
            "status": self.status,
            "load": self.load,
            "incident": self.incident,
            "part": self.part,
            "down": self.down,
        }

    async def serve(self, socket_path: Path) -> asyncio.Server:
        """Listen for questions."""
        before = os.umask(0o177)
        try:
            return await asyncio.start_unix_server(self._converse, path=str(socket_path))
        finally:
            os.umask(before)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, ValueError):
            while line := await reader.readline():
                answer = await self.answer(line)
                writer.write(json.dumps(answer).encode() + b"\n")
                await writer.drain()
        writer.close()

    async def answer(self, line: bytes) -> dict[str, Any]:
        """One question; changes take turns."""
        try:
            question = json.loads(line)
            operation = self._operations[question["op"]]
        except (ValueError, KeyError, TypeError):
            return {"error": {"code": "usage", "message": "no such operation"}}
        try:
            if operation == self.status:
                return await operation(question)
            async with self._turn:
                return await operation(question)
        except LabError as error:
            return {"error": {"code": "lab", "message": str(error)}}
        except (ValueError, KeyError, TypeError) as error:
            return {"error": {"code": "usage", "message": f"cannot be read: {error}"}}

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

    async def down(self, question: dict[str, Any]) -> dict[str, Any]:
        """End the lab and this process."""
        del question
        self.ended.set()
        return {"ending": True}


async def hold(config: dict[str, Any], state: Path) -> None:
    """Start the lab, tell its endpoints, keep it until it is told to end."""
    parts = tuple(dict.fromkeys((*DEFAULT, *config.get("parts", ()))))
    lab = Lab(LabOptions(float(config.get("rate", 80)), int(config.get("workers", 3)), parts))
    supervisor = Supervisor(lab)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, supervisor.ended.set)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    if config.get("bound"):
        await _bind(supervisor.ended)
    starting = asyncio.create_task(lab.start())
    ending = asyncio.create_task(supervisor.ended.wait())
    await asyncio.wait([starting, ending], return_when=asyncio.FIRST_COMPLETED)
    if not starting.done():
        starting.cancel()
        await asyncio.wait([starting])
        return
    await starting
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


def say(message: dict[str, Any]) -> None:
    """The one line to whoever started us."""
    with contextlib.suppress(OSError):
        sys.stdout.write(json.dumps(message) + "\n")
        sys.stdout.flush()


def main() -> int:
    """Read the configuration, take the state folder's lock, hold the lab."""
    parent = os.getppid()
    config = json.loads(sys.stdin.buffer.raw.readline() or b"{}")  # type: ignore[union-attr]
    if config.get("bound"):
        # At once: the servers follow by their own tie, and the next start sweeps the folder.
        die_with_parent(parent)
    state = state_dir()
    lock = os.open(state / "lab.lock", os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        say({"error": {"message": "another lab is up or coming up: perftui lab status"}})
        return 1
    try:
        asyncio.run(hold(config, state))
    except LabError as error:
        say({"error": {"message": str(error)}})
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
