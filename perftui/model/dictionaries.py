"""The zstd dictionaries of a cache's namespace, as they are in its server.

The hash `__dictionaries:NAMESPACE` has each by its number, `current` the number of the one to write with
(0: none), `before` the number that was so earlier.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

PREFIX: Final = "__dictionaries:"
CURRENT: Final = b"current"
BEFORE: Final = b"before"
MOST, LARGEST = 64, 1 << 20  # dictionaries of a namespace that are read, and bytes of one


@dataclass(frozen=True, slots=True)
class DictionaryState:
    """Which are there, which is written with, and which was before."""

    current: int = 0
    before: int = 0
    numbers: tuple[int, ...] = ()


def number_of(raw: object) -> int:
    """A number as the hash has it; 0 for anything else."""
    return int(raw) if isinstance(raw, bytes) and raw.isdigit() and len(raw) <= 10 else 0
