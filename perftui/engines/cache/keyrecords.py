"""The records of a file that keys are saved in, as bytes: nobody's word is taken for what one claims to be.

Eight bytes of magic, then records. A record is a head of 25 bytes, then a name and a value:

    kind u8 · name length u32 · value length u32 · dies i64 (ms since the epoch, -1 never)
    · CRC-32 of name and value u32 · CRC-32 of the 21 bytes before u32      (little-endian)

The first is of kind ABOUT: its value is JSON, see `About`. KEY has a key's name and what DUMP gave for it;
of several of one name the last counts. NOTE has what undoes a removal by tag. A file that ends in a record
was cut short before the keys of that record were deleted; anything else that does not add up is damage.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from struct import Struct
from typing import BinaryIO, Final, NamedTuple
from zlib import crc32

MAGIC: Final = b"PTKEYS\x01\n"
ABOUT, KEY, NOTE = 0, 1, 2
LONGEST_NAME: Final = 1 << 20
LARGEST: Final = {KEY: 1 << 26, NOTE: 1 << 22}  # bytes of a value; an answer of a server has no more
LARGEST_ABOUT: Final = 1 << 16

_HEAD = Struct("<BIIqI")
_SUM = Struct("<I")
HEAD: Final = _HEAD.size + _SUM.size


class Damaged(ValueError):
    """A record that is not as it was written; the text says where."""


@dataclass(frozen=True, slots=True)
class About:
    """Whose purge a file is of: `id`, the server's name in the configuration, what was purged, when."""

    id: str
    source: str
    what: str
    at: float = field(default_factory=time.time)


class Record(NamedTuple):
    """One of a file, and where it begins."""

    at: int
    kind: int
    name: bytes
    value: bytes
    dies: int

    @property
    def end(self) -> int:
        """Where the next one begins."""
        return self.at + HEAD + len(self.name) + len(self.value)


def head(kind: int, name: bytes, value: bytes, dies: int = -1) -> bytes:
    """What stands before a record's name and value."""
    first = _HEAD.pack(kind, len(name), len(value), dies, crc32(value, crc32(name)))
    return first + _SUM.pack(crc32(first))


def packed(kind: int, name: bytes, value: bytes, dies: int = -1) -> bytes:
    """A whole record."""
    return head(kind, name, value, dies) + name + value


def beginning(about: About) -> bytes:
    """How a file begins."""
    return MAGIC + packed(ABOUT, b"", json.dumps(asdict(about)).encode())


def records(file: BinaryIO, size: int) -> Iterator[Record]:
    """The whole records within the first `size` bytes; one cut short there ends them.

    Raises:
        Damaged: what is there was not written so.
    """
    file.seek(0)
    if file.read(len(MAGIC)) != MAGIC:
        raise Damaged("no purge of ours wrote this, or a newer version did")
    at = len(MAGIC)
    while size - at >= HEAD:
        first = file.read(HEAD)
        if len(first) < HEAD:
            raise Damaged(f"it has become shorter than {size} bytes")
        (right,) = _SUM.unpack_from(first, _HEAD.size)
        kind, name_length, length, dies, body_sum = _HEAD.unpack_from(first)
        if right != crc32(first[: _HEAD.size]) or not _plausible(at, kind, name_length, length, dies):
            raise Damaged(f"byte {at} does not begin a record")
        if size - at - HEAD < name_length + length:
            return
        body = file.read(name_length + length)
        if len(body) < name_length + length or crc32(body) != body_sum:
            raise Damaged(f"the record at byte {at} is not as it was written")
        yield Record(at, kind, body[:name_length], body[name_length:], dies)
        at += HEAD + len(body)


def _plausible(at: int, kind: int, name_length: int, length: int, dies: int) -> bool:
    """Whether such a record may stand there; nothing is allocated for one that may not."""
    if at == len(MAGIC):
        return kind == ABOUT and name_length == 0 and length <= LARGEST_ABOUT
    return length <= LARGEST.get(kind, -1) and name_length <= LONGEST_NAME and dies >= -1


def told_about(record: Record) -> About:
    """What the first record says.

    Raises:
        Damaged: nothing that can be read.
    """
    try:
        said = json.loads(record.value)
        about = About(str(said["id"]), str(said["source"]), str(said["what"]), float(said["at"]))
    except (ValueError, KeyError, TypeError, RecursionError, OverflowError) as error:
        raise Damaged("it does not say what it is") from error
    if not (about.id.isascii() and about.id.isalnum() and len(about.id) <= 32 and 0 <= about.at < 1e11):
        raise Damaged("it does not say what it is")
    return about
