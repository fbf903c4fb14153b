"""L1: entries of one process, bounded by count and bytes, the least useful let go first.

Source: Yang et al., FIFO Queues are All You Need for Cache Eviction (S3-FIFO), SOSP 2023, the plain rules: a
small queue of a tenth, a main one, and the names of what the small one let go; analysis/s3fifo.py says which
use leads from one to the other.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from typing import Final

from perftui.analysis.s3fifo import PROMOTED, SMALL_SHARE, USES
from perftui.instrument.cache.entry import Entry
from perftui.instrument.cache.ghosts import Ghosts
from perftui.instrument.cache.sampling import MARKED, Sampling

_SMALL, _MAIN = 1, 2
_SWEPT: Final = 256
_POLICIES: Final = ("s3fifo", "lru")


class Memory:
    """Entries by key. For one event loop: nothing here may be called from two threads.

    `bytes_` bounds the sum of sizes given to `put`. `evictions` counts by cause: `capacity`, `expiry` (found
    by `sweep`), `explicit`. `get(key)` is the entry, whatever its age, and counts as a use.

    `find(key)` is the entry too, and does not count: who looks often takes it, or `held`, which none may
    change, and `get` only where `asked` is true or the entry's `uses` are not `USES`, for then there is
    something to count or to tell.

    An entry's `uses` has them in its two lower bits; below 0 it is marked: its uses are told to the sampling.

    Raises:
        ValueError: no room for one entry, or no such policy.
    """

    __slots__ = (
        "_bound_bytes",
        "_bound_entries",
        "_map",
        "_plain",
        "_queues",
        "_resting",
        "_sampling",
        "_sweeping",
        "_told",
        "_watching",
        "asked",
        "bytes",
        "evictions",
        "find",
        "get",
        "held",
    )

    def __init__(self, entries: int = 10_000, bytes_: int | None = None, policy: str = "s3fifo") -> None:
        if entries < 1 or (bytes_ is not None and bytes_ < 1) or policy not in _POLICIES:
            raise ValueError("a memory holds at least one entry and one byte, by s3fifo or lru")
        self._bound_entries = entries
        self._bound_bytes = bytes_
        self._map: dict[str, Entry] = OrderedDict() if policy == "lru" else {}
        self._queues = _Queues() if policy == "s3fifo" else None
        self._sweeping: list[str] = []
        self.bytes = 0
        self.evictions = {"capacity": 0, "expiry": 0, "explicit": 0}
        self._sampling: Sampling | None = None
        self._told: Callable[[str], object] | None = None
        self._watching: list[Callable[[str], object]] = []
        self._plain = self.get = _getter(self._map)
        self.held: Mapping[str, Entry] = self._map
        self.find = self._map.get
        self._resting = False
        self.asked = False  # somebody wants to hear of each use, or nothing may be given

    def sampled_by(self, sampling: Sampling) -> None:
        """Tell it, from now on, of uses of the keys it looks at, and of all that are not here."""
        self._sampling = sampling
        for key, entry in self._map.items():
            entry.uses = entry.uses & USES | (MARKED if sampling.takes(key) else 0)
        self._plain = _sampled_getter(self._map, sampling)
        self._watch()

    @property
    def room(self) -> int:
        """How many entries there is room for, with bytes as the mean of those that are here."""
        if self._bound_bytes is None or not self.bytes:
            return self._bound_entries
        return max(1, min(self._bound_entries, self._bound_bytes * len(self._map) // self.bytes))

    @property
    def most(self) -> int:
        """How many entries it may hold, however large they are."""
        return self._bound_entries

    @property
    def most_bytes(self) -> int | None:
        """How many bytes it may hold; None where they are not bounded."""
        return self._bound_bytes

    def __len__(self) -> int:
        return len(self._map)

    def watch(self, told: Callable[[str], object]) -> Callable[[], None]:
        """From now on `told` hears each key that is asked for, until what is returned is called.

        While nobody is told, a hit costs nothing more.
        """
        self._watching.append(told)
        self._watch()

        def end() -> None:
            if told in self._watching:
                self._watching.remove(told)
                self._watch()

        return end

    def _watch(self) -> None:
        get = self._plain
        for told in self._watching:
            get = _watched(get, told)
        self.get, self.asked = get, self._resting or bool(self._watching)

    def rest(self, resting: bool) -> None:
        """Empty it; while it rests `asked` is true: whether anything in it may be given is to be asked."""
        self._resting = resting
        self._watch()
        self.clear()

    def tell_evictions(self, told: Callable[[str], object]) -> None:
        """From now on `told` hears each key that goes for want of room, or because its time is over."""
        self._told = told

    def look(self, key: str) -> Entry | None:
        """The entry; it does not count as used."""
        return self.find(key)

    def keys(self) -> tuple[str, ...]:
        """All there are."""
        return tuple(self._map)

    def put(self, key: str, entry: Entry, size: int = 0) -> None:
        """Keep it, in place of what the key had; what is larger than the whole memory is let go at once."""
        had = self._map.get(key)
        before = had.size if had is not None else 0
        if self._bound_bytes is not None and size > self._bound_bytes:
            self._refuse(key)
            return
        if had is not None:
            if self._queues is None:
                del self._map[key]  # its place in the order is the newest
            self._map[key] = entry
            self.bytes += size - before
            entry.uses = had.uses
            entry.settle(size, had.place)
            self._make_room(0, 0)
            return
        self._make_room(1, size)
        self._map[key] = entry
        self.bytes += size
        entry.uses = MARKED if self._sampling is not None and self._sampling.takes(key) else 0
        entry.settle(size, self._queues.append(key) if self._queues is not None else 0)

    def drop(self, key: str, cause: str = "explicit") -> Entry | None:
        """Let it go; what it was."""
        entry = self._map.pop(key, None)
        if entry is not None:
            self.bytes -= entry.size
            self.evictions[cause] += 1
            if self._queues is not None:
                self._queues.leave(key, entry.place, len(self._map))
        return entry

    def clear(self) -> int:
        """Let all go; how many."""
        gone = len(self._map)
        self._map.clear()
        if self._queues is not None:
            self._queues = _Queues()
        self.bytes = 0
        self.evictions["explicit"] += gone
        return gone

    def sweep(self, now: float, budget: int = _SWEPT) -> int:
        """Look at the next `budget` entries and drop those kept long enough; how many.

        A round goes over the keys that were there when it began.
        """
        if not self._sweeping:
            self._sweeping = list(self._map)
        gone = 0
        for _ in range(min(budget, len(self._sweeping))):
            key = self._sweeping.pop()
            entry = self._map.get(key)
            if entry is not None and entry.kept_until <= now:
                self.drop(key, "expiry")
                gone += 1
                if self._told is not None:
                    self._told(key)
        return gone

    def _refuse(self, key: str) -> None:
        if self.drop(key, "capacity") is None:
            self.evictions["capacity"] += 1
        if self._told is not None:
            self._told(key)

    def _make_room(self, entries: int, size: int) -> None:
        held = self._map
        most, most_bytes = self._bound_entries - entries, self._bound_bytes
        while held and (len(held) > most or (most_bytes is not None and self.bytes + size > most_bytes)):
            key = self._queues.evict(held) if self._queues is not None else next(iter(held))
            self.bytes -= held.pop(key).size
            self.evictions["capacity"] += 1
            if self._told is not None:
                self._told(key)


def _watched(
    get: Callable[[str], Entry | None], told: Callable[[str], object]
) -> Callable[[str], Entry | None]:
    def watched(key: str) -> Entry | None:
        told(key)
        return get(key)

    return watched


def _getter(held: dict[str, Entry]) -> Callable[[str], Entry | None]:
    """The way of a hit: a closure, since every attribute looked up costs it."""
    find = held.get
    if isinstance(held, OrderedDict):
        move_to_end = held.move_to_end

        def get(key: str) -> Entry | None:
            entry = find(key)
            if entry is not None:
                move_to_end(key)
            return entry
    else:

        def get(key: str) -> Entry | None:
            entry = find(key)
            if entry is not None and entry.uses < USES:
                entry.uses += 1
            return entry

    return get


def _sampled_getter(held: dict[str, Entry], sampling: Sampling) -> Callable[[str], Entry | None]:
    """The same, telling: by s3fifo a hit of an entry in full use that is not marked costs what it did."""
    find, told = held.get, sampling.used
    if isinstance(held, OrderedDict):
        move_to_end = held.move_to_end

        def get(key: str) -> Entry | None:
            entry = find(key)
            if entry is None:
                told(key)
                return None
            if entry.uses < 0 and not told(key):
                entry.uses = 0
            move_to_end(key)
            return entry
    else:

        def get(key: str) -> Entry | None:
            entry = find(key)
            if entry is None:
                told(key)
            elif entry.uses < USES:
                if entry.uses < 0 and not told(key):
                    entry.uses &= USES
                if entry.uses & USES != USES:
                    entry.uses += 1
            return entry

    return get


class _Queues:
    """The order of S3-FIFO. An entry's `place` says in which queue its key is.

    A key that was dropped stays in its queue until its turn comes, and is counted as gone: of two times the
    same key stands in a queue, the earlier is the one that is gone.
    """

    __slots__ = ("_gone", "_main", "_names", "_small", "_small_now", "ghosts")

    def __init__(self) -> None:
        self._small: deque[str] = deque()
        self._main: deque[str] = deque()
        self._gone: tuple[dict[str, int], dict[str, int]] = ({}, {})
        self._small_now = 0
        self._names = 1  # as many as when one last had to go: fewer are held after drops, not remembered
        self.ghosts = Ghosts()

    def append(self, key: str) -> int:
        """A new key comes: its place."""
        if self.ghosts.take(key, self._names):
            self._main.append(key)
            return _MAIN
        self._small.append(key)
        self._small_now += 1
        return _SMALL

    def leave(self, key: str, place: int, held: int) -> None:
        """A key was dropped; `held` are left."""
        self._small_now -= place == _SMALL
        gone = self._gone[place - _SMALL]
        gone[key] = gone.get(key, 0) + 1
        if len(self._small) + len(self._main) > 2 * held + _SWEPT:
            self._small = _without(self._small, self._gone[0])
            self._main = _without(self._main, self._gone[1])

    def evict(self, held: dict[str, Entry]) -> str:
        """The key that goes, of those held."""
        self._names = _names(len(held))
        if self._small_now >= _tenth(len(held)) or self._small_now == len(held):
            key = self._evict_small(held)
            if key is not None:
                return key
        return self._evict_main(held)

    def _evict_small(self, held: dict[str, Entry]) -> str | None:
        """The oldest that was not used, its name kept; those that were move to the main queue."""
        queue, gone = self._small, self._gone[0]
        while queue:
            key = queue.popleft()
            if gone and _was_gone(gone, key):
                continue
            self._small_now -= 1
            entry = held[key]
            if entry.uses & USES < PROMOTED:
                self.ghosts.add(key, self._names)
                return key
            entry.uses &= MARKED
            entry.settle(entry.size, _MAIN)
            self._main.append(key)
        return None

    def _evict_main(self, held: dict[str, Entry]) -> str:
        """The oldest that was not used since it last came round."""
        queue, gone = self._main, self._gone[1]
        while True:
            key = queue.popleft()
            if gone and _was_gone(gone, key):
                continue
            entry = held[key]
            if not entry.uses & USES:
                return key
            entry.uses -= 1
            queue.append(key)


def _tenth(held: int) -> int:
    return max(1, int(held * SMALL_SHARE))


def _names(held: int) -> int:
    """How many are remembered: as many as the main queue may have."""
    return max(1, held - _tenth(held))


def _was_gone(gone: dict[str, int], key: str) -> bool:
    times = gone.get(key, 0)
    if times > 1:
        gone[key] = times - 1
    elif times:
        del gone[key]
    return times > 0


def _without(queue: deque[str], gone: dict[str, int]) -> deque[str]:
    return deque(key for key in queue if not _was_gone(gone, key))
