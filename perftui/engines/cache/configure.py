"""Setting one parameter of a running server, and setting it back."""

from __future__ import annotations

from typing import ClassVar

from perftui.draw.clean import inert
from perftui.engines.cache.restore import Report
from perftui.model.action import Plan, Receipt, Risk
from perftui.model.errors import PlanRejected
from perftui.model.ports import ServerTuner

ALLOWED = {
    "maxmemory-policy": "which keys go when memory is full",
    "maxmemory": "bytes the data may take; 0: no limit",
    "slowlog-log-slower-than": "microseconds from which a command is logged",
    "latency-tracking": "whether the server keeps latency histograms (yes, no)",
    "latency-monitor-threshold": "milliseconds from which a latency event is kept; 0: none",
    "repl-backlog-size": "bytes of the stream kept for replicas that come back; who lacks more starts over",
}
"""Parameters that change how a cache serves, never how it is reached or what it may write to disk."""


class SetParameter:
    """CONFIG SET of one of a few parameters; the old value is the undo. Lost when the server restarts."""

    id: ClassVar[str] = "cache.configure"
    title: str = "Set a server parameter"
    risk: Risk = Risk.CHANGES
    deadline: float = 10.0

    def __init__(self, power: ServerTuner, source: str, *, parameter: str, value: str) -> None:
        self._power = power
        self._source = source
        self._parameter = parameter
        self._value = value
        self._before = ""
        self.params = {"parameter": parameter, "value": value}
        self.target = f"{source} {inert(parameter, 40)}"

    async def plan(self) -> Plan:
        """Old and new value; PlanRejected for a parameter that is not offered or already so."""
        if self._parameter not in ALLOWED:
            raise PlanRejected(f"only these can be set here: {', '.join(sorted(ALLOWED))}")
        self._before = await self._power.parameter(self._parameter)
        if self._before == self._value:
            raise PlanRejected(f"{self._parameter} of {self._source} is {inert(self._value, 40)} already")
        return Plan(
            summary=f"set {self._parameter} of {self._source} to {inert(self._value, 40)}",
            affects=(
                f"now {inert(self._before, 40)}, then {inert(self._value, 40)}",
                ALLOWED[self._parameter],
            ),
            count=1,
            reversible=True,
            undo_note=f"sets it back to {inert(self._before, 40)}",
            warnings=("until the server restarts; its configuration file is not changed",),
        )

    async def run(self, report: Report) -> Receipt:
        """Set it."""
        await self._power.set_parameter(self._parameter, self._value)
        undo = {"parameter": self._parameter, "value": self._before, "source": self._source}
        return Receipt(f"{self._parameter} of {self._source} is {inert(self._value, 40)}", done=1, undo=undo)

    async def undo(self, receipt: Receipt) -> Receipt:
        """Set the old value again."""
        old = receipt.undo or {}
        await self._power.set_parameter(str(old["parameter"]), str(old["value"]))
        value = inert(str(old["value"]), 40)
        return Receipt(f"{old['parameter']} of {self._source} is {value} again", done=1)
