"""Samples stacks of running Python processes with the py-spy program, and keeps the profiles."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

from perftui.analysis.stacks import assemble, parse_folded
from perftui.backends.pyspy import attach, run
from perftui.backends.pyspy.shelf import Shelf, default_folder
from perftui.model.action import Progress, Receipt
from perftui.model.errors import Cancelled, Protocol, Unsupported
from perftui.model.options import PySpyOptions
from perftui.model.profiler import (
    Profile,
    ProfileMeta,
    ProfilerReading,
    ProfileTarget,
    Recording,
    StackFrame,
    ThreadStack,
)
from perftui.model.reading import Measure, Reading
from perftui.model.series import SeriesKey

MAX_SECONDS = 3600.0
MAX_RATE = 1000


class PySpy:
    """The sampler on this host; powers `StackSampler`, `StackDumper`, `ProfileShelf`."""

    kind: ClassVar[str] = "pyspy"
    layer: ClassVar[str] = "profiling"
    Options: ClassVar[type] = PySpyOptions
    period: ClassVar[float] = 2.0
    idle_period: ClassVar[float] = 30.0
    deadline: ClassVar[float] = 5.0

    def __init__(self, name: str, options: PySpyOptions) -> None:
        self.name = name
        self._archive = options.archive
        self._shelf = Shelf(Path())
        self._version = ""
        self._recording: Recording | None = None
        self._newest: Profile | None = None

    async def open(self) -> None:
        """Find py-spy and ask its version; Unsupported when it is not installed."""
        self._shelf = Shelf(Path(self._archive).expanduser() if self._archive else default_folder())
        _, out, _ = await run.ask("--version", deadline=self.deadline * 0.8)
        self._version = out.strip() or "py-spy"

    async def close(self) -> None:
        """Nothing is held open: a recording ends with the task that awaits it."""

    async def read(self) -> Reading:
        """What is being recorded, the newest profile, and those kept; attaches to nobody."""
        at, began = time.time(), time.monotonic()
        kept = self._shelf.list()
        facts = ProfilerReading(self._version, self._recording, self._newest, kept, attach.obstacle())
        samples = (Measure(SeriesKey(self.name, "profiles.kept"), float(len(kept))),)
        return Reading(self.name, at, time.monotonic() - began, samples, facts)

    async def find_target(self, pid: int) -> ProfileTarget:
        """The process `pid` is now; Lost when gone, Unsupported when it is no Python."""
        return attach.find_target(pid)

    async def sample_stacks(
        self, pid: int, seconds: float, rate: int, report: Callable[[Progress], None]
    ) -> Profile:
        """Sample for `seconds` (1-3600) at `rate` Hz (1-1000), and keep the profile.

        Stopped before its end it raises Cancelled, whose receipt names the profile of what was taken by
        then. Refused says the line that grants the right.
        """
        if not 1 <= seconds <= MAX_SECONDS or not 1 <= rate <= MAX_RATE:
            raise Unsupported(f"a profile takes 1-{MAX_SECONDS:g} s at 1-{MAX_RATE} Hz")
        if self._recording is not None:
            raise Unsupported(f"{self.name} is already recording process {self._recording.pid}")
        target = attach.find_target(pid)
        at = time.time()
        self._recording = Recording(pid, at, seconds, rate)
        sampling = run.Run(pid, seconds, rate)
        try:
            recorded = await sampling.record(report)
        except asyncio.CancelledError:
            stopped = sampling.stopped_run
            if stopped is None or not stopped.folded:
                raise
            raise _stopped(self._finish(target, at, rate, stopped)) from None
        finally:
            self._recording = None
        if recorded.code or not recorded.said:
            raise attach.explain(target, recorded.said)
        return await asyncio.to_thread(self._finish, target, at, rate, recorded)

    def _finish(self, target: ProfileTarget, at: float, rate: int, recorded: run.Recorded) -> Profile:
        meta = ProfileMeta(
            id=f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime(at))}-{target.pid}",
            at=at,
            seconds=recorded.seconds,
            rate=rate,
            samples=recorded.samples,
            errors=recorded.errors,
            target=target,
            sampler=self._version,
            note=recorded.note,
        )
        try:
            profile = assemble(parse_folded(recorded.folded), meta)
        except ValueError as error:
            raise Protocol(f"{self.name}: py-spy wrote what cannot be read: {error}") from error
        self._shelf.keep(profile)
        self._newest = profile
        return profile

    async def dump_stacks(self, pid: int) -> tuple[ThreadStack, ...]:
        """What every thread of `pid` does right now; the process stands still for some milliseconds."""
        target = attach.find_target(pid)
        code, out, said = await run.ask("dump", "--json", "-p", str(pid), deadline=self.deadline)
        if code:
            raise attach.explain(target, said or out)
        try:
            return tuple(_thread(thread) for thread in json.loads(out))
        except (ValueError, KeyError, TypeError) as error:
            raise Protocol(f"{self.name}: py-spy dumped what cannot be read: {error}") from error

    async def profile(self, profile_id: str) -> Profile:
        """A kept profile; it becomes the newest shown."""
        self._newest = await asyncio.to_thread(self._shelf.load, profile_id)
        return self._newest

    async def keep_profile(self, profile: Profile) -> str:
        """Keep a profile, from wherever it came, and return its path."""
        return str(await asyncio.to_thread(self._shelf.keep, profile))


def _stopped(profile: Profile) -> Cancelled:
    meta = profile.meta
    said = f"stopped after {meta.seconds:.1f} s: {profile.total} samples kept"
    facts = {"profile": meta.id, "samples": meta.samples, "errors": meta.errors}
    return Cancelled(said, Receipt(said, done=meta.samples, facts=facts))


def _thread(raw: dict[str, Any]) -> ThreadStack:
    frames = tuple(
        StackFrame(str(f["name"]), str(f["filename"]), int(f["line"] or 0)) for f in reversed(raw["frames"])
    )
    return ThreadStack(
        pid=int(raw["pid"]),
        thread=int(raw["os_thread_id"] or raw["thread_id"]),
        name=str(raw["thread_name"] or ""),
        active=bool(raw["active"]),
        holds_gil=bool(raw["owns_gil"]),
        frames=frames,
    )
