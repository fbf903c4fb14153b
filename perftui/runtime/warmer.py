"""The clock of warm jobs: fires what is due once among all on the store; the desk where jobs are kept."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, cast

from perftui.analysis.schedule import due, upcoming
from perftui.analysis.warmjobs import bounded
from perftui.model.action import Action, Plan
from perftui.model.errors import PerftuiError, PlanRejected, StoreError
from perftui.model.finding import Offer
from perftui.model.warmjob import WARMING, Ended, JobRow, JobsReport, JobState, Missed, WarmJob
from perftui.model.warmports import WarmAction
from perftui.model.warmqueue import LARGEST_KEYS
from perftui.runtime.alertdesk import person
from perftui.runtime.clock import Clock
from perftui.runtime.conductor import Conductor
from perftui.runtime.leases import AGENT, RENEW, WAIT, Turn
from perftui.runtime.memory import Memory
from perftui.runtime.tasks import Crew
from perftui.runtime.warmtable import Page, WarmTable

log = logging.getLogger(__name__)

QUICK, SLOW = 1.0, 5.0  # seconds between two looks: for who runs the jobs, and for who does not
SETTLE = 5.0  # seconds after the start in which nothing fires: systems are still being connected
LATE = 60.0  # seconds from which a firing was missed
SILENT = 30.0  # seconds after which a run whose console says nothing is waited for here
ORDER: Final = "cache.warm-run"
RUN: Final = "cache.warm-job"

Make = Callable[..., Action]


class Warmer:
    """The `WarmDesk` of one environment, and the runner of its jobs.

    Whoever holds the lease `warming/ENV` moves a job's slot on in one transaction with it; only who moved it
    fires. A run whose console died is taken over under the same id: its node does nothing twice.
    """

    def __init__(
        self,
        memory: Memory,
        conductor: Callable[[], Conductor],
        make: Make,
        target: Callable[[Offer], str],
        clock: Clock,
    ) -> None:
        self._memory = memory
        self._conductor = conductor
        self._make, self._target = make, target
        self._clock = clock
        self._table = WarmTable(memory.store)
        self._turn = Turn(memory.leases, f"{WARMING}/{memory.store.env}", clock)
        self._begin = clock.monotonic() + SETTLE
        self._beat = 0.0
        self._page = Page()
        self._busy: dict[str, asyncio.Task[None]] = {}
        self._heard: dict[str, tuple[str, int, float]] = {}  # job → run, its beat, when we heard that first

    # the clock

    async def run(self) -> None:
        """Fire what is due until cancelled."""
        async with Crew("warm jobs") as crew:
            try:
                await self._memory.store.ready()
                while True:
                    await self.tick(crew)
                    await asyncio.sleep(QUICK if self._turn.lease is not None else SLOW)
            finally:
                await self._turn.drop()

    async def tick(self, crew: Crew) -> None:
        """One look; nothing fires without the store."""
        try:
            self._page = await self._table.page()
            await self._consult()
            for row in self._page.rows:
                await self._consider(row, crew)
        except StoreError as error:
            log.debug("%s", error)

    def said(self) -> str:
        """What it last did, for the table of loops; empty while there is no job."""
        rows = self._page.rows
        if not rows:
            return ""
        last = max(rows, key=lambda row: row.state.ended)
        did = f", {last.job.name}: {last.state.result}" if last.state.result else ""
        return f"{sum(row.job.on for row in rows)} of {len(rows)} jobs on{did}"

    async def _consult(self) -> None:
        now = self._clock.monotonic()
        held = self._turn.lease is not None
        if (self._page.rows or held) and now - self._beat >= (RENEW if held else WAIT):
            self._beat = now
            await self._turn.beat()

    async def _consider(self, row: JobRow, crew: Crew) -> None:
        """Fire a job whose time has come, once, wherever that is noticed first."""
        name, state, now = row.job.name, row.state, self._clock.wall()
        running = self._busy.get(name)
        idle = running is None or running.done()
        if self._turn.lease is None or self._clock.monotonic() < self._begin or not idle:
            return
        if state.run:
            await self._adopt(row, crew)
            return
        at, count = due(row.job.schedule, state.slot, now)
        if not at:
            return
        passed = self._passed_over(row, count, now, late=now - at > LATE)
        state = passed or JobState(run=_new_run(), holder=self._memory.leases.holder, began=now)
        state = replace(state, slot=at)
        if await self._table.claim(self._turn.lease, name, state) and passed is None:
            log.info("warm job %s: due", name)
            self._busy[name] = crew.start(name, self._fire(row, state))

    def _passed_over(self, row: JobRow, count: int, now: float, *, late: bool) -> JobState | None:
        """What is written down in place of a run at this firing, if it is passed over."""
        if self._page.paused or not row.job.on:
            return row.state
        if late and row.job.missed is Missed.SKIP:
            said = f"{count} missed: nobody was there to run it"
            return replace(row.state, outcome=Ended.SKIPPED, result=said, ended=now)
        return None

    async def _adopt(self, row: JobRow, crew: Crew) -> None:
        """Go on with a run that nobody waits for any more; it is the same run."""
        name, state, now = row.job.name, row.state, self._clock.monotonic()
        run, beat, since = self._heard.get(name, ("", 0, 0.0))
        if (run, beat) != (state.run, state.beat):
            self._heard[name] = state.run, state.beat, now
        elif now - since >= SILENT:
            state = replace(state, holder=self._memory.leases.holder, beat=state.beat + 1)
            if await self._table.tell(name, state.run, state, self._turn.lease):
                log.info("warm job %s: run %s is waited for here now", name, state.run)
                self._busy[name] = crew.start(name, self._fire(row, state))

    async def _fire(self, row: JobRow, state: JobState) -> None:
        """Do it through the one door; what was not begun there is ended here."""
        name, began = row.job.name, "its lease passed on before it began: nothing was sent"
        lease = self._turn.lease
        reason = ""

        async def ask(_action: Action, _plan: Plan) -> bool:
            nonlocal reason
            now = self._turn.lease
            still = now is not None and lease is not None and now.counter == lease.counter
            reason = "" if still else began
            return still

        try:
            action = self._make(RUN, WARMING, job=name, run=state.run)
            await self._conductor().perform(action, ask, policy=True)
        except PerftuiError as error:
            await self._close(name, state, reason or str(error))

    async def _close(self, name: str, state: JobState, reason: str) -> None:
        """Write the end of a run that its action has not written."""
        now = self._clock.wall()
        over = replace(state, run="", outcome=Ended.FAILED, result=reason, ended=now)
        try:
            await self._table.tell(name, state.run, over)
        except StoreError as error:
            log.warning("warm job %s: its end is not written down: %s", name, error)

    # what people may ask (`WarmDesk`)

    async def report(self) -> JobsReport:
        """All jobs as the store has them now."""
        page, now = await self._table.page(), self._clock.wall()
        rows = tuple(replace(row, upcoming=self._upcoming(row, now, page.paused)) for row in page.rows)
        return JobsReport(now, rows, page.paused, page.holders.get(WARMING, ""), page.holders.get(AGENT, ""))

    def _upcoming(self, row: JobRow, now: float, paused: bool) -> tuple[float, ...]:
        return () if paused or not row.job.on else upcoming(row.job.schedule, now)

    def times(self, job: WarmJob) -> tuple[float, ...]:
        """Its next five firings."""
        return upcoming(job.schedule, self._clock.wall())

    async def job(self, name: str) -> JobRow:
        """One job; PlanRejected when there is none of that name."""
        found = next((row for row in (await self.report()).rows if row.job.name == name), None)
        if found is None:
            raise PlanRejected(f"there is no warm job {name!r}")
        return found

    async def keys(self, name: str) -> tuple[str, ...]:
        """The keys that a job names."""
        return await self._table.keys(name)

    async def file_keys(self, path: str) -> tuple[str, ...]:
        """The keys of a file, one a line; PlanRejected where it cannot be read, or has too many."""
        try:
            return bounded(await asyncio.to_thread(_lines, Path(path).expanduser()))
        except (OSError, ValueError, RuntimeError) as error:
            raise PlanRejected(f"{path}: {error}") from error

    async def save(self, job: WarmJob, keys: Sequence[str] | None, version: int) -> JobRow:
        """Enter a job (`version` 0) or a change as of what was seen; PlanRejected says who was faster."""
        if await self._table.put(job, keys, version, person(), self._clock.wall()):
            return await self.job(job.name)
        if not version:
            raise PlanRejected(f"there is a warm job {job.name} already")
        now = await self.job(job.name)
        raise PlanRejected(f"{now.by} has changed {job.name} meanwhile")

    async def remove(self, row: JobRow) -> None:
        """Take it out as of what was seen; PlanRejected when it was changed since, or runs."""
        if not await self._table.remove(row.job.name, row.version):
            now = await self.job(row.job.name)
            runs = f"{row.job.name} runs now: wait, or cancel that"
            raise PlanRejected(runs if now.state.run else f"{now.by} has changed {row.job.name} meanwhile")

    async def prepared(self, row: JobRow, run: str) -> WarmAction:
        """What orders the run of that id; PlanRejected where no server has a queue for it."""
        job = row.job
        there = self._target(Offer(ORDER, job.backend, ""))
        if not there:
            raise PlanRejected(f"no cache server is connected whose nodes could do {job.name}")
        how: dict[str, Any] = {"namespace": job.namespace, "name": job.warm_set, "rate": job.rate}
        how |= {"what": job.what.value, "top": job.top, "run": run, "job": job.name}
        how["keys"] = await self.keys(job.name)
        return cast("WarmAction", self._make(ORDER, there, **how))

    async def begin(self, row: JobRow, run: str) -> JobState:
        """Begin a run by hand; PlanRejected when one is under way."""
        now, mine = self._clock.wall(), self._memory.leases.holder
        state = replace(JobState(run=run, holder=mine, began=now), slot=row.state.slot)
        if not await self._table.begin(row.job.name, state):
            raise PlanRejected(f"{row.job.name} runs already, or is gone")
        return state

    async def tell(self, name: str, run: str, state: JobState) -> bool:
        """Write down how a run stands; False when it is no longer ours."""
        return await self._table.tell(name, run, state)


def _new_run() -> str:
    return os.urandom(6).hex()


def _lines(path: Path) -> list[str]:
    with path.open("rb") as file:
        data = file.read(LARGEST_KEYS + 1)
    if len(data) > LARGEST_KEYS:
        raise ValueError(f"more than {LARGEST_KEYS >> 10} KiB are too many keys for a job")
    return [line.removesuffix("\r") for line in data.decode("utf-8", "replace").split("\n")]
