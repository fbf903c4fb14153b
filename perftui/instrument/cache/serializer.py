"""How values become bytes: msgpack unless another is chosen; JSON; pickle only for who asks for it."""

from __future__ import annotations

from typing import Any

from perftui.instrument.cache.ports import Serializer
from perftui.model.envelope import SERIALIZERS


def number_of(serializer: Serializer) -> int:
    """The header's byte for a serializer; one that we do not know gets a number of its name, 16 to 255."""
    known = SERIALIZERS.get(serializer.name)
    return known if known is not None else 16 + sum(serializer.name.encode()) % 240


class MsgPack:
    """msgpack by msgspec: numbers to 64 bits, text, bytes, lists, maps, aware datetimes.

    Tuples and sets come back as lists, dataclasses and Structs as maps, naive datetimes as text; a type
    msgspec does not know is a TypeError, never a pickle.
    """

    name = "msgpack"

    def __init__(self) -> None:
        import msgspec

        self._encode = msgspec.msgpack.Encoder().encode
        self._decode = msgspec.msgpack.Decoder().decode
        self._bad = (msgspec.MsgspecError, ValueError, TypeError, RecursionError, MemoryError)

    def dumps(self, value: Any) -> bytes:
        """Bytes; TypeError where msgpack has none."""
        try:
            return self._encode(value)
        except (OverflowError, ValueError, RecursionError) as error:
            raise TypeError(f"msgpack cannot hold this value: {error}") from error

    def loads(self, data: bytes) -> Any:
        """The value; ValueError where these are no msgpack."""
        try:
            return self._decode(data)
        except self._bad as error:
            raise ValueError(f"no msgpack: {error}") from error


class Json:
    """JSON by msgspec, for values that programs in other languages read; bytes become base64 text."""

    name = "json"

    def __init__(self) -> None:
        import msgspec

        self._encode = msgspec.json.Encoder().encode
        self._decode = msgspec.json.Decoder().decode
        self._bad = (msgspec.MsgspecError, ValueError, TypeError, RecursionError, MemoryError)

    def dumps(self, value: Any) -> bytes:
        """Bytes; TypeError where JSON has none."""
        try:
            return self._encode(value)
        except (OverflowError, ValueError, RecursionError) as error:
            raise TypeError(f"JSON cannot hold this value: {error}") from error

    def loads(self, data: bytes) -> Any:
        """The value; ValueError where these are no JSON."""
        try:
            return self._decode(data)
        except self._bad as error:
            raise ValueError(f"no JSON: {error}") from error


class Pickle:
    """Any Python value, at a price: who can write to L2 can run code in every process that reads it.

    Only for servers that nobody but these very processes can write to. Never chosen by default.
    """

    name = "pickle"

    def dumps(self, value: Any) -> bytes:
        """Bytes; TypeError for what cannot be pickled."""
        import pickle

        try:
            return pickle.dumps(value, protocol=5)
        except (pickle.PicklingError, AttributeError, RecursionError, ValueError) as error:
            raise TypeError(f"this value cannot be pickled: {error}") from error

    def loads(self, data: bytes) -> Any:
        """The value; ValueError for anything that goes wrong in building it."""
        import pickle

        try:
            return pickle.loads(data)  # noqa: S301 - chosen by the service's author, who was told
        except Exception as error:  # what is built may raise anything
            raise ValueError(f"no pickle: {type(error).__name__}") from error
