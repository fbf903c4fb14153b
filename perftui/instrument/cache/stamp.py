"""The order of writes over all nodes: a hybrid logical clock and a node's id, 16 bytes compared as bytes.

Source: Kulkarni et al., Logical Physical Clocks, OPODIS 2014: the time never goes back, and a counter tells
apart what one millisecond holds; here both are one number of 64 bits (48 of milliseconds, 16 of counter).
"""

from __future__ import annotations

import secrets
from collections.abc import Callable

NODE_BYTES = 8
_COUNT_BITS = 16


class Stamps:
    """Stamps of one node; `now` is the server's clock in epoch seconds where there is one."""

    def __init__(self, now: Callable[[], float], node: bytes | None = None) -> None:
        self.node = secrets.token_bytes(NODE_BYTES) if node is None else node
        self._now = now
        self._last = 0

    def next(self) -> bytes:
        """One later than every stamp given or seen so far."""
        self._last = max(self._last + 1, int(self._now() * 1000) << _COUNT_BITS)
        return self._last.to_bytes(8, "big") + self.node

    def seen(self, stamp: bytes) -> None:
        """Take note of another node's stamp, so that what we write after it is later.

        One that lies more than a minute ahead is not believed: it would stop our clock.
        """
        other = int.from_bytes(stamp[:8], "big")
        if other < int((self._now() + 60) * 1000) << _COUNT_BITS:
            self._last = max(self._last, other)


def shifted(stamp: bytes, seconds: float) -> bytes:
    """The same by a clock that shows so many seconds more."""
    moved = int.from_bytes(stamp[:8], "big") + (int(seconds * 1000) << _COUNT_BITS)
    return min(max(moved, 0), (1 << 64) - 1).to_bytes(8, "big") + stamp[8:]


def instant(stamp: bytes) -> float:
    """Epoch seconds of a stamp."""
    return (int.from_bytes(stamp[:8], "big") >> _COUNT_BITS) / 1000
