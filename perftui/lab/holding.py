"""A process that holds servers, and its other end: found by a lock and a file, told by a socket.

In the state folder `NAME.lock` is held while it lives, and `NAME.json` has its pid and its socket: 0600,
line-JSON, {"op": …}; a refusal is {"error": {"code", "message"}}. Its standard output begins with one line
of JSON.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any

from perftui.lab.folders import state_dir
from perftui.lab.processes import LabError, python_env, tail, until
from perftui.lab.talking import ask

ASK_SECONDS = 60.0

Operation = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]


class Holder:
    """Answers the control socket: `operations` take turns, those in `looks` do not wait for them."""

    def __init__(self) -> None:
        self.ended = asyncio.Event()
        self.operations: dict[str, Operation] = {"down": self.down}
        self.looks: dict[str, Operation] = {}
        self._turn = asyncio.Lock()

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
                writer.write(json.dumps(await self.answer(line)).encode() + b"\n")
                await writer.drain()
        writer.close()

    async def answer(self, line: bytes) -> dict[str, Any]:
        """One question."""
        try:
            question = json.loads(line)
            word = question["op"]
            look = self.looks.get(word)
            operation = look or self.operations[word]
        except (ValueError, KeyError, TypeError):
            return {"error": {"code": "usage", "message": "no such operation"}}
        try:
            if look is not None:
                return await look(question)
            async with self._turn:
                return await operation(question)
        except LabError as error:
            return {"error": {"code": "lab", "message": str(error)}}
        except (ValueError, KeyError, TypeError) as error:
            return {"error": {"code": "usage", "message": f"cannot be read: {error}"}}

    async def down(self, question: dict[str, Any]) -> dict[str, Any]:
        """End all, and this process."""
        del question
        self.ended.set()
        return {"ending": True}

    async def started(self, start: Awaitable[None]) -> bool:
        """Whether it came up before it was told to end, by a signal too.

        Raises:
            LabError: it does not come up.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.ended.set)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        starting, ending = asyncio.ensure_future(start), asyncio.create_task(self.ended.wait())
        await asyncio.wait([starting, ending], return_when=asyncio.FIRST_COMPLETED)
        ending.cancel()
        if not starting.done():
            starting.cancel()
            await asyncio.wait([starting])
            return False
        await starting
        return True


def say(message: dict[str, Any]) -> None:
    """The one line to whoever started us."""
    with contextlib.suppress(OSError):
        sys.stdout.write(json.dumps(message) + "\n")
        sys.stdout.flush()


def alone(name: str, hold: Callable[[Path], Coroutine[Any, Any, None]], other: str) -> int:
    """Take the lock and hold; the exit code. `other` is said where another one has it."""
    state = state_dir()
    lock = os.open(state / f"{name}.lock", os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        say({"error": {"message": other}})
        return 1
    try:
        asyncio.run(hold(state))
    except LabError as error:
        say({"error": {"message": str(error)}})
        return 3
    return 0


# the other end


def spawned(module: str, *words: str, log: Path, **more: Any) -> subprocess.Popen[bytes]:
    """`python -m MODULE WORDS` in a session of its own, its errors in `log`; `more` goes to Popen."""
    found = {"PYTHONPATH": python_env(log.parent)["PYTHONPATH"], "PYTHONUNBUFFERED": "1"}
    with open(os.open(log, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "wb") as errors:
        return subprocess.Popen(
            [sys.executable, "-m", module, *words],
            env={**os.environ, **found},
            stdout=subprocess.PIPE,
            stderr=errors,
            cwd="/",
            start_new_session=True,
            **more,
        )


def first_line(process: subprocess.Popen[bytes], log: Path, seconds: float, what: str) -> dict[str, Any]:
    """What it says once it is up.

    Raises:
        LabError: it says why it is not, or nothing within `seconds`.
    """
    assert process.stdout is not None
    readable, _, _ = select.select([process.stdout], [], [], seconds)
    line = process.stdout.readline() if readable else b""
    process.stdout.close()
    if not line:
        process.terminate()
        raise LabError(f"{what} did not come up:\n{tail(log)}")
    answer: dict[str, Any] = json.loads(line)
    if "error" in answer:
        process.wait(15)
        raise LabError(answer["error"]["message"])
    return answer


def running(name: str) -> dict[str, Any] | None:
    """The facts of the one that is up ("pid", "socket" …), or None; a dead one's file is none."""
    try:
        facts: dict[str, Any] = json.loads((state_dir() / f"{name}.json").read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return facts if locked(name) else None


def locked(name: str) -> bool:
    """Whether somebody holds the lock."""
    try:
        lock = os.open(state_dir() / f"{name}.lock", os.O_RDWR)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(lock)
    return False


async def question(name: str, message: dict[str, Any], none: str) -> dict[str, Any]:
    """Ask the one that is up.

    Raises:
        LabError: `none` is up, it does not answer, or it refuses.
    """
    facts = await asyncio.to_thread(running, name)
    if facts is None:
        raise LabError(none)
    return await ask(facts["socket"], message, ASK_SECONDS)


async def end(name: str, what: str) -> bool:
    """End the one that is up and wait until it has gone; False when none was.

    Raises:
        LabError: it did not go even when killed.
    """
    facts = await asyncio.to_thread(running, name)
    if facts is None:
        return False
    try:
        await ask(facts["socket"], {"op": "down"}, 5)
        await until(lambda: not locked(name), 20, what, 0.02)
    except LabError:
        # It hangs; its servers are tied to its life.
        if locked(name):
            os.kill(int(facts["pid"]), signal.SIGKILL)
        await until(lambda: not locked(name), 5, what, 0.02)
    return True
