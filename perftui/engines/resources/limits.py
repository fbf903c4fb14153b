"""Findings about what a host runs into: quotas, waits for disks, retransmits, descriptors."""

from __future__ import annotations

from collections.abc import Iterator

from perftui.model.finding import Effort, Finding, Severity
from perftui.model.resources import HostView, ProcessRow

THROTTLED, THROTTLED_BADLY = 0.05, 0.25  # share of periods in which the quota ran out
LIMIT_HIGH, LIMIT_CRITICAL = 0.85, 0.95
IOWAIT, IOWAIT_BAD = 0.20, 0.50
RETRANSMITS = 0.02  # of segments sent
ENOUGH_SEGMENTS = 20.0  # a second, below which a share says little
DESCRIPTORS = 0.80
HEAVY = 1 << 20  # bytes a second from and to storage from which a process is named


def findings(view: HostView) -> Iterator[Finding]:
    """What a limit, a disk or the network holds up now."""
    yield from _throttled(view)
    yield from _group_memory(view)
    yield from _iowait(view)
    yield from _retransmits(view)
    yield from _descriptors(view)


def _throttled(view: HostView) -> Iterator[Finding]:
    limit, share = view.reading.limit, view.sustained.throttled_ratio
    if limit is None or not limit.cores or share is None or share < THROTTLED:
        return
    yield Finding(
        "host.cpu-throttled",
        Severity.CRITICAL if share >= THROTTLED_BADLY else Severity.WARNING,
        view.source,
        f"{view.reading.host}: the processor quota runs out in {share:.0%} of periods",
        (
            f"{limit.used_cores:.2f} of {limit.cores:.2f} cores used, throttled {share:.0%} over 30 s",
            f"tasks stood still {limit.throttled_s:.2f} s a second",
            f"control group v{limit.version}: {limit.path}",
        ),
        effort=Effort.MINUTES,
    )


def _group_memory(view: HostView) -> Iterator[Finding]:
    limit = view.reading.limit
    used = limit.memory_ratio if limit is not None else None
    if limit is None or used is None or used < LIMIT_HIGH:
        return
    events = ", ".join(f"{name} {count}" for name, count in limit.events if count)
    evidence = [f"{limit.memory_used / (1 << 20):.0f} of {(limit.memory or 0) / (1 << 20):.0f} MiB"]
    yield Finding(
        "host.memory-limit",
        Severity.CRITICAL if used >= LIMIT_CRITICAL else Severity.WARNING,
        view.source,
        f"{view.reading.host}: {used:.0%} of the memory limit is used",
        tuple(evidence + ([f"events since its start: {events}"] if events else [])),
    )


def _iowait(view: HostView) -> Iterator[Finding]:
    share = view.sustained.iowait
    if share is None or share < IOWAIT:
        return
    busiest = max(view.reading.disks, key=lambda d: d.busy, default=None)
    waiting = [f"{r.name} {r.pid}" for r in view.reading.top if r.state == "D"]
    evidence = [f"{share:.0%} of processor time over 30 s, {view.reading.blocked} tasks blocked"]
    if busiest is not None:
        bytes_ = (busiest.read_bytes_per_s + busiest.write_bytes_per_s) / (1 << 20)
        evidence.append(f"disk {busiest.device}: {busiest.busy:.0%} busy, {bytes_:.1f} MiB/s")
    heavy = max(view.reading.top, key=_moved, default=None)
    if heavy is not None and _moved(heavy) >= HEAVY:
        evidence.append(f"most by {heavy.name} {heavy.pid}: {_moved(heavy) / (1 << 20):.1f} MiB/s")
    if waiting:
        evidence.append("waiting for a disk: " + ", ".join(waiting[:3]))
    severity = Severity.CRITICAL if share >= IOWAIT_BAD else Severity.WARNING
    title = f"{view.reading.host}: the processor waits for disks {share:.0%} of the time"
    yield Finding("host.io-wait", severity, view.source, title, tuple(evidence))


def _moved(row: ProcessRow) -> float:
    return (row.read_per_s or 0.0) + (row.write_per_s or 0.0)


def _retransmits(view: HostView) -> Iterator[Finding]:
    share, tcp = view.sustained.retransmit_ratio, view.reading.tcp
    if tcp is None or share is None or share < RETRANSMITS or tcp.segments_out_per_s < ENOUGH_SEGMENTS:
        return
    evidence = [f"{tcp.retransmits_per_s:.1f} of {tcp.segments_out_per_s:.0f} segments/s sent again"]
    if tcp.overflows_per_s:
        evidence.append(f"{tcp.overflows_per_s:.1f} connections/s turned away: a listen queue is full")
    title = f"{view.reading.host}: {share:.1%} of TCP segments are sent again"
    yield Finding("host.retransmits", Severity.WARNING, view.source, title, tuple(evidence))


def _descriptors(view: HostView) -> Iterator[Finding]:
    files = view.reading.files
    if files is not None and files[1] and files[0] / files[1] >= DESCRIPTORS:
        title = f"{view.reading.host}: {files[0] / files[1]:.0%} of its file descriptors are open"
        evidence = (f"{files[0]:,} of {files[1]:,}, the whole host's limit (fs.file-max)",)
        yield Finding("host.descriptors", Severity.WARNING, view.source, title, evidence)
    for row in view.reading.top:
        if row.fds is not None and row.fd_limit and row.fds / row.fd_limit >= DESCRIPTORS:
            share = row.fds / row.fd_limit
            yield Finding(
                "process.descriptors",
                Severity.CRITICAL if share >= LIMIT_CRITICAL else Severity.WARNING,
                view.source,
                f"{row.name} {row.pid} has {share:.0%} of its descriptors open",
                (f"{row.fds:,} of {row.fd_limit:,}: {row.command[:120]}",),
                effort=Effort.HOURS,
                labels=(("process", f"{row.name} {row.pid}"),),
            )
