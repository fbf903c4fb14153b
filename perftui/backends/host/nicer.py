"""Nice values of every thread of the very process that was shown, and how low this login may set them."""

# ruff: noqa: PTH208 - plain strings, as its neighbours have them
from __future__ import annotations

import os
import resource
import select
from collections.abc import Mapping

from perftui.backends.host.processes import read_file
from perftui.backends.host.signals import SAME, start_of
from perftui.model.errors import Lost, Refused, Unsupported

LOWEST, HIGHEST = -20, 19
SYS_NICE = 1 << 23  # CAP_SYS_NICE (capabilities(7))


def floor(root: str) -> int:
    """The lowest nice value this login may set on its own processes, 20 when none lower than they have."""
    for line in read_file(f"{root}/self/status").splitlines():
        if line.startswith(b"CapEff:") and int(line.split()[1], 16) & SYS_NICE:
            return LOWEST
    soft, _hard = resource.getrlimit(resource.RLIMIT_NICE)
    return LOWEST if soft == resource.RLIM_INFINITY else max(LOWEST, 20 - soft)


def grouped(root: str) -> bool:
    """Whether the kernel shares out processor time by session first (sched(7), autogroup)."""
    return read_file(f"{root}/sys/kernel/sched_autogroup_enabled").strip() == b"1"


def set_nice(root: str, pid: int, started: float, wanted: int | Mapping[int, int]) -> dict[int, int] | None:
    """Set all threads of (pid, started), or those named, to a value each; what they had before.

    None when that very process is gone. Linux keeps the value by thread (setpriority(2)), so each is
    set. No call takes a descriptor in place of a pid: it is held, its start compared, and looked at
    again afterwards.
    """
    if root != "/proc" or not hasattr(os, "pidfd_open"):
        raise Unsupported("nice values can be set on processes of this Linux only")
    try:
        held = os.pidfd_open(pid)
    except ProcessLookupError:
        return None
    except OSError as error:
        raise Lost(f"cannot hold pid {pid}: {error.strerror}") from error
    try:
        now = start_of(root, pid)
        if now is None or abs(now - started) > SAME:
            return None
        before = _set_threads(root, pid, wanted)
        return None if select.select([held], [], [], 0)[0] else before
    finally:
        os.close(held)


def _set_threads(root: str, pid: int, wanted: int | Mapping[int, int]) -> dict[int, int]:
    """The process's first thread goes first: what is forbidden is forbidden before anything changed."""
    try:
        threads = [int(name) for name in os.listdir(f"{root}/{pid}/task")]
    except OSError:
        threads = []
    before: dict[int, int] = {}
    for thread in sorted(threads, key=lambda t: (t != pid, t)):
        value = wanted if isinstance(wanted, int) else wanted.get(thread)
        if value is None:
            continue
        try:
            old = os.getpriority(os.PRIO_PROCESS, thread)
            os.setpriority(os.PRIO_PROCESS, thread, value)
        except ProcessLookupError:
            continue
        except PermissionError as error:
            raise Refused(_forbidden(root, pid, value, old)) from error
        before[thread] = old
    return before


def _forbidden(root: str, pid: int, value: int, old: int) -> str:
    lowest = floor(root)
    if value < old and value < lowest:
        may = f"it may set {lowest} or more" if lowest <= HIGHEST else "it may only raise them"
        return f"this login may not lower nice of pid {pid} from {old} to {value}: {may} (CAP_SYS_NICE)"
    return f"this login may not set nice of pid {pid}: it belongs to another user (CAP_SYS_NICE)"
