"""What a cache is told in one region is told in another, each with an L2 of its own.

Each region keeps a Stream of its changes in its own L2; the other region's nodes, one at a time under a
lease, read it and do the same there. There is no merge of two regions' data in open source servers, and this
is none: of two writes of a key the later stamp stands, and values are loaded or fetched again.

Entries are numbered without holes, and each names the one before it, so that a reader knows whether it missed
any. Numbers begin at the microseconds of the server's clock when the stream is made, beyond those of a stream
before it; but a failover may lose the last entries, and give their numbers to others.
"""

from __future__ import annotations

import asyncio
import logging
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import sha1
from typing import Any, Final, NamedTuple

from perftui.analysis.quantile import Sketch
from perftui.instrument.cache.backplane import pack, unpack
from perftui.instrument.cache.face import Cache
from perftui.instrument.cache.lease import L2Lock, Lease
from perftui.instrument.cache.names import EVERYTHING, stream_key, value_key
from perftui.instrument.cache.ports import Figures, Notice, NoticeKind, Store
from perftui.instrument.cache.store import open_store
from perftui.model.errors import BackendError, Lost

log = logging.getLogger(__name__)

BOUND: Final = 100_000  # changes kept for a region that cannot be reached; one takes some 150 bytes
PAGE: Final = 500
BLOCK_MS: Final = 250  # how long the other server holds an answer; a link silent for 0.45 s is asked
WITHIN: Final = 2.0
LEASE: Final = 5.0  # seconds after which another node goes on in place of one that died
PAUSE: Final = 0.4  # seconds between tries, drawn from half of it to all
CHECK: Final = 1.0  # seconds between looks whether the stream is still the one that was read
MARK: Final = 16  # characters of a mark
_PEER: Final = re.compile(r"[a-z0-9_\-]{1,32}")
_ID: Final = re.compile(rb"(\d{1,18})-\d+")
_END: Final = (1 << 64) - 1  # of the second half of an entry's name

ADD: Final = """
local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)
local t = redis.call('TIME')
local n, before, first = nil, '', not last[1]
if first then n = t[1] * 1000000 + t[2]
else
  n = tonumber(string.match(last[1][1], '^%d+'))
  for i = 1, #last[1][2], 2 do
    if last[1][2][i] == 'n' then before = last[1][2][i + 1] end
  end
end
local ms = string.format('%.0f', t[1] * 1000 + math.floor(t[2] / 1000))
for i = 3, #ARGV do
  n = n + 1
  local id = string.format('%.0f-0', n)
  local mark = first and 'first' or string.sub(redis.sha1hex(before), 1, 16)
  redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], id, 'n', ARGV[i], 'g', ARGV[2], 't', ms, 'p', mark)
  before, first = ARGV[i], false
end
return n"""


class Misplaced(Exception):
    """What follows the place that was read to is not there any more."""


class Place(NamedTuple):
    """How far was read: an entry's number, and the mark that the next one has of it."""

    number: int
    mark: bytes

    def text(self) -> bytes:
        """As it is kept."""
        return b"%d %b" % self

    @classmethod
    def of(cls, text: bytes | None) -> Place | None:
        """The place that was kept, or None."""
        number, _, mark = (text or b"").partition(b" ")
        known = number.isdigit() and len(number) < 19 and len(mark) <= MARK
        return cls(int(number), mark) if known and mark else None


BEFORE: Final = Place(0, b"first")
"""Where there is no stream yet: before its first entry."""


@dataclass(frozen=True, slots=True)
class Change:
    """One entry of the other region's stream; `notice` is None where it is none of ours.

    `before` is its mark of the entry before it.
    """

    place: Place
    before: bytes
    notice: Notice | None
    gone: bool
    at: float

    def follows(self, place: Place) -> bool:
        """Whether nothing is between."""
        return self.before == place.mark and (place == BEFORE or self.place.number == place.number + 1)


class Relay:
    """Carries a cache's changes to another region's, and that one's here; closed with the cache.

    Args:
        cache: made with an L2; every node of both regions has a relay, for only what its own node is told is
            told on: loads and what foreign programs write are not.
        peer: the other region's L2, a URL or a Store.
        values: bring values here too, fetched from there; else they are loaded when asked for.
        name: of the other region, where there are several.
        bound: changes that are kept for a region which cannot be reached.

    A change crosses at least once, and twice does no harm. Where the other region's stream is gone, or went
    on without us for longer than `bound`, everything here is dropped (`lost`) and reading begins at its end.
    """

    def __init__(
        self, cache: Cache, peer: Store | str, *, values: bool = False, name: str = "peer", bound: int = BOUND
    ) -> None:
        if not _PEER.fullmatch(name) or bound < 1:
            raise ValueError("a region's name is of a-z, 0-9, _ and -, and its bound above 0")
        self._cache = cache
        self._own = isinstance(peer, str)
        self._peer = open_store(peer, label="perftui-relay") if isinstance(peer, str) else peer
        self._values = values
        self.name = name
        self._bound = bound
        self._stream = stream_key(cache.name, "relay")
        self._place = stream_key(cache.name, f"relay-at-{name}")
        self._now = cache.clock.monotonic
        self._heard_at = self._now()
        self._checked_at = float("-inf")
        self._closed = False
        self.leads = False
        self.behind = 0
        self.lag_s = 0.0
        self.sent = self.unsent = self.applied = self.valued = self.lost = self.damaged = 0
        self.delays = Sketch()
        self.trouble = ""
        if cache.relaying is None:
            cache.relaying = self
        cache.beside(self)
        self._task = asyncio.create_task(self._run(), name=f"cache relay {cache.name} {name}")

    async def close(self) -> None:
        """Carry no more; twice is harmless."""
        if self._closed:
            return
        self._closed = True
        if self._cache.relaying is self:
            self._cache.relaying = None
        self._task.cancel()
        await asyncio.wait({self._task})
        if self._own:
            await self._peer.close()

    def figures(self) -> Figures:
        """Counters `relay.NAME.sent unsent applied values lost damaged`, and `leads behind lag_s silent_s`.

        `silent_s` are the seconds since the other region answered this node, where it reads there.
        """
        silent = self._now() - self._heard_at if self.leads or self.trouble else 0.0
        counts = {"sent": self.sent, "unsent": self.unsent, "applied": self.applied, "values": self.valued}
        counts |= {"lost": self.lost, "damaged": self.damaged}
        gauges = {"leads": float(self.leads), "behind": float(self.behind), "lag_s": self.lag_s}
        gauges["silent_s"] = silent
        head = f"relay.{self.name}"
        return Figures(
            {f"{head}.{name}": count for name, count in counts.items()},
            {f"{head}.{name}": value for name, value in gauges.items()},
            {head: self.delays.pack()} if self.delays.count else {},
        )

    # telling

    async def tell(
        self, kind: NoticeKind, keys: Sequence[str], stamp: bytes, *, gone: bool, within: float | None
    ) -> None:
        """Queue changes for the other regions; what this region's L2 does not take is queued later."""
        node = self._cache.node
        told = [pack(Notice(node, self._cache.name, kind, key, stamp)) for key in keys]
        store = self._cache.store
        try:
            if store is None or within == 0:
                raise Lost("there is no L2 to queue it in")
            await self._add(store, told, gone=gone, within=within)
        except BackendError:
            self.unsent += len(keys)
            for key, one in zip(keys, told, strict=True):
                again = partial(self._again, one, gone=gone)
                self._cache.later(f"relay {kind} {gone}", key, stamp, again)

    async def _again(self, told: bytes, *, gone: bool) -> None:
        store = self._cache.store
        if store is None:
            raise Lost("there is no L2 to queue it in")
        await self._add(store, [told], gone=gone, within=WITHIN)

    async def _add(self, store: Store, told: Sequence[bytes], *, gone: bool, within: float | None) -> None:
        words: tuple[bytes | str | float, ...] = (self._bound, int(gone), *told)
        await store.command("EVAL", ADD, 1, self._stream, *words, key=self._stream, within=within)
        self.sent += len(told)

    # hearing

    async def _run(self) -> None:
        while True:
            store = self._cache.store
            lease: Lease | None = None
            try:
                if store is not None:
                    lease = await L2Lock(self._cache.name, store).acquire(
                        f"__relay-{self.name}", LEASE, within=WITHIN
                    )
                if store is not None and lease is not None:
                    self.leads = True
                    await self._lead(store, lease)
            except BackendError as error:
                self.trouble = str(error)
            finally:
                self.leads = False
                if lease is not None:
                    await lease.release()
            await asyncio.sleep(random.uniform(PAUSE / 2, PAUSE))  # noqa: S311 - jitter, not a secret

    async def _lead(self, store: Store, lease: Lease) -> None:
        """Read on from where the last one came to, while the lease is ours."""
        place = await self._read_place(store)
        if place is None:
            place = await self._begin(store)
        while lease.held and self._cache.store is store:
            try:
                changes = await self._next(place)
            except Misplaced as why:
                place = await self._begin(store)
                self.lost += 1
                told = (self._cache.name, self.name, why)
                log.warning("relay of %s lost its place in region %s (%s): all was dropped here", *told)
                continue
            if changes:
                await self._apply(changes)
                place = changes[-1].place
                await self._keep_place(store, place)

    async def _next(self, place: Place) -> list[Change]:
        """What follows, after a short wait.

        Raises:
            Misplaced: something is missing between.
        """
        after = f"{place.number}-{_END}"
        words = ("XREAD", "COUNT", PAGE, "BLOCK", BLOCK_MS, "STREAMS", self._stream, after)
        said = await self._ask(*words)
        changes = list(_changes(said, self._cache.name))
        last = place
        for change in changes:
            if not change.follows(last):
                raise Misplaced(f"{change.place.number} does not follow entry {last.number}")
            last = change.place
        if changes:
            self.behind = max(len(changes), (await self._tail()).number - changes[0].place.number + 1)
            self.lag_s = max(0.0, self._peer.now() - changes[0].at)
        else:
            self.behind, self.lag_s = 0, 0.0
            await self._check(place)
        return changes

    async def _check(self, place: Place) -> None:
        """Whether the stream is still there, where nothing follows."""
        if self._now() - self._checked_at < CHECK:
            return
        self._checked_at = self._now()
        tail = await self._tail()
        if tail.number < place.number or (tail.number == place.number and tail != place):
            raise Misplaced(f"the stream ends at {tail.number}" if tail != BEFORE else "the stream is gone")

    async def _apply(self, changes: Sequence[Change]) -> None:
        """In order, and the last of each key alone: those of tags part those of keys."""
        values = await self._fetch(changes)
        keys: dict[str, Change] = {}
        for change in changes:
            notice = change.notice
            if notice is None:
                self.damaged += 1
                log.warning("relay of %s: an entry cannot be read: all is dropped", self._cache.name)
            elif notice.kind not in {NoticeKind.TAG, NoticeKind.CLEAR}:
                if notice.kind is NoticeKind.EXPIRE and notice.key in keys:  # it does not undo a removal
                    await self._apply_keys(keys, values)
                    keys = {}
                keys[notice.key] = change
                continue
            await self._apply_keys(keys, values)
            keys = {}
            told = notice or self._whole()
            await self._cache.arrived(told, gone=change.gone or notice is None, now=self._peer.now())
        await self._apply_keys(keys, values)
        now = self._peer.now()
        for change in changes:
            self.delays.add(max(0.0, now - change.at))
        self.applied += len(changes)
        self.behind = max(0, self.behind - len(changes))
        self.lag_s = self.lag_s if self.behind else 0.0

    async def _apply_keys(self, keys: dict[str, Change], values: dict[str, bytes | None]) -> None:
        now = self._peer.now()
        told = [(c.notice, c.gone, values.get(key)) for key, c in keys.items() if c.notice is not None]
        done = await asyncio.gather(
            *(self._cache.arrived(notice, gone=gone, data=data, now=now) for notice, gone, data in told)
        )
        self.valued += sum(done)

    async def _fetch(self, changes: Sequence[Change]) -> dict[str, bytes | None]:
        """The other region's entries of what was set."""
        if not self._values:
            return {}
        sets = [c.notice.key for c in changes if c.notice is not None and c.notice.kind is NoticeKind.SET]
        keys = list(dict.fromkeys(sets))
        places = [value_key(self._cache.name, key) for key in keys]
        found = await self._peer.get_many(places, within=WITHIN)
        return dict(zip(keys, found, strict=True))

    async def _begin(self, store: Store) -> Place:
        """Drop everything, for anything may have changed, and read from the end on."""
        tail = await self._tail()
        await self._cache.arrived(self._whole(), gone=True, now=self._peer.now())
        await self._keep_place(store, tail)
        return tail

    def _whole(self) -> Notice:
        return Notice(self._cache.node, self._cache.name, NoticeKind.CLEAR, EVERYTHING, b"\0" * 16)

    async def _tail(self) -> Place:
        """The newest there is."""
        said = await self._ask("XREVRANGE", self._stream, "+", "-", "COUNT", 1)
        return _place(*said[0]) if said else BEFORE

    async def _ask(self, *parts: bytes | str | float) -> Any:
        said = await self._peer.command(*parts, key=self._stream, within=WITHIN)
        self._heard_at, self.trouble = self._now(), ""
        return said

    async def _read_place(self, store: Store) -> Place | None:
        return Place.of(await store.get(self._place, within=WITHIN))

    async def _keep_place(self, store: Store, place: Place) -> None:
        await store.put(self._place, place.text(), None, within=WITHIN)


def _changes(said: Any, namespace: str) -> Iterator[Change]:
    """The entries of an answer to XREAD, whatever they are."""
    streams = said.items() if isinstance(said, dict) else said or ()
    for _, entries in streams:
        for name, flat in entries:
            fields = _fields(flat)
            notice, _ = unpack(fields.get(b"n", b""), namespace)
            stamp = fields.get(b"t", b"")
            at = int(stamp) / 1000 if stamp.isdigit() and len(stamp) < 16 else 0.0
            gone, before = fields.get(b"g") == b"1", fields.get(b"p", b"")
            yield Change(_place(name, flat), before, notice, gone, at)


def _fields(flat: Any) -> dict[bytes, bytes]:
    return dict(zip(flat[::2], flat[1::2], strict=False)) if flat else {}


def _place(name: Any, flat: Any) -> Place:
    """Of an entry, whatever it is."""
    found = _ID.fullmatch(name) if isinstance(name, bytes) else None
    told = sha1(_fields(flat).get(b"n", b""), usedforsecurity=False)
    return Place(int(found[1]) if found else 0, told.hexdigest()[:MARK].encode())
