"""Children that cannot outlive us: however this process ends, every server it started ends too."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from perftui.lab.folders import Owner

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_PTRACER = 0x59616D61
PR_SET_PTRACER_ANY = ctypes.c_ulong(-1)


def _prctl() -> Callable[..., int] | None:
    """Linux's prctl, or None where the kernel has no parent-death signal."""
    if not sys.platform.startswith("linux"):
        return None
    function: Callable[..., int] = ctypes.CDLL(None, use_errno=True).prctl
    return function


prctl = _prctl()


def die_with_parent(parent: int, death: int = signal.SIGKILL) -> None:
    """Called in a child: have the kernel send `death` when the thread that forked us ends."""
    if prctl is not None:
        prctl(PR_SET_PDEATHSIG, int(death), 0, 0, 0)
        if os.getppid() != parent:  # it ended before the call took effect
            os._exit(1)


def become(owner: Owner | None, parent: int) -> None:
    """Drop to `owner` for good, keep the tie to the parent (the kernel clears it on a change of user),
    and stay open to profilers of our own user.
    """
    if owner is not None:
        os.setgroups([])
        os.setgid(owner.gid)
        os.setuid(owner.uid)
    if prctl is not None:
        die_with_parent(parent)
        allow_tracing()


def allow_tracing() -> None:
    """Let same-user profilers attach even under Yama's ptrace_scope 1."""
    if prctl is not None:
        prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)
        prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0)


# The parent-death signal follows the *thread* that forked: one thread, which lives as long as
# the process, starts every child, whoever asks.
_thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="lab-spawner")


class Watchdog:
    """Where there is no parent-death signal: a process that reads a pipe and kills what it was told.

    The pipe's other end is ours alone; when we end, however, it reads the end of file.
    """

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def watch(self, pid: int) -> None:
        """Have `pid` killed when this process ends."""
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-S", "-c", _WATCHDOG], stdin=subprocess.PIPE, start_new_session=True
            )
        self._tell(f"+{pid}\n")

    def forget(self, pid: int) -> None:
        """`pid` has been reaped: its number may be somebody else's soon."""
        self._tell(f"-{pid}\n")

    def _tell(self, line: str) -> None:
        if self._process is not None and self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.write(line.encode())
                self._process.stdin.flush()


_WATCHDOG = """
import os, signal, sys
for s in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP): signal.signal(s, signal.SIG_IGN)
pids = set()
for line in sys.stdin:
    (pids.add if line[0] == "+" else pids.discard)(int(line[1:]))
for pid in pids:
    try: os.kill(pid, signal.SIGKILL)
    except OSError: pass
"""

watchdog: Watchdog | None = None if prctl is not None else Watchdog()


@dataclass(frozen=True, slots=True)
class Command:
    """What to start and how; `death` is the signal it gets when we end."""

    argv: Sequence[str]
    cwd: Path
    log: Path
    owner: Owner | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    death: int = signal.SIGKILL
    pipes: bool = False


class Child:
    """A running server process of ours."""

    def __init__(self, name: str, popen: subprocess.Popen[bytes], death: int = signal.SIGKILL) -> None:
        self.name = name
        self.death = death
        self.pid = popen.pid
        self.popen = popen

    @property
    def alive(self) -> bool:
        """Whether it still runs (a zombie does not)."""
        return self.popen.poll() is None

    def send(self, number: int) -> None:
        """Send a signal; nothing happens when it has ended."""
        if self.alive:
            self.popen.send_signal(number)

    async def stop(self, first: int = signal.SIGTERM, grace: float = 5.0) -> int:
        """Ask with `first`, insist with SIGKILL after `grace` seconds; its exit code."""
        self.send(first)
        self.send(signal.SIGCONT)
        try:
            return await self.wait(grace)
        except subprocess.TimeoutExpired:
            self.send(signal.SIGKILL)
            return await self.wait(grace)
        finally:
            self._close_pipes()

    async def wait(self, timeout: float) -> int:
        """Its exit code; subprocess.TimeoutExpired after `timeout` seconds."""
        code = await asyncio.to_thread(self.popen.wait, timeout)
        if watchdog is not None:
            watchdog.forget(self.pid)
        return code

    def _close_pipes(self) -> None:
        pipes: tuple[IO[bytes] | None, ...] = (self.popen.stdin, self.popen.stdout)
        for pipe in pipes:
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()


_children: weakref.WeakSet[Child] = weakref.WeakSet()


async def spawn(name: str, command: Command) -> Child:
    """Start a child tied to this process's life.

    Raises:
        OSError: the program cannot be started.
    """
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(_thread, _start, name, command)


def _start(name: str, command: Command) -> Child:
    parent = os.getpid()
    user: dict[str, Any] = {}
    if command.owner:
        user = {"user": command.owner.uid, "group": command.owner.gid, "extra_groups": []}
    log = os.open(command.log, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)
    try:
        popen = subprocess.Popen(
            command.argv,
            cwd=command.cwd,
            env=environment(command.env),
            stdin=subprocess.PIPE if command.pipes else subprocess.DEVNULL,
            stdout=subprocess.PIPE if command.pipes else log,
            stderr=log,
            umask=0o077,
            process_group=0,  # ctrl+c in our terminal is ours to handle
            preexec_fn=lambda: die_with_parent(parent, command.death),  # noqa: PLW1509 - one ctypes call
            **user,
        )
    finally:
        os.close(log)
    if watchdog is not None:
        watchdog.watch(popen.pid)
    child = Child(name, popen, command.death)
    _children.add(child)
    return child


def end_all() -> None:
    """Send every child of this process its death signal at once: nothing they hold will be needed."""
    for child in list(_children):
        child.send(child.death)
        child.send(signal.SIGCONT)


def environment(extra: Mapping[str, str]) -> dict[str, str]:
    """A small environment for children: nothing of the operator's leaks into servers."""
    kept = {
        key: os.environ[key] for key in ("PATH", "TZ", "LD_LIBRARY_PATH", "SYSTEMROOT") if key in os.environ
    }
    return {**kept, "LC_ALL": "C.UTF-8", "LANG": "C.UTF-8", **extra}


def python_env(home: Path) -> dict[str, str]:
    """Environment of our own Python children: they find this package, and nothing in a user's home."""
    import perftui

    root = str(Path(perftui.__file__).resolve().parent.parent)
    path = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
    return {"PYTHONPATH": path, "HOME": str(home), "PYTHONUNBUFFERED": "1"}


async def until(ready: Callable[[], Any], seconds: float, what: str, every: float = 0.01) -> Any:
    """Call `ready` until it (or what it awaits) is true; its value.

    Raises:
        LabError: not within `seconds`; the text names `what`.
    """
    end = time.monotonic() + seconds
    while True:
        value = ready()
        if asyncio.iscoroutine(value):
            value = await value
        if value:
            return value
        if time.monotonic() > end:
            raise LabError(f"{what} within {seconds:g} s did not happen")
        await asyncio.sleep(every)


class LabError(Exception):
    """The lab cannot do what was asked; its text is a sentence for the operator."""


def tail(path: Path, lines: int = 8) -> str:
    """The last lines of a log, for an error's text."""
    with contextlib.suppress(OSError):
        return "\n".join(path.read_text("utf-8", "replace").splitlines()[-lines:])
    return ""
