"""The audit as a report: read and verified in a thread, for as long as somebody looks at it."""

from __future__ import annotations

import asyncio
import time

from perftui.model.auditlog import AuditReport
from perftui.model.errors import StoreError
from perftui.model.frame import Frame
from perftui.runtime.audit import Audit
from perftui.runtime.clock import Clock
from perftui.runtime.topic import Topic

NEWEST = 1000
QUICK = 0.5
"""Seconds of walking the chain up to which that is done after each action; a longer one once a visit."""


class AuditDesk:
    """Publishes the newest lines on `topic` when it begins to be watched and whenever `refresh` is called."""

    def __init__(self, audit: Audit, topic: Topic[Frame], clock: Clock) -> None:
        self._audit, self._topic, self._clock = audit, topic, clock
        self._took = 0.0
        self._walked = AuditReport((), "")
        self._wanted = asyncio.Event()
        topic.on_demand(self._demand)
        self._demand(topic.level > 0)

    def _demand(self, wanted: bool) -> None:
        if wanted:
            self._took = 0.0
            self._wanted.set()

    def refresh(self) -> None:
        """Read again if somebody looks."""
        if self._topic.level:
            self._wanted.set()

    async def run(self) -> None:
        """Read whenever it is wanted, until cancelled."""
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            await self._read()

    async def _read(self) -> None:
        error = ""
        report: AuditReport | None
        try:
            report = await asyncio.to_thread(self._report)
        except StoreError as failure:
            before = self._topic.value
            report, error = (before.report if before else None), str(failure)
        now = self._clock.wall()
        self._topic.publish(Frame(self._topic.name, now, report, {}, error=error, seen=now))

    def _report(self) -> AuditReport:
        """The lines and the verdict; runs in a thread."""
        if self._took <= QUICK:
            began = time.monotonic()
            verdict = self._audit.verify()
            self._took = time.monotonic() - began
            words = f"chain intact, {verdict.lines} lines" if verdict.ok else f"chain broken: {verdict}"
            self._walked = AuditReport((), str(self._audit.path), words, verdict.ok)
        walked = self._walked
        return AuditReport(self._audit.entries(NEWEST), walked.path, walked.chain, walked.intact)
