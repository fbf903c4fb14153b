"""Names that the small queue of L1 let go: ten bytes each, for as many as are remembered.

As Yang et al. did (SOSP 2023, 4.2): a table of fingerprints with the turn at which each came; one that came
too many turns ago is not there. A full bucket forgets its oldest: one name in twenty, before its time.
"""

from __future__ import annotations

from array import array
from typing import Final

_WAYS: Final = 8
_FEWEST: Final = 128  # buckets
_NAME: Final = (1 << 32) - 1


class Ghosts:
    """The last names of keys, told apart by 32 bits of their hash."""

    __slots__ = ("_buckets", "_table", "_turn")

    def __init__(self) -> None:
        self._turn = 0
        self._buckets = _FEWEST
        self._table = array("Q", bytes(8 * _WAYS * _FEWEST))

    @property
    def bytes(self) -> int:
        """What the table takes."""
        return len(self._table) * self._table.itemsize

    def add(self, key: str, most: int) -> None:
        """Remember it; `most` is how many are."""
        self._turn += 1
        if self._turn > _NAME:  # the field of turns is full, after four thousand million names
            self._turn = 1
            self._table = array("Q", bytes(8 * len(self._table)))
        if 5 * most > 4 * len(self._table):
            self._grow(most)
        self._place(self._turn << 32 | hash(key) & _NAME)

    def take(self, key: str, most: int) -> bool:
        """Whether it is one of the last `most`; no more after this."""
        name = hash(key) & _NAME
        oldest = max(0, self._turn - most)
        at = name % self._buckets * _WAYS
        found = False
        for place in range(at, at + _WAYS):
            row = self._table[place]
            if row & _NAME == name:
                found = found or row >> 32 > oldest
                self._table[place] = 0
        return found

    def _place(self, row: int) -> None:
        at = (row & _NAME) % self._buckets * _WAYS
        bucket = self._table[at : at + _WAYS]
        self._table[at + bucket.index(min(bucket))] = row

    def _grow(self, most: int) -> None:
        """To four names in five places, and up to an eighth more: a bound of bytes has its entries vary."""
        rows = sorted(row for row in self._table if row)
        buckets = -(-5 * most // (4 * _WAYS))
        step = 1 << max(0, buckets.bit_length() - 4)
        self._buckets = -(-buckets // step) * step
        self._table = array("Q", bytes(8 * _WAYS * self._buckets))
        for row in rows:
            self._place(row)
