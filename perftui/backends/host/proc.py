"""Reads Linux' /proc directly: the same figures as a library gives, at a fraction of the cost.

Every file stays open and is read again from its start with pread, which makes the kernel write it anew.
Layouts: https://docs.kernel.org/filesystems/proc.html and /admin-guide/iostats.html
"""

# ruff: noqa: PTH208 - plain strings: this runs every second and Path costs more than the read
from __future__ import annotations

import os
import time

from perftui.analysis.hostcounters import LOCAL_FS, VIRTUAL_DISKS, Snapshot, Ticks
from perftui.backends.host import groups, sensors, tcp
from perftui.model.resources import MountUse, Pressure

PAGE = os.sysconf("SC_PAGE_SIZE")
HZ = os.sysconf("SC_CLK_TCK")
SECTOR = 512
CHUNK = 1 << 16
SLOW_PERIOD = 10.0  # seconds between looks at mounts, link speeds and the list of devices
STATES_PERIOD = 30.0  # and at the state of every connection, for which the kernel walks a large table


class Files:
    """Files kept open for reading over and over; `read` of one that cannot be had is empty."""

    def __init__(self) -> None:
        self._open: dict[str, int] = {}

    def read(self, path: str) -> bytes:
        """The whole file as it is now; a seq_file gives at most a page at a time."""
        descriptor = self._open.get(path)
        try:
            if descriptor is None:
                descriptor = self._open[path] = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            text = part = os.pread(descriptor, CHUNK, 0)
            while part and (len(part) >= PAGE - 256 or len(text) != len(part)):
                part = os.pread(descriptor, CHUNK, len(text))
                text += part
        except OSError:
            self.forget(path)
            return b""
        return text

    def forget(self, path: str) -> None:
        """Close one file, if open."""
        descriptor = self._open.pop(path, None)
        if descriptor is not None:
            os.close(descriptor)

    def close(self) -> None:
        """Close all of them; may be called twice."""
        for path in list(self._open):
            self.forget(path)


class ProcSource:
    """Snapshots of a Linux host from its proc and sys folders (or those mounted elsewhere)."""

    def __init__(self, root: str = "/proc", sys: str = "/sys", *, every_disk: bool = False) -> None:
        self._root = root
        self._sys = sys
        self._every_disk = every_disk
        self._files = Files()
        self._slow_at = -SLOW_PERIOD
        self._states_at = -STATES_PERIOD
        self._mounts: tuple[MountUse, ...] = ()
        self._links: dict[str, int] = {}
        self._whole_disks: frozenset[str] = frozenset()
        self._states: tuple[tuple[str, int], ...] | None = None
        self._group: tuple[int, str, str] | None = None
        self._contained = False
        self._frequency: float | None = None
        self._temperature: float | None = None

    def close(self) -> None:
        """Close every file; may be called twice."""
        self._files.close()

    def take(self) -> Snapshot:
        """Read all counters once: about a dozen system calls, under a millisecond."""
        mono = time.monotonic()
        if mono - self._slow_at >= SLOW_PERIOD:
            self._look_slowly(mono)
        cpu, cores, rest = parse_stat(self._read("stat"))
        vm = parse_numbers(self._read("vmstat"), (b"pswpin", b"pswpout", b"oom_kill"))
        return Snapshot(
            mono=mono,
            cpu=cpu,
            cores=cores,
            memory=parse_meminfo(self._read("meminfo")),
            load=parse_load(self._read("loadavg")),
            disks=parse_diskstats(self._read("diskstats"), self._whole_disks),
            nets=parse_netdev(self._read("net/dev")),
            mounts=self._mounts,
            pressure=self._pressure(),
            links=self._links,
            switches=rest.get(b"ctxt", 0),
            runnable=rest.get(b"procs_running", 0),
            blocked=rest.get(b"procs_blocked", 0),
            swapped_in=vm.get(b"pswpin", 0) * PAGE,
            swapped_out=vm.get(b"pswpout", 0) * PAGE,
            tcp=tcp.counters(self._read, self._states),
            oom_kills=vm.get(b"oom_kill"),
            uptime=float(self._read("uptime").split(None, 1)[0] or 0),
            group=groups.counters(self._group, self._files.read),
            contained=self._contained,
            frequency_hz=self._frequency,
            temperature_c=self._temperature,
            files=parse_files(self._read("sys/fs/file-nr")),
            own=own_cost(self._read("self/stat"), self._read("self/io")),
        )

    def _read(self, name: str) -> bytes:
        return self._files.read(f"{self._root}/{name}")

    def _pressure(self) -> tuple[Pressure, ...]:
        found = ((name, self._read(f"pressure/{name}")) for name in ("cpu", "memory", "io"))
        return tuple(parse_pressure(name, text) for name, text in found if text)

    def _look_slowly(self, mono: float) -> None:
        self._slow_at = mono
        self._mounts = read_mounts(self._read("self/mounts").decode(errors="replace"))
        self._whole_disks = frozenset(whole_disks(self._sys, every=self._every_disk))
        names = interfaces(self._sys)
        self._links = {name: speed for name in names if (speed := link_speed(name, self._sys))}
        if mono - self._states_at >= STATES_PERIOD:
            self._states_at = mono
            self._states = tcp.count_states(self._read)
        self._group = groups.find(self._read("self/cgroup"), self._sys)
        self._contained = groups.contained(self._root, self._sys)
        self._frequency = sensors.frequency(self._sys, self._root)
        self._temperature = sensors.temperature(self._sys)


def parse_stat(text: bytes) -> tuple[Ticks, list[Ticks], dict[bytes, int]]:
    """Ticks of all cores together and of each, and the single counters of /proc/stat."""
    everything: Ticks = (0.0,) * 9
    cores: list[Ticks] = []
    rest: dict[bytes, int] = {}
    for line in text.splitlines():
        if line.startswith(b"cpu"):
            words = line.split()
            guests = sum(map(float, words[9:11]))  # of ordinary and of nice tasks
            ticks = (*map(float, words[1:9]), *(0.0,) * (9 - len(words)), guests)
            if words[0] == b"cpu":
                everything = ticks
            else:
                cores.append(ticks)
        elif not line.startswith((b"intr", b"softirq")):
            name, _, value = line.partition(b" ")
            rest[name] = int(value)
    return everything, cores, rest


_MEMORY = {
    b"MemTotal": "total",
    b"MemAvailable": "available",
    b"MemFree": "free",
    b"Cached": "cached",
    b"SReclaimable": "slab",
    b"Buffers": "buffers",
    b"Shmem": "shared",
    b"Dirty": "dirty",
    b"SwapTotal": "swap_total",
    b"SwapFree": "swap_free",
    b"HugePages_Total": "huge_total",
    b"HugePages_Free": "huge_free",
    b"Hugepagesize": "huge_size",
}


def parse_meminfo(text: bytes) -> dict[str, int]:
    """Bytes by name; kernels before 3.14 have no MemAvailable: free with caches then."""
    found: dict[str, int] = {}
    for line in text.splitlines():
        name, _, rest = line.partition(b":")
        if name in _MEMORY:
            found[_MEMORY[name]] = int(rest.split(None, 1)[0]) * (1024 if rest.endswith(b"kB") else 1)
    found["cached"] = found.get("cached", 0) + found.pop("slab", 0)
    huge = found.pop("huge_size", 0)
    for pages in ("huge_total", "huge_free"):
        found[pages] = found.get(pages, 0) * huge
    found.setdefault("available", found.get("free", 0) + found["cached"] + found.get("buffers", 0))
    return found


def parse_load(text: bytes) -> tuple[float, float, float]:
    """Load averages of 1, 5 and 15 minutes."""
    one, five, fifteen = map(float, text.split(None, 3)[:3])
    return one, five, fifteen


def parse_numbers(text: bytes, wanted: tuple[bytes, ...]) -> dict[bytes, int]:
    """The wanted `name value` lines; found by search, since vmstat has 150 others."""
    found: dict[bytes, int] = {}
    for name in wanted:
        at = text.find(b"\n" + name + b" ")
        if at >= 0:
            start = at + len(name) + 2
            found[name] = int(text[start : text.find(b"\n", start)])
    return found


def parse_diskstats(text: bytes, whole: frozenset[str]) -> dict[str, tuple[float, ...]]:
    """Counters of whole devices; partitions are inside them."""
    found: dict[str, tuple[float, ...]] = {}
    for line in text.splitlines():
        words = line.split()
        device = words[2].decode()
        if device in whole:
            r, _, r_sec, r_ms, w, _, w_sec, w_ms, _, busy_ms, queued_ms = map(int, words[3:14])
            read, write = (r, r_sec * SECTOR, r_ms / 1000), (w, w_sec * SECTOR, w_ms / 1000)
            found[device] = (*read, *write, busy_ms / 1000, queued_ms / 1000)
    return found


def parse_netdev(text: bytes) -> dict[str, tuple[int, ...]]:
    """Receive then transmit bytes, packets, errors, drops by interface."""
    found: dict[str, tuple[int, ...]] = {}
    for line in text.splitlines()[2:]:
        name, _, rest = line.rpartition(b":")
        counts = tuple(map(int, rest.split()))
        found[name.strip().decode(errors="replace")] = counts[0:4] + counts[8:12]
    return found


def parse_pressure(resource: str, text: bytes) -> Pressure:
    """avg10 of the `some` and `full` lines, as ratios."""
    shares = {b"some": 0.0, b"full": 0.0}
    for line in text.splitlines():
        words = line.split()
        shares[words[0]] = float(words[1].partition(b"=")[2]) / 100
    return Pressure(resource, shares[b"some"], shares[b"full"])


def parse_files(text: bytes) -> tuple[int, int] | None:
    """Descriptors open on the whole host and the most there may be."""
    words = text.split()
    return (int(words[0]) - int(words[1]), int(words[2])) if len(words) == 3 else None


def own_cost(stat: bytes, io: bytes) -> tuple[float, int, int] | None:
    """Processor seconds, resident bytes and bytes written of this process."""
    words = stat[stat.rfind(b")") + 2 :].split()
    if len(words) < 22:
        return None
    written = parse_numbers(io.replace(b":", b""), (b"wchar",)).get(b"wchar", 0)
    return (int(words[11]) + int(words[12])) / HZ, int(words[21]) * PAGE, written


def whole_disks(sys: str = "/sys", *, every: bool = False) -> list[str]:
    """Block devices that are no partition and, unless `every`, stand on no other device."""
    try:
        names = os.listdir(f"{sys}/block")
        return [name for name in names if every or not name.startswith(VIRTUAL_DISKS)]
    except OSError:
        return []


def interfaces(sys: str = "/sys") -> list[str]:
    """Network interfaces; none where /sys is hidden."""
    try:
        return os.listdir(f"{sys}/class/net")
    except OSError:
        return []


def link_speed(interface: str, sys: str = "/sys") -> int:
    """Bits a second, or 0: virtual and unplugged links do not tell."""
    try:
        with open(f"{sys}/class/net/{interface}/speed") as file:
            return max(0, int(file.read())) * 1_000_000
    except (OSError, ValueError):
        return 0


def read_mounts(text: str) -> tuple[MountUse, ...]:
    """Local file systems, each device once; network ones are left out, since asking one can hang."""
    found: dict[str, MountUse] = {}
    for line in text.splitlines():
        device, path, fs, *_ = line.split(" ")
        path = path.encode().decode("unicode_escape") if "\\" in path else path
        if fs not in LOCAL_FS or (device in found and len(found[device].path) <= len(path)):
            continue
        mount = mount_use(path, device, fs)
        if mount is not None and mount.total:
            found[device] = mount
    return tuple(sorted(found.values(), key=lambda m: m.path))


def mount_use(path: str, device: str, fs: str) -> MountUse | None:
    """Size and use of one file system, None when it cannot be asked."""
    try:
        s = os.statvfs(path)
    except OSError:
        return None
    inodes = (s.f_files - s.f_ffree) / s.f_files if s.f_files else 0.0
    used = (s.f_blocks - s.f_bfree) * s.f_frsize
    read_only = bool(s.f_flag & os.ST_RDONLY)
    total, available = s.f_blocks * s.f_frsize, s.f_bavail * s.f_frsize
    return MountUse(path, device, fs, total, available, used, inodes, read_only, s.f_files)
