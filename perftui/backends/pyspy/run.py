"""Runs the py-spy program: watched, bounded, stoppable, and never left behind."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from perftui.model.action import Progress
from perftui.model.errors import Lost, Unsupported

TICK = 0.25  # seconds between two words of progress
GRACE = 10.0  # seconds py-spy may take beyond its sampling time: it reads symbols before it starts
STOP = 3.0  # seconds it may take to write what it has
MAX_OUTPUT = 256 << 20
SUMMARY = re.compile(r"Samples: (\d+) Errors: (\d+)")
BEHIND = re.compile(r"([\d.]+)s behind in sampling")


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a run of `py-spy record` left: folded text, its own counts, what it said, and its exit code."""

    folded: str
    samples: int
    errors: int
    said: str
    code: int
    seconds: float
    stopped: bool = False

    @property
    def note(self) -> str:
        """What was unusual, for people."""
        if "process exited" in self.said:
            return f"target ended after {self.seconds:.1f} s"
        if self.stopped:
            return f"stopped after {self.seconds:.1f} s"
        behind = BEHIND.findall(self.said)
        return f"the sampler fell {behind[-1]} s behind" if behind else ""


def program() -> str:
    """Path of py-spy: beside this interpreter, else on PATH; Unsupported when there is none."""
    beside = Path(sys.executable).with_name("py-spy")
    found = str(beside) if beside.exists() else shutil.which("py-spy")
    if found is None:
        raise Unsupported("py-spy is not installed: pip install py-spy")
    return found


async def ask(*arguments: str, deadline: float = 5.0) -> tuple[int, str, str]:
    """Run py-spy for a short answer: exit code, output, errors. Lost when it does not come in time."""
    child = await asyncio.create_subprocess_exec(
        program(),
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(deadline):
            out, err = await child.communicate()
    except TimeoutError as error:
        raise Lost(f"py-spy {arguments[0]} did not answer in {deadline:g} s") from error
    finally:
        await end(child)
    return child.returncode or 0, out[:MAX_OUTPUT].decode(errors="replace"), err.decode(errors="replace")


async def end(child: asyncio.subprocess.Process) -> None:
    """Make sure the program is gone."""
    if child.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            child.kill()
        await child.wait()


class Run:
    """One `py-spy record` with its private folder."""

    def __init__(self, pid: int, seconds: float, rate: int) -> None:
        self._pid, self._rate = pid, rate
        self._seconds = max(1, round(seconds))  # py-spy takes whole seconds
        self._folder = Path()
        self._began = 0.0

    async def record(self, report: Callable[[Progress], None]) -> Recorded:
        """Sample until the time is over, the target ends, or we are cancelled: then what there is is kept.

        A cancelled run raises asyncio's cancellation with the `Recorded` as `stopped_run` of this object.
        """
        with tempfile.TemporaryDirectory(prefix="perftui-pyspy-") as folder:
            self._folder = Path(folder)
            child = await self._start()
            try:
                await self._watch(child, report)
            except asyncio.CancelledError:
                await self._interrupt(child)
                self.stopped_run = self._collect(child.returncode or 0, stopped=True)
                raise
            finally:
                await end(child)
            return self._collect(child.returncode or 0)

    stopped_run: Recorded | None = None

    async def _start(self) -> asyncio.subprocess.Process:
        # A session of its own: ctrl+c in a terminal reaches us alone, and we stop it in order.
        self._began = time.monotonic()
        flags = [
            "-f",
            "raw",
            "--full-filenames",
            "-r",
            str(self._rate),
            "-d",
            str(self._seconds),
        ]
        said = os.open(self._folder / "said", os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            return await asyncio.create_subprocess_exec(
                program(),
                "record",
                "-p",
                str(self._pid),
                "-o",
                str(self._folder / "folded"),
                *flags,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                start_new_session=True,
            )
        finally:
            os.close(said)

    async def _watch(self, child: asyncio.subprocess.Process, report: Callable[[Progress], None]) -> None:
        while child.returncode is None:
            spent = time.monotonic() - self._began
            if spent > self._seconds + GRACE:
                raise Lost(f"py-spy did not end {GRACE:g} s after its time: stopped")
            done = min(float(self._seconds), spent)
            total = self._seconds * 10
            report(Progress(int(done * 10), total, f"{done:.1f} of {self._seconds} s at {self._rate} Hz"))
            try:
                async with asyncio.timeout(TICK):
                    await child.wait()
            except TimeoutError:
                continue

    async def _interrupt(self, child: asyncio.subprocess.Process) -> None:
        """Ask it to write what it has, as ctrl+c would; `end` kills it if it does not."""
        if child.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                child.send_signal(signal.SIGINT)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(STOP):
                    await child.wait()

    def _collect(self, code: int, *, stopped: bool = False) -> Recorded:
        said = _text(self._folder / "said", 1 << 16)
        counts = SUMMARY.search(said)
        samples, errors = (int(counts[1]), int(counts[2])) if counts else (0, 0)
        seconds = min(time.monotonic() - self._began, float(self._seconds))
        folded = _text(self._folder / "folded", MAX_OUTPUT)
        return Recorded(folded, samples, errors, said, code, seconds, stopped)


def _text(path: Path, limit: int) -> str:
    try:
        with path.open("rb") as file:
            return file.read(limit).decode(errors="replace")
    except OSError:
        return ""
