"""The one door through which anything is changed: plan, ask, audit, run, outcome, undo."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol

from perftui.model.action import Action, Outcome, Plan, Progress, Receipt, Risk
from perftui.model.auditlog import AuditEntry
from perftui.model.errors import (
    Cancelled,
    PartlyDone,
    PerftuiError,
    PlanRejected,
    StoreError,
)
from perftui.model.event import Event
from perftui.runtime.audit import Audit, who
from perftui.runtime.clock import Clock
from perftui.runtime.outcome import judged
from perftui.runtime.tasks import Crew, end
from perftui.runtime.topic import Topic
from perftui.runtime.undobook import Kept, UndoBook, gone, plain, told, way_back, write

log = logging.getLogger(__name__)

PLAN_DEADLINE = 30.0
GRACE = 5.0  # what a cancelled action may take to tidy up and write its receipt
MOST_UNDOABLE = 50

UNKNOWN = Progress(0, None)
PAST = "what is shown is the past: nothing can be done there"

Ask = Callable[[Action, Plan], Awaitable[bool]]
Report = Callable[[Progress], None]


class Place(Protocol):
    """The environment acted on, as the Conductor needs to know it."""

    @property
    def name(self) -> str:
        """Its name in the configuration."""
        ...

    @property
    def kind(self) -> str:
        """`production`, `lab`, …"""
        ...


class Running(NamedTuple):
    """An action under way. `since` is epoch seconds (UTC), `undoing` whether it takes one back."""

    id: str
    action: str
    title: str
    target: str
    since: float
    progress: Progress = UNKNOWN
    cancelling: bool = False
    undoing: bool = False


class Undoable(NamedTuple):
    """A done action that can be taken back by `undo(id)`."""

    id: str
    action: Action
    plan: Plan
    receipt: Receipt
    at: float
    booked: bool = False  # later processes know of it


@dataclass(slots=True)
class _Run:
    """What the steps of one run share."""

    id: str
    action: Action
    plan: Plan
    began: float
    state: Running
    stop: asyncio.Future[None]
    task: asyncio.Task[Receipt] | None = None


class Conductor:
    """Runs actions on one environment.

    `actions` carries what is running; `note` is told each outcome as an `Event`; `book` keeps what can be
    undone for later processes. Errors raised:
    PlanRejected (nothing was sent), Cancelled, PartlyDone, another ActionError, or the
    BackendError that ended a run. Broad `except` lives here: an action's bug is an audited failure.
    """

    def __init__(
        self,
        env: Place,
        audit: Audit,
        clock: Clock,
        read_only: bool = False,
        note: Callable[[Event], None] | None = None,
        book: UndoBook | None = None,
    ) -> None:
        self.env = env
        self.read_only = read_only
        self.audit = audit
        self.actions: Topic[tuple[Running, ...]] = Topic("actions")
        self.problem = ""  # why the last outcome could not be written
        self._clock = clock
        self._note = note
        self._book = book
        self._crew = Crew("actions")
        self._runs: dict[str, _Run] = {}
        self._ended = asyncio.Event()
        self._undoable: list[Undoable] = []

    @property
    def running(self) -> tuple[Running, ...]:
        """What is under way, oldest first (not what still waits for an answer)."""
        return tuple(run.state for run in self._runs.values() if run.task is not None)

    @property
    def undoable(self) -> tuple[Undoable, ...]:
        """What can be taken back, latest first."""
        return tuple(reversed(self._undoable))

    async def plan(self, action: Action) -> Plan:
        """What `action` would do, with the challenge this environment demands; changes nothing."""
        try:
            async with asyncio.timeout(PLAN_DEADLINE):
                plan = await action.plan()
        except TimeoutError as error:
            raise PlanRejected(f"no plan for {action.title} within {PLAN_DEADLINE:g} s") from error
        except PerftuiError:
            raise
        except Exception as error:
            log.exception("%s: planning failed", action.id)
            raise PlanRejected(f"planning {action.title} failed: {type(error).__name__}: {error}") from error
        return replace(plan, challenge=self._challenge(action, plan))

    async def perform(
        self, action: Action, ask: Ask | None, *, report: Report | None = None, policy: bool = False
    ) -> Receipt:
        """Plan, ask, write the audit, run, write the outcome; the receipt of what was done.

        `ask` may be None only for what merely reads. With `policy`, a rule asks and not an operator: it
        sees what is now, whatever instant the operator looks at.
        """
        if self._clock.past and not policy:
            raise PlanRejected(PAST)
        plan = await self.plan(action)
        run = self._begin(action, plan)
        try:
            await self._admit(run, ask)
            receipt = await self._run(run, self._started(run, report))
        finally:
            self._end(run)
        if plan.reversible and receipt.undo is not None:
            await self._keep(run, receipt)
        return receipt

    def adopt(self, kept: Kept, action: Action) -> None:
        """Let `undo(kept.run)` take back what another process did, by the same action made again."""
        plan = Plan(kept.summary, kept.affects, kept.done, reversible=True, undo_note=kept.note)
        receipt = Receipt(kept.summary, kept.done, undo=kept.undo)
        self._undoable.append(Undoable(kept.run, action, plan, receipt, kept.at, booked=True))

    async def undo_last(self, ask: Ask, *, report: Report | None = None) -> Receipt:
        """Take back the latest action that can be; PlanRejected when there is none."""
        if not self._undoable:
            raise PlanRejected("nothing to undo")
        return await self.undo(self._undoable[-1].id, ask, report=report)

    async def undo(self, run_id: str, ask: Ask, *, report: Report | None = None) -> Receipt:
        """Take back one action by the id of its run, through the same door."""
        if self._clock.past:
            raise PlanRejected(PAST)
        done, plan = self._done(run_id), self.undo_plan(run_id)
        if done.booked and await gone(self._book, run_id):
            self._drop(done)
            raise PlanRejected("another console or shell has taken that back already")
        run = self._begin(done.action, plan, undoing=True)
        try:
            await self._admit(run, ask)
            receipt = await self._run(run, done.action.undo(done.receipt))
        finally:
            self._end(run)
        self._drop(done)
        await write(self._book, lambda book: book.forget(run_id))
        return receipt

    def cancel(self, run_id: str) -> bool:
        """Stop a run; False when it has already ended. Its `perform` raises Cancelled."""
        run = self._runs.get(run_id)
        if run is None or run.task is None or run.task.done() or run.stop.done():
            return False
        run.stop.set_result(None)
        self._show(run, run.state._replace(cancelling=True))
        return True

    async def close(self, within: float = GRACE) -> None:
        """Stop everything under way and wait for its last audit lines, at most `within` seconds."""
        for run_id in tuple(self._runs):
            self.cancel(run_id)
        try:
            async with asyncio.timeout(within):
                while any(run.task is not None for run in self._runs.values()):
                    self._ended.clear()
                    await self._ended.wait()
        except TimeoutError:
            log.warning("left under way: %s", ", ".join(run.action.id for run in self._runs.values()))
        await self._crew.stop(within)

    async def unfinished(self) -> tuple[AuditEntry, ...]:
        """Runs an earlier console began and never ended; StoreError when the audit cannot be read."""
        return await asyncio.to_thread(self.audit.unfinished, tuple(self._runs))

    async def close_unfinished(self, entry: AuditEntry, detail: str) -> None:
        """Write an end for an unfinished run once the operator has looked; StoreError when it cannot be."""
        line = replace(entry, at=self._clock.wall(), outcome=Outcome.CANCELLED, detail=detail, user="", pid=0)
        await asyncio.to_thread(self.audit.write, line)

    def _challenge(self, action: Action, plan: Plan) -> str:
        wanted = plan.challenge or (action.target if action.risk is Risk.DESTROYS else "")
        if not wanted or self.env.kind != "production" or self.env.name in wanted:
            return wanted
        return f"{self.env.name} {wanted}"

    def _done(self, run_id: str) -> Undoable:
        found = next((undoable for undoable in self._undoable if undoable.id == run_id), None)
        if found is None:
            raise PlanRejected("that cannot be undone any more")
        return found

    def _drop(self, done: Undoable) -> None:
        self._undoable = [undoable for undoable in self._undoable if undoable.id != done.id]

    def undo_plan(self, run_id: str) -> Plan:
        """What taking it back would do; PlanRejected when it cannot be any more."""
        done = self._done(run_id)
        careful = done.action.risk is Risk.DESTROYS and self.env.kind == "production"
        return way_back(done.plan, done.receipt, self.env.name if careful else "")

    def _begin(self, action: Action, plan: Plan, undoing: bool = False) -> _Run:
        for other in self._runs.values():
            if (other.action.id, other.action.target) == (action.id, action.target):
                raise PlanRejected(f"{action.title} on {action.target} is already under way")
        run_id = os.urandom(6).hex()
        state = Running(run_id, action.id, action.title, action.target, self._clock.wall(), undoing=undoing)
        stop = asyncio.get_running_loop().create_future()
        run = _Run(run_id, action, plan, self._clock.monotonic(), state, stop)
        self._runs[run_id] = run
        return run

    def _end(self, run: _Run) -> None:
        del self._runs[run.id]
        self._ended.set()
        if run.task is not None:
            self.actions.publish(self.running)

    async def _admit(self, run: _Run, ask: Ask | None) -> None:
        """Refuse, ask, and write STARTED: nothing has been sent when this raises."""
        reason = await self._refusal(run, ask)
        if reason:
            await self._write(run, Outcome.REFUSED, reason)
            raise PlanRejected(reason)
        if ask is not None and not await self._agreed(run, ask):
            await self._write(run, Outcome.DECLINED, "declined")
            raise PlanRejected("declined")
        try:
            await asyncio.to_thread(self.audit.write, self._entry(run, Outcome.STARTED, ""))
        except StoreError as error:
            raise PlanRejected(f"{error}; nothing was sent") from error
        except asyncio.CancelledError:
            await self._write(run, Outcome.CANCELLED, "stopped before it began: nothing was sent")
            raise

    async def _agreed(self, run: _Run, ask: Ask) -> bool:
        try:
            return await ask(run.action, run.plan)
        except asyncio.CancelledError:
            await self._write(run, Outcome.DECLINED, "the question was left unanswered")
            raise

    async def _refusal(self, run: _Run, ask: Ask | None) -> str:
        if run.action.risk is Risk.READS:
            return ""
        if self.read_only:
            return f"read-only: {run.action.title} is refused on {self.env.name}"
        if ask is None:
            return f"{run.action.title} needs a confirmation"
        problem = await asyncio.to_thread(self.audit.problem)
        return f"{problem}; nothing was sent" if problem else ""

    async def _started(self, run: _Run, report: Report | None) -> Receipt:
        def told(progress: Progress) -> None:
            self._show(run, run.state._replace(progress=progress))
            if report is not None:
                report(progress)

        return await run.action.run(told)

    def _show(self, run: _Run, state: Running) -> None:
        run.state = state
        self.actions.publish(self.running)

    async def _run(self, run: _Run, work: Coroutine[Any, Any, Receipt]) -> Receipt:
        run.task = task = self._crew.start(f"{run.action.id} {run.id}", work, watched=True)
        self.actions.publish(self.running)
        first = asyncio.FIRST_COMPLETED
        ends: tuple[asyncio.Future[Any], ...] = (task, run.stop)
        try:
            await asyncio.wait(ends, timeout=run.action.deadline, return_when=first)
            timed_out = not task.done() and not run.stop.done()
            if not task.done():
                await end(task, GRACE)
        except asyncio.CancelledError:
            await end(task, GRACE)
            await self._conclude(run, task, timed_out=False)
            raise
        result = await self._conclude(run, task, timed_out)
        if isinstance(result, Receipt):
            return result
        raise result

    async def _conclude(
        self, run: _Run, task: asyncio.Task[Receipt], timed_out: bool
    ) -> Receipt | PerftuiError:
        """Write the outcome and tell it; the receipt, or what the caller must be told."""
        verdict = judged(task, run.action, timed_out, GRACE)
        outcome = verdict.outcome
        if outcome is Outcome.DONE and run.state.undoing:
            outcome = Outcome.UNDONE
        await self._write(run, outcome, verdict.detail)
        self._tell(run, outcome, verdict.detail)
        if isinstance(verdict.result, PartlyDone | Cancelled):
            receipt = verdict.result.receipt
            if run.plan.reversible and receipt is not None and receipt.undo is not None:
                await self._keep(run, receipt)
        return verdict.result

    async def _keep(self, run: _Run, receipt: Receipt) -> None:
        """Remember how to take it back, here and for later processes."""
        receipt, now = replace(receipt, undo=plain(receipt.undo or {})), self._clock.wall()
        kept = told(run.id, now, self.env.name, run.action, run.plan, receipt)
        self._undoable.append(Undoable(run.id, run.action, run.plan, receipt, now))
        del self._undoable[:-MOST_UNDOABLE]
        if kept is not None and await write(self._book, lambda book: book.keep(kept)):
            self._undoable = [one._replace(booked=one.booked or one.id == run.id) for one in self._undoable]

    def _entry(self, run: _Run, outcome: Outcome, detail: str) -> AuditEntry:
        ended = outcome is not Outcome.STARTED
        return AuditEntry(
            at=self._clock.wall(),
            run=run.id,
            user="",
            origin="",
            env=self.env.name,
            action=run.action.id,
            target=run.action.target,
            outcome=outcome,
            params=getattr(run.action, "params", None) or {},
            plan=run.plan.summary,
            detail=detail,
            duration=self._clock.monotonic() - run.began if ended and run.task else 0.0,
        )

    async def _write(self, run: _Run, outcome: Outcome, detail: str) -> None:
        """An outcome's line, written even when the caller is cancelled meanwhile.

        What has happened cannot be refused any more: a line that cannot be written is told in `problem`.
        """
        entry = self._entry(run, outcome, detail)
        await asyncio.shield(self._crew.start(f"audit {run.id}", self._put(entry)))

    async def _put(self, entry: AuditEntry) -> None:
        try:
            await asyncio.to_thread(self.audit.write, entry)
            self.problem = ""
        except StoreError as error:
            self.problem = str(error)
            log.warning("%s (%s %s: %s)", error, entry.action, entry.outcome.value, entry.detail)

    def _tell(self, run: _Run, outcome: Outcome, detail: str) -> None:
        if self._note is None:
            return
        title = f"{run.action.title}: {outcome.value}"
        now, since = self._clock.wall(), run.state.since
        self._note(Event(since, "action", run.action.target, title, detail, who()[0], now, run.id))
