"""Traces of cache accesses: hashed keys, sizes and times, in a file that stays small and tells no secrets.

Layout, little-endian: eight bytes of magic with the version, the first instant in epoch seconds (f64), then
16 bytes an access: hash (u64), milliseconds since the first instant (u32), bytes of the value (u32).
"""

from __future__ import annotations

import math
import struct
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

MAGIC: Final = b"PTRACE\x00\x01"
MOST: Final = 5_000_000
_HEAD = struct.Struct("<8sd")
_ROW = struct.Struct("<QII")
_FULL = 2**32 - 1
BYTES_MOST: Final = _HEAD.size + MOST * _ROW.size


@dataclass(frozen=True, slots=True)
class AccessTrace:
    """Accesses in order; `began` is an epoch instant, `at` seconds after it. `cut`: the file ended in one."""

    began: float
    keys: Sequence[int]
    at: Sequence[float]
    sizes: Sequence[int]
    cut: bool = False

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def distinct(self) -> int:
        """How many keys there are."""
        return len(set(self.keys))

    @property
    def mean_size(self) -> float:
        """Mean bytes of a key at its last access; 0 of none."""
        last = dict(zip(self.keys, self.sizes, strict=True))
        return sum(last.values()) / len(last) if last else 0.0


class TraceWriter:
    """Accesses to bytes. `secret`, drawn anew for each trace, is never written: no name is found by trying.

    Raises:
        ValueError: the secret is short.
    """

    __slots__ = ("_began", "_rows", "_secret", "most")

    def __init__(self, secret: bytes, began: float, most: int = MOST) -> None:
        if not 16 <= len(secret) <= 64:
            raise ValueError("a trace's secret has 16 to 64 bytes")
        self._secret = secret
        self._began = began
        self._rows = bytearray()
        self.most = min(most, MOST)

    def __len__(self) -> int:
        return len(self._rows) // _ROW.size

    def add(self, key: str | bytes, size: int, at: float) -> bool:
        """One access at an epoch instant; False when the trace is full, and then nothing is kept."""
        if len(self._rows) >= self.most * _ROW.size:
            return False
        name = key.encode("utf-8", "surrogatepass") if isinstance(key, str) else key
        digest = int.from_bytes(blake2b(name, digest_size=8, key=self._secret).digest(), "little")
        since = min(_FULL, max(0, round((at - self._began) * 1000)))
        self._rows += _ROW.pack(digest, since, min(_FULL, max(0, size)))
        return True

    def dump(self) -> bytes:
        """The whole file."""
        return _HEAD.pack(MAGIC, self._began) + bytes(self._rows)


def read(data: bytes) -> AccessTrace:
    """A trace from its file's bytes.

    Raises:
        ValueError: it is none, of a later version, or longer than traces get.
    """
    if len(data) < _HEAD.size or data[:6] != MAGIC[:6]:
        raise ValueError("this is no access trace")
    magic, began = _HEAD.unpack_from(data)
    if magic != MAGIC:
        raise ValueError(f"this trace is of version {magic[7]}, known is {MAGIC[7]}")
    if len(data) > BYTES_MOST:
        raise ValueError(f"a trace has {MOST:,} accesses at most, this one is longer")
    if not (math.isfinite(began) and 0 <= began < 1e11):
        raise ValueError("the trace begins at no known time")
    whole = (len(data) - _HEAD.size) // _ROW.size
    keys, at, sizes = array("Q"), array("d"), array("L")
    for key, since, size in _ROW.iter_unpack(memoryview(data)[_HEAD.size : _HEAD.size + whole * _ROW.size]):
        keys.append(key)
        at.append(since / 1000)
        sizes.append(size)
    return AccessTrace(began, keys, at, sizes, cut=len(data) > _HEAD.size + whole * _ROW.size)
