"""What an entry is in L2, as the library writes and the console reads it: header, tags, packed value.

Big-endian. The stamp is at bytes 4 to 20 of every version, so that the server can compare two as bytes.
"""

from __future__ import annotations

import math
from enum import IntFlag, StrEnum
from functools import lru_cache
from struct import Struct
from typing import Final, NamedTuple
from zlib import crc32

MAGIC: Final = b"\xc1P"  # 0xC1 begins no msgpack, and is no UTF-8
VERSION: Final = 1
STAMP: Final = slice(4, 20)
LARGEST: Final = 64 << 20  # bytes a value may have, packed or not
MOST_TAG_BYTES: Final = 1 << 20
NEVER: Final = math.inf
SERIALIZERS: Final = {"msgpack": 1, "json": 2, "pickle": 3}  # how a value was written: the header's byte

# magic, version, kind, stamp, fresh until ms, kept s, ttl s, load s, codec, serializer, dictionary,
# size, bytes of tags, bytes of etag, last modified s; then a checksum of everything else
_FIELDS: Final = Struct(">2sBB16sQIddBBIIIHd")
HEAD: Final = Struct(_FIELDS.format + "I")
_CACHED: Final = 1024  # bytes of a tag block that is worth keeping parsed
_FOREVER: Final = 0xFFFFFFFF

Tags = tuple[tuple[str, bytes, bytes], ...]


class Kind(IntFlag):
    """What an envelope says of its key."""

    VALUE = 0
    REMOVED = 1  # a tombstone: it forbids older values, and has none
    EXPIRED = 2  # the same, but a stale value that some node has may still be served


class Why(StrEnum):
    """Why an envelope cannot be read."""

    FOREIGN = "foreign"  # somebody else's bytes
    VERSION = "version"  # written by a later perftui
    DAMAGED = "damaged"  # cut, changed, or what it says of itself is not so
    OVERSIZE = "oversize"  # says it is larger than we allow
    CODEC = "codec"  # packed in a way we do not know
    EXTRA = "extra"  # packed in a way that needs `pip install perftui[cache]`
    DICTIONARY = "dictionary"  # packed with a dictionary that is not here
    SERIALIZER = "serializer"  # not this namespace's way to write values, or not readable by it


class Unreadable(NamedTuple):
    """Bytes of L2 that are no entry: a miss, to be counted by its reason."""

    why: Why


class Envelope(NamedTuple):
    """An entry of L2 with its value still packed.

    `fresh_until` is in epoch seconds of the server (NEVER: no end), `kept` in seconds past it, `ttl` and
    `load_s` in seconds; `size` is what the payload has unpacked; `tags` are (name, expire token, remove
    token). `codec` and `dictionary` are those of `analysis.codec`; `serializer` wrote the value.
    """

    kind: int
    stamp: bytes
    fresh_until: float
    kept: float
    ttl: float
    load_s: float
    codec: int
    serializer: int
    dictionary: int
    size: int
    tags: Tags
    etag: str
    last_modified: float
    payload: bytes

    @property
    def removed(self) -> bool:
        """Whether this is a tombstone, of a key that was removed or expired."""
        return self.kind != Kind.VALUE


def pack(
    kind: int,
    stamp: bytes,
    fresh_until: float,
    kept: float,
    ttl: float,
    load_s: float,
    codec: int,
    serializer: int,
    dictionary: int,
    size: int,
    tags: Tags,
    etag: str,
    last_modified: float,
    payload: bytes,
) -> bytes:
    """The bytes of an envelope with these fields, in the order `Envelope` has them.

    Raises:
        ValueError: something does not fit: a stamp that has not 16 bytes, tokens that have not 6, tags of
            more than 1 MiB.
    """
    if len(stamp) != 16:
        raise ValueError(f"a stamp has 16 bytes, not {len(stamp)}")
    names = _cached_tag_bytes(tags) if len(tags) <= 16 else _tag_bytes(tags)
    mark = etag.encode("utf-8", "surrogatepass")
    if len(names) > MOST_TAG_BYTES or len(mark) > 0xFFFF:
        raise ValueError("tags of more than 1 MiB, or an etag of more than 64 KiB, do not fit")
    until = 0 if fresh_until == NEVER else max(1, round(fresh_until * 1000))
    past = _FOREVER if kept >= _FOREVER else math.ceil(kept)
    sizes = (size, len(names), len(mark))
    life = (stamp, until, past, ttl, load_s)
    head = _FIELDS.pack(MAGIC, VERSION, kind, *life, codec, serializer, dictionary, *sizes, last_modified)
    check = crc32(payload, crc32(mark, crc32(names, crc32(head))))
    return b"".join((head, check.to_bytes(4), names, mark, payload))


def unpack(data: bytes, largest: int = LARGEST) -> Envelope | Unreadable:
    """The envelope these bytes are; whatever they are, nothing is raised and little allocated.

    A damaged one is found by its checksum; one forged on purpose by what cannot be.
    """
    if data[:2] != MAGIC:
        return Unreadable(Why.FOREIGN)
    if len(data) < HEAD.size:
        return Unreadable(Why.DAMAGED)
    (_, version, kind, stamp, until, kept, ttl, load_s, codec, serializer, dictionary, size, tags_size,
     etag_size, modified, check) = HEAD.unpack_from(data)  # fmt: skip
    if version != VERSION:
        return Unreadable(Why.VERSION)
    if size > largest or len(data) > largest + HEAD.size + MOST_TAG_BYTES + 0xFFFF:
        return Unreadable(Why.OVERSIZE)
    start = HEAD.size + tags_size + etag_size
    # NaN fails every comparison
    if not (
        start <= len(data)
        and tags_size <= MOST_TAG_BYTES
        and kind <= Kind.EXPIRED
        and ttl >= 0
        and 0 <= load_s < NEVER
        and -NEVER < modified < NEVER
    ):
        return Unreadable(Why.DAMAGED)
    marks, payload = data[HEAD.size : start], data[start:]
    if crc32(payload, crc32(marks, crc32(data[: _FIELDS.size]))) != check:
        return Unreadable(Why.DAMAGED)
    block = marks[:tags_size]
    tags = _cached_tags(block) if tags_size <= _CACHED else _tags(block)
    etag = _text(marks[tags_size:]) if etag_size else ""
    if tags is None or etag is None:
        return Unreadable(Why.DAMAGED)
    fresh = until / 1000 if until else NEVER
    past = kept if kept != _FOREVER else NEVER
    life = (stamp, fresh, past, ttl, load_s)
    return Envelope(kind, *life, codec, serializer, dictionary, size, tags, etag, modified, payload)


def _text(raw: bytes) -> str | None:
    try:
        return raw.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return None


def _tag_bytes(tags: Tags) -> bytes:
    parts: list[bytes] = []
    for name, expire, remove in tags:
        raw = name.encode("utf-8", "surrogatepass")
        if len(expire) != 6 or len(remove) != 6 or len(raw) > 0xFFFF:
            raise ValueError("a tag has a name of at most 64 KiB and two tokens of 6 bytes")
        parts += (len(raw).to_bytes(2), raw, expire, remove)
    return b"".join(parts)


def _tags(block: bytes) -> Tags | None:
    """The tags of a block; None when it does not add up."""
    found: list[tuple[str, bytes, bytes]] = []
    at, end = 0, len(block)
    while at < end:
        tokens = at + 2 + int.from_bytes(block[at : at + 2])
        name = _text(block[at + 2 : tokens])
        if name is None or tokens + 12 > end:
            return None
        found.append((name, block[tokens : tokens + 6], block[tokens + 6 : tokens + 12]))
        at = tokens + 12
    return tuple(found)


# Entries of a namespace mostly have the same few tags with the same tokens.
_cached_tag_bytes = lru_cache(maxsize=512)(_tag_bytes)
_cached_tags = lru_cache(maxsize=512)(_tags)
