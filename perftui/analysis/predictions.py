"""How good forecasts of need were, and when they are no longer worth their loads."""

from __future__ import annotations

from collections import deque
from typing import Any, Final

from perftui.analysis.accessprofile import DAY, HOUR, SLOT, whole
from perftui.model.predicted import TurnedOff

JUDGED: Final = 20  # predictions before they are judged: a day's, or of more days where there are fewer
ENOUGH: Final = 0.5  # precision below which predictions cost more than they bring


class Predictions:
    """Keys loaded ahead, each used before its end or wasted; instants are seconds of any one clock.

    When less than half of a day's (of twenty at least, so of more days where there are few) were used, they
    are `off` until `again`. What is made while they are off is a rehearsal: it tells the `precision`, and
    counts neither as used nor as wasted.
    """

    __slots__ = ("_day", "_open", "_since", "most", "off", "used", "wasted")

    def __init__(self, now: float, most: int = 10_000) -> None:
        self._open: dict[str, float] = {}
        self._day: deque[list[int]] = deque()  # slot, used, wasted
        self._since = now
        self.most = most
        self.off: TurnedOff | None = None
        self.used = self.wasted = 0

    @property
    def trusted(self) -> bool:
        """Whether they are not off."""
        return self.off is None

    def made(self, key: str, until: float) -> bool:
        """The key was loaded ahead and stays until then; False when too many are open to follow it."""
        if key not in self._open and len(self._open) >= self.most:
            return False
        self._open[key] = until
        return True

    def was_used(self, key: str, now: float) -> bool:
        """The key was asked for; whether it is a hit that a prediction gained (its first use)."""
        until = self._open.get(key)
        if until is None or until < now:
            return False
        del self._open[key]
        self._count(now, 1, 0)
        return True

    def was_lost(self, key: str, now: float) -> None:
        """What was loaded ahead was gone, or was another's by then, before anybody used it."""
        if self._open.pop(key, None) is not None:
            self._count(now, 0, 1)

    def settle(self, now: float) -> int:
        """Count what ended unused, and judge the last day; how many were wasted now."""
        over = [key for key, until in self._open.items() if until <= now]
        for key in over:
            del self._open[key]
        if over:
            self._count(now, 0, len(over))
        used, of = self.judged
        while self._day and (self._day[0][0] + 1) * SLOT <= now - DAY * HOUR:
            _, good, bad = self._day[0]
            if of - good - bad < JUDGED:
                break
            self._day.popleft()
            used, of = used - good, of - good - bad
        if self.off is None and now - self._since >= DAY * HOUR and of >= JUDGED and used < ENOUGH * of:
            self.off = TurnedOff(now, used, of)
            self._day.clear()
        return len(over)

    def again(self, now: float) -> None:
        """Trust it again; it is judged anew after a day."""
        self.off, self._since = None, now
        self._day.clear()
        self._open.clear()

    @property
    def judged(self) -> tuple[int, int]:
        """Of the last day's (of the last twenty, if it had fewer): those used, and all that ended."""
        used = sum(good for _, good, _ in self._day)
        return used, used + sum(bad for _, _, bad in self._day)

    @property
    def precision(self) -> float | None:
        """The share of those that were used; None when there were none."""
        used, of = self.judged
        return used / of if of else None

    def __len__(self) -> int:
        return len(self._open)

    def _count(self, now: float, used: int, wasted: int) -> None:
        slot = int(now // SLOT)
        if not self._day or self._day[-1][0] < slot:
            self._day.append([slot, 0, 0])
        self._day[-1][1] += used
        self._day[-1][2] += wasted
        if self.off is None:
            self.used += used
            self.wasted += wasted

    def packed(self) -> list[Any]:
        """For `unpacked`, as JSON takes it; what is open is not kept."""
        off = self.off
        return [
            self._since,
            None if off is None else [off.at, off.used, off.of],
            self.used,
            self.wasted,
            list(self._day),
        ]

    @classmethod
    def unpacked(cls, value: Any) -> Predictions:
        """The predictions again.

        Raises:
            ValueError, TypeError: they are none.
        """
        since, off, used, wasted, day = value
        made = cls(float(since))
        made.off = None if off is None else TurnedOff(float(off[0]), whole(off[1]), whole(off[2]))
        made.used, made.wasted = whole(used), whole(wasted)
        made._day.extend([whole(slot), whole(good), whole(bad)] for slot, good, bad in day[:2000])
        return made
