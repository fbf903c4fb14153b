"""L2 as the cache uses it: envelopes, a breaker in front, errors counted and never taken for misses."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from enum import Enum
from typing import Any, NamedTuple, TypeVar

from perftui.instrument.cache.breaker import Breaker
from perftui.instrument.cache.counters import Counters
from perftui.instrument.cache.entry import NEVER, Entry
from perftui.instrument.cache.envelope import TOMBSTONE_S, Sealer, tombstone
from perftui.instrument.cache.names import value_key
from perftui.instrument.cache.ports import Clock, Store
from perftui.instrument.cache.resp import Full
from perftui.model.envelope import MAGIC, STAMP, Envelope, Kind, Unreadable, pack, unpack
from perftui.model.errors import BackendError, Lost
from perftui.model.nodework import MOST
from perftui.model.tiers import EntryOptions

T = TypeVar("T")
CLOCKS = 0.5  # seconds by which two nodes may take the clock of one server differently
PULL = """
local had = redis.call('GET', KEYS[1])
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return had"""


class Kept(Enum):
    """What L2 had to say about a key."""

    VALUE = "value"
    REMOVED = "removed"
    EXPIRED = "expired"  # a stale value that somebody has may still be served
    ABSENT = "absent"
    FAILED = "failed"  # it said nothing: no miss


class Found(NamedTuple):
    """An answer of L2; `entry` with VALUE only, in this process' time."""

    kept: Kept
    entry: Entry | None = None
    error: BackendError | None = None


class L2:
    """One namespace's entries in a store."""

    def __init__(
        self, namespace: str, store: Store, sealer: Sealer, clock: Clock, counters: Counters
    ) -> None:
        self.store = store
        self.sealer = sealer
        self.breaker = Breaker(clock.monotonic)
        self.unread: dict[str, tuple[str, float]] = {}  # the newest keys that were: why, and when
        self._namespace = namespace
        self._clock = clock
        self._counters = counters

    def key(self, key: str) -> bytes:
        """Where an entry is."""
        return value_key(self._namespace, key)

    async def guarded(self, work: Callable[[], Awaitable[T]]) -> T:
        """One operation behind the breaker.

        Raises:
            BackendError: it failed, or the breaker is open.
        """
        if not self.breaker.allows():
            raise Lost("L2 is left alone for a while: it failed several times in a row")
        ended = False
        try:
            result = await work()
            ended = True
            self.breaker.worked()
        except Lost:
            ended = True
            opened = self.breaker.opened
            self.breaker.failed()
            self._counters.count("l2.error")
            if self.breaker.opened > opened:
                self._counters.event("breaker", "")
            raise
        except BackendError:
            ended = True
            self.breaker.worked()  # it answers, if only with an error
            self._counters.count("l2.error")
            raise
        finally:
            if not ended:
                self.breaker.let_go()
        return result

    async def aside(self, work: Callable[[], Awaitable[T]]) -> T:
        """A tag's or a lease's operation: it keeps to the breaker, and does not open it.

        A cluster may have lost the master of a few tags alone.

        Raises:
            BackendError: it failed, or the breaker is open.
        """
        return await (work() if self.breaker.state == "closed" else self.guarded(work))

    async def read(self, key: str, within: float | None) -> Found:
        """What L2 has of a key; whatever befalls, no exception."""
        place = self.key(key)
        try:
            data = await self.guarded(lambda: self.store.get(place, within=within))
        except BackendError as error:
            return Found(Kept.FAILED, error=error)
        return self.opened(key, data)

    def opened(self, key: str, data: bytes | None) -> Found:
        """The entry these bytes are."""
        if data is None:
            return Found(Kept.ABSENT)
        opened = self.sealer.open(data)
        if isinstance(opened, Unreadable):
            self._counters.count(f"unreadable.{opened.why}")
            self.unread.pop(key, None)
            self.unread[key] = str(opened.why), self._clock.monotonic()
            if len(self.unread) > MOST:
                del self.unread[next(iter(self.unread))]
            return Found(Kept.ABSENT)
        envelope, value = opened
        if envelope.removed:
            return Found(Kept.EXPIRED if envelope.kind == Kind.EXPIRED else Kept.REMOVED)
        now = self._clock.monotonic()
        left = NEVER if envelope.fresh_until == NEVER else envelope.fresh_until - self.store.now()
        entry = Entry(
            value,
            now + left,
            now + left + envelope.kept,
            stamp=envelope.stamp,
            tags=envelope.tags,
            ttl=envelope.ttl,
            load_s=envelope.load_s,
            size=len(data),
            etag=envelope.etag,
            last_modified=envelope.last_modified,
        )
        return Found(Kept.VALUE, entry)

    def sealed(self, entry: Entry, life: float | None, kept: float) -> bytes:
        """The envelope of an entry that is fresh for `life` seconds from now and kept for `kept` more.

        Raises:
            TypeError, ValueError: the value cannot be written, or is too large.
        """
        return self.sealer.seal(
            entry.value,
            entry.stamp,
            fresh_until=NEVER if life is None else self.store.now() + life,
            kept=kept,
            ttl=NEVER if life is None else entry.ttl,
            load_s=entry.load_s,
            tags=entry.tags,
            etag=entry.etag,
            last_modified=entry.last_modified,
        )

    async def write(
        self, key: str, data: bytes, life: float | None, *, if_newer: bool, within: float | None
    ) -> bool:
        """Store an envelope; whether it is what L2 has now.

        Raises:
            Full: L2 has no room. What it had of the key is gone: an older value would have come back.
            BackendError: L2 did not take it.
        """
        place = self.key(key)
        try:
            if if_newer:
                return await self.guarded(lambda: self.store.put_if_newer(place, data, life, within=within))
            await self.guarded(lambda: self.store.put(place, data, life, within=within))
        except Full:
            self._counters.count("l2.full")
            await self.guarded(lambda: self.store.command("UNLINK", place, key=place, within=within))
            raise
        return True

    async def stamp(self, key: str) -> bytes:
        """The stamp of what L2 has of a key; b"" when it is none of ours.

        Raises:
            BackendError: L2 did not answer.
        """
        place = self.key(key)
        head: bytes = await self.guarded(
            lambda: self.store.command("GETRANGE", place, 0, STAMP.stop - 1, key=place, within=1.0)
        )
        return head[STAMP] if head[:2] == MAGIC else b""

    async def bury(self, key: str, stamp: bytes, within: float | None) -> bool:
        """Remove a key: a tombstone that forbids what is older, unless something newer is there.

        Raises:
            BackendError: L2 did not take it.
        """
        return await self.write(key, tombstone(stamp), TOMBSTONE_S, if_newer=True, within=within)

    async def expire(
        self, key: str, stamp: bytes, within: float | None, *, life: float = TOMBSTONE_S
    ) -> None:
        """Make what L2 has of a key stale, if it is older than `stamp`.

        Where L2 has no value a tombstone lets others hear of it, for `life`: L1s may have one, or load it.

        Raises:
            BackendError: L2 did not do it.
        """
        place = self.key(key)
        data = await self.guarded(lambda: self.store.get(place, within=within))
        had = unpack(data) if data is not None else None
        if not isinstance(had, Envelope) or had.removed:
            kind = Kind.REMOVED if isinstance(had, Envelope) and had.kind == Kind.REMOVED else Kind.EXPIRED
            await self.write(key, tombstone(stamp, kind), life, if_newer=True, within=within)
            return
        if had.stamp > stamp:
            return
        now = self.store.now()
        left = had.kept if had.fresh_until == NEVER else max(0.0, had.fresh_until - now) + had.kept
        stale = had._replace(stamp=stamp, fresh_until=now - CLOCKS, kept=left + CLOCKS)
        await self.write(key, pack(*stale), max(0.001, left), if_newer=True, within=within)

    async def pull(self, key: str, stamp: bytes, within: float | None) -> Found:
        """Read and remove at once.

        Raises:
            BackendError: L2 did not do it.
        """
        place, grave = self.key(key), tombstone(stamp)
        life = int(TOMBSTONE_S * 1000)
        try:
            data = await self.guarded(
                lambda: self.store.command("EVAL", PULL, 1, place, grave, life, key=place, within=within)
            )
        except Full:
            self._counters.count("l2.full")
            data = await self.guarded(lambda: self.store.command("GETDEL", place, key=place, within=within))
        return self.opened(key, data)


def lives(
    options: EntryOptions, jitter: float, *, shared: bool
) -> tuple[float | None, float | None, float, float]:
    """L1's and L2's fresh life with one draw of jitter, and how much longer each keeps a stale value.

    `shared`: L2 holds it too, and L1 serves it for no longer than L2 would.
    """
    first = options.l1_ttl if options.l1_ttl is not None else options.ttl
    second = options.l2_ttl if options.l2_ttl is not None else options.ttl
    first, second = (life if life is None or life <= 0 else life + jitter for life in (first, second))
    if shared and second is not None and second > 0:
        first = second if first is None else min(first, second)
    if not options.fail_safe:
        return first, second, 0.0, 0.0
    most = options.fail_safe_max
    there = options.fail_safe_l2_max if options.fail_safe_l2_max is not None else most
    return (
        first,
        second,
        most if first is None else max(0.0, most - first),
        there if second is None else max(0.0, there - second),
    )


def waiting(options: EntryOptions, *, fallback: Any) -> float | None:
    """How long L2 may take: the soft limit where there is something to fall back on."""
    return options.l2_soft if fallback is not None and options.l2_soft is not None else options.l2_hard
