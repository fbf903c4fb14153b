"""One key's value as a server tells it: a page at a time, never the whole of what is large."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol, runtime_checkable

from perftui.model.keydumps import TO_FILE
from perftui.model.risk import Risk
from perftui.model.tiers import seconds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from perftui.model.cache import KeyInfo

PIECE: Final = 64 << 10  # bytes of a page
ELEMENTS: Final = 100  # of a list, set, hash, sorted set or stream on a page
CUT: Final = 512  # bytes shown of an element, or of its name
WHOLE: Final = 1 << 20  # bytes of an entry of the cache library that is read whole, in pieces
TOPIC: Final = "cache.value"  # kept in no history and no recording: values are the users'
NEVER: Final = "never"
LONGEST: Final = 366 * 86400.0  # seconds
SET_KEY_TTL: Final = (
    "cache.set-key-ttl",
    "Set when a key ends",
    Risk.CHANGES,
    "KeyEditor",
    "perftui.engines.cache.keyttl:SetKeyTtl",
    "PEXPIRE or PERSIST of one key; undo lets it end when it would have.",
)
KEY_ACTIONS: Final = (*TO_FILE, SET_KEY_TTL)
"""Rows of the table of actions, which has no room."""


def read_ttl(text: str) -> int | None:
    """Milliseconds from `5m` and the like; None from `never`.

    Raises:
        ValueError: it is neither, or no time a key can be given; the text says so.
    """
    if text.strip().lower() == NEVER:
        return None
    life = seconds(text)
    if not 0.001 <= life <= LONGEST:
        raise ValueError(f"a key may be given 1 ms to 366 d, or {NEVER!r}")
    return round(life * 1000)


@dataclass(frozen=True, slots=True)
class Part:
    """One element: a field, member, index or id, and what it has, each cut to `CUT` bytes of so many."""

    name: bytes
    value: bytes
    name_bytes: int
    value_bytes: int


@dataclass(frozen=True, slots=True)
class ValuePage:
    """What a key holds from `place` on; `kind` is `none` where there is no such key.

    `size` counts bytes of a string and elements of all else. `data` is of a string, `parts` of the others;
    `dropped` elements the server gave at this place are more than a page holds. `following` is the place of
    the next page, '' at the end. `dictionary` is what an entry of the cache library was packed with, where
    that is found. `now` is the server's clock in epoch seconds.
    """

    key: bytes
    kind: str
    now: float
    encoding: str = ""
    ttl_s: float | None = None
    bytes_: int | None = None
    size: int = 0
    place: str = ""
    following: str = ""
    data: bytes = b""
    parts: tuple[Part, ...] = ()
    dropped: int = 0
    dictionary: bytes = b""

    @property
    def whole(self) -> bool:
        """Whether `data` is all of a string."""
        return self.kind == "string" and len(self.data) == self.size


@dataclass(frozen=True, slots=True)
class KeyEnd:
    """Whether a key exists and when it ends, in epoch milliseconds of its server; `end` None: never."""

    there: bool
    now: int
    end: int | None = None


@runtime_checkable
class KeyEditor(Protocol):
    """A key-value server whose keys can be looked into, and told when to end."""

    async def weigh(self, names: Sequence[bytes]) -> tuple[KeyInfo, ...]:
        """Type, TTL and bytes of those of `names` that exist."""
        ...

    async def value_page(self, key: bytes, place: str = "") -> ValuePage:
        """What it holds from `place` on: `PIECE` bytes, or `ELEMENTS` elements, at most.

        Raises:
            Unsupported: `place` is none of this key.
        """
        ...

    async def key_end(self, key: bytes) -> KeyEnd:
        """When it ends."""
        ...

    async def end_key(self, key: bytes, after: int | None) -> bool:
        """Let it end after so many milliseconds, or never; whether it was there."""
        ...
