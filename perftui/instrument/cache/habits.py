"""What is known of when keys are asked for: of few keys and groups, and kept from one run to the next."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from perftui.analysis.accessprofile import HALF, SLOT, HourProfile, Marks, Rhythm, whole
from perftui.analysis.predictions import Predictions
from perftui.instrument.cache.entry import NEVER, Entry
from perftui.instrument.cache.names import EVERYTHING
from perftui.instrument.cache.wanted import write_whole

VERSION: Final = 1
LARGEST: Final = 64 << 20  # bytes of a file
MOST_GROUPS: Final = 64
YOUNG: Final = 8  # keys asked for in one slot only, for each that is followed
VISIT: Final = 10.0  # seconds in which asks for a key are one
LONGEST: Final = 7 * 86400.0  # seconds of a value's life that are looked at
SLICE: Final = 50  # keys packed or looked at before others have a turn of the loop


def prefix(key: str) -> str:
    """The group of a key where nobody says it: what stands before its first colon."""
    return key.partition(":")[0] if ":" in key else ""


class Habit:
    """When a key is asked for, and how its value lives: `ttl` in seconds, NEVER for ever, 0 not seen yet.

    `marks` are in seconds of the zone, `rhythm` in epoch seconds.
    """

    __slots__ = ("group", "marks", "rhythm", "safe", "tags", "ttl")

    def __init__(self, group: str, marks: Marks, rhythm: Rhythm) -> None:
        self.group, self.marks, self.rhythm = group, marks, rhythm
        self.ttl = 0.0
        self.tags: tuple[str, ...] = ()
        self.safe = False

    def lives(self, entry: Entry) -> None:
        """Its value is of this kind."""
        self.ttl = entry.ttl
        self.tags = tuple(name for name, _, _ in entry.tags if name != EVERYTHING)
        self.safe = entry.kept_until > entry.fresh_until

    @property
    def lead(self) -> float:
        """Seconds before its turn at which it is loaded: as its rhythm is off, half its life at most."""
        return min(self.rhythm.unrest + 2.0, self.ttl / 2)


class Group:
    """Keys that are used alike: when, and what became of the predictions for them."""

    __slots__ = ("predictions", "profile")

    def __init__(self, profile: HourProfile, predictions: Predictions) -> None:
        self.profile, self.predictions = profile, predictions


class Habits:
    """Of `most` keys at most: those asked for last, of those asked for in more than one slot.

    A key seen in one slot only is remembered by its name, for eight times as many. Of more than 64 groups
    the later ones are one.
    """

    def __init__(self, group: Callable[[str], str], most: int) -> None:
        self._group_of = group
        self._most = most
        self.groups: dict[str, Group] = {}
        self.known: dict[str, Habit] = {}  # in the order they were asked for last
        self._young: dict[str, int] = {}

    def group(self, name: str, now: float) -> Group:
        """A group by its name."""
        found = self.groups.get(name)
        if found is None:
            if len(self.groups) >= MOST_GROUPS - 1:
                name = ""
            found = self.groups.setdefault(name, Group(HourProfile(), Predictions(now)))
        return found

    def asked(self, key: str, times: int, now: float, local: float, entry: Entry | None) -> None:
        """A key was asked for, so often since the last look; `local` is `now` in seconds of the zone."""
        habit = self.known.pop(key, None) or self._grown(key, local)
        name = habit.group if habit is not None else self._group_of(key)
        self.group(name, now).profile.add(local, times)
        if habit is None:
            return
        self.known[key] = habit
        if len(self.known) > self._most:
            del self.known[next(iter(self.known))]
        habit.marks.add(local)
        last = habit.rhythm.last
        if last is None or now - last >= VISIT:
            habit.rhythm.add(now)
        if entry is not None:
            habit.lives(entry)

    def _grown(self, key: str, local: float) -> Habit | None:
        """A key's habits from now on, once it is asked for in a second slot."""
        slot = int(local // SLOT)
        first = self._young.pop(key, slot)
        if first == slot:
            self._young[key] = slot
            if len(self._young) > YOUNG * self._most:
                del self._young[next(iter(self._young))]
            return None
        return Habit(self._group_of(key), Marks(first * SLOT), Rhythm())

    async def expected(self, start: float, now: float) -> list[str]:
        """Keys to be had at the slot of `start` (both of the zone), those of groups asked for most first.

        One whose value would likely be asked for in its life from then on, in that very slot sometimes: for
        what comes later a later slot will do. A value has to live as long as a slot at least.
        """
        for group in self.groups.values():
            group.profile.add(now, 0.0)  # hours without an ask have passed too
        found = []
        for count, (key, habit) in enumerate(tuple(self.known.items()), 1):
            likely = habit.marks.likely(start, min(habit.ttl, LONGEST)) if habit.ttl >= SLOT else None
            if likely is not None and likely.chance >= HALF and likely.at_once > 0:
                found.append((self._weight(habit.group, start), likely.chance, key))
            if count % SLICE == 0:
                await asyncio.sleep(0)
        return [key for _, _, key in sorted(found, key=lambda one: one[:2], reverse=True)]

    def _weight(self, name: str, start: float) -> float:
        group = self.groups.get(name)
        need = group.profile.need(start) if group is not None else None
        return need.accesses if need is not None else 0.0

    def due(self, now: float) -> Iterator[tuple[str, float, float]]:
        """Keys whose rhythm needs them soon; when their turn is, and when it is over."""
        for key, habit in self.known.items():
            if habit.rhythm.interval is not None and habit.ttl > 0:
                at = habit.rhythm.next(now)
                if at is not None and at - habit.lead <= now:
                    yield key, at, at + habit.rhythm.unrest

    # kept

    async def save(self, path: Path, extra: Any) -> None:
        """Keep them in a file that only its owner may read, in place of what is there, in one step.

        Raises:
            OSError: it cannot be written; what was there stays.
        """
        keys = []
        for count, (key, habit) in enumerate(tuple(self.known.items()), 1):
            life = None if habit.ttl == NEVER else habit.ttl
            kind = [life, list(habit.tags), habit.safe]
            keys.append([key, habit.group, habit.marks.packed(), habit.rhythm.packed(), kind])
            if count % SLICE == 0:
                await asyncio.sleep(0)
        groups = [[name, g.profile.packed(), g.predictions.packed()] for name, g in self.groups.items()]
        whole_ = {"v": VERSION, "groups": groups, "keys": keys, "young": dict(self._young), "extra": extra}
        await asyncio.to_thread(lambda: write_whole(path, json.dumps(whole_, separators=(",", ":"))))

    def restore(self, path: Path) -> Any:
        """Begin with what was kept; what was kept beside it.

        Raises:
            OSError: it cannot be read.
            ValueError: it is nothing that was kept so; then nothing is taken from it.
        """
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_size > LARGEST:
                raise ValueError(f"{path}: more than {LARGEST >> 20} MiB are no habits")
            data = file.read(LARGEST)
        try:
            self.groups, self.known, self._young, extra = _kept(json.loads(data), self._most)
        except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
            raise ValueError(f"{path}: {error}") from None
        return extra


def _kept(text: Any, most: int) -> tuple[dict[str, Group], dict[str, Habit], dict[str, int], Any]:
    if text["v"] != VERSION:
        raise ValueError("another version")
    groups = {
        str(name): Group(HourProfile.unpacked(profile), Predictions.unpacked(predictions))
        for name, profile, predictions in text["groups"][:MOST_GROUPS]
    }
    known = {str(key): _habit(*rest) for key, *rest in text["keys"][-most:]}
    young = {str(key): whole(slot) for key, slot in text["young"].items()}
    return groups, known, young, text["extra"]


def _habit(group: Any, marks: Any, rhythm: Any, kind: Any) -> Habit:
    made = Habit(str(group), Marks.unpacked(marks), Rhythm.unpacked(rhythm))
    life, tags, safe = kind
    made.ttl = NEVER if life is None else max(0.0, float(life))
    made.tags = tuple(map(str, tags))
    made.safe = bool(safe)
    return made
