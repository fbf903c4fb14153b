"""Keys as a server dumps them, the power to take and give them so, and the actions that use a file for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, runtime_checkable

from perftui.model.risk import Risk

SUM: Final = 8  # bytes at the end of every DUMP: the server's own CRC-64 of what comes before
CAP: Final = 1 << 30
"""Bytes that a file of purged keys may take where nothing else is said."""

TO_FILE: Final[tuple[tuple[str, str, Risk, str, str, str], ...]] = (
    (
        "cache.purge-file",
        "Purge keys, saved in a file",
        Risk.DESTROYS,
        "KeyDumper",
        "perftui.engines.cache.purgefile:PurgeToFile",
        "Save values and TTLs in a new file, then delete the keys; stops before the file is too large.",
    ),
    (
        "cache.restore-file",
        "Restore keys from a file",
        Risk.CHANGES,
        "KeyDumper",
        "perftui.engines.cache.restorefile:RestoreFile",
        "Bring back what a purge saved in a file, checked whole before the first key goes out.",
    ),
)
"""Their rows of the table of actions, which has no room."""


@dataclass(frozen=True, slots=True)
class KeyDump:
    """A key with what DUMP gave for it; `dies`: when it ends by itself, in ms since the epoch, -1: never."""

    key: bytes
    dies: int
    payload: bytes = field(repr=False)

    @property
    def size(self) -> int:
        """Bytes of its name and value."""
        return len(self.key) + len(self.payload)


@runtime_checkable
class KeyDumper(Protocol):
    """A key-value server that gives keys with their values and TTLs, and takes them back so.

    The calls count into a `KeyTally` (`perftui.model.cache`), also when they are cancelled or the connection
    breaks: what was sent without an answer is `unsure`.
    """

    async def dump_keys(self, keys: Sequence[bytes], tally: Any) -> tuple[list[KeyDump], list[bytes]]:
        """The first of `keys`, as many as fit one answer, and the names of the rest.

        What is gone is `absent`, what is too large to be carried has `failed`.
        """
        ...

    async def unlink_dumps(self, dumps: Sequence[KeyDump], tally: Any) -> None:
        """Delete those whose value is still the one dumped; names of the others go into `changed`."""
        ...

    async def put_dumps(self, dumps: Sequence[KeyDump], tally: Any, over: bool) -> None:
        """Bring them back with their TTLs. One that has died meanwhile is `absent`.

        Where a key stands already: `same` if it has this very value, else it is `kept`, unless put `over` it.
        """
        ...
