"""A clock that tests turn."""

from __future__ import annotations


class Hand:
    """Both clocks of the cache, moved by hand."""

    def __init__(self, at: float = 1_700_000_000.0) -> None:
        self.at = at

    def monotonic(self) -> float:
        return self.at

    def time(self) -> float:
        return self.at

    def go(self, seconds: float) -> None:
        self.at += seconds
