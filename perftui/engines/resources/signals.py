"""A signal to one process, and only to the very one that was shown."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from typing import ClassVar

from perftui.model.action import Plan, Progress, Receipt, Risk
from perftui.model.errors import PlanRejected
from perftui.model.hostports import ProcessSignaller
from perftui.model.resources import ProcessRow

SIGNALS = ("TERM", "KILL", "INT", "HUP", "STOP", "CONT", "USR1", "USR2", "QUIT")
ENDS = frozenset({"TERM", "KILL", "INT", "QUIT"})
SAME = 0.02
PATIENCE, POLL = 2.0, 0.05


class SignalProcess:
    """Send a signal to (pid, start time); a process that is not ours is named to be sure."""

    id: ClassVar[str] = "process.signal"
    title: ClassVar[str] = "Send a signal to the process"
    risk: ClassVar[Risk] = Risk.DESTROYS
    deadline: ClassVar[float] = 10.0

    def __init__(
        self, power: ProcessSignaller, source: str, *, pid: int, started: float, signal: str = "TERM"
    ) -> None:
        self._power = power
        self._pid, self._started, self._signal = pid, started, signal.upper().removeprefix("SIG")
        self.target = f"{source}/{pid}"

    async def _find(self) -> ProcessRow | None:
        row: ProcessRow | None = await self._power.find_process(self._pid)
        return row if row is not None and abs(row.started - self._started) <= SAME else None

    async def plan(self) -> Plan:
        """Who it is and what it loses; never pid 1, never perftui itself."""
        if self._signal not in SIGNALS:
            raise PlanRejected(f"no signal {self._signal}: one of {', '.join(SIGNALS)}")
        if self._pid <= 1:
            raise PlanRejected("pid 1 is the system itself: it is never signalled from here")
        if self._pid == os.getpid():
            raise PlanRejected(f"pid {self._pid} is perftui itself: press q to leave")
        row = await self._find()
        if row is None:
            raise PlanRejected(f"{self.target}: that process has ended or its pid is another's; look again")
        mine = row.user == await self._power.own_user()
        return Plan(
            summary=f"Send SIG{self._signal} to {row.name} {row.pid} of {row.user or 'a hidden user'}",
            affects=(row.command[:200], f"{row.threads} threads, {row.rss / (1 << 20):.0f} MiB resident"),
            count=1,
            undo_note="what it held in memory is gone" if self._signal in ENDS else "",
            warnings=() if mine else (f"it belongs to {row.user or 'another user'}, not to you",),
            challenge=str(row.pid) if mine else row.name,
        )

    async def run(self, report: Callable[[Progress], None]) -> Receipt:
        """Send it, and see the process end where the signal asks for that."""
        began = time.monotonic()
        if not await self._power.signal_process(self._pid, self._started, self._signal):
            raise PlanRejected(f"{self.target}: that process had ended; nothing was sent")
        report(Progress(0, 1, f"SIG{self._signal} sent"))
        said, ended = f"SIG{self._signal} sent to pid {self._pid}", False
        if self._signal in ENDS:
            ended = await self._ended(began + PATIENCE)
            took = time.monotonic() - began
            said += f", gone after {took:.1f} s" if ended else f", but still there after {took:.1f} s"
        return Receipt(said, done=1, facts={"ended": ended})

    async def _ended(self, until: float) -> bool:
        while await self._find() is not None:
            if time.monotonic() >= until:
                return False
            await asyncio.sleep(POLL)
        return True

    async def undo(self, receipt: Receipt) -> Receipt:
        """There is no way back."""
        raise PlanRejected("A signal cannot be taken back")
