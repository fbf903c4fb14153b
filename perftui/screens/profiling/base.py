"""What both profiling tabs do: pick a target, record it, end a recording, open a kept profile."""

from __future__ import annotations

from typing import Any

from perftui.draw import format as fmt
from perftui.draw.clean import inert
from perftui.model.action import Receipt
from perftui.model.profiler import ProfileMeta, ProfilerReport
from perftui.model.resources import ProcessList, ProcessRow
from perftui.screens import processes
from perftui.screens.processes import short
from perftui.screens.tab import Tab

SECONDS = "10"
LONGEST = 3600


class ProfilingTab(Tab):
    """Keys shared by the tabs of this screen."""

    @property
    def sampler(self) -> str:
        """The backend that samples stacks, or an empty string."""
        return next(iter(self.session.sources("StackSampler")), "")

    @property
    def report(self) -> ProfilerReport | None:
        """The newest profiler report drawn."""
        frame = self.frames.get("profiler")
        return frame.report if frame and isinstance(frame.report, ProfilerReport) else None

    @property
    def processes(self) -> ProcessList | None:
        """The newest list of processes drawn."""
        return processes.listed(self)

    def target(self) -> ProcessRow | None:
        """The process that `R` would record."""
        return None

    def on_command(self, id: str) -> bool:  # noqa: A002 - the word tabs know
        """Record, pick a target, pick a profile."""
        acts = {
            "profile.cpu": self.record,
            "profiling.target": self.pick_target,
            "profiling.profiles": self.pick_profile,
        }
        if id not in acts:
            return False
        acts[id]()
        return True

    def record(self) -> None:
        """Record the target; while a recording runs, end it and keep what there is."""
        under_way = [run.id for run in self.session.conductor.running if run.action == "profile.cpu"]
        if under_way:
            for run_id in under_way:
                self.session.conductor.cancel(run_id)
            return
        row = self.target()
        if row is None:
            self.pick_target()
        elif row.language not in {"python", ""}:
            self.toast(f"{row.name} {row.pid} runs {row.language}: py-spy samples Python only", "warn")
        else:
            self.ask_seconds(row.pid, row.name)

    def ask_seconds(self, pid: int, name: str) -> None:
        """How long, then plan, ask and record."""
        self.ask(
            f"Record {inert(name, 40)} {pid}",
            "seconds",
            lambda text: self.start(pid, float(text)),
            value=SECONDS,
            check=wrong_seconds,
        )

    def start(self, pid: int, seconds: float) -> None:
        """Hand it to the conductor; its profile is shown when it is there."""
        self.perform("profile.cpu", self.sampler, after=self.recorded, pid=pid, seconds=seconds)

    def recorded(self, _receipt: Receipt) -> None:
        """A profile was taken: read it and show it."""
        self.session.retry(self.sampler)
        self.go("profiling.cpu")

    def pick_target(self) -> None:
        """Choose among the Python processes of the host."""
        rows = [r for r in (self.processes.rows if self.processes else ()) if r.language == "python"]
        if not rows:
            self.toast("no Python process is known here yet", "warn")
            return
        names = {str(r.pid): r.name for r in rows}
        self.choose(
            "Record which process?",
            [(str(r.pid), target_line(r)) for r in rows],
            lambda pid: self.ask_seconds(int(pid), names[pid]),
        )

    def pick_profile(self) -> None:
        """Choose among the kept profiles."""
        kept = self.report.kept if self.report else ()
        if not kept:
            self.toast("no profile is kept yet: R records one", "warn")
            return
        self.choose("Show which profile?", [(m.id, meta_line(m)) for m in kept], self.show_profile)

    def show_profile(self, profile_id: str) -> None:
        """Load a kept profile; it becomes the newest, and the CPU tab shows it."""
        sampler = self.sampler

        async def load(power: Any) -> Any:
            profile = await power.profile(profile_id)
            self.session.retry(sampler)
            return profile

        self.probe("profiler.profile", sampler, "ProfileShelf", load)
        self.go("profiling.cpu")


def wrong_seconds(text: str) -> str:
    """What is wrong with a number of seconds, or ''."""
    try:
        good = 1 <= float(text) <= LONGEST
    except ValueError:
        good = False
    return "" if good else f"a number of seconds, 1 to {LONGEST}"


def target_line(row: ProcessRow) -> str:
    """A process as one line of a choice."""
    return f"{row.pid:>8} {fmt.ratio(row.cpu, 7)} {fmt.bytes_(row.rss, 10)}  {short(row.command, 120)}"


def meta_line(meta: ProfileMeta) -> str:
    """A kept profile as one line of a choice."""
    note = f" ({inert(meta.note, 40)})" if meta.note else ""
    taken = f"{meta.samples} samples, {meta.seconds:.0f} s at {meta.rate} Hz"
    return f"{fmt.stamp(meta.at)}  {taken}  {short(meta.target.command, 80)}{note}"
