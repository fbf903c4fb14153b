"""What every server of the lab can suffer: an orderly end, a crash, a hang, a restart."""

from __future__ import annotations

import signal
from abc import ABC, abstractmethod

from perftui.lab.processes import Child


class Server(ABC):
    """A server that runs as one child of ours; subclasses start it."""

    child: Child | None = None

    @property
    def pid(self) -> int:
        """Process id; 0 when it is not running."""
        return self.child.pid if self.child and self.child.alive else 0

    @abstractmethod
    async def start(self) -> None:
        """Start and wait until it serves; LabError when it does not come up."""

    async def stop(self) -> None:
        """End it in order; may be called twice."""
        if self.child is not None:
            await self.child.stop()

    async def kill(self) -> None:
        """End it by SIGKILL, as a crash does."""
        if self.child is not None:
            await self.child.stop(signal.SIGKILL)

    async def pause(self) -> None:
        """Hang it: its port accepts, nothing answers (SIGSTOP)."""
        if self.child is not None:
            self.child.send(signal.SIGSTOP)

    async def resume(self) -> None:
        """Let it go on after `pause`."""
        if self.child is not None:
            self.child.send(signal.SIGCONT)

    async def restart(self) -> None:
        """Stop if it runs, start on the same ports with the same secrets."""
        await self.stop()
        await self.start()
