"""Signals for the very process that was shown: a descriptor holds it, its pid may become another's."""

from __future__ import annotations

import os
import signal

from perftui.backends.host.processes import HZ, boot_time, parse_pid_stat
from perftui.model.errors import Lost, Refused, Unsupported

SAME = 0.02  # seconds: starts are whole ticks, told as floats


def send(root: str, pid: int, started: float, name: str) -> bool:
    """Send signal `name` to (pid, started); False when that process is gone or its pid another's."""
    if root != "/proc" or not hasattr(os, "pidfd_open"):
        raise Unsupported("signals reach processes of this Linux only: nothing holds those of another host")
    number = signal.Signals[f"SIG{name}"]
    try:
        held = os.pidfd_open(pid)
    except ProcessLookupError:
        return False
    except OSError as error:
        raise Lost(f"cannot hold pid {pid}: {error.strerror}") from error
    try:
        return _send_held(held, root, pid, started, number)
    finally:
        os.close(held)


def _send_held(held: int, root: str, pid: int, started: float, number: signal.Signals) -> bool:
    """Its start is read after it is held: whoever has that start now is whom the descriptor means."""
    now = start_of(root, pid)
    if now is None or abs(now - started) > SAME:
        return False
    try:
        signal.pidfd_send_signal(held, number)
    except ProcessLookupError:
        return False
    except PermissionError as error:
        raise Refused(f"this login may not signal pid {pid}") from error
    return True


def start_of(root: str, pid: int) -> float | None:
    """Epoch seconds at which `pid` began, None when there is none."""
    try:
        with open(f"{root}/{pid}/stat", "rb") as file:
            stat = parse_pid_stat(file.read())
    except OSError:
        return None
    return boot_time(root) + stat.start / HZ if stat is not None and stat.state not in {"Z", "X"} else None
