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

    @property
    def playing(self) -> bool:
        """Whether a recording runs on by itself."""
        return False

    @property
    def manner(self) -> str:
        """How time goes in a recording: played, how fast."""
        return ""

    def toggle(self) -> None:
        """Play a recording or pause it; live time cannot be paused."""

    def latest(self) -> float:
        """The end of time here: what cannot be travelled beyond."""
        return self._wall()

    def unfreeze(self) -> Moment:
        """Let `now` follow the wall again."""
        self._frozen = None
        return self.now()


class ReplayClock(Clock):
    """The time of a recording: it stands, or runs as fast as one likes, between two instants."""

    def __init__(
        self, start: float, end: float, speed: float = 1.0, *, loop: bool = False, playing: bool = False
    ) -> None:
        super().__init__()
        self.start, self.end, self.speed, self.loop = start, end, speed, loop
        self._stood = start
        self._since: float | None = self.monotonic() if playing else None

    def now(self) -> Moment:
        """Where the recording stands now."""
        return Moment(self._position(), TimeState.REPLAY)

    def _position(self) -> float:
        if self._since is None:
            return self._stood
        at = self._stood + (self.monotonic() - self._since) * self.speed
        if at <= self.end:
            return at
        if self.loop and self.end > self.start:
            self.travel(self.start)
        else:
            self._stood, self._since = self.end, None
        return self._stood

    def travel(self, at: float) -> Moment:
        """Go on from another instant, playing or not as before."""
        self._stood = min(max(at, self.start), self.end)
        self._since = None if self._since is None else self.monotonic()
        return Moment(self._stood, TimeState.REPLAY)

    @property
    def playing(self) -> bool:
        """Whether it runs."""
        return self._since is not None

    @property
    def manner(self) -> str:
        """`×10`, `paused`."""
        return f"×{self.speed:g}" if self.playing else "paused"

    def toggle(self) -> None:
        """Play or pause; at the end, from the beginning."""
        self._stood, at_end = self._position(), self._position() >= self.end
        if self._since is not None:
            self._since = None
        else:
            self._stood = self.start if at_end else self._stood
            self._since = self.monotonic()

    def unfreeze(self) -> Moment:
        """Play on."""
        if not self.playing:
            self.toggle()
        return self.now()

    def latest(self) -> float:
        """The end of the recording."""
        return self.end
