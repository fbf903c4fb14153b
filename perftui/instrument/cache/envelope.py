"""Values to the bytes of L2 and back: serialized, packed where it pays, in an envelope."""

from __future__ import annotations

from collections import Counter
from typing import Any

from perftui.analysis.codec import CannotUnpack, Packer
from perftui.instrument.cache.ports import Serializer
from perftui.instrument.cache.serializer import MsgPack, number_of
from perftui.model.envelope import LARGEST, NEVER, Envelope, Kind, Tags, Unreadable, Why, pack, unpack

TOMBSTONE_S = 60.0  # how long a removed key forbids older values: longer than any load should take


class Sealer:
    """Seals and opens the envelopes of one namespace; `unreadable` counts by reason what was none.

    `largest` bounds a value, packed or not; in memory a value may take many times its bytes.
    """

    def __init__(
        self, serializer: Serializer | None = None, packer: Packer | None = None, *, largest: int = LARGEST
    ) -> None:
        self.serializer = serializer or MsgPack()
        self.packer = packer or Packer()
        self.largest = largest
        self.unreadable: Counter[str] = Counter()
        self._number = number_of(self.serializer)

    def seal(
        self,
        value: Any,
        stamp: bytes,
        *,
        fresh_until: float = NEVER,
        kept: float = 0.0,
        ttl: float = NEVER,
        load_s: float = 0.0,
        tags: Tags = (),
        etag: str = "",
        last_modified: float = 0.0,
    ) -> bytes:
        """The bytes for L2; `fresh_until` in the server's epoch seconds, `kept` in seconds past it.

        Raises:
            TypeError: the serializer cannot write the value.
            ValueError: it is larger than allowed, or has tags of more than 1 MiB.
        """
        data = self.serializer.dumps(value)
        size = len(data)
        if size > self.largest:
            raise ValueError(f"a value of {size} bytes is larger than the {self.largest} allowed")
        codec, dictionary, payload = self.packer.pack(data)
        by = self._number
        life = (stamp, fresh_until, kept, ttl, load_s)
        return pack(0, *life, codec, by, dictionary, size, tags, etag, last_modified, payload)

    def open(self, data: bytes) -> tuple[Envelope, Any] | Unreadable:
        """The envelope and its value (None in a tombstone); never an exception, whatever the bytes are."""
        envelope = unpack(data, self.largest)
        if isinstance(envelope, Unreadable):
            return self._not(envelope.why)
        if envelope.removed:
            return envelope, None
        if envelope.serializer != self._number:
            return self._not(Why.SERIALIZER)
        try:
            e = envelope
            raw = self.packer.unpack(e.codec, e.dictionary, e.payload, e.size, self.largest)
            return envelope, self.serializer.loads(raw)
        except CannotUnpack as error:
            return self._not(error.why)
        except ValueError:
            return self._not(Why.SERIALIZER)

    def _not(self, why: Why) -> Unreadable:
        self.unreadable[why] += 1
        return Unreadable(why)


def tombstone(stamp: bytes, kind: Kind = Kind.REMOVED) -> bytes:
    """What a removed key has for a while (`TOMBSTONE_S`), so that a load that began before is not stored."""
    return pack(kind, stamp, NEVER, 0.0, NEVER, 0.0, 0, 0, 0, 0, (), "", 0.0, b"")
