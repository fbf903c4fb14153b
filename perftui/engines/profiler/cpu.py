"""Taking a CPU profile of a running process, with its price told beforehand."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import ClassVar

from perftui.analysis.flame import functions
from perftui.model.action import Plan, Progress, Receipt, Risk
from perftui.model.errors import PlanRejected
from perftui.model.ports import StackSampler
from perftui.model.profiler import Profile, ProfileTarget

# Loss of a pinned target's core, measured with py-spy 0.4.3: 2.5% at 100 Hz, 17% at 1000 Hz.
PRICES = ((100, "about 2.5%"), (300, "about 6%"), (1000, "about 17%"))
GRACE = 20.0  # seconds beyond the sampling time: py-spy reads symbols first
ENOUGH = 200


class ProfileCpu:
    """Sample the stacks of `pid` for `seconds` at `rate` Hz; the target runs on, a little slower."""

    id: ClassVar[str] = "profile.cpu"
    title: ClassVar[str] = "Profile CPU"
    risk: ClassVar[Risk] = Risk.READS

    def __init__(
        self, power: StackSampler, source: str, *, pid: int, seconds: float = 10.0, rate: int = 100
    ) -> None:
        self._power = power
        self._source = source
        self._pid, self._seconds, self._rate = int(pid), float(seconds), int(rate)
        self._planned: ProfileTarget | None = None
        self.target = f"process {self._pid}"
        self.deadline = self._seconds + GRACE

    async def plan(self) -> Plan:
        """Who would be sampled, for how long and at what price."""
        target: ProfileTarget = await self._power.find_target(self._pid)
        self._planned = target
        price = next((text for rate, text in PRICES if self._rate <= rate), PRICES[-1][1])
        age = f", started {_age(target)} ago" if target.started else ""
        return Plan(
            f"Sample process {self._pid} at {self._rate} Hz for {self._seconds:g} s with {self._source}",
            affects=(target.command, f"user {target.user or 'unknown'}{age}"),
            count=1,
            warnings=(f"takes {price} of the target's core while it samples",),
        )

    async def run(self, report: Callable[[Progress], None]) -> Receipt:
        """Sample; PlanRejected when the PID is another process by now. Cancelling keeps what was taken."""
        now: ProfileTarget = await self._power.find_target(self._pid)
        if self._planned is not None and abs(now.started - self._planned.started) > 0.02:
            raise PlanRejected(
                f"{self._pid} is now another process (started {_age(now)} ago): nothing was sampled"
            )
        profile: Profile = await self._power.sample_stacks(self._pid, self._seconds, self._rate, report)
        return Receipt(
            summary(profile),
            done=profile.meta.samples,
            facts={
                "profile": profile.meta.id,
                "samples": profile.meta.samples,
                "errors": profile.meta.errors,
            },
        )

    async def undo(self, receipt: Receipt) -> Receipt:
        """A look leaves nothing to take back."""
        raise PlanRejected(f"{self.id} changes nothing: there is nothing to undo")


def summary(profile: Profile) -> str:
    """What a profile says, in a sentence for the operator."""
    meta = profile.meta
    said = f"{profile.total} samples in {meta.seconds:.1f} s"
    if not profile.total:
        return f"{said}: the process did not run Python code (waiting shows in a dump)"
    top = functions(profile.tree, profile.frames, 1)[0]
    few = "" if profile.total >= ENOUGH else f", few: under {ENOUGH}"
    note = f"; {meta.note}" if meta.note else ""
    return f"{said}{few}: {top.frame.name} {top.share_self:.0%} ± {top.margin * 100:.0f}{note}"


def _age(target: ProfileTarget) -> str:
    seconds = max(0.0, time.time() - target.started)
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
