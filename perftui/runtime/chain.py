"""Hash-chained lines in files that several processes append to and nobody can quietly edit.

Each line is canonical JSON holding `seq`, `prev` (hash of the line before) and `hash` =
sha256(prev + canonical JSON of the rest). A small file beside the log remembers the newest
number and hash, so that cutting the end off is noticed as well.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from perftui.model.errors import StoreError

GENESIS = "0" * 64
TAIL = 1 << 16  # bytes read back from the end to find the last line: longer than any line


class Verdict(NamedTuple):
    """Whether a chain holds; `line` and `what` name the first break (`line` 0: no single line)."""

    ok: bool
    lines: int
    file: Path
    line: int = 0
    what: str = ""

    def __str__(self) -> str:
        if self.ok:
            return f"{self.lines} lines, chain intact"
        where = f"{self.file.name} line {self.line}" if self.line else self.file.name
        return f"{where}: {self.what}"


def canonical(fields: dict[str, Any]) -> str:
    """The one way a line is written: sorted keys, ASCII only (hostile text stays inert in a pager)."""
    import json  # here and below: half of this module's import time

    return json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def link(prev: str, fields: dict[str, Any]) -> str:
    """Hash of a line whose other fields are `fields`."""
    import hashlib

    return hashlib.sha256((prev + canonical(fields)).encode()).hexdigest()


def parts(path: Path) -> list[Path]:
    """The log's files in order: rotated ones (`audit-000001200.jsonl`), then the one being written."""
    rotated = sorted(path.parent.glob(f"{path.stem}-*{path.suffix}"))
    return [*rotated, *([path] if path.exists() else [])]


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the log's lock among processes (a file of its own: rotation renames the log)."""
    lock = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


class Chain:
    """Appends lines to `path`, rotating at `max_bytes`; safe among processes by a file lock."""

    def __init__(self, path: Path, max_bytes: int = 8 << 20) -> None:
        self.path = path
        self.max_bytes = max_bytes
        self._head = path.with_suffix(".head")

    def append(self, fields: dict[str, Any]) -> dict[str, Any]:
        """Write one line and fsync it; the line as written. StoreError "cannot write …" otherwise."""
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with locked(self.path):
                return self._append(fields)
        except OSError as error:
            raise StoreError(f"cannot write {self.path}: {error.strerror or error}") from error

    def probe(self) -> str:
        """Why the log cannot be written, or "" when it can."""
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with locked(self.path):
                os.close(self._open())
        except OSError as error:
            return f"cannot write {self.path}: {error.strerror or error}"
        return ""

    def _append(self, fields: dict[str, Any]) -> dict[str, Any]:
        seq, prev, torn = self._last()
        line = {**fields, "seq": seq + 1, "prev": prev}
        line["hash"] = link(prev, line)
        rotated = self._rotate(seq)
        text = ("\n" if torn and not rotated else "") + canonical(line) + "\n"
        file = self._open()
        try:
            _write(file, text.encode())
            os.fsync(file)
        finally:
            os.close(file)
        self._remember(line)
        return line

    def _open(self) -> int:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        file = os.open(self.path, flags, 0o600)
        if os.fstat(file).st_size == 0:
            folder = os.open(self.path.parent, os.O_RDONLY)
            os.fsync(folder)  # a new name must survive a power cut as its first line does
            os.close(folder)
        return file

    def _last(self) -> tuple[int, str, bool]:
        """Number and hash of the last whole line, and whether a torn one follows it."""
        torn = False
        for path in reversed(parts(self.path)):
            lines, whole = _tail(path)
            torn = torn or (path == self.path and not whole)
            for text in reversed(lines):
                line = parsed(text)
                if line is not None:
                    return line["seq"], line["hash"], torn
        return 0, GENESIS, torn

    def _rotate(self, seq: int) -> bool:
        try:
            if self.path.stat().st_size < self.max_bytes:
                return False
        except FileNotFoundError:
            return False
        self.path.rename(self.path.with_name(f"{self.path.stem}-{seq:09d}{self.path.suffix}"))
        return True

    def _remember(self, line: dict[str, Any]) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC
        file = os.open(self._head, flags, 0o600)
        try:
            os.pwrite(file, f"{line['seq']:020d} {line['hash']}\n".encode(), 0)
        finally:
            os.close(file)


def _write(file: int, data: bytes) -> None:
    written = os.write(file, data)
    if written != len(data):
        os.ftruncate(file, os.fstat(file).st_size - written)  # a full disk must not leave half a line
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _tail(path: Path) -> tuple[list[bytes], bool]:
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - TAIL))
        data = file.read()
    return [text for text in data.split(b"\n") if text], not data or data.endswith(b"\n")


def parsed(text: bytes) -> dict[str, Any] | None:
    """The fields of a line, or None when it is no whole line of a chain."""
    import json

    try:
        line = json.loads(text)
    except ValueError:
        return None
    if not isinstance(line, dict) or not isinstance(line.get("seq"), int):
        return None
    return line if all(isinstance(line.get(name), str) for name in ("prev", "hash")) else None


def verify(path: Path) -> Verdict:
    """Walk the whole chain, rotated files included, and name the first break.

    Keeps writers out meanwhile where it may. StoreError when a file cannot be read.
    """
    if not path.parent.exists():
        return Verdict(True, 0, path)
    with ExitStack() as stack:
        try:
            stack.enter_context(locked(path))
        except OSError:
            pass  # somebody else's log, readable only: a line being written may then look cut short
        return _walk(path)


def _walk(path: Path) -> Verdict:
    prev, seq = GENESIS, 0
    files = parts(path)
    for file in files:
        try:
            with file.open("rb") as lines:
                for number, text in enumerate(lines, 1):
                    what, line = _check(text, prev, seq)
                    if line is None:
                        return Verdict(False, seq, file, number, what)
                    prev, seq = line["hash"], line["seq"]
        except OSError as error:
            raise StoreError(f"cannot read {file}: {error.strerror or error}") from error
    missing = _cut(path, prev, seq)
    return Verdict(not missing, seq, files[-1] if files else path, 0, missing)


def _check(text: bytes, prev: str, seq: int) -> tuple[str, dict[str, Any] | None]:
    if not text.endswith(b"\n"):
        return "cut short", None
    line = parsed(text)
    if line is None:
        return "not a line of this log", None
    rest = {name: value for name, value in line.items() if name != "hash"}
    if link(line["prev"], rest) != line["hash"] or canonical(line).encode() != text[:-1]:
        return "was changed after it was written", None
    if line["prev"] != prev or line["seq"] != seq + 1:
        return f"does not follow the line before: {line['seq']} after {seq}, something is missing", None
    return "", line


def _cut(path: Path, prev: str, seq: int) -> str:
    try:
        number, newest = path.with_suffix(".head").read_text("ascii").split()
        last = int(number)
    except FileNotFoundError:
        return "" if seq == 0 else f"{path.with_suffix('.head').name} is missing"
    except (OSError, ValueError):
        return f"{path.with_suffix('.head').name} cannot be read"
    if last > seq:
        return f"ends at line number {seq}, but {last} were written: the end was cut off"
    if last == seq and newest != prev:
        return f"line number {seq} is not the one that was written"
    return ""
