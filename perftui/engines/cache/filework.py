"""What actions on files share: paths as they are typed, and work on a disk that is never left alone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from perftui.draw.clean import inert
from perftui.model.errors import PlanRejected

R = TypeVar("R")


def whole(file: str) -> Path:
    """A path as it was typed, from the root on; PlanRejected when there is no such home."""
    try:
        return Path(file).expanduser().absolute()
    except RuntimeError as error:
        raise PlanRejected(f"{inert(file, 500)}: nobody of that name has a home here") from error


async def settled(work: Callable[[], R]) -> R:
    """What blocks, in a thread; who is cancelled first waits for its end, or it would go on unseen."""
    future = asyncio.get_running_loop().run_in_executor(None, work)
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        await asyncio.wait([future])
        raise
