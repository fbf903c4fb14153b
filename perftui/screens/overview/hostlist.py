"""The list of hosts beside the one that is shown: worst first, a lost one with its age."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from perftui.analysis.hostrank import GONE, ranked
from perftui.draw import format as fmt
from perftui.draw.clean import inert
from perftui.draw.table import Cell, Column
from perftui.model.frame import Frame
from perftui.model.resources import HostRank, HostView, ProcessList, ResourcesReport
from perftui.screens.processes import columns as process_columns

LOST = {link.value for link in GONE}
WIDE = 31  # cells of the list
SHARE = 6


def listed(frame: Frame, report: ResourcesReport) -> tuple[HostRank, ...]:
    """Every host of a frame, worst first."""
    return ranked(report, frame.health, frame.findings)


def chosen(report: ResourcesReport, wanted: str, own: Sequence[str]) -> HostView | None:
    """The host asked for, else the first whose processes can be read, else the first."""
    near = next((view for view in report.hosts if view.source in own), None)
    return report.host(wanted) or near or next(iter(report.hosts), None)


def columns(now: Callable[[], float]) -> list[Column]:
    """Host, processor and memory; in their place what a lost link says, and for how long."""

    def cpu(rank: HostRank) -> Cell:
        if rank.link in LOST:
            return rank.link.upper(), "crit bold"
        return _share(rank.cpu)

    def memory(rank: HostRank) -> Cell:
        if rank.link in LOST:
            return (fmt.age(max(0.0, now() - rank.at)) if rank.at else "never"), "crit"
        return _share(rank.memory)

    return [
        Column("host", "Host", _named, value=lambda rank: rank, width=10, grow=True),
        Column("cpu", "CPU", cpu, value=lambda rank: rank, width=SHARE, align="right", order=lambda r: r.cpu),
        Column(
            *("memory", "Memory", memory),
            value=lambda rank: rank,
            width=SHARE,
            align="right",
            order=lambda r: r.memory,
        ),
    ]


def words(rank: HostRank, now: float) -> str:
    """A host in one line, for a list to choose from."""
    if rank.link in LOST:
        gone = f"for {fmt.age(max(0.0, now - rank.at))}" if rank.at else "never answered"
        return inert(f"{rank.host}  {rank.link.upper()} {gone}: {rank.why}", 100)
    shares = f"CPU {fmt.ratio(rank.cpu).strip()}  memory {fmt.ratio(rank.memory).strip()}"
    return inert(f"{rank.host}  {shares}  {rank.why}", 100)


def _named(rank: HostRank) -> Cell:
    severity = int(rank.trouble)
    return inert(rank.host, 60), "crit" if severity >= 3 else "warn" if severity == 2 else ""


def _share(value: float | None) -> Cell:
    style = "" if value is None or value < 0.85 else "crit" if value >= 0.95 else "warn"
    return fmt.ratio(value), style


def absent(view: HostView | None, found: ProcessList | None) -> list[str]:
    """What a host does not tell, and why."""
    if view is None:
        return []
    host = inert(view.reading.host, 60)
    said = [f"{figure}: {host} does not tell" for figure in view.reading.missing]
    if found is not None and found.host == view.reading.host:
        titles = {column.key: column.title for column in process_columns()}
        said += [f"{titles.get(name, name)}: {why}" for name, why in found.missing]
    return said
