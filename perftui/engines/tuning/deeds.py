"""Setting how far a loop may go, running a schedule now, stopping everything: each through one door."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import ClassVar

from perftui.draw.clean import inert
from perftui.model.action import Made, Plan, Progress, Receipt, Risk
from perftui.model.desks import TuningDesk
from perftui.model.errors import PlanRejected
from perftui.model.schedule import LoopRow, Mode

Report = Callable[[Progress], None]

_MEANS = {
    Mode.OFF: "it does nothing",
    Mode.OBSERVE: "it decides and says what it would have done",
    Mode.ON: "it acts by itself, within its budget",
}
_LOSS = {
    "alerts": "nobody evaluates the alert rules while it is off",
    "recorder": "no samples are written while it is off",
    "roll-up": "the store grows while it is off",
    "warming": "no warm job runs while it is off; what comes due meanwhile is passed over",
}


class SetMode:
    """Off, observe or on, for every console and agent of the store."""

    id: ClassVar[str] = "tune.set"
    title: str = "Set a loop's mode"
    risk: Risk = Risk.CHANGES
    deadline: float = 15.0

    def __init__(self, power: TuningDesk, source: str, *, loop: str, mode: str) -> None:
        self._power = power
        self._loop, self._mode = loop, mode
        self._seen: LoopRow | None = None
        self.params = {"loop": loop, "mode": mode}
        self.target = f"{source} {inert(loop, 80)}"

    async def plan(self) -> Plan:
        """From what to what; PlanRejected for a mode it does not know."""
        row = await self._power.loop(self._loop)
        if self._mode not in {mode.value for mode in row.modes}:
            known = ", ".join(mode.value for mode in row.modes)
            raise PlanRejected(f"{row.name} has the modes {known}, not {inert(self._mode, 40)}")
        mode = Mode(self._mode)
        if mode is row.mode:
            raise PlanRejected(f"{row.name} is {mode.value} already")
        self._seen = row
        lost = _LOSS.get(row.name)
        return Plan(
            summary=f"{inert(row.name, 80)}: {row.mode.value} → {mode.value}",
            affects=(inert(row.about, 200), _MEANS[mode]),
            count=1,
            reversible=True,
            undo_note=f"sets it to {row.mode.value} again",
            warnings=(lost,) if lost and mode is Mode.OFF else (),
        )

    async def run(self, report: Report) -> Receipt:
        """Set it; PlanRejected says who was faster."""
        row = self._seen or await self._power.loop(self._loop)
        now = await self._power.set_mode(row, Mode(self._mode))
        return Receipt(
            f"{inert(now.name, 80)} is {now.mode.value}",
            1,
            undo={"mode": row.mode.value, "version": now.version},
        )

    async def undo(self, receipt: Receipt) -> Receipt:
        """The mode before, unless somebody has set another since."""
        was = receipt.undo or {}
        row = await self._power.loop(self._loop)
        now = await self._power.set_mode(replace(row, version=int(was["version"])), Mode(was["mode"]))
        return Receipt(f"{inert(now.name, 80)} is {now.mode.value} again", 1)


class StopAll:
    """Everything that runs by itself, off."""

    id: ClassVar[str] = "tune.stop"
    title: str = "Stop all loops"
    risk: Risk = Risk.CHANGES
    deadline: float = 15.0

    def __init__(self, power: TuningDesk, source: str) -> None:
        self._power = power
        self.params: dict[str, str] = {}
        self.target = source

    async def plan(self) -> Plan:
        """Which ones run; PlanRejected when none does."""
        rows = [row for row in (await self._power.report()).rows if row.mode is not Mode.OFF]
        if not rows:
            raise PlanRejected("every loop is off already")
        return Plan(
            summary=f"set {len(rows)} loops and schedules to off",
            affects=tuple(f"{inert(row.name, 80)}: {row.mode.value} → off" for row in rows),
            count=len(rows),
            reversible=True,
            undo_note="restores every mode",
            warnings=("no alert is raised and no sample written until the loops are on again",),
        )

    async def run(self, report: Report) -> Receipt:
        """Set them; the receipt says what was under way, which goes on to its end."""
        rows = (await self._power.report()).rows
        before = {row.name: row.mode for row in rows}
        await self._power.set_modes(dict.fromkeys(before, Mode.OFF))
        flying = [f"{row.name}: {row.state.running}" for row in rows if row.state.running]
        under_way = f"; under way: {inert('; '.join(flying), 300)}" if flying else "; nothing was under way"
        return Receipt(
            f"all {len(before)} loops are off{under_way}",
            len(before),
            undo={name: mode.value for name, mode in before.items()},
        )

    async def undo(self, receipt: Receipt) -> Receipt:
        """The modes before."""
        before = {name: Mode(mode) for name, mode in (receipt.undo or {}).items()}
        await self._power.set_modes(before)
        return Receipt("every loop has the mode it had", len(before))


class RunNow:
    """What a schedule does, at once, with its own plan and its own risk."""

    id: ClassVar[str] = "tune.run"
    title: str = "Run a schedule now"
    risk: Risk = Risk.CHANGES

    def __init__(self, power: TuningDesk, source: str, *, schedule: str) -> None:
        _, self._inner = power.scheduled(schedule)
        self.risk = max(self._inner.risk, Risk.CHANGES, key=list(Risk).index)
        self.deadline = self._inner.deadline
        self.title = f"{self._inner.title} (schedule {inert(schedule, 60)})"
        self.target = self._inner.target
        self.params = {"schedule": schedule, **(getattr(self._inner, "params", None) or {})}

    @property
    def made(self) -> Made | None:
        """Of what the action inside is made: its undo needs no schedule, which may be another by then."""
        inner: Made | None = getattr(self._inner, "made", None)
        return inner._replace(action=inner.action or self._inner.id) if inner else None

    async def plan(self) -> Plan:
        """The plan of what it does."""
        return await self._inner.plan()

    async def run(self, report: Report) -> Receipt:
        """Do it."""
        return await self._inner.run(report)

    async def undo(self, receipt: Receipt) -> Receipt:
        """As it can be taken back itself."""
        return await self._inner.undo(receipt)
