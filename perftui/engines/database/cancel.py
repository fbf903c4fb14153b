"""Stopping a statement or a session from outside, and only the very one that was shown."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from perftui.engines.database.words import seconds, statement, who
from perftui.model.action import Plan, Progress, Receipt, Risk
from perftui.model.database import Session
from perftui.model.errors import PlanRejected
from perftui.model.ports import QueryCanceller

PATIENCE = 3.0
POLL = 0.05
SAME = 0.0005  # seconds: instants travel as floats of microseconds


@dataclass(frozen=True, slots=True)
class _Mark:
    """Whom the plan speaks of."""

    pid: int
    started: float
    query_started: float | None


class _Stop:
    """What cancelling and terminating share: find the session, check it is the one meant, follow up."""

    deadline: ClassVar[float] = 15.0

    def __init__(
        self,
        power: QueryCanceller,
        source: str,
        *,
        pid: int,
        started: float | None = None,
        query_started: float | None = None,
    ) -> None:
        self._power = power
        self._source = source
        self._pid = pid
        self._started = started
        self._query_started = query_started
        self._mark: _Mark | None = None
        self.target = f"{source}/{pid}"

    async def _find(self) -> Session:
        """The session meant, as it is now; PlanRejected when it is gone or its pid is another's."""
        found = await self._power.find_session(self._pid)
        if found is None:
            raise PlanRejected(f"{self._source}: no session has pid {self._pid} any more")
        session: Session = found
        if not session.started:
            raise PlanRejected(
                f"{self._source}: this login may not see pid {self._pid}; GRANT pg_monitor shows it"
            )
        if self._started is not None and abs(session.started - self._started) > SAME:
            raise PlanRejected(f"{self._source}: pid {self._pid} is another session now; look again")
        if session.own:
            raise PlanRejected(f"{self._source}: pid {self._pid} is perftui itself")
        self._mark = _Mark(session.pid, session.started, session.query_started)
        return session

    def _marked(self) -> _Mark:
        if self._mark is None:
            raise PlanRejected("There is no plan to carry out")
        return self._mark

    async def _until(self, over: Callable[[Session | None], bool]) -> bool:
        """Whether `over` came true of the session within the patience."""
        end = time.monotonic() + PATIENCE
        while True:
            if over(await self._power.find_session(self._pid)):
                return True
            if time.monotonic() >= end:
                return False
            await asyncio.sleep(POLL)

    async def undo(self, receipt: Receipt) -> Receipt:
        """There is no way back."""
        raise PlanRejected("What was stopped cannot be resumed: its client has to run it again")


class CancelQuery(_Stop):
    """Cancel the statement a session is running; the session stays, its transaction fails."""

    id: ClassVar[str] = "db.cancel"
    title: ClassVar[str] = "Cancel the running statement"
    risk: ClassVar[Risk] = Risk.CHANGES

    async def plan(self) -> Plan:
        """Whose statement it is and how long it ran; PlanRejected when nothing runs."""
        session = await self._find()
        if not session.active or session.query_started is None:
            remedy = "; terminate it instead" if session.idle_in_transaction else ""
            raise PlanRejected(
                f"{who(session)} runs no statement ({session.state or 'state hidden'}){remedy}"
            )
        if self._query_started is not None and abs(session.query_started - self._query_started) > SAME:
            raise PlanRejected(f"{who(session)} runs another statement now; look again")
        return Plan(
            summary=f"Cancel the statement of pid {session.pid} on {self._source}",
            affects=_about(session),
            count=1,
            undo_note="its client has to run it again",
            warnings=("its transaction, if it is in one, fails with it",)
            if session.xact_age is not None
            else (),
        )

    async def run(self, report: Callable[[Progress], None]) -> Receipt:
        """Send the cancel to that statement of that session and see it end."""
        mark = self._marked()
        assert mark.query_started is not None
        began = time.monotonic()
        sent = await self._power.cancel_query(mark.pid, mark.started, mark.query_started)
        if not sent:
            raise PlanRejected(f"{self.target}: the statement had ended; nothing was cancelled")
        report(Progress(0, 1, "cancel sent"))
        ended = await self._until(
            lambda s: s is None or not s.active or s.query_started != mark.query_started
        )
        return _receipt(f"pid {mark.pid}: statement", "cancelled", ended, time.monotonic() - began)


class TerminateSession(_Stop):
    """End a session; its transaction rolls back, its client sees the connection close."""

    id: ClassVar[str] = "db.terminate"
    title: ClassVar[str] = "Terminate the session"
    risk: ClassVar[Risk] = Risk.DESTROYS

    async def plan(self) -> Plan:
        """Whose session it is and what it loses; the pid has to be typed."""
        session = await self._find()
        return Plan(
            summary=f"Terminate session {session.pid} on {self._source}",
            affects=_about(session),
            count=1,
            undo_note="the transaction rolls back and the client has to connect again",
            warnings=_loses(session),
            challenge=str(session.pid),
        )

    async def run(self, report: Callable[[Progress], None]) -> Receipt:
        """End that session and see it go."""
        mark = self._marked()
        began = time.monotonic()
        if not await self._power.terminate_session(mark.pid, mark.started):
            raise PlanRejected(f"{self.target}: the session had ended; nothing was terminated")
        report(Progress(0, 1, "terminate sent"))
        ended = await self._until(lambda s: s is None or abs(s.started - mark.started) > SAME)
        return _receipt(f"pid {mark.pid}: session", "terminated", ended, time.monotonic() - began)


def _receipt(what: str, deed: str, ended: bool, took: float) -> Receipt:
    text = f"{what} {deed}" + (
        f", gone after {seconds(took)}" if ended else f", but still there after {seconds(took)}"
    )
    facts: dict[str, Any] = {"ended": ended, "seconds": round(took, 3)}
    return Receipt(text, done=1, facts=facts)


def _about(session: Session) -> tuple[str, ...]:
    lines = [who(session) + (f" at {session.client}" if session.client else "")]
    waits = (
        f", waits for {session.wait_class} {session.wait_event}"
        if session.wait_class and session.active
        else ""
    )
    lines.append(f"{session.state or session.kind}{waits}")
    if session.active and session.query_age is not None:
        lines.append(f"running for {seconds(session.query_age)}")
    if session.xact_age is not None:
        lines.append(f"transaction open for {seconds(session.xact_age)}")
    if session.blocked_by:
        lines.append("itself blocked by pid " + ", ".join(map(str, session.blocked_by)))
    lines.append(statement(session.query, 200))
    return tuple(lines)


def _loses(session: Session) -> tuple[str, ...]:
    if session.kind == "walsender":
        return ("this is a replica's stream: it falls behind until it reconnects",)
    if session.kind == "autovacuum worker":
        return ("autovacuum will start again on the same table",)
    if session.xact_age is not None:
        return ("its open transaction rolls back",)
    return ()
