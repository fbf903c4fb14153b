"""Autoscaling: every workload's wanted, running and ready instances, and what does not fit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import ClassVar

from perftui.model.autoscaling import AutoscalingReport, Instance, PoolFacts, Workload
from perftui.model.finding import Effort, Finding, Offer, Severity
from perftui.model.frame import SeriesReader
from perftui.model.reading import Look

HOT = 0.8  # share of a core a worker may use, averaged over the ready ones
CRASHES = 3  # replaced workers in CRASH_WINDOW before it is a finding
CRASH_WINDOW = 600.0
CALM, CALM_PACES = 45.0, 3.0  # seconds, and times the pace of crashes, without one until it is over
CRASH_KINDS = ("crashed", "crash", "died")


class AutoscalingEngine:
    """One report over every connected scaler."""

    stem: ClassVar[str] = "autoscaling"
    kinds: ClassVar[tuple[str, ...]] = ("processpool",)

    def observe(self, now: float, looks: Mapping[str, Look], _history: SeriesReader) -> AutoscalingReport:
        """Workloads of the newest looks, lost ones included with their last good figures."""
        facts = {
            name: look.reading.facts
            for name, look in sorted(looks.items())
            if look.reading is not None and isinstance(look.reading.facts, PoolFacts)
        }
        events = sorted((e for f in facts.values() for e in f.events), key=lambda e: e.at)
        return AutoscalingReport(now, tuple(_workload(n, f) for n, f in facts.items()), tuple(events))

    def findings(self, report: AutoscalingReport) -> Sequence[Finding]:
        """Hot at the maximum, hot below it, missing instances, crashing ones."""
        return tuple(f for w in report.workloads for f in _findings(report, w))

    def actions(self, report: AutoscalingReport) -> Sequence[Offer]:
        """One step up and one down for each workload, within its bounds."""
        return tuple(offer for w in report.workloads for offer in _steps(w))


def _sum(values: Sequence[float | None]) -> float | None:
    known = [v for v in values if v is not None]
    return sum(known) if known else None


def _workload(source: str, facts: PoolFacts) -> Workload:
    alive = [i for i in facts.instances if i.state != "dead"]
    return Workload(
        source,
        facts.scale,
        facts.instances,
        _sum([i.cpu_ratio for i in alive]),
        _sum([i.requests_per_s for i in alive]),
    )


def _to(workload: Workload, n: int) -> Offer:
    title = f"Scale {workload.source} {workload.scale.desired} → {n}"
    return Offer("scaling.set", workload.source, title, (("n", n),))


def _steps(workload: Workload) -> Iterator[Offer]:
    scale = workload.scale
    if scale.desired < scale.maximum:
        yield _to(workload, scale.desired + 1)
    if scale.desired > scale.minimum:
        yield _to(workload, scale.desired - 1)


def _findings(report: AutoscalingReport, workload: Workload) -> Iterator[Finding]:
    ready = [i for i in workload.instances if i.state == "ready" and i.cpu_ratio is not None]
    yield from _hot(workload, ready)
    yield from _missing(report.at, workload)
    yield from _silent(workload)
    yield from _crashing(report, workload)


def _hot(workload: Workload, ready: Sequence[Instance]) -> Iterator[Finding]:
    used = sum(i.cpu_ratio or 0.0 for i in ready)
    if not ready or used / len(ready) < HOT:
        return
    scale = workload.scale
    evidence = (
        f"{len(ready)} ready workers use {used / len(ready):.0%} of a core each",
        f"{workload.requests_per_s or 0:.1f} requests/s, {scale.desired} wanted, at most {scale.maximum}",
    )
    if scale.desired >= scale.maximum:
        title = f"{workload.source} is hot at its maximum of {scale.maximum}"
        yield Finding(
            "scaling.at-max", Severity.CRITICAL, workload.source, title, evidence, effort=Effort.HOURS
        )
        return
    want = min(scale.maximum, max(scale.desired + 1, round(used / 0.6 + 0.5)))
    title = f"{workload.source} is hot: {want} workers would bring it to about 60 %"
    yield Finding(
        "scaling.hot",
        Severity.WARNING,
        workload.source,
        title,
        evidence,
        gain=used - 0.6 * len(ready),
        gain_unit="s/s",
        effort=Effort.KEY,
        offer=_to(workload, want),
    )


def _missing(now: float, workload: Workload) -> Iterator[Finding]:
    scale = workload.scale
    late = [i for i in workload.instances if i.state == "starting" and now - i.since > 10.0]
    if scale.ready >= scale.desired or not late:
        return
    evidence = tuple(f"worker {i.id} (pid {i.pid}) starting for {now - i.since:.0f} s" for i in late[:3])
    title = f"{workload.source}: {scale.ready} of {scale.desired} wanted workers are ready"
    yield Finding("scaling.not-ready", Severity.WARNING, workload.source, title, evidence)


def _silent(workload: Workload) -> Iterator[Finding]:
    """Workers that are there and answer nothing: stopped, or stuck in a call."""
    silent = [i for i in workload.instances if i.state == "silent"]
    if silent:
        title = f"{workload.source}: {len(silent)} of {len(workload.instances)} workers are silent"
        evidence = tuple(
            f"worker {i.id} (pid {i.pid}) holds {i.inflight} requests and does not answer" for i in silent[:3]
        )
        yield Finding("scaling.silent", Severity.CRITICAL, workload.source, title, evidence)


def _crashing(report: AutoscalingReport, workload: Workload) -> Iterator[Finding]:
    since = report.at - CRASH_WINDOW
    crashes = [
        e
        for e in report.events
        if e.source == workload.source and e.at >= since and any(k in e.title for k in CRASH_KINDS)
    ]
    if len(crashes) < CRASHES or report.at - crashes[-1].at > _calm_after([e.at for e in crashes]):
        return
    title = f"{workload.source}: {len(crashes)} workers crashed in {CRASH_WINDOW / 60:.0f} min"
    evidence = tuple(f"{e.title}: {e.detail}" for e in crashes[-3:])
    yield Finding(
        "scaling.crashing", Severity.CRITICAL, workload.source, title, evidence, effort=Effort.HOURS
    )


def _calm_after(at: Sequence[float]) -> float:
    """Seconds without a crash after which crashes as regular as the last three would have gone on."""
    pace = max(later - earlier for earlier, later in pairwise(at[-CRASHES:]))
    return max(CALM, CALM_PACES * pace)
