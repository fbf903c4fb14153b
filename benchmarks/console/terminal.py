"""A terminal made of a pseudo-terminal and a screen: starts a program, presses keys, counts what it costs."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import select
import signal
import struct
import subprocess
import termios
import threading
import time
from collections.abc import Mapping, Sequence

import psutil
import pyte

TICK = 0.002
ANSWERS = (
    (b"\x1b[c", b"\x1b[?62;22c"),
    (b"\x1b[6n", b"\x1b[1;1R"),
    (b"\x1b[?2026$p", b"\x1b[?2026;2$y"),
)
MODES = ("\x1b[?1049", "\x1b[?1000", "\x1b[?1003", "\x1b[?1006", "\x1b[?2004", "\x1b[?25")
NAMED = {"down": "\x1b[B", "up": "\x1b[A", "esc": "\x1b", "enter": "\r", "ctrl+c": "\x03", "ctrl+q": "\x11"}


class Terminal:
    """A program on a pseudo-terminal of its own; `link` is how many bytes a second are read, 0 for all.

    Times are seconds on the monotonic clock, taken when bytes are read, before they are understood.
    """

    def __init__(
        self, command: Sequence[str], size: tuple[int, int], env: Mapping[str, str], link: int = 0
    ) -> None:
        self.screen = pyte.Screen(*size)
        self._stream = pyte.ByteStream(self.screen)
        self._link = link
        self._lock = threading.Lock()
        self.reads: list[tuple[float, int]] = []
        self.modes: dict[str, bool] = {}
        self._cut = ""
        self._master, slave = os.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))
        self.began = time.monotonic()
        self.process = subprocess.Popen(
            list(command),
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env={**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor", **env},
            start_new_session=True,
            close_fds=True,
        )
        os.close(slave)
        self._tree = psutil.Process(self.process.pid)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    # what the terminal does

    def _read(self) -> None:
        free = time.monotonic()
        with contextlib.suppress(OSError):
            while True:
                if not select.select([self._master], [], [], 1.0)[0]:
                    continue
                data = os.read(self._master, min(65536, max(64, self._link // 100)) if self._link else 65536)
                if not data:
                    return
                self.reads.append((time.monotonic(), len(data)))
                self._take(data)
                if self._link:
                    free = max(free, time.monotonic()) + len(data) / self._link
                    time.sleep(max(0.0, free - time.monotonic()))

    def _take(self, data: bytes) -> None:
        for question, answer in ANSWERS:
            if question in data:
                os.write(self._master, answer)
        text = self._cut + data.decode("latin-1")
        for mode, how in re.findall(r"(\x1b\[\?\d+)([hl])", text):
            self.modes[mode] = how == "h"
        self._cut = text[-12:]  # a sequence may come in two reads
        with self._lock:
            self._stream.feed(data)

    def shows(self, pattern: str) -> bool:
        """Whether the screen shows it now."""
        with self._lock:
            return re.search(pattern, "\n".join(self.screen.display)) is not None

    # what is measured

    def wait(self, pattern: str, within: float) -> float:
        """Seconds from the start to the read after which the screen shows `pattern`; TimeoutError."""
        while time.monotonic() - self.began < within:
            last = self.reads[-1][0] if self.reads else self.began
            if self.shows(pattern):
                return last - self.began
            time.sleep(TICK)
        raise TimeoutError(pattern)

    def cpu(self) -> float:
        """CPU seconds of the program and its living children."""
        total = 0.0
        for process in [self._tree, *self._tree.children(recursive=True)]:
            with contextlib.suppress(psutil.Error):
                times = process.cpu_times()
                total += times.user + times.system
        return total

    def pss(self) -> float:
        """Proportional set size of the program and its children, MB."""
        total = 0
        for process in [self._tree, *self._tree.children(recursive=True)]:
            with contextlib.suppress(OSError, psutil.Error):
                text = open(f"/proc/{process.pid}/smaps_rollup").read()  # noqa: SIM115
                total += int(re.search(r"^Pss:\s+(\d+)", text, re.MULTILINE)[1])  # type: ignore[index]
        return total / 1024

    def written(self, since: float) -> int:
        """Bytes read since an instant."""
        return sum(count for at, count in self.reads if at >= since)

    def press(self, key: str, quiet: float = 0.03, within: float = 5.0) -> float | None:
        """Seconds from the key to the last byte before `quiet` seconds of silence; None without output."""
        self._settle(quiet)
        before, sent = len(self.reads), time.monotonic()
        os.write(self._master, NAMED.get(key, key).encode())
        while time.monotonic() - sent < within:
            time.sleep(TICK)
            new = self.reads[before:]
            if new and time.monotonic() - new[-1][0] >= quiet:
                return new[-1][0] - sent
        return None

    def _settle(self, quiet: float) -> None:
        limit = time.monotonic() + 1.5
        while self.reads and time.monotonic() - self.reads[-1][0] < quiet and time.monotonic() < limit:
            time.sleep(TICK)

    def end(self, key: str = "", number: int = 0, within: float = 5.0) -> float | None:
        """Seconds until it ended after a key or a signal; None when it had to be killed."""
        sent = time.monotonic()
        if number:
            os.kill(self.process.pid, number)
        else:
            os.write(self._master, NAMED.get(key, key).encode())
        try:
            self.process.wait(within)
            return time.monotonic() - sent
        except subprocess.TimeoutExpired:
            return None

    def left_set(self) -> list[str]:
        """Modes the program turned on and left on (the cursor: left hidden)."""
        self._reader.join(0.3)
        left = [m for m in MODES[:-1] if self.modes.get(m)]
        return [m[2:] for m in left] + (["?25l"] if self.modes.get(MODES[-1]) is False else [])

    def close(self) -> None:
        """Kill what is left of it."""
        if self.process.poll() is None:
            os.kill(self.process.pid, signal.SIGKILL)
            self.process.wait()
        with contextlib.suppress(OSError):
            os.close(self._master)
