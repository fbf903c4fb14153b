"""A real pseudo-terminal with an emulator behind it, to see what an operator would see."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import sys
import termios
import time
from pathlib import Path

import pyte

KEYS = {"enter": "\r", "esc": "\x1b", "tab": "\t", "space": " ", "down": "\x1b[B"}
ROOT = Path(__file__).resolve().parents[2]


class Terminal:
    """Runs a Python module in a terminal of a given size and keeps its screen."""

    def __init__(self, module: str, *args: str, size: tuple[int, int] = (100, 30), **env: str) -> None:
        self.screen = pyte.Screen(*size)
        self.stream = pyte.ByteStream(self.screen)
        self.raw = bytearray()
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            try:
                os.chdir(ROOT)
                plain = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
                shown = {"TERM": "xterm-256color", "COLORTERM": "truecolor", "LC_ALL": "C.UTF-8"}
                os.execve(sys.executable, [sys.executable, "-m", module, *args], plain | shown | env)
            finally:
                os._exit(127)
        self.resize(*size)

    def resize(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.screen.resize(rows, columns)

    def pump(self, quiet: float = 0.2, most: float = 10.0) -> None:
        """Take in output until none came for `quiet` seconds."""
        end = time.monotonic() + most
        while time.monotonic() < end:
            ready, _, _ = select.select([self.fd], [], [], quiet)
            if not ready or not self._take():
                return

    def _take(self) -> bool:
        try:
            data = os.read(self.fd, 65536)
        except OSError:
            return False
        self.raw += data
        self.stream.feed(data.replace(b"\x1b[>25u", b"").replace(b"\x1b[<u", b""))
        return bool(data)

    def wait(self, text: str, timeout: float = 30.0) -> None:
        """Until the screen shows `text`."""
        end = time.monotonic() + timeout
        while text not in "\n".join(self.screen.display):
            if time.monotonic() > end:
                raise AssertionError(f"{text!r} not shown:\n" + "\n".join(self.lines()))
            self.pump(0.05, 0.5)

    def key(self, *names: str) -> None:
        """Press keys one after the other, letting each arrive alone."""
        for name in names:
            code = KEYS.get(name) or (chr(ord(name[-1]) & 31) if name.startswith("ctrl+") else name)
            os.write(self.fd, code.encode())
            self.pump(0.25 if name == "esc" else 0.15)

    def lines(self) -> list[str]:
        return [line.rstrip() for line in self.screen.display]

    def end(self, number: int = signal.SIGKILL) -> int:
        """Send a signal and wait for the program; its exit code."""
        os.kill(self.pid, number)
        return self.exit_code()

    def exit_code(self, timeout: float = 20.0) -> int:
        end = time.monotonic() + timeout
        while True:
            self.pump(0.02, 0.1)
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.pump(0.05, 1.0)
                os.close(self.fd)
                return os.waitstatus_to_exitcode(status)
            if time.monotonic() > end:
                os.kill(self.pid, signal.SIGKILL)
                raise AssertionError("the program did not end")

    def left_set(self) -> list[str]:
        """Terminal modes that were switched on and not off again."""
        text = self.raw.decode("utf-8", "replace")
        pairs = {f"?{n}": (f"\x1b[?{n}h", f"\x1b[?{n}l") for n in (1049, 1000, 1003, 1006, 1004, 2004)}
        pairs["cursor"] = ("\x1b[?25l", "\x1b[?25h")
        pairs["kitty"] = ("\x1b[>", "\x1b[<u")
        return [name for name, (on, off) in pairs.items() if text.rfind(on) > text.rfind(off)]
