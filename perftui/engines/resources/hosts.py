"""Findings about a host: saturation, memory, swap, disks, and processes that grow."""

from __future__ import annotations

from collections.abc import Iterator

from perftui.engines.resources import limits
from perftui.model.finding import Effort, Finding, Offer, Severity
from perftui.model.resources import Growth, HostView, ProcessRow

BUSY, BUSIEST = 0.80, 0.95
CORE_BUSY = 0.95
MEMORY_HIGH, MEMORY_CRITICAL = 0.85, 0.95
STALLED = 0.10  # share of time in which some task waits for memory
SWAPPING = 1 << 20  # bytes a second
DISK_HIGH, DISK_CRITICAL = 0.85, 0.95
DISK_BUSY = 0.90
SOON_FULL = 24 * 3600.0
PROVEN_AFTER = 1800.0  # seconds of growth before it counts as more than a warm-up
GREW = 32 << 20  # bytes above the lowest of ten minutes
GREW_SHARE = 0.5
WORTH_PROFILING = 0.5  # cores
CORE_BOUND = 0.75  # of a core, between two looks at all processes
CORE_WHOLE = 1.15  # beyond this it uses more than one
ONE_CORE = frozenset({"python", "node", "ruby", "php", "perl"})  # their code runs on one core at a time


def findings(view: HostView) -> Iterator[Finding]:
    """What is wrong on this host now."""
    yield from _cpu(view)
    yield from _bound(view)
    yield from _memory(view)
    yield from _swap(view)
    yield from _disks(view)
    yield from _growth(view)
    yield from limits.findings(view)


def busiest(view: HostView) -> str:
    """The processes that use most processor, for evidence."""
    rows = [r for r in sorted(view.reading.top, key=lambda r: -(r.cpu or 0)) if (r.cpu or 0) >= 0.05][:3]
    return ", ".join(f"{r.name} {r.pid} {r.cpu or 0:.0%} of a core" for r in rows)


def profile_offer(view: HostView) -> Offer | None:
    """A profile of the busiest Python process, when one is busy; any sampler may take it (source empty)."""
    row = max((r for r in view.reading.top if r.language == "python"), key=_use, default=None)
    if row is None or _use(row) < WORTH_PROFILING:
        return None
    return Offer("profile.cpu", "", f"Profile {row.name} {row.pid}", (("pid", row.pid),))


def _use(row: ProcessRow) -> float:
    return row.cpu or 0.0


def _cpu(view: HostView) -> Iterator[Finding]:
    busy, cores = view.sustained.cpu, view.sustained.cores
    who = busiest(view)
    offer = profile_offer(view)
    if busy is not None and busy >= BUSY:
        evidence = [f"{busy:.0%} busy over 30 s on {len(cores)} cores, load {view.reading.load[0]:.1f}"]
        lasts = busy >= BUSIEST and (view.sustained.cpu_lasting or 0.0) >= BUSIEST
        severity = Severity.CRITICAL if lasts else Severity.WARNING
        title = f"{view.reading.host}: CPU is {busy:.0%} busy"
        what = tuple(evidence + ([f"most by {who}"] if who else []))
        yield Finding("host.cpu-saturated", severity, view.source, title, what, offer=offer)
        return
    full = [str(i) for i, core in enumerate(cores) if core is not None and core >= CORE_BUSY]
    if full and len(cores) > 1:
        title = f"{view.reading.host}: core {', '.join(full)} is saturated, the others are not"
        evidence = [f"core {i} over {CORE_BUSY:.0%} for 30 s, all together {busy or 0:.0%}" for i in full[:1]]
        what = tuple(evidence + ([f"most by {who}"] if who else []))
        yield Finding("host.core-saturated", Severity.WARNING, view.source, title, what, offer=offer)


def _bound(view: HostView) -> Iterator[Finding]:
    """A program that can use one core only, and nearly uses it up: more cores would not help it."""
    for row in view.reading.top:
        if row.language in ONE_CORE and CORE_BOUND <= _use(row) <= CORE_WHOLE:
            offer = Offer("profile.cpu", "", f"Profile {row.name} {row.pid}", (("pid", row.pid),))
            yield Finding(
                "process.core-bound",
                Severity.WARNING,
                view.source,
                f"{row.name} {row.pid} uses {_use(row):.0%} of the one core it can",
                (f"{_use(row):.0%} of a core over 10 s, {row.language} uses no more: {row.command[:120]}",),
                offer=offer if row.language == "python" else None,
                labels=(("process", f"{row.name} {row.pid}"),),
            )


def _memory(view: HostView) -> Iterator[Finding]:
    memory, host = view.reading.memory, view.reading.host
    stalled = next((p for p in view.reading.pressure if p.resource == "memory"), None)
    waits = stalled.some if stalled else 0.0
    if memory.used_ratio >= MEMORY_HIGH or waits >= STALLED:
        evidence = [
            f"{_gib(memory.available)} of {_gib(memory.total)} available ({memory.used_ratio:.0%} used)"
        ]
        if waits >= 0.01:
            evidence.append(f"tasks waited for memory {waits:.0%} of the last 10 s")
        severe = memory.used_ratio >= MEMORY_CRITICAL or waits >= 2 * STALLED
        severity = Severity.CRITICAL if severe else Severity.WARNING
        title = f"{host}: memory is {memory.used_ratio:.0%} used"
        yield Finding("host.memory-high", severity, view.source, title, tuple(evidence))
    if view.new_oom_kills:
        title = f"{host}: the kernel killed {view.new_oom_kills} for lack of memory"
        evidence = [f"oom_kill rose by {view.new_oom_kills} since this console looks"]
        yield Finding("host.oom-kill", Severity.CRITICAL, view.source, title, tuple(evidence))


def _swap(view: HostView) -> Iterator[Finding]:
    rate = view.sustained.swap_bytes_per_s
    if rate is not None and rate >= SWAPPING:
        title = f"{view.reading.host} is swapping"
        evidence = (f"{rate / (1 << 20):.1f} MiB/s in and out over 30 s",)
        yield Finding("host.swapping", Severity.WARNING, view.source, title, evidence)


def _disks(view: HostView) -> Iterator[Finding]:
    rates = {g.name: g for g in view.growing if g.kind == "mount"}
    for mount in view.reading.mounts:
        growth = rates.get(mount.path)
        left = growth.until_full if growth else None
        soon = left is not None and left < SOON_FULL
        used = max(mount.used_ratio, mount.inode_ratio)
        if mount.read_only or (used < DISK_HIGH and not soon):
            continue
        evidence = [f"{_gib(mount.available)} of {_gib(mount.used + mount.available)} left"]
        if mount.inode_ratio >= DISK_HIGH:
            evidence.append(f"{mount.inode_ratio:.0%} of its inodes are used")
        if soon and left is not None:
            evidence.append(f"full in about {left / 3600:.1f} h at the pace of the last half hour")
        critical = used >= DISK_CRITICAL or (left is not None and left < 3600)
        title = f"{view.reading.host}: {mount.path} is {mount.used_ratio:.0%} full"
        severity = Severity.CRITICAL if critical else Severity.WARNING
        yield Finding("host.disk-full", severity, view.source, title, tuple(evidence))
    for device, busy in view.sustained.disks:
        if busy is not None and busy >= DISK_BUSY:
            title = f"{view.reading.host}: disk {device} is busy {busy:.0%} of the time"
            disk = next((d for d in view.reading.disks if d.device == device), None)
            waits = f"reads wait {disk.read_wait_s:.3f} s, writes {disk.write_wait_s:.3f} s" if disk else ""
            evidence = ["over 30 s", *([waits] if waits else [])]
            yield Finding("host.disk-busy", Severity.WARNING, view.source, title, tuple(evidence))


def _growth(view: HostView) -> Iterator[Finding]:
    told = {g.name for g in view.growing if g.kind == "process"}
    for g in view.growing:
        if g.kind == "process":
            yield _leak(view, g)
    for row in view.reading.top:
        base = row.rss - row.grew
        if row.grew >= max(GREW, base * GREW_SHARE) and f"{row.name} {row.pid}" not in told:
            yield _jump(view, row, base)


def _jump(view: HostView, row: ProcessRow, base: int) -> Finding:
    """Grown by much in minutes: perhaps a leak, perhaps a cache that filled; worth a look."""
    mib = 1 << 20
    return Finding(
        "process.memory-grew",
        Severity.INFO,
        view.source,
        f"{row.name} {row.pid} grew by {row.grew / mib:.0f} MiB in {row.grew_s / 60:.1f} min",
        (f"from {base / mib:.0f} to {row.rss / mib:.0f} MiB: {row.command[:120]}",),
        gain=float(row.grew),
        gain_unit="bytes",
        effort=Effort.HOURS,
        labels=(("process", f"{row.name} {row.pid}"),),
    )


def _leak(view: HostView, g: Growth) -> Finding:
    """A slope over less than half an hour may be a warm-up: it is told, as unproven."""
    mib = 1 << 20
    proven = g.seconds >= PROVEN_AFTER * 0.95
    pace = f"{g.per_s * 60 / mib:.1f} MiB/min ({g.low * 60 / mib:.1f}-{g.high * 60 / mib:.1f})"
    evidence = [f"{pace} over {g.seconds / 60:.0f} min, now {g.now / mib:.0f} MiB"]
    if not proven:
        evidence.append("under half an hour of history: growing, unproven")
    return Finding(
        "process.memory-growing",
        Severity.WARNING if proven else Severity.INFO,
        view.source,
        f"{g.name} grows by {g.per_s * 60 / mib:.1f} MiB a minute",
        tuple(evidence),
        gain=g.per_s * 3600,
        gain_unit="bytes",
        effort=Effort.HOURS,
        labels=(("process", g.name),),
    )


def _gib(size: float) -> str:
    return f"{size / (1 << 30):.1f} GiB"
