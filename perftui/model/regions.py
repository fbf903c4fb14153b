"""What a pair of regions agrees on: the mark that tells the later of two primaries from the earlier."""

from __future__ import annotations

from typing import Any, Final

EPOCH_KEY: Final = b"__region"
"""In database 0 of every region: how many promotions came before. It is replicated with everything else, so
that a server which comes back after its loss has a lower one than the server promoted in its place."""

RAISE_EPOCH: Final = "redis.call('SELECT', 0) return redis.call('INCR', KEYS[1])"
"""A script for the promoted server, in whatever database its connection is: SELECT ends with the script."""

LARGEST: Final = 1 << 62


def epoch_of(said: Any) -> int:
    """The epoch that `EPOCH_KEY` holds; 0 where it holds none."""
    text = said if isinstance(said, bytes) and said.isdigit() and len(said) < 20 else b"0"
    return min(int(text), LARGEST)
