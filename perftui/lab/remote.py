"""The other end of a lab's supervisor: start one, find the one that runs, ask it, end it."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from perftui.lab import holding
from perftui.lab.folders import CONFIG, state_dir
from perftui.lab.processes import die_with_parent

START_SECONDS = 90.0


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
    log = state_dir() / "lab.log"
    parent = os.getpid()
    tie = (lambda: die_with_parent(parent)) if bound else None
    process = holding.spawned("perftui.lab.supervisor", log=log, stdin=subprocess.PIPE, preexec_fn=tie)
    assert process.stdin is not None
    process.stdin.write(json.dumps({"bound": bound, "rate": rate, "parts": list(parts)}).encode() + b"\n")
    process.stdin.flush()
    if not bound:
        process.stdin.close()
    return Held(process, holding.first_line(process, log, START_SECONDS, "the lab")["endpoints"])


def running() -> dict[str, Any] | None:
    """The facts of the lab that is up ("pid", "socket", "dir"), or None."""
    return holding.running("lab")


def config_of(facts: dict[str, Any]) -> Path:
    """The configuration of the lab that is up, by its facts."""
    return Path(facts["dir"]) / CONFIG


async def question(message: dict[str, Any]) -> dict[str, Any]:
    """Ask the lab that is up.

    Raises:
        LabError: none is up, it does not answer, or it refuses.
    """
    return await holding.question("lab", message, "no lab is up: perftui lab up --detach")


async def end() -> bool:
    """End the lab that is up and wait until it has gone; False when none was.

    Raises:
        LabError: it did not go even when killed.
    """
    return await holding.end("lab", "the end of the lab")
