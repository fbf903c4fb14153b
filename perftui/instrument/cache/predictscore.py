"""What became of keys that were loaded ahead: used in time, or loaded for nothing."""

from __future__ import annotations

import logging
from typing import Any, Final

from perftui.analysis.accessprofile import whole
from perftui.instrument.cache.entry import Entry
from perftui.instrument.cache.habits import Group, Habit, Habits
from perftui.instrument.cache.memory import Memory
from perftui.instrument.cache.ports import Clock
from perftui.instrument.cache.state import DIRTY
from perftui.model.predicted import HOURS, Predicted, PredictedGroup

log = logging.getLogger(__name__)

MOST: Final = 10_000  # keys followed at a time
LONGEST: Final = 86400.0  # seconds a prediction is followed: what lives longer was used by then, or wasted
MADE, USED, GAINED, ASKED = range(4)


class Followed:
    """A key that was loaded ahead: `until` when, `stamp` of its value (None: it is loaded just now).

    From `missing` on it would not have been in L1. `hour` is when it was predicted. `asked`: when somebody
    first asked for it. `rehearsal`: it was not loaded.
    """

    __slots__ = ("asked", "group", "hour", "loaded", "missing", "rehearsal", "stamp", "until")

    def __init__(self, group: Group, hour: int, missing: float, until: float) -> None:
        self.group, self.hour, self.missing, self.until = group, hour, missing, until
        self.stamp: bytes | None = None
        self.asked: float | None = None
        self.loaded = self.rehearsal = False


class Score:
    """Scores predictions of the groups of `habits`; instants are epoch seconds, `local` ones the zone's.

    A use is the first ask for a key, before its end, that finds the very value which was loaded ahead. One
    that was removed, changed or loaded anew by then was wasted.
    """

    def __init__(self, habits: Habits, memory: Memory, clock: Clock) -> None:
        self._habits, self._memory = habits, memory
        self._now, self._mono = clock.time, clock.monotonic
        self.open: dict[str, Followed] = {}
        self._asked: list[str] = []  # followed keys that were asked for since the last time
        self._hours: dict[int, list[int]] = {}  # made, used of those made in it; gained, asked in it

    @property
    def full(self) -> bool:
        """Whether no more can be followed."""
        return len(self.open) >= MOST

    def trusts(self, habit: Habit) -> bool:
        """Whether its group's predictions are not off."""
        return self._habits.group(habit.group, self._now()).predictions.trusted

    # making

    def begin(self, key: str, habit: Habit, now: float, local: float) -> Followed:
        """A key is being loaded from now on."""
        entry = self._memory.look(key)
        fresh = entry is not None and entry.epoch != DIRTY
        left = max(0.0, entry.fresh_until - self._mono()) if fresh and entry is not None else 0.0
        until = now + min(habit.ttl, LONGEST)
        group = self._habits.group(habit.group, now)
        made = self.open[key] = Followed(group, int(local // 3600), now + left, until)
        return made

    def rehearse(self, key: str, habit: Habit, now: float, local: float) -> None:
        """A key would have been loaded, were its group not off."""
        made = self.begin(key, habit, now, local)
        made.rehearsal = True
        made.group.predictions.made(key, made.until)

    def loaded(self, key: str, *, loaded: bool) -> None:
        """It is there, loaded by us or brought from L2."""
        made, entry = self.open.get(key), self._memory.look(key)
        if made is None:
            return
        now = self._now()
        left = entry.fresh_until - self._mono() if entry is not None else 0.0
        if entry is None or left <= 0 or not made.group.predictions.made(key, now + min(left, LONGEST)):
            return
        made.until = now + min(left, LONGEST)
        made.stamp, made.loaded = entry.stamp, loaded
        self._hour(made.hour)[MADE] += 1
        if made.asked is not None:  # whoever came meanwhile waited less
            made.asked = now
            self._asked.append(key)

    def given_up(self, key: str) -> None:
        """The load is over; without a value there is nothing to follow."""
        made = self.open.get(key)
        if made is not None and made.stamp is None and not made.rehearsal:
            del self.open[key]

    # scoring

    def touched(self, key: str) -> None:
        """A key that is followed is asked for now; what it was answered with is looked at a little later."""
        made = self.open[key]
        if made.asked is None:
            made.asked = self._now()
            if made.stamp is not None or made.rehearsal:
                self._asked.append(key)

    def settle(self, now: float, local: float, asks: int) -> None:
        """Judge what was asked for or is over; `asks` came since the last time."""
        for key in self._asked:
            made = self.open.pop(key, None)
            if made is not None and made.asked is not None:
                self._judge(key, made, made.asked, now)
        self._asked.clear()
        for key in [key for key, made in self.open.items() if made.until <= now]:
            del self.open[key]
        for name, group in self._habits.groups.items():
            trusted = group.predictions.trusted
            group.predictions.settle(now)
            off = group.predictions.off
            if trusted and off is not None:
                log.warning("predictions of %r are off: %d of %d were used", name, off.used, off.of)
        if asks > 0:
            self._hour(int(local // 3600))[ASKED] += asks
        if len(self._hours) > 2 * HOURS:
            oldest = int(local // 3600) - HOURS
            self._hours = {hour: counts for hour, counts in self._hours.items() if hour > oldest}

    def again(self, name: str | None) -> None:
        """Trust a group again, or all that are off."""
        for one, group in self._habits.groups.items():
            if name in {None, one} and not group.predictions.trusted:
                group.predictions.again(self._now())
                for key in [key for key, made in self.open.items() if made.group is group]:
                    del self.open[key]

    def _judge(self, key: str, made: Followed, asked: float, now: float) -> None:
        predictions, entry = made.group.predictions, self._memory.look(key)
        if made.rehearsal:
            predictions.was_used(key, asked)
        elif entry is None or not self._served(entry, made, now - asked):
            predictions.was_lost(key, now)
        elif predictions.was_used(key, asked):
            counts = self._hour(made.hour)
            counts[USED] += 1
            counts[GAINED] += made.loaded and asked >= made.missing

    def _served(self, entry: Entry, made: Followed, ago: float) -> bool:
        """Whether L1 has what was loaded ahead, if from L2 again, and it was fresh then."""
        fresh = entry.epoch != DIRTY and entry.fresh_until > self._mono() - ago
        return fresh and entry.stamp == made.stamp

    def _hour(self, hour: int) -> list[int]:
        return self._hours.setdefault(hour, [0, 0, 0, 0])

    # telling

    def told(self, local: float, *, failed: int, paused: bool) -> Predicted:
        """How things stand."""
        hour = int(local // 3600)
        day = [self._hours.get(hour - back, (0, 0, 0, 0)) for back in range(HOURS - 1, -1, -1)]
        asked, gained = sum(one[ASKED] for one in day), sum(one[GAINED] for one in day)
        groups = tuple(_told(name, group) for name, group in self._habits.groups.items())
        pairs = tuple((one[MADE], one[USED]) for one in day)
        keys = len(self._habits.known)
        return Predicted(hour, pairs, max(asked, gained), gained, keys, failed, paused, groups)

    def packed(self) -> dict[str, list[int]]:
        """The hours, for `restore`."""
        return {str(hour): counts for hour, counts in self._hours.items()}

    def restore(self, kept: Any) -> None:
        """Go on with the hours that were kept.

        Raises:
            ValueError: they are none.
        """
        try:
            self._hours = {int(hour): [whole(n) for n in counts[:4]] for hour, counts in kept.items()}
        except (TypeError, AttributeError) as error:
            raise ValueError(str(error)) from None


def _told(name: str, group: Group) -> PredictedGroup:
    made = group.predictions
    return PredictedGroup(name, made.used, made.wasted, len(made), *made.judged, made.off)
