"""The file a purge saves keys in: synced before anything is deleted, read as if anybody had written it."""

from __future__ import annotations

import os
import stat
from array import array
from collections.abc import Generator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO, Final

from perftui.draw import format as fmt
from perftui.draw.clean import inert
from perftui.engines.cache.keyrecords import (
    HEAD,
    KEY,
    LARGEST,
    MAGIC,
    NOTE,
    About,
    Damaged,
    Record,
    beginning,
    head,
    packed,
    records,
    told_about,
)
from perftui.model.errors import ActionError, PlanRejected
from perftui.model.keydumps import KeyDump

OWN: Final = b"perftui:quarantine"
"""What no purge takes: names of what is in the server's quarantine, and of the lease."""

GROUP_KEYS, GROUP_BYTES = 256, 4 << 20  # read at a time
BUCKETS: Final = 256


class Full(ActionError):
    """The file takes no more: its cap, or the disk."""


@dataclass(frozen=True, slots=True)
class Contents:
    """What a look through a whole file found.

    `keys` distinct names and the `bytes_` of their records; `end`: where its last whole record ends, `cut`:
    bytes of a record cut short behind it, `damage`: why the rest cannot be read. `again`: of names that are
    there several times, where the last one is. `note`: of a removal by tag.
    """

    path: Path
    about: About
    keys: int
    bytes_: int
    end: int
    cut: int
    damage: str
    again: dict[bytes, int]
    note: bytes

    def groups(self) -> Generator[list[KeyDump], None, None]:
        """The keys, some at a time, checked again; blocks on the disk.

        Raises:
            Damaged, OSError: the file is another by now.
        """
        group: list[KeyDump] = []
        size = 0
        with _opened(self.path) as file:
            for record in records(file, self.end):
                if record.kind != KEY or self.again.get(record.name, record.at) != record.at:
                    continue
                group.append(KeyDump(record.name, record.dies, record.value))
                size += len(record.value)
                if len(group) >= GROUP_KEYS or size >= GROUP_BYTES:
                    yield group
                    group, size = [], 0
        if group:
            yield group


def path_text(path: Path) -> str:
    """A path in a sentence."""
    return inert(os.fsencode(path).decode("utf-8", "backslashreplace"), 5000)


class KeyFile:
    """A purge's own file, open to be written; every method blocks on the disk.

    `why` says what stopped it from taking more. `size` are bytes that are safely on the disk, `began` those
    that were there when this purge began.
    """

    def __init__(self, path: Path, handle: int, size: int, cap: int, *, fresh: bool) -> None:
        self.path = path
        self.why = ""
        self.began = self.size = size
        self._handle = handle
        self._cap = cap
        self._fresh = fresh

    @classmethod
    def create(cls, path: Path, about: About, cap: int) -> KeyFile:
        """A new one of 0600.

        Raises:
            PlanRejected: it exists, or cannot be made.
        """
        first = beginning(about)
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            try:
                os.fchmod(handle, 0o600)
                _write(handle, first)
            except OSError:
                os.close(handle)
                path.unlink(missing_ok=True)
                raise
        except FileExistsError as error:
            raise PlanRejected(f"{path_text(path)} exists: name a file that does not") from error
        except OSError as error:
            raise PlanRejected(f"{path_text(path)}: {error.strerror}") from error
        _sync_folder(path.parent)
        return cls(path, handle, len(first), cap, fresh=True)

    @classmethod
    def resume(cls, path: Path, id_: str, cap: int) -> KeyFile:
        """That of a purge cut short, behind its last whole record.

        Raises:
            PlanRejected: it is not there, not whole, or of another purge.
        """
        found = contents(path)
        if found.about.id != id_:
            raise PlanRejected(f"{path_text(path)} is of purge {found.about.id}, not of {id_}")
        if found.damage:
            raise PlanRejected(f"{found.damage}: purge into another file")
        try:
            handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
            os.ftruncate(handle, found.end)
        except OSError as error:
            raise PlanRejected(f"{path_text(path)}: {error.strerror}") from error
        return cls(path, handle, found.end, cap, fresh=False)

    def append(self, dumps: Sequence[KeyDump]) -> int:
        """Save as many as there is room for; how many, of the first, are on the disk."""
        parts: list[bytes] = []
        size, fit = self.size, 0
        for dump in dumps:
            size += HEAD + dump.size
            if size > self._cap:
                self.why = f"{path_text(self.path)} has reached its cap of {fmt.bytes_(self._cap)}"
                break
            parts += (head(KEY, dump.key, dump.payload, dump.dies), dump.key, dump.payload)
            fit += 1
        return fit if self._put(b"".join(parts)) else 0

    def note(self, text: bytes) -> None:
        """Save what undoes a removal by tag.

        Raises:
            Full: there is no room for it.
        """
        if len(text) > LARGEST[NOTE]:
            raise Full(f"what undoes that takes {fmt.bytes_(len(text))}: name fewer tags")
        if not self._put(packed(NOTE, b"", text)):
            raise Full(self.why)

    def _put(self, data: bytes) -> bool:
        try:
            _write(self._handle, data)
        except OSError as error:
            self.why = f"{path_text(self.path)} takes no more: {error.strerror}"
            with suppress(OSError):  # else it ends within a record, which a reader leaves out
                os.ftruncate(self._handle, self.size)
                os.lseek(self._handle, self.size, os.SEEK_SET)
            return False
        self.size += len(data)
        return True

    def close(self) -> None:
        """Let go of it; one that nothing was saved in goes."""
        os.close(self._handle)
        if self._fresh and self.size == self.began:
            self.path.unlink(missing_ok=True)


def _write(handle: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(handle, view) :]
    os.fsync(handle)


def _sync_folder(folder: Path) -> None:
    """Or the file's name may be lost with the power; some file systems cannot do it."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def contents(path: Path) -> Contents:
    """Go through a whole file; blocks on the disk.

    Raises:
        PlanRejected: it is not there, not of ours, or others may write to it.
    """
    try:
        with _opened(path) as file:
            return _looked_through(path, file)
    except OSError as error:
        raise PlanRejected(f"{path_text(path)}: {error.strerror}") from error
    except Damaged as error:
        raise PlanRejected(f"{path_text(path)}: {error}") from error


def _opened(path: Path) -> BinaryIO:
    """A regular file that nobody else may write to."""
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a pipe would wait for a writer
    try:
        _check_mode(os.fstat(handle).st_mode)
        return open(handle, "rb", buffering=1 << 20)
    except BaseException:
        os.close(handle)
        raise


def _check_mode(mode: int) -> None:
    if not stat.S_ISREG(mode):
        raise Damaged("this is no file")
    if mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise Damaged("others may write to it: chmod 600 it if you trust what it holds")


def _looked_through(path: Path, file: BinaryIO) -> Contents:
    size = os.fstat(file.fileno()).st_size
    about: About | None = None
    end, bytes_, note, damage = len(MAGIC), 0, b"", ""
    hashes = [array("q") for _ in range(BUCKETS)]
    try:
        for record in records(file, size):
            if about is None:
                about = told_about(record)
            elif record.kind == KEY:
                _check_name(record)
                mark = hash(record.name)
                hashes[mark % BUCKETS].append(mark)
                bytes_ += record.end - record.at
            else:
                note = record.value
            end = record.end
    except Damaged as error:
        if about is None:
            raise
        damage = f"{path_text(path)} is damaged: {error}"
    if about is None:
        raise Damaged("it ends before it says what it is")
    again, extra = _again(file, end, hashes)
    keys = sum(map(len, hashes)) - extra
    return Contents(path, about, keys, bytes_, end, 0 if damage else size - end, damage, again, note)


def _check_name(record: Record) -> None:
    if record.name.startswith(OWN):
        raise Damaged(f"the record at byte {record.at} has a name that no purge takes")


def _again(file: BinaryIO, end: int, hashes: Sequence[array[int]]) -> tuple[dict[bytes, int], int]:
    """Names that are there several times with where each is last, and how many records that are too many.

    Of all names only hashes are kept, eight bytes each, sorted bucket by bucket.
    """
    twice: set[int] = set()
    for bucket in hashes:
        ordered = sorted(bucket)
        twice.update(a for a, b in pairwise(ordered) if a == b)
    if not twice:
        return {}, 0
    last: dict[bytes, int] = {}
    met = 0
    for record in records(file, end):
        if record.kind == KEY and hash(record.name) in twice:
            last[record.name] = record.at
            met += 1
    return last, met - len(last)
