"""What waits to be written, by key and in order; which batch is next, and what becomes of one that failed."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from heapq import nsmallest
from itertools import islice
from typing import Final

from perftui.instrument.cache.journal import Item

BATCH, WAIT_S = 500, 0.2
TRIES: Final = 5
FIRST_PAUSE, GROWTH = 0.5, 3.0  # seconds after the first failure, and by what the next pause is longer
PARTS: Final = 8  # into which a failed batch is cut: 500, 63, 8, 1, 1 at the five tries


@dataclass(slots=True)
class Entry:
    """An item, and the sequences of earlier ones that it makes moot; `at` is a monotonic instant."""

    item: Item
    at: float
    covers: list[int] = field(default_factory=list)


@dataclass(slots=True)
class Batch:
    """What goes to the database at once, in order of sequence."""

    entries: list[Entry]
    tries: int = 0
    due: float = 0.0

    @property
    def at(self) -> float:
        """When its first item came."""
        return min(entry.at for entry in self.entries)

    def sequences(self) -> list[int]:
        """All that is done with when it is written."""
        return [number for e in self.entries for number in (*e.covers, e.item.sequence)]

    def by_key(self) -> dict[str, list[Entry]]:
        """Its entries, those of each key together."""
        keys: dict[str, list[Entry]] = {}
        for entry in self.entries:
            keys.setdefault(entry.item.key, []).append(entry)
        return keys


class Queue:
    """At any time a key is in one batch at most, so that its writes stay in order.

    While a batch is being tried again because the database is away, nothing new is taken.
    """

    def __init__(self, *, coalesce: bool = True) -> None:
        self._coalesce = coalesce
        self._latest: dict[str, Item] = {}  # also of those that no journal has yet
        self._waiting: dict[str, list[Entry]] = {}
        self._flying: set[str] = set()
        self._again: list[Batch] = []
        self._under_way: list[Batch] = []
        self._away = False
        self._hurry = False
        self._size = 0
        self.coalesced = 0

    def __len__(self) -> int:
        return self._size

    def latest(self, key: str) -> Item | None:
        """The last write of the key that has not reached the database."""
        return self._latest.get(key)

    def announce(self, item: Item) -> None:
        """It is coming: from now on the database is not to be asked for its key."""
        before = self._latest.get(item.key)
        if before is None or before.sequence < item.sequence:
            self._latest[item.key] = item

    def withdraw(self, item: Item) -> None:
        """It does not come after all, or has been written otherwise."""
        if self._latest.get(item.key) is not item:
            return
        del self._latest[item.key]
        rest = [e.item for e in self._waiting.get(item.key, ())]
        for batch in (*self._again, *self._under_way) if item.key in self._flying else ():
            rest += [e.item for e in batch.entries if e.item.key == item.key]
        if rest:
            self._latest[item.key] = max(rest, key=lambda i: i.sequence)

    def push(self, item: Item, now: float) -> None:
        """It may be written from now on."""
        self.announce(item)
        entries = self._waiting.setdefault(item.key, [])
        if self._coalesce and entries:
            self.coalesced += 1
            last = entries[-1]
            if last.item.sequence > item.sequence:
                last.covers.append(item.sequence)
            else:
                entries[-1] = Entry(item, last.at, [*last.covers, last.item.sequence])
            return
        entries.append(Entry(item, now))
        entries.sort(key=lambda e: e.item.sequence)
        self._size += 1

    def take(self, now: float) -> Batch | None:
        """The next batch that is due; it stays ours until `ended` or `failed` is told of it."""
        again = next((b for b in self._again if b.due <= now), None)
        if again is not None:
            self._again.remove(again)
        elif self._away or not self._full_or_old(now):
            return None
        else:
            again = self._gather()
        if again is not None:
            self._under_way.append(again)
        return again

    def due_in(self, now: float) -> float | None:
        """Seconds until there may be a batch; None when nothing waits."""
        dues = [batch.due for batch in self._again]
        if not self._away and (first := self._first()) is not None:
            dues.append(now if self._hurry else first.at + WAIT_S)
        return max(0.0, min(dues) - now) if dues else None

    def hurry(self) -> None:
        """What waits is due now, until nothing does; what failed keeps its pauses."""
        self._hurry = self._size > 0

    def again_now(self, now: float) -> int:
        """What failed is due now; how many writes were waiting for their next try."""
        waited = [batch for batch in self._again if batch.due > now]
        for batch in waited:
            batch.due = now
        return sum(len(batch.entries) for batch in waited)

    def ended(self, batch: Batch, *, reached: bool) -> None:
        """It was written, or given up; `reached` says that the database answered."""
        self._leave(batch)
        self._size -= len(batch.entries)
        for entry in batch.entries:
            self.withdraw(entry.item)
        self._away = self._away and not reached
        if not self._again:
            self._away = False
        self._hurry = self._hurry and self._size > 0

    def failed(self, batch: Batch, now: float, *, away: bool) -> None:
        """To be tried again later, in parts unless the database is away as a whole."""
        self._leave(batch)
        batch.tries += 1
        pause = FIRST_PAUSE * GROWTH ** (batch.tries - 1)
        due = now + random.uniform(pause / 2, pause)  # noqa: S311 - spreads load, hides nothing
        parts = [batch.entries] if away else self._parts(batch)
        for part in parts:
            self._again.append(Batch(part, batch.tries, due))
            self._flying.update(e.item.key for e in part)
        self._away = away

    def flies(self, key: str) -> bool:
        """Whether a batch has the key."""
        return key in self._flying

    def seize(self, key: str, below: int) -> list[Entry]:
        """Take out of turn what waits of a key before that sequence; until `ended` or `give_back`."""
        self._flying.add(key)
        entries = self._waiting.pop(key, [])
        older = [e for e in entries if e.item.sequence < below]
        if len(older) < len(entries):
            self._waiting[key] = entries[len(older) :]
        self._under_way.append(Batch(older))
        return older

    def give_back(self, key: str, entries: list[Entry]) -> None:
        """What was seized waits again, before all that came meanwhile."""
        self.release(key)
        self._under_way = [b for b in self._under_way if b.entries is not entries]
        if entries:
            self._put_back(key, entries)

    def release(self, key: str) -> None:
        """Nobody has the key any more."""
        self._flying.discard(key)

    def oldest_s(self, now: float) -> float:
        """How long the first of all that is not written has waited."""
        starts = [b.at for b in (*self._again, *self._under_way) if b.entries]
        starts += [next(iter(self._waiting.values()))[0].at] if self._waiting else []
        return now - min(starts) if starts else 0.0

    def oldest(self, most: int) -> list[Entry]:
        """Some of what is not written, the oldest first."""
        entries = [e for b in (*self._again, *self._under_way) for e in b.entries]
        entries += [waiting[0] for waiting in islice(self._waiting.values(), most)]
        return nsmallest(most, entries, key=lambda e: e.at)

    def _first(self) -> Entry | None:
        return next((e[0] for key, e in self._waiting.items() if key not in self._flying), None)

    def _full_or_old(self, now: float) -> bool:
        first = self._first()
        if first is None:
            return False
        return self._hurry or now - first.at >= WAIT_S or len(self._waiting) >= BATCH

    def _gather(self) -> Batch | None:
        taken: list[Entry] = []
        for key in [k for k in self._waiting if k not in self._flying]:
            if len(taken) >= BATCH:
                break
            entries = self._waiting.pop(key)
            room = BATCH - len(taken)
            taken += entries[:room]
            if entries[room:]:
                self._waiting[key] = entries[room:]
            self._flying.add(key)
        taken.sort(key=lambda e: e.item.sequence)
        return Batch(taken) if taken else None

    def _parts(self, batch: Batch) -> list[list[Entry]]:
        """Its keys dealt to PARTS; of one key alone only the first, the rest waits behind it."""
        keys = list(batch.by_key().items())
        if len(keys) == 1:
            key, entries = keys[0]
            if entries[1:]:
                self._put_back(key, entries[1:])
            return [entries[:1]]
        size = -(-len(keys) // PARTS)
        groups = (keys[at : at + size] for at in range(0, len(keys), size))
        return [sorted(_flat(e for _, e in group), key=lambda e: e.item.sequence) for group in groups]

    def _put_back(self, key: str, entries: list[Entry]) -> None:
        newer = self._waiting.pop(key, [])
        self._waiting[key] = entries + newer
        if self._coalesce and newer:
            last = newer[0]
            last.covers += [n for e in entries for n in (*e.covers, e.item.sequence)]
            self._waiting[key] = newer
            self._size -= len(entries)

    def _leave(self, batch: Batch) -> None:
        self._under_way = [b for b in self._under_way if b is not batch and b.entries is not batch.entries]
        self._flying.difference_update(e.item.key for e in batch.entries)


def _flat(lists: Iterable[list[Entry]]) -> list[Entry]:
    return [entry for one in lists for entry in one]
