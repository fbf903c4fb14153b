"""The processes of a Linux host, at one pread each: what costs more is asked once and remembered."""

# ruff: noqa: PTH116, PTH208 - plain strings: this runs for every process and Path costs more than the read
from __future__ import annotations

import os
import re
import resource
import time
from collections import deque
from dataclasses import dataclass, field
from operator import itemgetter

from perftui.backends.host.language import guess
from perftui.backends.host.naps import Naps
from perftui.backends.host.proc import PAGE
from perftui.model.resources import ProcessRow

HZ = os.sysconf("SC_CLK_TCK")
KEPT_OPEN = 1024  # descriptors kept on stat files, or half of what we may have; the rest is opened each time
NEW_PER_SCAN = 200  # identities (command, user, language) looked up in one scan
COMMAND_BYTES = STAT_BYTES = 4096
SHORTEST = 0.5  # seconds between two scans
SIZES_EVERY = 10.0  # seconds between two sizes remembered of a process
SIZES = 60
DOUBTED = 8 << 20  # bytes of growth from which it is asked whether they are the process's own
UNITS = (".service", ".scope")
CONTAINER = re.compile(r"(?:^|-)([0-9a-f]{64})(?:\.scope)?$")
NAPS_AFTER = 4  # scans in which nothing changed, after which only a glance is taken
WARM = 30.0  # seconds after its start in which a process may grow without a word


@dataclass(slots=True)
class _Stat:
    """What one line of /proc/PID/stat says."""

    name: str
    state: str
    parent: int
    ticks: int
    nice: int
    threads: int
    start: int
    rss: int


@dataclass(slots=True)
class _Known:
    """What does not change while (pid, start) lives, and what the scan before saw.

    `row` is None for a kernel thread. Where `text` is the same again, no tick was spent and no size changed:
    `row` stands as it is if `still`. `rank` is its place: busiest first, then by memory. `nap` is what
    schedstat said when its only thread last ran, `quiet` the scans since anything changed.
    """

    start: int
    ticks: int
    at: float
    started: float = 0.0
    text: bytes = b""
    row: ProcessRow | None = None
    rank: tuple[float, int, int] = (0.0, 0, 0)
    still: bool = False
    look_at: float = 0.0
    command: str = ""
    user: str = ""
    language: str = ""
    unit: str = ""
    named: bool = False
    sizes: deque[tuple[float, int]] = field(default_factory=lambda: deque(maxlen=SIZES))
    lowest: tuple[float, int] | None = None
    sized_at: float = -SIZES_EVERY
    nap: bytes = b""
    quiet: int = 0


class Processes:
    """Scans of one proc folder; CPU use covers the time between two scans."""

    missing: tuple[tuple[str, str], ...] = ()

    def __init__(self, root: str = "/proc") -> None:
        self._root = root
        self._open: dict[int, int] = {}
        self._naps = Naps(root)
        self._most_open = _most_open()
        self._budget = 0
        self._known: dict[int, _Known] = {}
        self._users: dict[int, str] = {}
        self._boot = 0.0
        self._scanned_at = 0.0
        self._rows: list[ProcessRow] = []

    def close(self) -> None:
        """Close every file; may be called twice."""
        for pid in [*self._open, *self._naps.opened]:
            self._drop(pid)
            self._naps.end(pid)

    def scan(self) -> list[ProcessRow]:
        """All processes but kernel threads, busiest first, then by memory.

        Asked again within half a second, it answers the same: shorter windows hold no whole ticks.
        """
        if time.monotonic() - self._scanned_at >= SHORTEST:
            self._rows = self._scan()
            self._scanned_at = time.monotonic()
        return self._rows

    def one(self, pid: int) -> ProcessRow | None:
        """One process as it is now, None when it has ended."""
        self._boot = self._boot or boot_time(self._root)
        try:
            with open(f"{self._root}/{pid}/stat", "rb") as file:
                stat = parse_pid_stat(file.read())
        except OSError:
            return None
        if stat is None or stat.state in {"Z", "X"}:
            return None
        known = _Known(stat.start, stat.ticks, time.monotonic())
        self._name(pid, stat, known)
        return self._row(pid, stat, known, None)

    def look_again(self, pid: int) -> None:
        """The next scan reads this process anew: it was changed from outside."""
        if pid in self._known:
            self._known[pid].look_at = 0.0
            self._scanned_at = 0.0

    def _scan(self) -> list[ProcessRow]:
        self._boot = self._boot or boot_time(self._root)
        self._budget = NEW_PER_SCAN
        there, alive = set(pids(self._root)), {}
        opened, asleep, pread, clock = self._open, self._naps.now, os.pread, time.monotonic
        began = clock()
        for pid, known in self._known.items():  # as they ranked last: what is in order already sorts at once
            if pid not in there:
                continue
            if began < known.look_at and (known.row is None or (known.nap and asleep(pid) == known.nap)):
                known.at = began  # a kernel thread, or one that has not run
                alive[pid] = known
                continue
            try:
                text = pread(opened[pid], STAT_BYTES, 0)
            except (KeyError, OSError):
                text = self._read(pid)
            if known.still and text == known.text and known.row is not None:
                self._same(pid, known, known.row, clock())
                alive[pid] = known
            elif (seen := self._seen(pid, text, known, clock())) is not None:
                alive[pid] = seen
        for pid in there - self._known.keys():
            if (seen := self._seen(pid, self._read(pid), None, clock())) is not None:
                alive[pid] = seen
        for pid in (opened.keys() | self._naps.opened.keys()) - alive.keys():
            self._drop(pid)
            self._naps.end(pid)
        ranked = sorted(alive.items(), key=_rank)
        self._known = dict(ranked)
        return [known.row for _, known in ranked if known.row is not None]

    def _same(self, pid: int, known: _Known, row: ProcessRow, now: float) -> None:
        """Nothing changed: now and then its size is remembered; after some scans glances are enough."""
        known.at = now
        if now >= known.look_at:
            known.look_at = now + SIZES_EVERY
            _grown(known, row.rss, now, time.time() - known.started)
        known.quiet += 1
        if known.nap and self._naps.now(pid) == known.nap:
            self._drop(pid)  # opened for this look
        elif known.quiet % NAPS_AFTER == 0 and row.threads == 1 and pid in self._open:
            known.nap = self._naps.begin(pid)  # before the whole line: what it does in between is not missed
            if self._read(pid) != known.text:
                known.nap = b""
            if known.nap:
                self._drop(pid)
            else:
                self._naps.end(pid)

    def _seen(self, pid: int, text: bytes, known: _Known | None, now: float) -> _Known | None:
        """What is known of a process whose line is new or another; None for a line that is none."""
        stat = parse_pid_stat(text)
        if stat is None:
            return None
        fresh = known is None or known.start != stat.start
        if known is None or fresh:
            known = _Known(stat.start, stat.ticks, now)
        cpu = None if fresh else _cpu(stat.ticks, known, now)
        known.text, known.ticks, known.at = text, stat.ticks, now
        if known.nap or fresh:
            self._naps.end(pid)
        known.nap, known.quiet = b"", 0
        known.look_at = now + SIZES_EVERY
        if stat.parent == 2 or pid == 2:
            known.still = True
            return known
        if known.row is not None and known.row.name != stat.name:
            known.named = False  # it became another program
        if not known.named and self._budget:
            self._budget -= 1
            self._name(pid, stat, known)
        known.row = self._row(pid, stat, known, cpu)
        known.rank = (-(cpu or 0.0), -stat.rss, pid)
        known.still = known.named and cpu == 0.0 and known.row.grew == 0
        return known

    def _read(self, pid: int) -> bytes:
        descriptor = self._open.get(pid)
        try:
            if descriptor is not None:
                return os.pread(descriptor, STAT_BYTES, 0)
            descriptor = os.open(f"{self._root}/{pid}/stat", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            self._drop(pid)
            return b""
        if len(self._open) + len(self._naps.opened) < self._most_open:
            self._open[pid] = descriptor
            return self._read(pid)
        try:
            return os.pread(descriptor, STAT_BYTES, 0)
        except OSError:
            return b""
        finally:
            os.close(descriptor)

    def _drop(self, pid: int) -> None:
        descriptor = self._open.pop(pid, None)
        if descriptor is not None:
            os.close(descriptor)

    def _row(self, pid: int, stat: _Stat, known: _Known, cpu: float | None) -> ProcessRow:
        known.started = known.started or self._boot + stat.start / HZ
        now = time.monotonic()
        grew, grew_s = _grown(known, stat.rss, now, time.time() - known.started)
        if grew >= DOUBTED:
            grew = min(grew, self._private(pid))
        return ProcessRow(
            pid=pid,
            parent=stat.parent,
            name=stat.name,
            command=known.command or stat.name,
            user=known.user,
            state=stat.state,
            language=known.language,
            cpu=cpu,
            rss=stat.rss,
            threads=stat.threads,
            started=known.started,
            nice=stat.nice,
            grew=grew,
            grew_s=grew_s,
            unit=known.unit,
        )

    def _private(self, pid: int) -> int:
        """Resident bytes of its own: what it touched of files and of shared memory is no growth of it."""
        words = read_file(f"{self._root}/{pid}/statm").split()
        return max(0, int(words[1]) - int(words[2])) * PAGE if len(words) > 2 else 0

    def _name(self, pid: int, stat: _Stat, known: _Known) -> None:
        folder = f"{self._root}/{pid}"
        known.command = read_command(folder)
        # While it becomes another program it has no line yet; kernel threads and zombies never have one.
        known.named = bool(known.command) or not stat.rss
        known.user = self._user(folder)
        known.language = guess(folder, stat.name)
        known.unit = unit_of(read_file(f"{folder}/cgroup"))

    def _user(self, folder: str) -> str:
        try:
            uid = os.stat(folder).st_uid
        except OSError:
            return ""
        if uid not in self._users:
            self._users[uid] = user_name(uid)
        return self._users[uid]


def _rank(item: tuple[int, _Known]) -> tuple[float, int, int]:
    return item[1].rank


def _most_open() -> int:
    """Descriptors to keep: half of what this process may have at most."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return KEPT_OPEN if soft < 0 else min(KEPT_OPEN, soft // 2)


def _cpu(ticks: int, known: _Known, now: float) -> float | None:
    elapsed = now - known.at
    return (ticks - known.ticks) / HZ / elapsed if elapsed > 0.01 and ticks >= known.ticks else None


def _grown(known: _Known, rss: int, now: float, age: float) -> tuple[int, float]:
    """Bytes above the lowest size remembered, and how long ago that was; sizes of the start don't count."""
    if age > WARM and now - known.sized_at >= SIZES_EVERY:
        _remember(known, rss, now)
    at, lowest = known.lowest or (now, rss)
    return max(0, rss - lowest), now - at


def _remember(known: _Known, rss: int, now: float) -> None:
    """Add a size; the lowest is looked for only when the one that was is forgotten."""
    sizes = known.sizes
    gone = sizes[0] if len(sizes) == SIZES else None
    sizes.append((now, rss))
    known.sized_at = now
    if known.lowest is None or gone is known.lowest:
        known.lowest = min(sizes, key=itemgetter(1))
    elif rss < known.lowest[1]:
        known.lowest = sizes[-1]


def parse_pid_stat(text: bytes) -> _Stat | None:
    """Fields of one process; its name may hold anything, so it ends at the last parenthesis."""
    left, right = text.find(b"("), text.rfind(b")")
    words = text[right + 2 :].split(None, 22)
    if left < 0 or len(words) < 22:
        return None
    return _Stat(
        name=text[left + 1 : right].decode(errors="replace"),
        state=words[0].decode(),
        parent=int(words[1]),
        ticks=int(words[11]) + int(words[12]),
        nice=int(words[16]),
        threads=int(words[17]),
        start=int(words[19]),
        rss=int(words[21]) * PAGE,
    )


def pids(root: str = "/proc") -> list[int]:
    """Every process id there is now."""
    return [int(name) for name in os.listdir(root) if name.isdigit()]


def boot_time(root: str = "/proc") -> float:
    """Epoch seconds of the boot, from `btime`."""
    with open(f"{root}/stat", "rb") as file:
        for line in file:
            if line.startswith(b"btime "):
                return float(line.split()[1])
    return 0.0


def read_command(folder: str) -> str:
    """The command line as typed, arguments joined by blanks; empty for kernel threads and zombies."""
    try:
        with open(f"{folder}/cmdline", "rb") as file:
            text = file.read(COMMAND_BYTES)
    except OSError:
        return ""
    return text.rstrip(b"\0").replace(b"\0", b" ").decode(errors="replace")


def read_file(path: str) -> bytes:
    """A small file, empty where it may not be read."""
    try:
        with open(path, "rb") as file:
            return file.read(COMMAND_BYTES)
    except OSError:
        return b""


def unit_of(membership: bytes) -> str:
    """The innermost systemd unit in `/proc/PID/cgroup`, else the container, as 12 digits of its id."""
    parts = [part for line in membership.decode(errors="replace").splitlines() for part in line.split("/")]
    container = next((m[1] for part in reversed(parts) if (m := CONTAINER.search(part))), "")
    return container[:12] or next((part for part in reversed(parts) if part.endswith(UNITS)), "")


def user_name(uid: int) -> str:
    """The login of a user id, or the number where it has none."""
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
