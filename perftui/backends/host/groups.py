"""Limits and use of the control group perftui runs in: the true size of a container, v2 and v1."""

# ruff: noqa: PTH110 - plain strings, as its caller has them
from __future__ import annotations

import os
from collections.abc import Callable

from perftui.analysis.hostcounters import GroupCounters

Read = Callable[[str], bytes]
UNLIMITED = 1 << 60  # v1 writes the largest multiple of a page for "no limit"
EVENTS = ("high", "max", "oom", "oom_kill")


def find(membership: bytes, sys: str) -> tuple[int, str, str] | None:
    """Version and folders (processor, memory) of the group in `/proc/self/cgroup`; None where unmounted.

    Inside a container the path is the host's while the mount begins at the container's own group,
    so a path that is not there falls back to the mount's root.
    """
    root = f"{sys}/fs/cgroup"
    paths = {}
    for line in membership.decode(errors="replace").splitlines():
        _, _, rest = line.partition(":")
        names, _, path = rest.partition(":")
        paths.update(dict.fromkeys(names.split(","), path))
    if os.path.exists(f"{root}/cgroup.controllers"):
        folder = _there(root, paths.get("", "/"), "cgroup.procs")
        return 2, folder, folder
    cpu = _there(f"{root}/cpu", paths.get("cpu", "/"), "cpu.cfs_quota_us")
    memory = _there(f"{root}/memory", paths.get("memory", "/"), "memory.limit_in_bytes")
    return (1, cpu, memory) if os.path.exists(cpu) or os.path.exists(memory) else None


def _there(root: str, path: str, file: str) -> str:
    inside = f"{root}{path}".rstrip("/")
    return inside if ".." not in path and os.path.exists(f"{inside}/{file}") else root


def counters(place: tuple[int, str, str] | None, read: Read) -> GroupCounters | None:
    """The group's figures; None where nothing limits it."""
    if place is None:
        return None
    version, cpu, memory = place
    found = _second(cpu, read) if version == 2 else _first(cpu, memory, read)
    return found if found.cores is not None or found.memory is not None else None


def _second(folder: str, read: Read) -> GroupCounters:
    stat = pairs(read(f"{folder}/cpu.stat"))
    events = pairs(read(f"{folder}/memory.events"))
    return GroupCounters(
        version=2,
        path=folder,
        cores=quota(read(f"{folder}/cpu.max")),
        memory=_limit(read(f"{folder}/memory.max")),
        used_s=stat.get("usage_usec", 0) / 1e6,
        periods=stat.get("nr_periods", 0),
        throttled=stat.get("nr_throttled", 0),
        throttled_s=stat.get("throttled_usec", 0) / 1e6,
        memory_used=_number(read(f"{folder}/memory.current")) or 0,
        events=tuple((name, events[name]) for name in EVENTS if name in events),
    )


def _first(cpu: str, memory: str, read: Read) -> GroupCounters:
    stat = pairs(read(f"{cpu}/cpu.stat"))
    whole, period = _number(read(f"{cpu}/cpu.cfs_quota_us")), _number(read(f"{cpu}/cpu.cfs_period_us"))
    failed = _number(read(f"{memory}/memory.failcnt"))
    killed = pairs(read(f"{memory}/memory.oom_control")).get("oom_kill")
    events = (("max", failed), ("oom_kill", killed))
    return GroupCounters(
        version=1,
        path=cpu,
        cores=whole / period if whole and period and whole > 0 else None,
        memory=_limit(read(f"{memory}/memory.limit_in_bytes")),
        used_s=(_number(read(f"{cpu}/cpuacct.usage")) or 0) / 1e9,
        periods=stat.get("nr_periods", 0),
        throttled=stat.get("nr_throttled", 0),
        throttled_s=stat.get("throttled_time", 0) / 1e9,
        memory_used=_number(read(f"{memory}/memory.usage_in_bytes")) or 0,
        events=tuple((name, n) for name, n in events if n is not None),
    )


def quota(text: bytes) -> float | None:
    """Cores that `cpu.max` allows: `200000 100000` is two, `max 100000` no limit."""
    words = text.split()
    return int(words[0]) / int(words[1]) if len(words) == 2 and words[0] != b"max" else None


def pairs(text: bytes) -> dict[str, int]:
    """`name value` lines."""
    rows = (line.split() for line in text.splitlines())
    return {row[0].decode(): int(row[1]) for row in rows if len(row) == 2 and row[1].isdigit()}


def _number(text: bytes) -> int | None:
    words = text.split()
    return int(words[0]) if words and words[0].lstrip(b"-").isdigit() else None


def _limit(text: bytes) -> int | None:
    value = _number(text)
    return None if value is None or value >= UNLIMITED else value


def contained(proc: str, sys: str) -> bool:
    """Whether this is a container's view: its marks, or a tree of groups that starts in the middle."""
    if any(os.path.exists(path) for path in ("/.dockerenv", "/run/.containerenv")):
        return proc == "/proc"
    return os.path.exists(f"{sys}/fs/cgroup/cgroup.type")  # the kernel's own root group has none
