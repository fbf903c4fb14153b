"""What a key holds, read in bounded pieces, and when it ends; the server cuts what is long."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Final

import hiredis

from perftui.backends.valkey.link import Link, verify
from perftui.model.dictionaries import LARGEST, PREFIX
from perftui.model.envelope import MAGIC, Envelope, unpack
from perftui.model.errors import Unsupported
from perftui.model.keyvalue import CUT, ELEMENTS, PIECE, WHOLE, KeyEnd, Part, ValuePage

DEADLINE: Final = 5.0
GONE: Final = -2  # PTTL's answer where there is no key
NAMESPACES: Final = 8  # parts of a key's name that are tried as the cache's that wrote it

PAGES: Final = """
local kind, at, want, cut = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local out, room, dropped, after = {}, tonumber(ARGV[5]), 0, at
local most, taken, seen = tonumber(ARGV[6]), 0, 0
local function put(name, value)
  local n, v = string.sub(name, 1, cut), string.sub(value, 1, cut)
  taken, seen = taken + #name + #value, seen + 1
  room = room - #n - #v - 16
  if room < 0 then dropped = dropped + 1 return false end
  for _, one in ipairs({n, v, #name, #value}) do out[#out + 1] = one end
  return true
end
local looks = 0
local function look(...) looks = looks + 1 return redis.call(...) end
local function goes_on() return seen < want and taken < most end
if kind == 'list' or kind == 'zset' then
  local next = tonumber(at)
  while goes_on() do
    local name, value = string.format('%.0f', next)
    if kind == 'list' then
      value = look('LINDEX', KEYS[1], next)
    else
      local got = look('ZRANGE', KEYS[1], next, next, 'WITHSCORES')
      name, value = got[1], got[2]
    end
    if not name or not value or not put(name, value) then break end
    next = next + 1
  end
  dropped, after = 0, string.format('%.0f', next)
elseif kind == 'stream' then
  while goes_on() do
    local start = after == '' and '-' or '(' .. after
    local entry = look('XRANGE', KEYS[1], start, '+', 'COUNT', 1)[1]
    if not entry then break end
    local words = {}
    for i = 1, #entry[2], 2 do
      taken = taken + #entry[2][i] + #entry[2][i + 1]
      words[#words + 1] = string.sub(entry[2][i], 1, cut) .. '=' .. string.sub(entry[2][i + 1], 1, cut)
    end
    if not put(entry[1], table.concat(words, ' ')) then break end
    after = entry[1]
  end
  dropped = 0
else
  local name = kind == 'hash' and 'HSCAN' or 'SSCAN'
  local step, turns = kind == 'hash' and 2 or 1, 0
  repeat
    local got = look(name, KEYS[1], after, 'COUNT', 1)
    after, turns = got[1], turns + 1
    for i = 1, #got[2], step do put(got[2][i], step == 2 and got[2][i + 1] or '') end
  until after == '0' or not goes_on() or turns >= 10 * want
end
return {after, dropped, out, looks}"""
"""A page of anything but a string: the place after it, how many found no room, each with its lengths.

Elements are taken one by one, for one may be of any size: a page ends once `MOST_READ` bytes of them were
read, so that at most that and one more (of a hash or a set: one more bucket) are copied inside the server.
At last it tells how many lookups that were.
"""

MOST_READ: Final = 1024 * 1024

LENGTHS: Final = {"list": "LLEN", "set": "SCARD", "zset": "ZCARD", "hash": "HLEN", "stream": "XLEN"}
Read = Callable[[str, int], Awaitable[bytes]]


class ValuePowers:
    """KeyEditor, with KeyPowers, over one working connection."""

    _work: Link
    own_hits: int
    own_misses: int

    async def value_page(self, key: bytes, place: str = "") -> ValuePage:
        """What it holds from `place` on, with the dictionary that an entry of the library needs."""
        return await with_dictionary(await self.plain_page(key, place), self.read_dictionary)

    async def plain_page(self, key: bytes, place: str) -> ValuePage:
        """The same without a dictionary."""
        asked = (
            ("TYPE", key),
            ("PTTL", key),
            ("OBJECT", "ENCODING", key),
            ("MEMORY", "USAGE", key),
            ("TIME",),
        )
        kind, left, encoding, size, clock = await self._work.ask(asked, DEADLINE)
        page = ValuePage(
            key, verify(kind, "TYPE", self._work.where).decode("utf-8", "replace"), self._time(clock)
        )
        if page.kind == "none":
            self.own_misses += 3
            return page
        self.own_hits += 3
        page = replace(
            page,
            place=place,
            encoding=encoding.decode("utf-8", "replace") if isinstance(encoding, bytes) else "",
            ttl_s=left / 1000 if isinstance(left, int) and left >= 0 else None,
            bytes_=size if isinstance(size, int) else None,
        )
        if page.kind == "string":
            return await self._string(page, _number(place))
        return await self._elements(page) if page.kind in LENGTHS else page

    async def _string(self, page: ValuePage, start: int) -> ValuePage:
        pieces = await self._pieces(page.key, [start])
        size, data = pieces
        self.own_hits += 2
        if start == 0 and data.startswith(MAGIC) and len(data) < size <= WHOLE:
            size, data = await self._pieces(page.key, range(0, size, PIECE))
            self.own_hits += 1 + -(-size // PIECE)
        end = start + len(data)
        return replace(page, size=size, data=data, following=str(end) if data and end < size else "")

    async def _pieces(self, key: bytes, starts: Sequence[int]) -> tuple[int, bytes]:
        """How long it is, and what stands from each of these bytes on, in one round trip."""
        asked = [("STRLEN", key), *(("GETRANGE", key, at, at + PIECE - 1) for at in starts)]
        size, *data = (verify(r, "GETRANGE", self._work.where) for r in await self._work.ask(asked, DEADLINE))
        return int(size), b"".join(data)

    async def _elements(self, page: ValuePage) -> ValuePage:
        first = "" if page.kind == "stream" else "0"
        place = page.place or first
        if page.kind != "stream":
            _number(place)
        words = ("EVAL", PAGES, 1, page.key, page.kind, place, ELEMENTS, CUT, PIECE, MOST_READ)
        replies = await self._work.ask([(LENGTHS[page.kind], page.key), words], DEADLINE)
        size = int(verify(replies[0], LENGTHS[page.kind], self._work.where))
        if isinstance(replies[1], hiredis.ReplyError) and "stream ID" in str(replies[1]):
            raise Unsupported(f"{place!r} is no place of this stream")
        after, dropped, found, looks = verify(replies[1], "EVAL", self._work.where)
        self.own_hits += 1 + looks
        following = after.decode("utf-8", "replace")
        if page.kind in {"list", "zset"}:
            following = "" if int(following) >= size or following == place else following
        elif page.kind != "stream":
            following = "" if following == "0" else following
        elif len(found) < 4 * ELEMENTS and not dropped and following:
            following = "" if len(found) < 4 else await self._more(page.key, following)
        return replace(page, size=size, following=following, parts=tuple(_parts(found)), dropped=dropped)

    async def _more(self, key: bytes, last: str) -> str:
        """The id, where entries come after it."""
        self.own_hits += 1
        left = await self._work.one("XRANGE", key, f"({last}", "+", "COUNT", 1, deadline=DEADLINE)
        return last if left else ""

    async def read_dictionary(self, namespace: str, number: int) -> bytes:
        """A dictionary of a namespace; empty where it is not there, or larger than any may be."""
        key, field = (PREFIX + namespace).encode("utf-8", "surrogatepass"), str(number)
        replies = await self._work.ask([("HSTRLEN", key, field), ("TYPE", key)], DEADLINE)
        if not isinstance(replies[0], int) or not 0 < replies[0] <= LARGEST:
            return b""
        found = await self._work.one("HGET", key, field, deadline=DEADLINE)
        return found or b""

    async def key_end(self, key: bytes) -> KeyEnd:
        """When it ends, by the server's clock."""
        left, clock = await self._work.ask([("PTTL", key), ("TIME",)], DEADLINE)
        told, now = int(verify(left, "PTTL", self._work.where)), round(self._time(clock) * 1000)
        there = told != GONE
        self.own_hits += there
        self.own_misses += not there
        return KeyEnd(there, now, None if told < 0 else now + told)

    async def end_key(self, key: bytes, after: int | None) -> bool:
        """Let it end after so many milliseconds, or never; whether it was there."""
        if after is not None:
            return bool(await self._work.one("PEXPIRE", key, after, deadline=DEADLINE))
        await self._work.one("PERSIST", key, deadline=DEADLINE)
        return (await self.key_end(key)).there

    def _time(self, reply: Any) -> float:
        seconds, micros = verify(reply, "TIME", self._work.where)
        return int(seconds) + int(micros) / 1e6


class ValueShards:
    """The same of a cluster, or a group: at the primary of the key's slot."""

    _at: Callable[[Sequence[bytes]], list[tuple[Any, list[bytes]]]]
    _known: tuple[Any, ...]
    read: Callable[[], Any]

    async def _holder(self, key: bytes) -> ValuePowers:
        if not self._known:
            await self.read()
        ((shard, _),) = self._at([key])
        holder: ValuePowers = shard
        return holder

    async def value_page(self, key: bytes, place: str = "") -> ValuePage:
        """What it holds from `place` on."""
        page = await (await self._holder(key)).plain_page(key, place)
        return await with_dictionary(page, self._dictionary_there)

    async def _dictionary_there(self, namespace: str, number: int) -> bytes:
        holder = await self._holder((PREFIX + namespace).encode("utf-8", "surrogatepass"))
        return await holder.read_dictionary(namespace, number)

    async def key_end(self, key: bytes) -> KeyEnd:
        """When it ends."""
        return await (await self._holder(key)).key_end(key)

    async def end_key(self, key: bytes, after: int | None) -> bool:
        """Let it end after so many milliseconds, or never; whether it was there."""
        return await (await self._holder(key)).end_key(key, after)


async def with_dictionary(page: ValuePage, read: Read) -> ValuePage:
    """With what an entry was packed with: the dictionary of the cache whose name its key begins with."""
    entry = unpack(page.data, WHOLE) if page.whole and page.data[:2] == MAGIC else None
    if not isinstance(entry, Envelope) or not entry.dictionary:
        return page
    found = await asyncio.gather(*(read(name, entry.dictionary) for name in namespaces(page.key)))
    return replace(page, dictionary=next(filter(None, found), b""))


def namespaces(key: bytes) -> Iterator[str]:
    """What stands before each of a name's first colons: one of them is the cache's."""
    at = -1
    for _ in range(NAMESPACES):
        at = key.find(b":", at + 1)
        if at < 0:
            return
        try:
            yield key[:at].decode("utf-8", "surrogatepass")
        except UnicodeDecodeError:
            return


def _parts(found: Sequence[Any]) -> Iterator[Part]:
    for at in range(0, len(found) - 3, 4):
        yield Part(found[at], found[at + 1], int(found[at + 2]), int(found[at + 3]))


def _number(place: str) -> int:
    if place and not (place.isascii() and place.isdecimal() and len(place) < 21):
        raise Unsupported(f"{place!r} is no place of this value")
    return int(place or 0)
