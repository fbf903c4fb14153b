"""One object for time, so that screens can be frozen and tests can own the clock."""

from __future__ import annotations

import time
from collections.abc import Callable

from perftui.model.moment import Moment, TimeState


class Clock:
    """Wall time for what is shown and stored, monotonic time for every duration.

    Freezing stops `now` (what screens draw) and nothing else: polling, history and the audit go on
    by `wall` and `monotonic`.
    """

    def __init__(
        self,
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._wall = wall
        self._monotonic = monotonic
        self._frozen: Moment | None = None
        self.manner = ""  # how time goes here where it is not one's own: played, how fast

    def now(self) -> Moment:
        """The instant screens draw: live, or the one time was frozen at."""
        return self._frozen or Moment(self._wall(), TimeState.LIVE)

    def wall(self) -> float:
        """Epoch seconds (UTC); may jump when the host's clock is set."""
        return self._wall()

    def monotonic(self) -> float:
        """Seconds that never jump back; only differences mean something."""
        return self._monotonic()

    @property
    def frozen(self) -> bool:
        """Whether `now` stands still."""
        return self._frozen is not None

    def freeze(self) -> Moment:
        """Stop `now` at this instant (or leave it where it already stands)."""
        self._frozen = self._frozen or Moment(self._wall(), TimeState.FROZEN)
        return self._frozen

    def travel(self, at: float) -> Moment:
        """Let `now` stand at a past instant."""
        self._frozen = Moment(at, TimeState.PAST)
        return self._frozen

    @property
    def past(self) -> bool:
        """Whether `now` is an instant that nothing can be done about any more."""
        return self.now().state in (TimeState.PAST, TimeState.REPLAY)

    def latest(self) -> float:
        """The end of time here: what cannot be travelled beyond."""
        return self._wall()

    def unfreeze(self) -> Moment:
        """Let `now` follow the wall again."""
        self._frozen = None
        return self.now()
