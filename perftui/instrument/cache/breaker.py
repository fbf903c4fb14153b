"""Leaves alone what keeps failing: five failures in a row, then nothing for five seconds, then one to try."""

from __future__ import annotations

from collections.abc import Callable

FAILURES = 5
OPEN_S = 5.0


class Breaker:
    """Counts failures in a row. Open: `allows` says no, until `open_s` are over; then one call may probe."""

    __slots__ = ("_clock", "_failures", "_limit", "_open_s", "_probing", "_until", "opened", "refused")

    def __init__(
        self, clock: Callable[[], float], *, failures: int = FAILURES, open_s: float = OPEN_S
    ) -> None:
        self._clock = clock
        self._limit = failures
        self._open_s = open_s
        self._failures = 0
        self._until = 0.0
        self._probing = False
        self.opened = self.refused = 0

    @property
    def state(self) -> str:
        """`closed`, `open`, or `probing`."""
        if self._failures < self._limit:
            return "closed"
        return "open" if self._clock() < self._until else "probing"

    def allows(self) -> bool:
        """Whether a call may be made now; what was allowed must end in `worked` or `failed`."""
        if self._failures < self._limit:
            return True
        if self._probing or self._clock() < self._until:
            self.refused += 1
            return False
        self._probing = True
        return True

    def worked(self) -> None:
        """A call came back."""
        self._failures = 0
        self._probing = False

    def failed(self) -> None:
        """A call did not come back."""
        self._failures += 1
        self._probing = False
        if self._failures >= self._limit:
            self.opened += self._failures == self._limit
            self._until = self._clock() + self._open_s

    def let_go(self) -> None:
        """A call was given up: it says nothing."""
        self._probing = False

    def reset(self) -> None:
        """The link is known to be well again."""
        self.worked()
