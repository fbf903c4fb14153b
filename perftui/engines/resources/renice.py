"""Another nice value for one process, and only for the very one that was shown."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from perftui.model.action import Plan, Progress, Receipt, Risk
from perftui.model.errors import PlanRejected
from perftui.model.hostports import ProcessNicer
from perftui.model.resources import ProcessRow

LOWEST, HIGHEST = -20, 19
SAME = 0.02


class ReniceProcess:
    """Set the nice value of every thread of (pid, start time); the values they had are the undo."""

    id: ClassVar[str] = "process.renice"
    title: ClassVar[str] = "Set the nice value of the process"
    risk: ClassVar[Risk] = Risk.CHANGES
    deadline: ClassVar[float] = 10.0

    def __init__(self, power: ProcessNicer, source: str, *, pid: int, started: float, nice: int) -> None:
        self._power = power
        self._pid, self._started, self._nice = pid, started, nice
        self.target = f"{source}/{pid}"

    async def _find(self) -> ProcessRow:
        row: ProcessRow | None = await self._power.find_process(self._pid)
        if row is None or abs(row.started - self._started) > SAME:
            raise PlanRejected(f"{self.target}: that process has ended or its pid is another's; look again")
        return row

    async def plan(self) -> Plan:
        """Old and new value, and whether this login could go back; never pid 1."""
        if not LOWEST <= self._nice <= HIGHEST:
            raise PlanRejected(
                f"a nice value is {LOWEST} (goes first) to {HIGHEST} (goes last), not {self._nice}"
            )
        if self._pid <= 1:
            raise PlanRejected("pid 1 is the system itself: it is left as it is from here")
        row = await self._find()
        if row.nice == self._nice:
            raise PlanRejected(f"{row.name} {row.pid} has nice {row.nice} already")
        rules = await self._power.nice_rules()
        mine = row.user == await self._power.own_user()
        back = row.nice > self._nice or row.nice >= rules.lowest
        return Plan(
            summary=f"Set nice of {row.name} {row.pid} of {row.user or 'a hidden user'} to {self._nice}",
            affects=(row.command[:200], f"now {row.nice}, then {self._nice}", f"{row.threads} threads"),
            count=1,
            reversible=back,
            undo_note=f"sets it back to {row.nice}" if back else f"this login may not lower it to {row.nice}",
            warnings=self._warnings(row, mine=mine, lowest=rules.lowest, grouped=rules.by_session),
        )

    def _warnings(self, row: ProcessRow, *, mine: bool, lowest: int, grouped: bool) -> tuple[str, ...]:
        found = []
        if not mine:
            found.append(f"it belongs to {row.user or 'another user'}, not to you")
        if self._nice < row.nice and self._nice < lowest:
            found.append(f"this login may hardly lower it to {self._nice}: that takes CAP_SYS_NICE")
        if grouped:
            found.append("autogroup is on: nice weighs only among processes of the same session")
        return tuple(found)

    async def run(self, report: Callable[[Progress], None]) -> Receipt:
        """Set it."""
        before = await self._power.renice_process(self._pid, self._started, self._nice)
        if before is None:
            raise PlanRejected(f"{self.target}: that process had ended; nothing was set")
        old = before.get(self._pid, self._nice)
        undo = {"threads": {str(thread): value for thread, value in before.items()}}
        said = f"nice of pid {self._pid} is {self._nice} (was {old}), {len(before)} threads"
        return Receipt(said, done=1, facts={"before": old, "threads": len(before)}, undo=undo)

    async def undo(self, receipt: Receipt) -> Receipt:
        """Give each thread that is still there the value it had."""
        threads = {int(thread): int(value) for thread, value in (receipt.undo or {})["threads"].items()}
        before = await self._power.renice_process(self._pid, self._started, threads)
        if before is None:
            raise PlanRejected(f"{self.target}: that process has ended: there is nothing to set back")
        return Receipt(f"nice of pid {self._pid} is {threads.get(self._pid)} again", done=1)
