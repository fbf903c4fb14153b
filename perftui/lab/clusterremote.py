"""The other end of a keeper: start what it holds, find the one that runs, ask it, end it."""

from __future__ import annotations

import subprocess
from typing import Any

from perftui.lab import holding
from perftui.lab.folders import state_dir

START_SECONDS = 60.0


def start(kind: str, *words: str) -> dict[str, Any]:
    """Start a keeper and wait for its group, of the form that `words` say.

    It answers with `url`, `dir`, `pid`, `nodes`.

    Raises:
        LabError: it did not come up, or another one is up.
    """
    log = state_dir() / f"{kind}.log"
    process = holding.spawned("perftui.lab.clusterkeeper", kind, *words, log=log, stdin=subprocess.DEVNULL)
    return holding.first_line(process, log, START_SECONDS, "it")


def running(kind: str) -> dict[str, Any] | None:
    """The facts of the one that is up ("pid", "socket"), or None."""
    return holding.running(kind)


async def question(kind: str, message: dict[str, Any]) -> dict[str, Any]:
    """Ask the one that is up.

    Raises:
        LabError: none is up, it does not answer, or it refuses.
    """
    return await holding.question(kind, message, f"none is up: perftui lab {kind} up")


async def end(kind: str) -> bool:
    """End the one that is up and wait until it has gone; False when none was.

    Raises:
        LabError: it did not go even when killed.
    """
    return await holding.end(kind, "its end")
