"""Packing of cached values: LZ4, Snappy, zstd with dictionaries; bytes in, bytes out, and what it saved.

LZ4 and Snappy by cramjam's block functions (its frames are several times slower), zstd by zstandard; both
are imported at the first use, and come with `pip install perftui[cache]`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, Final, NamedTuple

from perftui.model.envelope import LARGEST, Why
from perftui.model.errors import Unsupported

THRESHOLD: Final = 1024  # bytes below which packing costs more than it saves
ALIKE: Final = 64  # the same where a dictionary knows what values of a kind have in common
LEAST_SAVED: Final = 0.10  # of the size, else the value stays as it is
LEVEL: Final = 1  # zstd's
WITH_DICTIONARY: Final = 3  # its level then: it takes no longer, and saves more
LZ4_MOST: Final = 255  # bytes one byte of a block can stand for, by its format
SNAPPY_MOST: Final = 22  # the same: the shortest element for 64 bytes has 3
PAGE: Final = 4096  # bytes of room that a block is given without a look whether it could fill them
INSTALL: Final = "pip install perftui[cache]"


Unpack = Callable[[bytes, int], bytes]


class Codec(IntEnum):
    """How a payload is packed: the header's byte."""

    RAW = 0
    LZ4 = 1
    SNAPPY = 2
    ZSTD = 3


_LZ4, _SNAPPY = int(Codec.LZ4), int(Codec.SNAPPY)  # compared with what a header says
NAMES: Final = {"raw": Codec.RAW, "lz4": Codec.LZ4, "snappy": Codec.SNAPPY, "zstd": Codec.ZSTD}


class Packed(NamedTuple):
    """A payload and how it was packed."""

    codec: int
    dictionary: int
    payload: bytes


class CannotUnpack(ValueError):
    """A payload that is not what its header says; `why` is for the counters."""

    def __init__(self, why: Why, text: str) -> None:
        super().__init__(text)
        self.why = why


@dataclass(slots=True)
class Savings:
    """What packing did: values and bytes before and after, and how many were better left alone."""

    small: int = 0  # below the threshold
    packed: int = 0
    kept_raw: int = 0  # packing would have saved too little
    bytes_in: int = 0
    bytes_out: int = 0
    by_codec: dict[str, int] = field(default_factory=dict)

    @property
    def saved(self) -> float:
        """The share of bytes that was saved over all values, 0 to 1."""
        return 1 - self.bytes_out / self.bytes_in if self.bytes_in else 0.0


class Packer:
    """Packs and unpacks the values of one namespace; not for two threads at once.

    What it writes with can change at any time, for what it reads depends on each value's header alone.
    Without a wish it is LZ4, or nothing where its library is not installed.
    """

    def __init__(
        self, codec: Codec | None = None, *, threshold: int = THRESHOLD, least_saved: float = LEAST_SAVED
    ) -> None:
        self.codec = Codec.RAW
        self.dictionary = 0  # the one zstd writes with; 0 = none
        self.threshold = self._from = threshold
        self.least_saved = least_saved
        self.savings = Savings()
        self._dictionaries: dict[int, Any] = {}
        self._packers: dict[tuple[int, int], Callable[[bytes], bytes]] = {}
        self._unpackers: dict[tuple[int, int], Unpack] = {}
        self._refused: tuple[type[Exception], ...] = ()
        self._lz4: Unpack = self._first_lz4
        self._snappy_size: Callable[[bytes], int] = self._first_snappy_size
        self._snappy: Callable[[bytes], bytes]  # a buffer, as that of LZ4: b"" + makes bytes of it
        if codec is None:
            codec = Codec.LZ4 if codecs_here()["lz4"] else Codec.RAW
        self.use(codec)

    def use(self, codec: Codec, dictionary: int = 0) -> None:
        """Write with this codec from now on, and zstd with this dictionary (0: none).

        Raises:
            Unsupported: the codec's library is not installed.
            KeyError: the dictionary was not learnt.
        """
        self.squeeze(codec, dictionary, b"")
        self.codec, self.dictionary = codec, dictionary
        self._from = min(self.threshold, ALIKE) if dictionary else self.threshold

    def put_in_force(self, dictionary: int, without: Codec) -> None:
        """Write with the dictionary that all nodes are to write with; 0: none, and `without` in its place.

        Raises:
            KeyError: the dictionary was not learnt.
        """
        if dictionary:
            self.use(Codec.ZSTD, dictionary)
        elif self.dictionary:
            self.use(without)

    def twin(self, codec: Codec, dictionary: int) -> Packer:
        """Another that knows the same dictionaries and writes with this codec; its savings are its own."""
        twin = Packer(Codec.RAW, threshold=self.threshold, least_saved=self.least_saved)
        twin._dictionaries, twin._packers = self._dictionaries, self._packers
        twin._unpackers = self._unpackers
        twin.use(codec, dictionary)
        return twin

    def learn(self, dictionary: bytes) -> int:
        """Be able to read, and on wish write, with a zstd dictionary; its id.

        Raises:
            ValueError: these bytes are no dictionary of zstd.
            Unsupported: zstandard is not installed.
        """
        parsed = zstd_library().ZstdCompressionDict(dictionary)
        found = int(parsed.dict_id())
        if not found:
            raise ValueError("these bytes are no zstd dictionary: they have no id")
        self._dictionaries[found] = parsed
        return found

    @property
    def known(self) -> tuple[int, ...]:
        """Ids of the dictionaries that can be read."""
        return tuple(self._dictionaries)

    def pack(self, data: bytes) -> Packed:
        """The payload to store, packed where it pays."""
        savings = self.savings
        size = len(data)
        savings.bytes_in += size
        if size < self._from or not self.codec:
            savings.small += size < self._from
            savings.bytes_out += size
            return Packed(Codec.RAW, 0, data)
        codec, dictionary = self.codec, self.dictionary
        payload = self.squeeze(codec, dictionary, data)
        if len(payload) > size * (1 - self.least_saved):
            savings.kept_raw += 1
            savings.bytes_out += size
            return Packed(Codec.RAW, 0, data)
        savings.packed += 1
        savings.bytes_out += len(payload)
        name = codec.name.lower()
        savings.by_codec[name] = savings.by_codec.get(name, 0) + 1
        return Packed(codec, dictionary, payload)

    def squeeze(self, codec: Codec, dictionary: int, data: bytes) -> bytes:
        """Packed by this codec, whether it pays or not.

        Raises:
            Unsupported: the codec's library is not installed.
            KeyError: the dictionary is not known here.
        """
        packer = self._packers.get((codec, dictionary))
        if packer is None:
            packer = self._packers[codec, dictionary] = self._packer(codec, dictionary)
        return packer(data)

    def unpack(self, codec: int, dictionary: int, payload: bytes, size: int, largest: int = LARGEST) -> bytes:
        """The value's bytes; no more than `size` are ever allocated, and they must be exactly that many.

        Raises:
            CannotUnpack: unknown codec or dictionary, missing library, damaged payload, more than `largest`.
        """
        # no function between here and the library: one more call is a tenth of what a kilobyte takes
        if size <= largest and not dictionary:
            try:
                if codec == _LZ4 and (size <= PAGE or size <= LZ4_MOST * len(payload)):
                    lz4 = self._lz4
                    return b"" + lz4(payload, size)
                if codec == _SNAPPY and (size <= PAGE or size <= SNAPPY_MOST * len(payload)):
                    said = self._snappy_size
                    if said(payload) == size:
                        snappy = self._snappy  # there since the size was asked for
                        return b"" + snappy(payload)
            except self._refused as error:
                raise CannotUnpack(Why.DAMAGED, f"no such block: {error}") from error
        return self._unpack(codec, dictionary, payload, size, largest)

    def _unpack(self, codec: int, dictionary: int, payload: bytes, size: int, largest: int) -> bytes:
        """The same for what is rarer, and what is refused."""
        if size > largest:
            raise CannotUnpack(Why.OVERSIZE, f"{size} bytes are more than the {largest} allowed")
        if codec in {_LZ4, _SNAPPY} and not dictionary:
            raise CannotUnpack(Why.DAMAGED, f"this block of {len(payload)} bytes does not hold {size}")
        if codec:
            unpacker = self._unpackers.get((codec, dictionary))
            if unpacker is None:
                unpacker = self._unpackers[codec, dictionary] = self._unpacker(codec, dictionary)
            payload = unpacker(payload, size)
        if len(payload) != size:
            raise CannotUnpack(Why.DAMAGED, f"{len(payload)} bytes where {size} were promised")
        return payload

    def _first_lz4(self, payload: bytes, size: int) -> bytes:
        self._load_blocks()
        return self._lz4(payload, size)

    def _first_snappy_size(self, payload: bytes) -> int:
        self._load_blocks()
        return self._snappy_size(payload)

    def _load_blocks(self) -> None:
        """What reads LZ4's and Snappy's blocks.

        An LZ4 block that is shorter than promised is filled up with zeros: no serializer takes that for a
        value. A Snappy block says itself how large it is: so it must be as large as the header says.
        """
        try:
            library = _cramjam()
        except Unsupported as error:
            raise CannotUnpack(Why.EXTRA, str(error)) from error
        self._refused = (library.DecompressionError, ValueError, OverflowError)
        self._lz4 = library.lz4.decompress_block
        self._snappy, self._snappy_size = library.snappy.decompress_raw, library.snappy.decompress_raw_len

    def _unpacker(self, codec: int, dictionary: int) -> Unpack:
        if codec != Codec.ZSTD:
            raise CannotUnpack(Why.CODEC, f"codec {codec} is not known to this version")
        if dictionary and dictionary not in self._dictionaries:
            raise CannotUnpack(Why.DICTIONARY, f"dictionary {dictionary} is not known here")
        try:
            return _zstd(self._dictionaries.get(dictionary))
        except Unsupported as error:
            raise CannotUnpack(Why.EXTRA, str(error)) from error

    def _packer(self, codec: Codec, dictionary: int) -> Callable[[bytes], bytes]:
        if codec == Codec.LZ4:
            block = _cramjam().lz4.compress_block
            return lambda data: b"" + block(data, store_size=False)  # bytes() of a buffer costs more
        if codec == Codec.SNAPPY:
            raw = _cramjam().snappy.compress_raw
            return lambda data: b"" + raw(data)
        if codec == Codec.ZSTD:
            level, extra = LEVEL, {}
            if dictionary:
                level, extra = WITH_DICTIONARY, {"dict_data": self._dictionaries[dictionary]}
            zstd = zstd_library().ZstdCompressor(level=level, write_checksum=False, **extra)
            compress: Callable[[bytes], bytes] = zstd.compress
            return compress
        return lambda data: data


def _zstd(dictionary: Any) -> Unpack:
    """The frame's own declared size rules what zstandard allocates: so it must be the header's."""
    library = zstd_library()
    size_of = library.frame_content_size
    decompress = library.ZstdDecompressor(**({"dict_data": dictionary} if dictionary else {})).decompress

    def unpack(payload: bytes, size: int) -> bytes:
        try:
            if size_of(payload) != size:
                raise CannotUnpack(Why.DAMAGED, "the frame is not as large as the header says")
            data: bytes = decompress(payload, allow_extra_data=False)
        except library.ZstdError as error:
            raise CannotUnpack(Why.DAMAGED, f"no such zstd frame: {error}") from error
        return data

    return unpack


def _cramjam() -> Any:
    try:
        import cramjam
    except ImportError:
        raise Unsupported(f"LZ4 and Snappy need cramjam: {INSTALL}") from None
    return cramjam


def zstd_library() -> Any:
    """The zstandard module; Unsupported with the install line where it is missing."""
    try:
        import zstandard
    except ImportError:
        raise Unsupported(f"zstd needs zstandard: {INSTALL}") from None
    return zstandard


def codecs_here() -> Mapping[str, bool]:
    """Which codecs can be used in this process."""
    from importlib.util import find_spec

    block, zstd = find_spec("cramjam") is not None, find_spec("zstandard") is not None
    return {"raw": True, "lz4": block, "snappy": block, "zstd": zstd}
