"""A terminal with an emulator behind it: it answers what programs ask, and knows cells, colours and modes."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import sys
import termios
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pyte
from pyte.screens import Char

ROOT = Path(__file__).resolve().parents[1]
NAMED = {"enter": "\r", "esc": "\x1b", "tab": "\t", "space": " ", "backspace": "\x7f", "down": "\x1b[B"}
SEQUENCE = re.compile(
    rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|P[^\x1b]*\x1b\\|[ -/]*[0-~])", re.DOTALL
)
SGR = re.compile(rb"\x1b\[([\d;:]*)m")
MODE = re.compile(rb"\x1b\[\?([\d;]+)([hl])")
KITTY = re.compile(rb"\x1b\[([><])(\d*)u")
PRIVATE = re.compile(rb"\x1b\[[<=>][\d;]*[a-zA-Z]")  # pyte takes these for their namesakes
QUESTIONS = (
    (re.compile(rb"\x1b\[0?c"), b"\x1b[?62;22c"),
    (re.compile(rb"\x1b\[\?u"), b"\x1b[?0u"),
    (re.compile(rb"\x1b\[\?(\d+)\$p"), b"\x1b[?%s;2$y"),
    (re.compile(rb"\x1b\](1[01]);\?(?:\x07|\x1b\\)"), b"\x1b]%s;rgb:0000/0000/0000\x1b\\"),
)
NORMALLY_ON = {"7": "no wrapping", "25": "cursor hidden"}


class Terminal:
    """Runs a program in a terminal of a given size. What is not used is left to the program's default."""

    def __init__(
        self, argv: Sequence[str], size: tuple[int, int] = (120, 40), env: Mapping[str, str] | None = None
    ) -> None:
        self.screen = pyte.Screen(*size)
        self.stream = pyte.ByteStream(self.screen)
        self.raw = bytearray()
        self._rest = b""
        self.code: int | None = None
        self.in_band = False  # sizes are told in the stream too, as newer terminals do
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            self._become(argv, env or {})
        self.resize(*size)

    @staticmethod
    def _become(argv: Sequence[str], env: Mapping[str, str]) -> None:
        for name in ("NO_COLOR", "TMUX", "STY", "TERM_PROGRAM"):
            os.environ.pop(name, None)
        os.environ.update({"TERM": "xterm-256color", "COLORTERM": "truecolor", "LC_ALL": "C.UTF-8", **env})
        os.chdir(ROOT)
        os.execvp(argv[0], list(argv))

    def resize(self, columns: int, rows: int) -> None:
        """Change the size as a window manager does; the kernel sends SIGWINCH."""
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.screen.resize(rows, columns)
        if self.in_band:
            self._tell_size()

    def _tell_size(self) -> None:
        columns, rows = self.screen.columns, self.screen.lines
        self.send(b"\x1b[48;%d;%d;%d;%dt" % (rows, columns, rows * 20, columns * 10))

    # -- output

    def pump(self, quiet: float = 0.2, most: float = 10.0) -> None:
        """Take in output until none came for `quiet` seconds, at most `most` seconds."""
        end = time.monotonic() + most
        while (left := end - time.monotonic()) > 0:
            ready, _, _ = select.select([self.fd], [], [], min(quiet, left))
            if not ready or not self._take():
                return

    def _take(self) -> bool:
        try:
            data = os.read(self.fd, 1 << 16)
        except OSError:  # the other side is closed
            return False
        self.raw += data
        self._answer(data)
        self.stream.feed(PRIVATE.sub(b"", data))
        return bool(data)

    def _answer(self, data: bytes) -> None:
        for question, answer in QUESTIONS:
            for found in question.finditer(data):
                self.send(answer % found.groups() if b"%s" in answer else answer)
        if b"\x1b[?2048h" in data:
            self.in_band = True
            self._tell_size()
        if b"\x1b[6n" in data:
            self.send(b"\x1b[%d;%dR" % (self.screen.cursor.y + 1, self.screen.cursor.x + 1))

    def lines(self) -> list[str]:
        """The cells as lines, trailing blanks cut."""
        return [line.rstrip() for line in self.screen.display]

    def text(self) -> str:
        """All lines."""
        return "\n".join(self.lines())

    def wait(self, pattern: str, timeout: float = 40.0) -> re.Match[str]:
        """Until the screen shows `pattern`."""
        end = time.monotonic() + timeout
        while not (found := re.search(pattern, self.text(), re.MULTILINE)):
            if time.monotonic() > end:
                raise AssertionError(f"no {pattern!r} after {timeout:g} s on:\n{self.text()}")
            self.pump(0.05, 0.3)
        return found

    def cells(self) -> Iterator[tuple[int, int, Char]]:
        """Row, column and cell of the whole screen."""
        for row in range(self.screen.lines):
            for column in range(self.screen.columns):
                yield row, column, self.screen.buffer[row][column]

    def left_set(self) -> list[str]:
        """Modes that are not as a terminal normally has them."""
        on: set[str] = set()
        for numbers, how in MODE.findall(bytes(self.raw)):
            for number in numbers.decode().split(";"):
                usual = b"h" if number in NORMALLY_ON else b"l"
                (on.discard if how == usual else on.add)(NORMALLY_ON.get(number, f"?{number}"))
        depth = 0
        for way, _ in KITTY.findall(bytes(self.raw)):
            depth = depth + 1 if way == b">" else max(0, depth - 1)
        return sorted(on | ({"kitty keyboard"} if depth else set()))

    def colours(self) -> set[int]:
        """Codes of select-graphic-rendition that set a colour."""
        codes = {
            int(code or 0)
            for run in SGR.findall(bytes(self.raw))
            for code in re.split(b"[;:]", run)[:1] + re.split(b"[;:]", run)[1:]
        }
        return {code for code in codes if 30 <= code <= 49 or 90 <= code <= 107}

    def stray(self) -> set[str]:
        """Control and direction characters outside the sequences a terminal program sends."""
        text = SEQUENCE.sub(b"", bytes(self.raw)).decode("utf-8", "replace")
        return {
            c
            for c in text
            if (c < " " or "\x7f" <= c < "\xa0" or c in "\u202a\u202b\u202d\u202e\u2066\u2067")
            and c not in "\r\n"
        }

    # -- input

    def send(self, data: bytes) -> None:
        """Bytes as from the keyboard; large ones as the other side reads them."""
        view = memoryview(data)
        while view:
            _, writable, _ = select.select([], [self.fd], [], 0.05)
            if writable:
                view = view[os.write(self.fd, view[:1024]) :]
            if select.select([self.fd], [], [], 0)[0]:
                self._take()

    def key(self, *names: str) -> None:
        """Press keys one after the other, letting each arrive alone."""
        for name in names:
            self.send(
                (NAMED.get(name) or (chr(ord(name[-1]) & 31) if name.startswith("ctrl+") else name)).encode()
            )
            self.pump(0.15, 0.6)

    def paste(self, text: str) -> None:
        """A bracketed paste."""
        self.send(b"\x1b[200~" + text.encode() + b"\x1b[201~")

    # -- end

    def end(self, number: int = signal.SIGKILL, timeout: float = 20.0) -> int:
        """Send a signal and wait for the program; its exit code as Python's subprocess tells it."""
        if self.code is None:
            os.kill(self.pid, number)
        return self.exit_code(timeout)

    def exit_code(self, timeout: float = 20.0) -> int:
        """Wait for the program's end, taking in what it says."""
        end = time.monotonic() + timeout
        while self.code is None:
            self.pump(0.02, 0.1)
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.pump(0.05, 1.0)
                self.code = os.waitstatus_to_exitcode(status)
                os.close(self.fd)
            elif time.monotonic() > end:
                os.kill(self.pid, signal.SIGKILL)
                raise AssertionError(f"it did not end within {timeout:g} s:\n{self.text()}")
        return self.code


def console_command(config: Path | str, *more: str) -> list[str]:
    """The command line of a console on the lab."""
    return [sys.executable, "-m", "perftui", "run", "--config", str(config), "--env", "lab", *more]
