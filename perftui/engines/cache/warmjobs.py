"""Making, changing, switching, removing and running warm jobs: each through one door, undone if it can be."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, ClassVar, Final

from perftui.analysis.warmjobs import changed, read_keys, when_text
from perftui.draw import format as fmt
from perftui.draw.clean import inert
from perftui.engines.cache.restore import Report
from perftui.model.action import Plan, Receipt, Risk
from perftui.model.codec import from_jsonable, to_jsonable
from perftui.model.errors import Cancelled, PartlyDone, PerftuiError, PlanRejected, StoreError
from perftui.model.warmjob import Ended, JobRow, JobState, WarmJob
from perftui.model.warmports import WarmDesk
from perftui.model.warmqueue import Told, What

LONGEST: Final = 200  # characters of a list of keys in the audit
Said = Mapping[str, Any]


class AddJob:
    """A job under a new name."""

    id: ClassVar[str] = "cache.warm-add"
    title: str = "Add a warm job"
    risk: Risk = Risk.CHANGES
    deadline: float = 15.0

    def __init__(
        self,
        power: WarmDesk,
        source: str,
        *,
        job: str,
        namespace: str,
        when: str,
        keys: str = "set",
        **more: Any,
    ) -> None:
        self._power = power
        self._name = job
        self._said: Said = {"namespace": namespace, "when": when, "keys": keys, **_known(more)}
        self.params = _params(job, self._said)
        self.target = f"{source} {inert(job, 60)}"

    async def _made(self) -> tuple[WarmJob, Sequence[str]]:
        job, keys = await _read(self._power, WarmJob(self._name, ""), self._said)
        return job, keys or ()

    async def plan(self) -> Plan:
        """When it would run; PlanRejected for what is no job, or a name that is taken."""
        job, _ = await self._made()
        if any(row.job.name == job.name for row in (await self._power.report()).rows):
            raise PlanRejected(f"there is a warm job {job.name} already: edit that one")
        return Plan(
            summary=f"warm job {job.name}: {_what(job)}",
            affects=_times(self._power, job),
            count=1,
            reversible=True,
            undo_note="takes the job away",
        )

    async def run(self, report: Report) -> Receipt:
        """Enter it."""
        row = await self._power.save(*await self._made(), 0)
        return Receipt(f"warm job {row.job.name} is there", 1, undo={"version": row.version})

    async def undo(self, receipt: Receipt) -> Receipt:
        """Take it away, unless somebody has changed it since."""
        row = await self._power.job(self._name)
        await self._power.remove(replace(row, version=int((receipt.undo or {})["version"])))
        return Receipt(f"warm job {self._name} is gone again", 1)


class _Change:
    """What changes a job that is there, and can put it back."""

    risk: Risk = Risk.CHANGES
    deadline: float = 15.0

    def __init__(self, power: WarmDesk, source: str, job: str, said: Said) -> None:
        self._power = power
        self._name = job
        self._said = said
        self._seen: JobRow | None = None
        self.params = _params(job, said)
        self.target = f"{source} {inert(job, 60)}"

    async def plan(self) -> Plan:
        """From what to what; PlanRejected when that is the same."""
        self._seen = row = await self._power.job(self._name)
        job, keys = await _read(self._power, row.job, self._said)
        lines = _differences(row.job, job)
        if not lines and keys is None:
            raise PlanRejected(f"{self._name} is so already")
        return Plan(
            summary=f"warm job {self._name}: {'; '.join(lines) or 'other keys'}",
            affects=(_what(job), *_times(self._power, job)),
            count=1,
            reversible=True,
            undo_note="puts it back as it was",
        )

    async def run(self, report: Report) -> Receipt:
        """Change it; PlanRejected says who was faster."""
        row = self._seen or await self._power.job(self._name)
        job, keys = await _read(self._power, row.job, self._said)
        before = None if keys is None else list(await self._power.keys(self._name))
        now = await self._power.save(job, keys, row.version)
        undo = {"job": to_jsonable(row.job), "keys": before, "version": now.version}
        return Receipt(f"warm job {self._name}: {_what(now.job)}", 1, undo=undo)

    async def undo(self, receipt: Receipt) -> Receipt:
        """As it was, unless somebody has changed it since."""
        was = receipt.undo or {}
        await self._power.save(from_jsonable(WarmJob, was["job"]), was["keys"], int(was["version"]))
        return Receipt(f"warm job {self._name} is as it was", 1)


class EditJob(_Change):
    """Another cache, time, choice of keys, rate, zone or policy for missed runs."""

    id: ClassVar[str] = "cache.warm-edit"
    title: str = "Edit a warm job"

    def __init__(self, power: WarmDesk, source: str, *, job: str, **said: Any) -> None:
        super().__init__(power, source, job, _known(said))


class SwitchJob(_Change):
    """On or off."""

    id: ClassVar[str] = "cache.warm-switch"
    title: str = "Switch a warm job"

    def __init__(self, power: WarmDesk, source: str, *, job: str, on: bool) -> None:
        super().__init__(power, source, job, {"on": on})


class RemoveJob:
    """A job is taken out, with what it last did."""

    id: ClassVar[str] = "cache.warm-remove"
    title: str = "Remove a warm job"
    risk: Risk = Risk.CHANGES
    deadline: float = 15.0

    def __init__(self, power: WarmDesk, source: str, *, job: str) -> None:
        self._power = power
        self._name = job
        self._seen: JobRow | None = None
        self.params = {"job": job}
        self.target = f"{source} {inert(job, 60)}"

    async def plan(self) -> Plan:
        """Which; PlanRejected while it runs."""
        self._seen = row = await self._power.job(self._name)
        if row.state.run:
            raise PlanRejected(f"{self._name} runs now: wait, or cancel that")
        undo = "puts it back, without what it last did"
        return Plan(f"remove warm job {self._name}", (_what(row.job),), 1, reversible=True, undo_note=undo)

    async def run(self, report: Report) -> Receipt:
        """Take it out."""
        row = self._seen or await self._power.job(self._name)
        keys = list(await self._power.keys(self._name))
        await self._power.remove(row)
        return Receipt(f"warm job {self._name} is gone", 1, undo={"job": to_jsonable(row.job), "keys": keys})

    async def undo(self, receipt: Receipt) -> Receipt:
        """Put it back, unless there is another of its name."""
        was = receipt.undo or {}
        await self._power.save(from_jsonable(WarmJob, was["job"]), was["keys"], 0)
        return Receipt(f"warm job {self._name} is there again", 1)


class RunJob:
    """A run of a job, now: by hand, or with `run` one that its clock has begun."""

    id: ClassVar[str] = "cache.warm-job"
    title: str = "Run a warm job"
    risk: Risk = Risk.CHANGES
    deadline: float = 3600.0

    def __init__(self, power: WarmDesk, source: str, *, job: str, run: str = "") -> None:
        self._power = power
        self._name = job
        self._begun, self._run = bool(run), run or os.urandom(6).hex()
        self._state = JobState(run=self._run)
        self._inner_target = ""
        self.params = {"job": job, "run": self._run}
        self.target = f"{source} {inert(job, 60)}"

    async def plan(self) -> Plan:
        """The plan of the order; PlanRejected while a run is under way."""
        row = await self._row()
        inner = await (await self._power.prepared(row, self._run)).plan()
        return replace(inner, summary=f"warm job {self._name}: {inner.summary}")

    async def _row(self) -> JobRow:
        row = await self._power.job(self._name)
        if row.state.run and not (self._begun and row.state.run == self._run):
            raise PlanRejected(f"{self._name} runs already, ordered by {row.state.holder}")
        return row

    async def run(self, report: Report) -> Receipt:
        """Order it and wait, telling the store how far it is."""
        row = await self._row()
        inner = await self._power.prepared(row, self._run)
        self._state = row.state if self._begun else await self._power.begin(row, self._run)
        self._inner_target = inner.target
        inner.tell = self._heard
        try:
            receipt = await inner.run(report)
        except (PartlyDone, Cancelled) as error:
            cancelled = isinstance(error, Cancelled)
            part = Ended.PARTLY if self._state.loaded or self._state.fresh else Ended.FAILED
            await self._end(Ended.CANCELLED if cancelled else part, str(error))
            raise
        except PerftuiError as error:
            await self._end(Ended.FAILED, str(error))
            raise
        await self._end(Ended.DONE, receipt.summary)
        return receipt

    async def undo(self, receipt: Receipt) -> Receipt:
        """Not offered: what is warm expires by itself."""
        raise PlanRejected(f"warming is not undone: purge instead ({receipt.summary})")

    async def _heard(self, told: Told) -> None:
        counts = {"total": told.total, "loaded": told.loaded, "fresh": told.fresh, "failed": told.failed}
        await self._tell(replace(self._state, beat=self._state.beat + 1, **counts))  # type: ignore[arg-type]

    async def _end(self, outcome: Ended, result: str) -> None:
        result = result.replace(f"{self._inner_target}: ", "", 1)  # the job's row says where
        over = {"outcome": outcome, "result": result[:LONGEST], "ended": time.time()}
        await self._tell(replace(self._state, run="", **over))  # type: ignore[arg-type]

    async def _tell(self, state: JobState) -> None:
        """A store that is away loses no run, only its news."""
        with suppress(StoreError):
            await self._power.tell(self._name, self._run, state)
        self._state = state


def _known(said: Said) -> dict[str, Any]:
    """What may be said of a job; PlanRejected for anything else."""
    names = {"namespace", "warm_set", "when", "timezone", "keys", "rate", "missed", "backend", "on"}
    odd = sorted(said.keys() - names)
    if odd:
        raise PlanRejected(f"a warm job has no {', '.join(odd)}")
    return dict(said)


async def _read(power: WarmDesk, job: WarmJob, said: Said) -> tuple[WarmJob, Sequence[str] | None]:
    """The job with what was said of it, and the keys it names (None: as they are)."""
    try:
        made = changed(job, said)
        if "keys" not in said:
            return made, None
        what, top, path, keys = read_keys(str(said["keys"]))
    except ValueError as error:
        raise PlanRejected(str(error)) from error
    if path:
        keys = await power.file_keys(path)
    return replace(made, what=what, top=top, named=len(keys)), keys


def _params(job: str, said: Said) -> dict[str, Any]:
    """What the audit has: long lists of keys cut."""
    return {"job": job, **{name: v[:LONGEST] if isinstance(v, str) else v for name, v in said.items()}}


def _what(job: WarmJob) -> str:
    where = f" in {inert(job.backend, 40)}" if job.backend else ""
    state = "" if job.on else ", off"
    keys = job.keys if job.what is What.SET else f"{job.keys} by the loader of set {job.warm_set}"
    what = f"{inert(job.namespace, 80)} {keys}{where}"
    rate = f"{job.rate:g} {fmt.plural(job.rate, 'load')} a second"
    return f"{what}, {job.schedule.when}, at {rate}, missed runs: {job.missed.value}{state}"


def _times(power: WarmDesk, job: WarmJob) -> tuple[str, ...]:
    times = ", ".join(fmt.stamp(at)[:-3] for at in power.times(job))
    return (f"next: {times} UTC",) if job.on else ("it is off: nothing runs before it is switched on",)


def _differences(before: WarmJob, after: WarmJob) -> list[str]:
    def told(job: WarmJob) -> dict[str, str]:
        return {
            "cache": inert(job.namespace, 80),
            "set": job.warm_set,
            "keys": job.keys,
            "when": f"{when_text(job)} {job.timezone}" if job.cron else when_text(job),
            "loads a second": f"{job.rate:g}",
            "missed runs": job.missed.value,
            "server": job.backend or "the first",
            "switch": "on" if job.on else "off",
        }

    old, new = told(before), told(after)
    return [f"{name} {old[name]} → {new[name]}" for name in old if old[name] != new[name]]
