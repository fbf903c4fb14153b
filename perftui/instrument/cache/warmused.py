"""What becomes of keys that runs of warm jobs load: asked for while the value they loaded is fresh, or not.

The node of a run follows a random sample of its keys, and says of which (`sample_key`); every node of the
warm set, that one too, says in a bit for each (`used_key`) whether somebody asked it. All tell the same then,
so that what is known does not end with the node of the run. A node watches its L1 only while it follows
anything.

What is in L2 is read only when its length has changed, as it does with whatever is said: a read counts in the
server's hits, and would pass for visitors'; asking for the length (SETRANGE of nothing) counts nowhere.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

from perftui.instrument.cache.memory import Memory
from perftui.instrument.cache.ports import Store
from perftui.instrument.cache.state import DIRTY
from perftui.instrument.cache.wiring import Wired
from perftui.model.errors import BackendError
from perftui.model.warmask import LOOK_EVERY
from perftui.model.warmqueue import RUN, Order, sample_key, used_key
from perftui.model.warmused import JOB, MOST_JOBS, SAMPLE, Warmed

LONGEST: Final = 86400.0  # seconds a key is followed
MOST_RUNS: Final = 3  # of one job whose keys are not over; of other nodes' runs
LARGEST: Final = 1 << 16  # bytes of a sample as it is told
HEAD: Final = 160  # bytes that hold the first line of it
KEPT: Final = 60.0  # seconds that traces are there for longer than the last key
LATE: Final = 2 * LOOK_EVERY  # seconds after the last key in which others may say that it was used
ANSWER: Final = 1.0  # seconds after which what was asked for is in L1, or was not there
WITHIN: Final = 1.0
STAMP: Final = 16
MOST_AT: Final = 1e11  # epoch seconds


class Followed(NamedTuple):
    """A key whose value of this stamp is followed, up to that monotonic second; `place` is its bit."""

    place: int
    stamp: bytes
    until: float


class Run:
    """Keys of a run that are followed here: of our own (`mine`), or of another node, which says the job."""

    def __init__(self, run: str, job: str = "", at: float = 0.0, *, mine: bool = False) -> None:
        self.run, self.job, self.at, self.mine = run, job, at, mine
        self.places: dict[str, int] = {}  # of the sample; those that are not loaded yet too
        self.keys: dict[str, Followed] = {}
        self.used: set[int] = set()
        self.asked: dict[str, float] = {}  # when, of those whose answer is not known yet
        self.told = 0  # keys that others know of our own
        self.said: set[int] = set()  # bits that are in L2
        self.length = 0  # of what was read there last
        self.loads = mine

    def left(self, now: float) -> int:
        """Keys that are neither used nor over."""
        return sum(one.until > now and one.place not in self.used for one in self.keys.values())

    def over(self, now: float) -> bool:
        """Whether nothing more is learned of it: what others say of the last keys may come a little later."""
        if self.loads or self.left(now):
            return False
        known = len(self.used) == len(self.keys) or self.until + LATE < now
        return (known and (self.mine or self.used <= self.said)) or self.until + KEPT < now

    @property
    def until(self) -> float:
        """When the last of them is over."""
        return max((one.until for one in self.keys.values()), default=0.0)


class Uses:
    """Follows what runs of the warm set `name` load at this node, and what others ask it to."""

    def __init__(self, cache: Wired, name: str) -> None:
        self._cache, self._name = cache, name
        self._now = cache.clock.monotonic
        self._runs: list[Run] = []
        self._over: dict[str, Warmed] = {}  # by job, the newest run of which no key is left
        self._unsaid: list[Run] = []  # our own that are over, of which others do not know all
        self._loading: Run | None = None
        self._seen = b""  # the first line of the sample that was read last
        self._length = 0  # its bytes
        self._watched: Memory | None = None
        self._end: Callable[[], None] = _nothing

    # of our own runs

    def begin(self, order: Order) -> None:
        """A run begins."""
        if order.job and self._cache.memory is not None:
            self._loading = Run(order.run, order.job, round(self._server_now(), 3), mine=True)

    def choose(self, keys: Sequence[str]) -> None:
        """These are its keys."""
        if self._loading is not None:
            sample = keys if len(keys) <= SAMPLE else random.sample(keys, SAMPLE)
            self._loading.places = {key: place for place, key in enumerate(sample)}

    def loaded(self, key: str) -> None:
        """One was loaded just now."""
        run, memory = self._loading, self._cache.memory
        place = run.places.get(key) if run is not None else None
        entry = memory.look(key) if memory is not None else None
        if run is None or place is None or entry is None:
            return
        now = self._now()
        life = min(max(entry.ttl, entry.fresh_until - now), LONGEST)
        if life > 0:
            run.keys[key] = Followed(place, entry.stamp, now + life)
            if run not in self._runs:
                self._follow(run)

    def ended(self) -> None:
        """It loads no more."""
        if self._loading is not None:
            self._loading.loads, self._loading = False, None

    def told(self) -> list[Warmed]:
        """By job: the newest run of which no key is left, or where there is none the newest."""
        self._settle()
        found = {run.job: _warmed(run, self._now()) for run in self._runs if run.job}
        return list((found | self._over).values())[:MOST_JOBS]

    # of all

    async def look(self) -> None:
        """Hear of other nodes' samples, tell of ours, and learn what was used; an L2 away is let be."""
        self._settle()
        self._watch()
        store = self._cache.store
        if store is None or self._cache.memory is None:
            return
        with contextlib.suppress(BackendError):
            await self._hear(store)
            while self._unsaid:
                await self._say(store, self._unsaid[-1])
                self._unsaid.pop()
            for run in tuple(self._runs):
                if run.mine:
                    await self._tell(store, run)
                await self._say(store, run)
        self._settle()

    def close(self) -> None:
        """Follow nothing any more."""
        self._runs.clear()
        self._unsaid.clear()
        self._watch()

    # following

    def _follow(self, run: Run) -> None:
        """One more; the oldest of its kind goes where there are too many."""
        alike = [one for one in self._runs if one.mine is run.mine and (not run.mine or one.job == run.job)]
        if len(alike) >= MOST_RUNS:
            self._done(alike[0])
        ours = {one.job: one for one in self._runs if one.mine}
        if run.mine and run.job not in ours and len(ours) >= MOST_JOBS:
            self._done(next(iter(ours.values())))
        self._runs.append(run)
        self._watch()

    def _watch(self) -> None:
        """Hear what is asked of L1, which may be another by now, while there is anything to follow."""
        memory = self._cache.memory if self._runs else None
        if memory is not self._watched:
            self._end()
            self._watched = memory
            self._end = memory.watch(self._touched) if memory is not None else _nothing

    def _touched(self, key: str) -> None:
        """Somebody asks: used where L1 has the very value; what comes from L2 now is looked at later."""
        for run in self._runs:
            one = run.keys.get(key)
            if one is not None and one.place not in run.used:
                self._asked(run, key, one)

    def _asked(self, run: Run, key: str, one: Followed) -> None:
        now = self._now()
        if one.until > now and self._has(key, one, now):
            run.used.add(one.place)
        elif one.until > now:
            run.asked.setdefault(key, now)

    def _has(self, key: str, one: Followed, at: float) -> bool:
        """Whether L1 has the value that is followed, and it was fresh then."""
        entry = self._cache.memory.look(key) if self._cache.memory is not None else None
        return (
            entry is not None and entry.stamp == one.stamp and entry.epoch != DIRTY and entry.fresh_until > at
        )

    def _settle(self) -> None:
        """Judge what was asked for, and let go of runs of which no key is left."""
        now = self._now()
        for run in tuple(self._runs):
            for key, at in tuple(run.asked.items()):
                one = run.keys[key]
                if self._has(key, one, at):
                    run.used.add(one.place)
                if one.place in run.used or now - at > ANSWER:
                    del run.asked[key]
            if run.over(now):
                self._done(run)

    def _done(self, run: Run) -> None:
        """Let go of a run; what is left of it is not counted."""
        self._runs.remove(run)
        self._watch()
        if run.mine and not run.used <= run.said:
            self._unsaid = [*self._unsaid[1 - MOST_JOBS :], run]
        end = _warmed(run, self._now())
        had = self._over.get(run.job)
        if not run.job or end.of == end.left or (had is not None and had.at > end.at):
            return
        self._over.pop(run.job, None)
        self._over[run.job] = Warmed(end.job, end.at, end.of - end.left, end.used)
        if len(self._over) > MOST_JOBS:
            del self._over[next(iter(self._over))]

    # saying it to others, and hearing it

    async def _tell(self, store: Store, run: Run) -> None:
        """Let other nodes know the keys that are new."""
        bits = used_key(self._cache.name, self._name, run.run)
        life = round((max(0.0, run.until - self._now()) + KEPT) * 1000)
        if not run.told:
            await store.command("SET", bits, bytes(SAMPLE // 8), "PX", life, key=bits, within=WITHIN)
        count = len(run.keys)  # more may come meanwhile
        if run.told < count:
            data = _packed(run, self._now())
            at = sample_key(self._cache.name, self._name)
            self._seen = data.partition(b"\n")[0]
            if len(data) < LARGEST:
                data += b" " * (len(data) == await _length(store, at))
                self._length = len(data)
                await store.command("SET", at, data, "PX", life, key=at, within=WITHIN)
            await store.command("PEXPIRE", bits, life, key=bits, within=WITHIN)
            run.told = count

    async def _say(self, store: Store, run: Run) -> None:
        """Tell the others what was used here, and take what was at theirs."""
        new = run.used - run.said
        bits = used_key(self._cache.name, self._name, run.run)
        if new:
            life = round((max(0.0, run.until - self._now()) + KEPT) * 1000)
            set_ = [store.command("SETBIT", bits, place, 1, key=bits, within=WITHIN) for place in new]
            set_.append(store.command("APPEND", bits, b".", key=bits, within=WITHIN))
            await asyncio.gather(*set_, store.command("PEXPIRE", bits, life, key=bits, within=WITHIN))
            run.said |= new
        length = await _length(store, bits)
        if length == run.length:
            return
        text = await store.command("GETRANGE", bits, 0, SAMPLE // 8 - 1, key=bits, within=WITHIN)
        theirs = {one.place for one in run.keys.values() if _bit(text, one.place)}
        run.used |= theirs
        run.said |= theirs
        run.length = length

    async def _hear(self, store: Store) -> None:
        """Follow the sample that another node told of since the last look."""
        at = sample_key(self._cache.name, self._name)
        length = await _length(store, at)
        if length in {0, self._length}:
            return
        self._length = length
        head = await store.command("GETRANGE", at, 0, HEAD - 1, key=at, within=WITHIN)
        first = head.partition(b"\n")[0] if isinstance(head, bytes) else b""
        if not first or first == self._seen:
            return
        self._seen = first
        data = await store.command("GETRANGE", at, 0, LARGEST, key=at, within=WITHIN)
        if isinstance(data, bytes) and len(data) <= LARGEST:
            self._heard(data)

    def _heard(self, data: bytes) -> None:
        with contextlib.suppress(ValueError, TypeError, RecursionError):
            name, job, at, keys = _unpacked(data, self._now())
            run = next((one for one in self._runs if one.run == name), None)
            if run is None:
                self._follow(run := Run(name, job, at))
            if not run.mine:
                run.keys.update(keys)

    def _server_now(self) -> float:
        store = self._cache.store
        return store.now() if store is not None else self._cache.clock.time()


def _nothing() -> None:
    """Nothing is watched."""


async def _length(store: Store, key: bytes) -> int:
    """The bytes of a string, 0 where there is none; it counts as no read and changes nothing."""
    return int(await store.command("SETRANGE", key, 0, b"", key=key, within=WITHIN))


def _warmed(run: Run, now: float) -> Warmed:
    return Warmed(run.job, run.at, len(run.keys), len(run.used), run.left(now))


def _packed(run: Run, now: float) -> bytes:
    """A line that is another whenever keys came to it, then the keys with bit, stamp and seconds left."""
    keys = [
        [key, one.place, one.stamp.hex(), round(max(0.0, one.until - now), 3)]
        for key, one in run.keys.items()
    ]
    return (
        f"{run.run} {len(keys)} {run.job} {run.at:.3f}\n".encode()
        + json.dumps(keys, separators=(",", ":")).encode()
    )


def _unpacked(data: bytes, now: float) -> tuple[str, str, float, dict[str, Followed]]:
    """The run, its job and when it began (empty and 0 where an older node does not say), and its keys.

    Raises:
        ValueError, TypeError, RecursionError: anybody may have written it, and it is none.
    """
    first, _, text = data.partition(b"\n")
    name, _, *more = first.decode("ascii").split(" ")
    job, at = (more[0], float(more[1])) if len(more) == 2 and JOB.fullmatch(more[0]) else ("", 0.0)
    listed = json.loads(text)
    if (
        not RUN.fullmatch(name)
        or not 0 <= at < MOST_AT
        or not isinstance(listed, list)
        or len(listed) > SAMPLE
    ):
        raise ValueError("no sample")
    return name, job, at, dict(_key(*one, now=now) for one in listed)


def _key(key: Any, place: Any, stamp: Any, left: Any, *, now: float) -> tuple[str, Followed]:
    if not isinstance(key, str) or type(place) is not int or not 0 <= place < SAMPLE:
        raise ValueError("no key")
    mark = bytes.fromhex(stamp)
    if type(left) not in {int, float} or not 0 <= left <= LONGEST or len(mark) != STAMP:
        raise ValueError("no life")
    return key, Followed(place, mark, now + left)


def _bit(bits: Any, place: int) -> bool:
    """Bits are counted as the server does: the first is the highest of the first byte."""
    return isinstance(bits, bytes) and place < 8 * len(bits) and bool(bits[place // 8] & 0x80 >> place % 8)
