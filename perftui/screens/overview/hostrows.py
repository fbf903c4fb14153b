"""What a host's panels say: cores, memory, pressure; pure drawings."""

from __future__ import annotations

from collections.abc import Callable

from perftui.draw import format as fmt
from perftui.draw.clean import inert
from perftui.draw.rows import Look, Row, Rows, Size, Span
from perftui.draw.stackedbar import Part, stackedbar
from perftui.draw.table import Cell, Column
from perftui.draw.text import line
from perftui.model.resources import HostView, MemoryUse, Pressure
from perftui.screens.overview import corerows
from perftui.screens.overview.corerows import BUSIEST, BUSY

Drawn = Callable[[str, str], Callable[[str], Cell]]
"""Series and label → what draws the course of one device or interface."""

COURSE = 10  # cells of a course of five minutes
WORTH = 64 << 20  # bytes of unwritten pages that are worth a word


def cpu(view: HostView, size: Size, look: Look, course: Callable[[], corerows.Course] | None = None) -> Rows:
    """All cores together in words, then each; what each did lately comes from `course` where it is needed."""
    room = Size(size.width, max(0, size.height - 1))
    each = corerows.cores(view.reading.cores, view.sustained.ranges, room, look, course, view.at)
    return [_together(view, size.width), *each]


def _together(view: HostView, width: int) -> Row:
    r = view.reading
    c = r.cpu
    parts = [f"user {fmt.ratio(c.user + c.nice)}", f"system {fmt.ratio(c.system + c.irq + c.softirq)}"]
    parts += [
        f"{name} {fmt.ratio(value)}" for name, value in (("iowait", c.iowait), ("steal", c.steal)) if value
    ]
    parts.append("load " + " ".join(f"{x:.2f}" for x in r.load))
    parts.append(f"{r.runnable} run, {r.blocked} blocked")
    switches = f"{fmt.rate(r.switches_per_s)} switches"
    if r.switches_per_s and len(f"busy {fmt.ratio(c.busy)}  {'  '.join((*parts, switches))}") <= width:
        parts.append(switches)
    style = "crit bold" if c.busy >= BUSIEST else "warn bold" if c.busy >= BUSY else "bold"
    return line(width, Span(f"busy {fmt.ratio(c.busy)}", style), Span("  " + "  ".join(parts), "muted"))


def memory(view: HostView, size: Size, look: Look) -> Rows:
    """A bar in parts with its legend, swap, and who waits for what."""
    m = view.reading.memory
    style = "crit" if m.used_ratio >= BUSIEST else "warn" if m.used_ratio >= 0.85 else "s1"
    parts = memory_parts(m, style)
    swap = (
        f"swap {fmt.bytes_(m.swap_total - m.swap_free)} of {fmt.bytes_(m.swap_total)}"
        if m.swap_total
        else "no swap"
    )
    moving = m.swap_in_per_s + m.swap_out_per_s
    swap += f", {fmt.rate(moving, 'bytes')} in and out" if moving else ""
    said = [
        Span(f"{fmt.ratio(m.used_ratio)} of {fmt.bytes_(m.total)} used", "bold"),
        Span(f"  {', '.join((swap, *_more(m)))}", "muted"),
    ]
    bar = stackedbar(parts, Size(size.width, max(1, size.height - 2)), look, unit="bytes", total=m.total)
    return [line(size.width, *said), *bar, pressure(view.reading.pressure, size.width)]


def _more(m: MemoryUse) -> list[str]:
    """What is worth a word only where there is some: unwritten pages, huge ones, kills."""
    parts = [f"{fmt.bytes_(m.dirty)} dirty"] if m.dirty >= WORTH else []
    if m.huge_total:
        parts.append(f"huge pages {fmt.bytes_(m.huge_total - m.huge_free)} of {fmt.bytes_(m.huge_total)}")
    return parts + ([f"{m.oom_kills} killed for memory"] if m.oom_kills else [])


def brief(view: HostView, width: int) -> Rows:
    """Memory, pressure, disks and network in a line each, for a small terminal."""
    r = view.reading
    m = r.memory
    style = "crit" if m.used_ratio >= BUSIEST else "warn" if m.used_ratio >= 0.85 else "bold"
    said = f"  {fmt.bytes_(m.used)} of {fmt.bytes_(m.total)}, cached {fmt.bytes_(m.cached)}, {_swap(m)}"
    nets = [n for n in r.nets if not n.loopback] or list(r.nets)
    disk = (
        f"read {_bytes_rate(sum(d.read_bytes_per_s for d in r.disks))}  "
        f"write {_bytes_rate(sum(d.write_bytes_per_s for d in r.disks))}  "
        f"busiest {fmt.ratio(max((d.busy for d in r.disks), default=None))}"
    )
    net = (
        f"in {_bytes_rate(sum(n.rx_bytes_per_s for n in nets))}  "
        f"out {_bytes_rate(sum(n.tx_bytes_per_s for n in nets))}  {tcp(view)}"
    )
    return [
        line(width, Span(f"memory {fmt.ratio(m.used_ratio)}", style), Span(said, "muted")),
        line(width, Span("disks ", "muted"), Span(disk)),
        line(width, Span("net   ", "muted"), Span(net)),
        pressure(r.pressure, width),
    ]


def tcp(view: HostView) -> str:
    """Connections, segments sent again and full listen queues, as far as they are told."""
    use = view.reading.tcp
    if use is None:
        return ""
    states = dict(use.states or ())
    parts = [f"{states['established']} connected"] if "established" in states else []
    parts += [f"{use.retransmits_per_s:.1f} retransmits/s"] if use.retransmits_per_s else []
    parts += [f"{use.overflows_per_s:.1f} turned away/s"] if use.overflows_per_s else []
    return ", ".join(parts)


def memory_parts(m: MemoryUse, style: str = "s1") -> list[Part]:
    """All memory in five parts that add up: shared is inside used, the rest of what is available is cache."""
    shared = min(m.shared, m.used)
    buffers = min(m.buffers, max(0, m.total - m.used - m.free))
    cached = max(0, m.total - m.used - m.free - buffers)
    return [
        Part("used", m.used - shared, style),
        Part("shared", shared, "s3"),
        Part("buffers", buffers, "s4"),
        Part("cached", cached, "s2"),
        Part("free", m.free, "faint"),
    ]


def about(view: HostView) -> str:
    """What stands at the end of the processor's title: size, speed, heat, limits, and what perftui costs."""
    r = view.reading
    parts = [f"{len(r.cores)} cores"]
    if r.frequency_hz is not None:
        parts.append(f"{r.frequency_hz / 1e9:.2f} GHz")
    if r.temperature_c is not None:
        parts.append(f"{r.temperature_c:.0f} °C")
    if r.limit is not None and r.limit.cores:
        parts.append(f"quota {r.limit.cores:g}, throttled {fmt.ratio(r.limit.throttled_ratio)}")
    if r.contained:
        parts.append("the container's view")
    parts.append(f"up {fmt.duration(r.uptime)}")
    if r.own is not None and r.window:
        parts.append(f"perftui {fmt.ratio(r.own.cpu)}, {fmt.bytes_(r.own.rss)}")
    return ", ".join(parts)


def _swap(m: MemoryUse) -> str:
    if not m.swap_total:
        return "no swap"
    moving = m.swap_in_per_s + m.swap_out_per_s
    said = f"swap {fmt.bytes_(m.swap_total - m.swap_free)} of {fmt.bytes_(m.swap_total)}"
    return said + (f", {fmt.rate(moving, 'bytes')} in and out" if moving else "")


def pressure(found: tuple[Pressure, ...], width: int) -> Row:
    """Share of the last 10 s in which some task waited for each resource, and in which all did."""
    if not found:
        return line(width, Span("pressure is not told by this kernel", "faint"))
    spans = [Span("tasks waited for ", "muted")]
    for p in found:
        style = "crit" if p.some >= 0.3 else "warn" if p.some >= 0.1 else ""
        every = f" (all {fmt.ratio(p.full)})" if p.full >= 0.01 else ""
        spans += [Span(f"{p.resource} ", "muted"), Span(fmt.ratio(p.some) + every, style), Span("  ")]
    return line(width, *spans)


def _course(key: str, title: str, of: str, drawn: Callable[[str], Cell]) -> Column:
    return Column(key, title, drawn, value=lambda item: getattr(item, of), width=COURSE, priority=2)


def disk_columns(drawn: Drawn) -> list[Column]:
    """Devices: bytes and operations a second, waits, how busy."""
    return [
        Column("device", "Disk", lambda t: inert(t, 40), width=8, grow=True),
        Column("read_bytes_per_s", "Read/s", _bytes_rate, width=10, align="right"),
        _course("read_course", "read 5 min", "device", drawn("disk.read_bytes_per_s", "device")),
        Column("write_bytes_per_s", "Write/s", _bytes_rate, width=10, align="right"),
        _course("write_course", "write", "device", drawn("disk.write_bytes_per_s", "device")),
        Column("reads_per_s", "Reads", fmt.rate, width=8, align="right", priority=5),
        Column("writes_per_s", "Writes", fmt.rate, width=8, align="right", priority=5),
        Column(
            "read_wait_s",
            "r wait",
            fmt.duration,
            width=8,
            align="right",
            priority=3,
            help="mean wait of a read",
        ),
        Column("write_wait_s", "w wait", fmt.duration, width=8, align="right", priority=3, help="mean wait"),
        Column("busy", "Busy", _loud, width=6, align="right", help="share of time with requests under way"),
    ]


def until_full(view: HostView, path: str) -> float | None:
    """Seconds until a file system is full at the pace of the last half hour, None where it does not grow."""
    return next((g.until_full for g in view.growing if g.kind == "mount" and g.name == path), None)


def mount_columns(left: Callable[[str], float | None]) -> list[Column]:
    """File systems: use and what is left."""
    return [
        Column("path", "Mount", lambda t: inert(t, 200), width=10, grow=True),
        Column("used", "Used", fmt.bytes_, width=9, align="right", priority=3),
        Column("available", "Left", fmt.bytes_, width=9, align="right"),
        Column("used_ratio", "Full", _loud, width=6, align="right"),
        Column(
            "until_full",
            "Full in",
            fmt.duration,
            value=lambda m: left(m.path),
            width=9,
            align="right",
            priority=2,
            help="at the pace of the last half hour",
        ),
        Column("inode_ratio", "Inodes", _loud, width=6, align="right", priority=4),
        Column("read_only", "Mode", lambda ro: "ro" if ro else "rw", width=4, priority=6),
    ]


def net_columns(drawn: Drawn) -> list[Column]:
    """Interfaces: both ways a second, errors and drops."""
    return [
        Column("interface", "Network", lambda t: inert(t, 40), width=8, grow=True),
        Column("rx_bytes_per_s", "In/s", _bytes_rate, width=10, align="right"),
        _course("rx_course", "in 5 min", "interface", drawn("net.rx_bytes_per_s", "interface")),
        Column("tx_bytes_per_s", "Out/s", _bytes_rate, width=10, align="right"),
        _course("tx_course", "out", "interface", drawn("net.tx_bytes_per_s", "interface")),
        Column("rx_packets_per_s", "Packets in", fmt.rate, width=10, align="right", priority=5),
        Column("tx_packets_per_s", "out", fmt.rate, width=8, align="right", priority=5),
        Column("errors_per_s", "Errors", fmt.rate, width=7, align="right", priority=3),
        Column("drops_per_s", "Drops", fmt.rate, width=7, align="right", priority=4),
        Column("link_ratio", "Link", fmt.ratio, width=6, align="right", priority=6, help="use of its speed"),
    ]


def _bytes_rate(value: float) -> str:
    return fmt.rate(value, "bytes")


def _loud(value: float) -> tuple[str, str]:
    return fmt.ratio(value), "crit" if value >= BUSIEST else "warn" if value >= 0.85 else ""
