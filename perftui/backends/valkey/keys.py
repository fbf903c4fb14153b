"""The keyspace read in pieces: pages with a cursor, samples from random places; never KEYS, never whole."""

from __future__ import annotations

import random
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, Protocol

import hiredis

from perftui.analysis import keyspace
from perftui.analysis.strata import Stratum, shares
from perftui.backends.valkey.link import Link, verify
from perftui.model.cache import KeyInfo, KeyPage, Keyspace

QUARANTINE = b"perftui:quarantine:"
"""Where purged keys wait; hidden from pages and never matched by a purge."""

WORK_DEADLINE = 5.0
WEIGH_LIMIT = 20_000
BIGGEST = 50
LARGEST = 8  # prefixes that looks tell of the newest sample
NAMES_LIMIT = 4 * 1024 * 1024
"""Bytes of key names one page or sample may carry."""


class Paged(Protocol):
    """What can be scanned and weighed, page by page."""

    async def scan(self, pattern: bytes, cursor: int, count: int) -> tuple[int, tuple[bytes, ...]]:
        """One SCAN step."""
        ...

    async def size(self) -> int:
        """Keys it has."""
        ...

    def scanned(self, cursor: int) -> float:
        """The share gone through at `cursor`."""
        ...

    async def weigh(self, names: Sequence[bytes]) -> tuple[KeyInfo, ...]:
        """Type, encoding, TTL and bytes of those that exist."""
        ...

    async def page_keys(self, pattern: bytes, cursor: int, want: int) -> KeyPage:
        """About `want` keys from `cursor` on; gives up looking after a quarter of a second of SCANs."""
        names: list[bytes] = []
        size, at, started = 0, cursor, time.monotonic()
        step = want if pattern in {b"", b"*"} else 1000
        while True:
            at, found = await self.scan(pattern, at, step)
            names.extend(found)
            size += sum(map(len, found))
            late = time.monotonic() - started > 0.25
            if at == 0 or len(names) >= want or size > NAMES_LIMIT or late:
                break
        total = await self.size()
        rows = await self.weigh(names)
        return KeyPage(pattern, rows, cursor, at, self.scanned(at), total)


class KeyPowers(Paged):
    """KeyspaceReader: pages and samples over one working connection.

    `own_hits` and `own_misses` count the lookups that looking itself adds to the server's counters; `space`
    has the largest prefixes of the newest sample of all its keys, for looks to tell.
    """

    _work: Link
    _even = False  # whether random places are drawn in proportion to the keys around them
    name: str
    own_hits: int
    own_misses: int
    lfu: bool
    space: Keyspace | None = None

    async def scan(self, pattern: bytes, cursor: int, count: int) -> tuple[int, tuple[bytes, ...]]:
        """One SCAN step: the next cursor (0: the end) and the names it met, quarantine left out."""
        command = ("SCAN", cursor, "MATCH", pattern or b"*", "COUNT", count)
        following, names = await self._work.one(*command, deadline=WORK_DEADLINE)
        if not pattern.startswith(QUARANTINE):
            names = [n for n in names if not n.startswith(QUARANTINE)]
        return int(following), tuple(names)

    async def weigh(self, names: Sequence[bytes]) -> tuple[KeyInfo, ...]:
        """Type, encoding, TTL and bytes of each key that still exists, in one round trip."""
        unique = list(dict.fromkeys(names))
        asked: list[tuple[Any, ...]] = []
        wanted = 5 if self.lfu else 4
        for name in unique:
            asked += (("TYPE", name), ("PTTL", name), ("MEMORY", "USAGE", name), ("OBJECT", "ENCODING", name))
            asked += [("OBJECT", "FREQ", name)] * self.lfu
        replies = await self._work.ask(asked, WORK_DEADLINE)
        rows = []
        for i, name in enumerate(unique):
            kind, ttl, size, encoding, freq = (*replies[wanted * i : wanted * (i + 1)], None)[:5]
            verify(kind, "TYPE", self._work.where)
            if kind == b"none":
                self.own_misses += wanted - 1  # MEMORY USAGE alone is no lookup
            else:
                self.own_hits += wanted - 1
                left = _number(ttl)
                seconds = left / 1000 if left is not None and left >= 0 else None
                inside = encoding.decode("utf-8", "replace") if isinstance(encoding, bytes) else ""
                rows.append(KeyInfo(name, kind.decode(), seconds, _number(size), _number(freq), inside))
        return tuple(rows)

    @property
    def own(self) -> dict[str, int]:
        """What looking has added to the server's counters so far."""
        return {"keyspace_hits": self.own_hits, "keyspace_misses": self.own_misses}

    async def size(self) -> int:
        """Keys it has."""
        return int(await self._work.one("DBSIZE", deadline=WORK_DEADLINE))

    def scanned(self, cursor: int) -> float:
        """The share of the keys that a SCAN has gone through at `cursor`."""
        return keyspace.scanned_share(cursor)

    async def sample_keyspace(self, base: bytes, pages: int) -> Keyspace:
        """Prefix shares under `base` from `pages` random cursors; small keyspaces are counted whole."""
        stratum = await self.draw(pages)
        space = told([stratum], await self.biggest(stratum, base), base)
        if not base:
            self.space = replace(space, prefixes=space.prefixes[:LARGEST], biggest=())
        return space

    async def draw(self, pages: int) -> Stratum:
        """Keys with their bytes from `pages` random places; all of them where they are few."""
        total = await self.size()
        exact = total <= min(pages * 16, WEIGH_LIMIT)
        names = await (self._all_pages() if exact else self._random_pages(pages))
        return Stratum(total, await self._weights(names), exact, self._even and not exact)

    async def biggest(self, stratum: Stratum, base: bytes) -> tuple[KeyInfo, ...]:
        """Those of what was drawn that take the most bytes, weighed again."""
        seen = {key: size for page in stratum.pages for key, size in page}
        big = sorted(seen, key=seen.__getitem__, reverse=True)[:BIGGEST]
        return await self.weigh([key for key in big if key.startswith(base)])

    async def _all_pages(self) -> list[list[bytes]]:
        pages, cursor, seen = [], 0, set[bytes]()
        while True:
            cursor, names = await self.scan(b"*", cursor, 1000)
            pages.append([n for n in dict.fromkeys(names) if n not in seen])
            seen.update(names)
            if cursor == 0:
                return pages

    async def _random_pages(self, pages: int) -> list[list[bytes]]:
        """Each cursor is uniform over the table, so each page is a cluster drawn with equal chance."""
        draw = random.SystemRandom()
        return await self._pages_at([draw.getrandbits(64) for _ in range(pages)])

    async def _pages_at(self, cursors: Sequence[int]) -> list[list[bytes]]:
        """What a short SCAN meets from each of these places on."""
        replies = await self._work.ask([("SCAN", at, "COUNT", 10) for at in cursors], WORK_DEADLINE)
        found = [verify(reply, "SCAN", self._work.where)[1] for reply in replies]
        return [[n for n in names if not n.startswith(QUARANTINE)] for names in found]

    async def _weights(self, pages: list[list[bytes]]) -> list[list[tuple[bytes, int]]]:
        """MEMORY USAGE of every sampled key; a key that is gone by now is left out."""
        names = [name for page in pages for name in page][:WEIGH_LIMIT]
        sizes: list[int | None] = []
        for start in range(0, len(names), 1000):
            asked = [("MEMORY", "USAGE", name) for name in names[start : start + 1000]]
            replies = await self._work.ask(asked, WORK_DEADLINE)
            verify(replies[0], "MEMORY", self._work.where)
            sizes.extend(map(_number, replies))
        known = iter(sizes)
        weighed = [[(name, next(known, None)) for name in page] for page in pages]
        return [[(name, size) for name, size in page if size is not None] for page in weighed]


def told(strata: Sequence[Stratum], biggest: Iterable[KeyInfo], base: bytes) -> Keyspace:
    """What was drawn of one server, or of several, as shares by prefix."""
    big = sorted(biggest, key=lambda key: -(key.bytes_ or 0))
    return Keyspace(
        at=time.time(),
        base=base,
        total=sum(stratum.total for stratum in strata),
        sampled=sum(len(page) for stratum in strata for page in stratum.pages),
        exact=all(stratum.exact for stratum in strata),
        pages=sum(len(stratum.pages) for stratum in strata),
        prefixes=shares(strata, base=base),
        biggest=tuple(big[:BIGGEST]),
    )


def _number(reply: Any) -> int | None:
    return reply if isinstance(reply, int) and not isinstance(reply, hiredis.ReplyError) else None
