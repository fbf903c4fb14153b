"""The processes of a Linux host, at one pread each: what costs more is asked once and remembered."""

# ruff: noqa: PTH116, PTH208 - plain strings: this runs for every process and Path costs more than the read
from __future__ import annotations

import os
import re
import time
from collections import deque
from dataclasses import dataclass, field

from perftui.backends.host.language import guess
from perftui.backends.host.proc import PAGE, Files
from perftui.model.resources import ProcessRow

HZ = os.sysconf("SC_CLK_TCK")
KEPT_OPEN = 256  # descriptors kept on stat files; a host with more processes opens the rest each time
NEW_PER_SCAN = 200  # identities (command, user, language) looked up in one scan
COMMAND_BYTES = 4096
SHORTEST = 0.5  # seconds between two scans
SIZES_EVERY = 10.0  # seconds between two sizes remembered of a process
SIZES = 60
DOUBTED = 8 << 20  # bytes of growth from which it is asked whether they are the process's own
UNITS = (".service", ".scope")
CONTAINER = re.compile(r"(?:^|-)([0-9a-f]{64})(?:\.scope)?$")
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
    """What does not change while (pid, start) lives, and the ticks seen last."""

    start: int
    ticks: int
    at: float
    command: str = ""
    user: str = ""
    language: str = ""
    unit: str = ""
    named: bool = False
    sizes: deque[tuple[float, int]] = field(default_factory=lambda: deque(maxlen=SIZES))


class Processes:
    """Scans of one proc folder; CPU use covers the time between two scans."""

    missing: tuple[tuple[str, str], ...] = ()

    def __init__(self, root: str = "/proc") -> None:
        self._root = root
        self._files = Files()
        self._open: set[int] = set()
        self._known: dict[int, _Known] = {}
        self._users: dict[int, str] = {}
        self._boot = 0.0
        self._scanned_at = 0.0
        self._rows: list[ProcessRow] = []

    def close(self) -> None:
        """Close every file; may be called twice."""
        self._files.close()
        self._open.clear()

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

    def _scan(self) -> list[ProcessRow]:
        self._boot = self._boot or boot_time(self._root)
        rows: list[ProcessRow] = []
        alive: dict[int, _Known] = {}
        budget = NEW_PER_SCAN
        for pid in pids(self._root):
            stat = self._stat(pid)
            if stat is None or stat.parent == 2 or pid == 2:
                continue
            now = time.monotonic()
            known = self._known.get(pid)
            fresh = known is None or known.start != stat.start
            if known is None or fresh:
                known = _Known(stat.start, stat.ticks, now)
            if not known.named and budget:
                budget -= 1
                self._name(pid, stat, known)
            cpu = None if fresh else _cpu(stat.ticks, known, now)
            known.ticks, known.at = stat.ticks, now
            alive[pid] = known
            rows.append(self._row(pid, stat, known, cpu))
        self._forget(alive)
        return sorted(rows, key=lambda r: (-(r.cpu or 0.0), -r.rss, r.pid))

    def _stat(self, pid: int) -> _Stat | None:
        path = f"{self._root}/{pid}/stat"
        text = self._files.read(path)
        if not text:
            self._open.discard(pid)
            return None
        if pid not in self._open:
            if len(self._open) < KEPT_OPEN:
                self._open.add(pid)
            else:
                self._files.forget(path)
        return parse_pid_stat(text)

    def _row(self, pid: int, stat: _Stat, known: _Known, cpu: float | None) -> ProcessRow:
        started = self._boot + stat.start / HZ
        grew, grew_s = _grown(known, stat.rss, time.monotonic(), time.time() - started)
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
            started=started,
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
        known.named = True
        known.command = read_command(folder)
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

    def _forget(self, alive: dict[int, _Known]) -> None:
        for pid in self._open - alive.keys():
            self._files.forget(f"{self._root}/{pid}/stat")
        self._open &= alive.keys()
        self._known = alive


def _cpu(ticks: int, known: _Known, now: float) -> float | None:
    elapsed = now - known.at
    return (ticks - known.ticks) / HZ / elapsed if elapsed > 0.01 and ticks >= known.ticks else None


def _grown(known: _Known, rss: int, now: float, age: float) -> tuple[int, float]:
    """Bytes above the lowest size remembered, and how long ago that was; sizes of the start don't count."""
    if age > WARM and (not known.sizes or now - known.sizes[-1][0] >= SIZES_EVERY):
        known.sizes.append((now, rss))
    at, lowest = min(known.sizes, key=lambda size: size[1], default=(now, rss))
    return max(0, rss - lowest), now - at


def parse_pid_stat(text: bytes) -> _Stat | None:
    """Fields of one process; its name may hold anything, so it ends at the last parenthesis."""
    left, right = text.find(b"("), text.rfind(b")")
    words = text[right + 2 :].split()
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
