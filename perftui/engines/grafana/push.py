"""Writing dashboards and annotations to a Grafana, and taking back what was written."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from perftui.model.action import Made, Plan, Progress, Receipt, Risk
from perftui.model.dashboards import DashboardHost
from perftui.model.errors import BackendError, PartlyDone, PlanRejected

Body = Mapping[str, Any]
DROPPED = ("id", "version")  # the server's own; a dashboard put back takes the next ones


class Push:
    """Dashboards go over those of their uid, annotations are added once; undo puts the old ones back."""

    id: str = "grafana.push"
    title: str = "Push to Grafana"
    risk: Risk = Risk.CHANGES
    deadline: float = 120.0

    def __init__(
        self, power: DashboardHost, source: str, *, dashboards: Sequence[Body], annotations: Sequence[Body]
    ) -> None:
        self._power = power
        self._dashboards = dashboards
        self._annotations: Sequence[Body] = annotations
        self._before: dict[str, Body | None] = {}
        self.target = source
        self.params = {"dashboards": len(dashboards), "annotations": len(annotations)}

    @property
    def made(self) -> Made:
        """Without what was written: the receipt of a push has all that taking it back needs."""
        return Made(self.target, {"dashboards": (), "annotations": ()})

    async def plan(self) -> Plan:
        """Which dashboards are new and which are written over; how many events it does not know yet."""
        version = await self._power.version()
        self._before = {d["uid"]: await self._power.dashboard(d["uid"]) for d in self._dashboards}
        new = [uid for uid, before in self._before.items() if before is None]
        self._annotations = await self._unknown()
        if not self._dashboards and not self._annotations:
            raise PlanRejected("nothing to push: every event is there already")
        over = len(self._before) - len(new)
        return Plan(
            summary=f"write {len(new)} new dashboards, {over} over older ones, and add "
            f"{len(self._annotations)} annotations",
            affects=(f"Grafana {version} at {self.target}", *(f"dashboard {uid}" for uid in self._before)),
            count=len(self._before) + len(self._annotations),
            reversible=True,
            undo_note="puts the older dashboards back, takes new ones and the annotations away",
            warnings=("what was edited in these dashboards by hand is written over",) if over else (),
        )

    async def _unknown(self) -> Sequence[Body]:
        """Annotations the server does not have: their last tag is their own."""
        if not self._annotations:
            return ()
        times = [body["time"] / 1000 for body in self._annotations]
        known = await self._power.marks(min(times) - 1, max(times) + 1, self._annotations[0]["tags"][0])
        return [body for body in self._annotations if body["tags"][-1] not in known]

    async def run(self, report: Callable[[Progress], None]) -> Receipt:
        """Write one after the other; what failed is told, the rest stands."""
        saved: dict[str, Body | None] = {}
        numbers: list[int] = []
        total = len(self._dashboards) + len(self._annotations)
        try:
            for dashboard in self._dashboards:
                report(Progress(len(saved), total, dashboard["uid"]))
                await self._power.save(dashboard, "written by perftui")
                saved[dashboard["uid"]] = self._before.get(dashboard["uid"])
            for body in self._annotations:
                report(Progress(len(saved) + len(numbers), total, "annotations"))
                numbers.append(await self._power.annotate(body))
        except BackendError as error:
            receipt = _receipt(saved, numbers, (str(error),), total - len(saved) - len(numbers) - 1)
            if not receipt.done:
                raise
            raise PartlyDone(f"{error}; {receipt.summary}", receipt) from error
        return _receipt(saved, numbers, (), 0)

    async def undo(self, receipt: Receipt) -> Receipt:
        """Older dashboards back, new ones and annotations away."""
        undo = receipt.undo or {}
        for uid, before in undo.get("dashboards", {}).items():
            if before is None:
                await self._power.remove(uid)
            else:
                kept = {name: value for name, value in before.items() if name not in DROPPED}
                await self._power.save(kept, "put back by perftui")
        for number in undo.get("annotations", ()):
            await self._power.forget(number)
        return Receipt("dashboards and annotations are as before", done=receipt.done)


def _receipt(
    saved: Mapping[str, Body | None], numbers: Sequence[int], failed: tuple[str, ...], left: int
) -> Receipt:
    return Receipt(
        f"{len(saved)} dashboards written, {len(numbers)} annotations added",
        done=len(saved) + len(numbers),
        failed=failed,
        untouched=left,
        undo={"dashboards": dict(saved), "annotations": list(numbers)},
    )
