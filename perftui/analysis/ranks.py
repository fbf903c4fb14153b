"""How ranks of two short looks differ, and which of that the looks' own error explains."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from perftui.model.cache import HotKey

NEW = math.inf


@dataclass(frozen=True, slots=True, order=True)
class Move:
    """Places that a key has gone up (negative: down) since the look before; `NEW`: it was not in it.

    Without `sure` the 95 % intervals of its two shares meet: the looks do not tell them apart.
    """

    places: float
    sure: bool

    @property
    def words(self) -> str:
        """`▲ 2`, `▼ 1`, `new`, or `=` in its old place."""
        if self.places == NEW:
            return "new"
        return f"{'▲' if self.places > 0 else '▼'} {abs(self.places):.0f}" if self.places else "="


class Ranks:
    """The newest look at a server's hot keys, and the one before it."""

    def __init__(self) -> None:
        self._about: tuple[str, float] = "", 0.0
        self._now: dict[bytes, tuple[int, HotKey]] = {}
        self._before: dict[bytes, tuple[int, HotKey]] = {}

    def see(self, source: str, at: float, keys: Sequence[HotKey]) -> None:
        """Take a look in, most asked for first; another server's begins anew, the same one does nothing."""
        if (source, at) == self._about:
            return
        self._before = self._now if source == self._about[0] else {}
        self._about = source, at
        self._now = {hot.key: (rank, hot) for rank, hot in enumerate(keys)}

    def move(self, key: bytes) -> Move | None:
        """How it has moved; None where there was no look before, or the key is not in the newest."""
        if not self._before or key not in self._now:
            return None
        rank, now = self._now[key]
        if key not in self._before:
            return Move(NEW, now.share > now.error)
        was, before = self._before[key]
        return Move(was - rank, abs(now.share - before.share) > now.error + before.error)
