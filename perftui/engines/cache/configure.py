"""Setting one parameter of a running server, or of several, and setting it back."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import ClassVar

from perftui.draw import format as fmt
from perftui.draw.clean import inert
from perftui.draw.settingtext import BYTES, shown
from perftui.engines.cache.restore import Report
from perftui.model.action import Plan, Progress, Receipt, Risk
from perftui.model.errors import BackendError, Cancelled, PartlyDone, PlanRejected
from perftui.model.serverconfig import ParameterLook
from perftui.model.serverports import ServerTuner

ALLOWED = {
    "maxmemory-policy": "which keys go when memory is full",
    "maxmemory": "bytes the data may take; 0: no limit",
    "slowlog-log-slower-than": "microseconds from which a command is logged",
    "latency-tracking": "whether the server keeps latency histograms (yes, no)",
    "latency-monitor-threshold": "milliseconds from which a latency event is kept; 0: none",
    "repl-backlog-size": "bytes of the stream kept for replicas that come back; who lacks more starts over",
    "activedefrag": "whether it moves values to mend fragments while it serves, for some CPU (yes, no)",
    "client-output-buffer-limit": (
        "bytes of unread replies from which a connection is hung up on, at once, or after the seconds named"
    ),
}
"""Parameters that change how a cache serves, never how it is reached or what it may write to disk."""

NAMED = 6
"""Servers named of those that share a value."""


class SetParameter:
    """CONFIG SET of one of a few parameters at every server that has another value.

    What each had is the undo. Lost when a server restarts.
    """

    id: ClassVar[str] = "cache.configure"
    title: str = "Set a server parameter"
    risk: Risk = Risk.CHANGES
    deadline: float = 30.0

    def __init__(self, power: ServerTuner, source: str, *, parameter: str, value: str) -> None:
        self._power = power
        self._source = source
        self._parameter = parameter
        self._value = value
        self._before: dict[str, str] = {}
        self.params = {"parameter": parameter, "value": value}
        self.target = f"{source} {inert(parameter, 40)}"

    async def plan(self) -> Plan:
        """Old and new value; PlanRejected for a parameter that is not offered or already so."""
        if self._parameter not in ALLOWED:
            raise PlanRejected(f"only these can be set here: {', '.join(sorted(ALLOWED))}")
        look: ParameterLook = await self._power.parameters(self._parameter)
        self._before = {node: value for node, value in look.values if value != self._value}
        new, several = self._said(self._value), len(look.values) + len(look.silent) > 1
        if not self._before:
            raise PlanRejected(f"{self._parameter} of {self._source} is {new} already")
        olds = [self._said(value) for value in dict.fromkeys(self._before.values())]
        now = f"now {olds[0]}, then {new}"
        same = len(look.values) - len(self._before)
        silent = tuple(f"{inert(node, 60)} keeps what it has: {inert(why, 200)}" for node, why in look.silent)
        return Plan(
            summary=f"set {self._parameter} of {self._source} to {new}",
            affects=(
                *(self._who_has(new) if several else (now,)),
                *((f"{fmt.many(same, 'server')} already so",) if same else ()),
                ALLOWED[self._parameter],
            ),
            count=len(self._before),
            reversible=True,
            undo_note=f"sets it back to {olds[0]}" if len(olds) == 1 else "sets each back to its own",
            warnings=(*silent, "until the server restarts; its configuration file is not changed"),
        )

    async def run(self, report: Report) -> Receipt:
        """Set it at one after the other.

        Raises:
            PartlyDone, Cancelled: some have it, and others do not.
        """
        new = self._said(self._value)
        done = await self._set(dict.fromkeys(self._before, self._value), report, self._before)
        return replace(done, summary=f"{self._parameter} of {self._source} is {new}{_at(done.done)}")

    async def undo(self, receipt: Receipt) -> Receipt:
        """Set what each had again.

        Raises:
            PartlyDone, Cancelled: some have it again, and others do not.
        """
        old = receipt.undo or {}
        self._parameter = str(old["parameter"])
        values = {str(node): str(value) for node, value in old["values"].items()}
        done = await self._set(values, lambda _progress: None, {})
        told = " and ".join(map(self._said, dict.fromkeys(values.values())))
        return replace(done, summary=f"{self._parameter} of {self._source} is {told} again")

    def _said(self, value: str) -> str:
        """A value with its unit; of a size both what is set and what it comes to."""
        unit, plain = shown(self._parameter, value), inert(value, 40)
        return f"{plain} ({unit})" if unit != plain and self._parameter in BYTES else plain

    def _who_has(self, new: str) -> Iterator[str]:
        """A line for each value that goes, with who has it."""
        for old in dict.fromkeys(self._before.values()):
            nodes = [node for node, value in self._before.items() if value == old]
            more = f" and {len(nodes) - NAMED} more" if len(nodes) > NAMED else ""
            yield f"now {self._said(old)}, then {new}: {inert(', '.join(nodes[:NAMED]), 200)}{more}"

    async def _set(self, values: Mapping[str, str], report: Report, before: Mapping[str, str]) -> Receipt:
        done: list[str] = []
        failed: dict[str, BackendError] = {}

        def receipt() -> Receipt:
            kept = {node: before[node] for node in done if node in before}
            undo = {"parameter": self._parameter, "values": kept, "source": self._source}
            reasons = tuple(f"{inert(node, 60)}: {error}" for node, error in failed.items())
            told = f"{self._parameter} was set at {len(done)} of {fmt.many(len(values), 'server')}"
            left = len(values) - len(done) - len(failed)
            return Receipt(told, len(done), reasons, left, undo=undo if kept else None)

        for node, value in values.items():
            report(Progress(len(done), len(values), node))
            try:
                await self._power.set_parameter(self._parameter, value, node)
            except BackendError as error:
                failed[node] = error
            except asyncio.CancelledError:
                raise Cancelled(receipt().summary, receipt()) from None
            else:
                done.append(node)
        if failed and not done:
            raise next(iter(failed.values()))
        if failed:
            raise PartlyDone(f"{receipt().summary}; {'; '.join(receipt().failed[:3])}", receipt())
        return receipt()


def _at(count: int) -> str:
    return f" at {count} servers" if count > 1 else ""
