"""The other end of a lab's supervisor: start one, find the one that runs, ask it, end it."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from perftui.lab.folders import state_dir
from perftui.lab.processes import LabError, die_with_parent, python_env, tail, until
from perftui.lab.talking import ask

START_SECONDS = 90.0
ASK_SECONDS = 60.0


@dataclass(slots=True)
class Held:
    """A supervisor we started: its endpoints, and the pipe whose end ends it when bound."""

    process: subprocess.Popen[bytes]
    endpoints: dict[str, Any]

    def release(self, seconds: float = 15.0) -> None:
        """End a bound lab and wait until it has gone."""
        if self.process.stdin is not None:
            self.process.stdin.close()
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(5)


def start(*, bound: bool, rate: float = 80.0, parts: Sequence[str] = ()) -> Held:
    """Start a supervisor and wait for its lab.

    `bound`: it ends with this process, however that ends; call from a thread that lives as long.

    Raises:
        LabError: it did not come up, or another one is up.
    """
    state = state_dir()
    log = state / "lab.log"
    parent = os.getpid()
    with open(os.open(log, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "wb") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "perftui.lab.supervisor"],
            env={**os.environ, "PYTHONPATH": python_env(state)["PYTHONPATH"], "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            cwd="/",
            start_new_session=True,
            preexec_fn=(lambda: die_with_parent(parent)) if bound else None,  # noqa: PLW1509
        )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps({"bound": bound, "rate": rate, "parts": list(parts)}).encode() + b"\n")
    process.stdin.flush()
    if not bound:
        process.stdin.close()
    answer = _first_line(process, log)
    if "error" in answer:
        process.wait(15)
        raise LabError(answer["error"]["message"])
    return Held(process, answer["endpoints"])


def _first_line(process: subprocess.Popen[bytes], log: Path) -> dict[str, Any]:
    import select

    assert process.stdout is not None
    readable, _, _ = select.select([process.stdout], [], [], START_SECONDS)
    line = process.stdout.readline() if readable else b""
    process.stdout.close()
    if not line:
        process.terminate()
        raise LabError(f"the lab did not come up:\n{tail(log)}")
    answer: dict[str, Any] = json.loads(line)
    return answer


def running() -> dict[str, Any] | None:
    """The facts of the lab that is up ("pid", "socket", "dir"), or None; a dead one's file is no lab."""
    file = state_dir() / "lab.json"
    try:
        facts: dict[str, Any] = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return facts if _locked() else None


def _locked() -> bool:
    """Whether some supervisor holds the state folder's lock."""
    try:
        lock = os.open(state_dir() / "lab.lock", os.O_RDWR)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(lock)
    return False


async def question(message: dict[str, Any]) -> dict[str, Any]:
    """Ask the lab that is up.

    Raises:
        LabError: none is up, it does not answer, or it refuses.
    """
    facts = await asyncio.to_thread(running)
    if facts is None:
        raise LabError("no lab is up: perftui lab up --detach")
    return await ask(facts["socket"], message, ASK_SECONDS)


async def end() -> bool:
    """End the lab that is up and wait until it has gone; False when none was.

    Raises:
        LabError: it did not go even when killed.
    """
    facts = await asyncio.to_thread(running)
    if facts is None:
        return False
    try:
        await ask(facts["socket"], {"op": "down"}, 5)
        await until(lambda: not _locked(), 20, "the end of the lab", 0.02)
    except LabError:
        # It hangs; its servers are tied to its life.
        if _locked():
            os.kill(int(facts["pid"]), signal.SIGKILL)
        await until(lambda: not _locked(), 5, "the end of the lab", 0.02)
    return True
