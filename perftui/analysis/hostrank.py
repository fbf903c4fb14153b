"""Hosts in the order in which somebody should look at them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace

from perftui.model.finding import Finding, Severity
from perftui.model.health import Health, Link
from perftui.model.resources import HostRank, HostView, ResourcesReport
from perftui.model.targets import BETWEEN

GONE = (Link.LOST, Link.REFUSED)
STEP = 0.05  # of fullness: smaller differences don't change the order
WEIGHT = {Severity.INFO: 1.0, Severity.WARNING: 2.0, Severity.CRITICAL: 3.0}
LOST = 4.0


def ranked(
    report: ResourcesReport, health: Mapping[str, Health], findings: Iterable[Finding] = ()
) -> tuple[HostRank, ...]:
    """Lost ones first, then by the worst finding, then by what is fullest; equals by name.

    Hosts of one name go by the names of their backends.
    """
    health = report.standing(health)
    worst: dict[str, Finding] = {}
    for finding in findings:
        known = worst.get(finding.source)
        if known is None or WEIGHT[finding.severity] > WEIGHT[known.severity]:
            worst[finding.source] = finding
    found = [_rank(view, health.get(view.source), worst.get(view.source)) for view in report.hosts]
    found += [_silent(name, health[name]) for name in report.silent if name in health]
    names = Counter(rank.host for rank in found)
    found = [replace(rank, host=_called(rank.source)) if names[rank.host] > 1 else rank for rank in found]
    return tuple(sorted(found, key=lambda rank: (-rank.trouble, rank.host, rank.source)))


def _rank(view: HostView, health: Health | None, finding: Finding | None) -> HostRank:
    r = view.reading
    disk = max((mount.used_ratio for mount in r.mounts if not mount.read_only), default=None)
    parts = {
        "CPU": r.cpu.busy,
        "memory": r.memory.used_ratio,
        "file system": disk or 0.0,
        "disk": max((d.busy for d in r.disks), default=0.0),
    }
    fullest = max(parts, key=lambda name: parts[name])
    trouble, why = round(parts[fullest] / STEP) * STEP * 0.9, f"{fullest} {parts[fullest]:.0%}"
    if finding is not None:
        trouble, why = trouble + WEIGHT[finding.severity], finding.title
    link = health.link if health is not None else Link.WAITING
    if health is not None and link in GONE:
        trouble, why = LOST, health.error
    figures = (r.cpu.busy, r.memory.used_ratio, r.load[0], disk)
    return HostRank(view.source, r.host, trouble, why, link.value, view.at, *figures)


def _called(source: str) -> str:
    """A host by its source; of a list by its place in it."""
    return source.partition(BETWEEN)[2] or source


def _silent(name: str, health: Health) -> HostRank:
    gone = health.link in GONE
    why = health.error if gone else "not answered yet"
    return HostRank(name, _called(name), LOST if gone else 0.0, why, health.link.value, 0.0)
