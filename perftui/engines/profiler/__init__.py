"""Explains profiles: where the time goes, along which path, and how sure that is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from perftui.analysis.flame import functions, hot_path
from perftui.model.finding import Effort, Finding, Offer, Severity
from perftui.model.frame import SeriesReader
from perftui.model.profiler import HotFunction, HotStep, Profile, ProfilerReading, ProfilerReport
from perftui.model.reading import Look

ENOUGH = 200  # samples under which a share is a guess
HOT = 0.20  # self share of a function worth a finding
FAILING = 0.10  # share of samples the sampler failed to take
MOST = 3


class ProfilerEngine:
    """One report: the newest profile explained, and the profiles kept."""

    stem: ClassVar[str] = "profiler"
    kinds: ClassVar[tuple[str, ...]] = ("pyspy",)

    def __init__(self) -> None:
        self._last: ProfilerReport | None = None

    def observe(self, now: float, looks: Mapping[str, Look], history: SeriesReader) -> ProfilerReport:
        """The sampler that has the newest profile speaks; a profile is explained once."""
        readings = {
            name: look.reading.facts
            for name, look in sorted(looks.items())
            if look.reading is not None and isinstance(look.reading.facts, ProfilerReading)
        }
        if not readings:
            return ProfilerReport("", "")
        source = max(readings, key=lambda name: _age(readings[name].newest))
        facts = readings[source]
        self._last = self._report(source, facts, self._last)
        return self._last

    def _report(self, source: str, facts: ProfilerReading, last: ProfilerReport | None) -> ProfilerReport:
        profile = facts.newest
        path: tuple[HotStep, ...] = ()
        hot: tuple[HotFunction, ...] = ()
        if profile is not None and last is not None and last.newest is profile:
            path, hot = last.hot_path, last.functions
        elif profile is not None:
            path = hot_path(profile.tree, profile.frames)
            hot = functions(profile.tree, profile.frames)
        return ProfilerReport(
            source, facts.sampler, facts.recording, profile, path, hot, facts.kept, facts.obstacle
        )

    def findings(self, report: ProfilerReport) -> Sequence[Finding]:
        """Functions that hold a fifth of the time or more, and samplers that cannot keep up."""
        profile = report.newest
        if profile is None:
            return ()
        found = [_hot(report, profile, f) for f in report.functions[:MOST] if _worth(profile, f)]
        meta = profile.meta
        if meta.errors > FAILING * max(1, meta.samples + meta.errors):
            title = f"py-spy failed to take {meta.errors} of {meta.samples + meta.errors} samples"
            evidence = (f"profile {meta.id} at {meta.rate} Hz: lower the rate",)
            found.append(Finding("profiler.sampler-behind", Severity.INFO, report.source, title, evidence))
        return tuple(found)

    def actions(self, report: ProfilerReport) -> Sequence[Offer]:
        """None by itself: a profile needs to be told of whom."""
        return ()


def _age(profile: Profile | None) -> float:
    return profile.meta.at if profile is not None else 0.0


def _worth(profile: Profile, f: HotFunction) -> bool:
    return profile.total >= ENOUGH and f.share_self - f.margin >= HOT


def _hot(report: ProfilerReport, profile: Profile, f: HotFunction) -> Finding:
    meta = profile.meta
    share = f"{f.share_self:.0%} ± {f.margin * 100:.0f} points of {profile.total} samples"
    evidence = (
        f"{share} on its own lines, {f.share_total:.0%} with what it calls",
        f"{f.frame.where or 'place unknown'}, profile {meta.id} of process {meta.target.pid}",
    )
    return Finding(
        "profiler.hot-function",
        Severity.INFO,
        report.source,
        f"{f.frame.name} takes {f.share_self:.0%} of process {meta.target.pid}'s time",
        evidence,
        gain=f.own / meta.rate / meta.seconds if meta.seconds else 0.0,
        gain_unit="s/s",
        effort=Effort.HOURS,
        labels=(("profile", meta.id),),
    )
