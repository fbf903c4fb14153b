"""Keys given out by DUMP and taken back by RESTORE; deleted only while their value is the one given out.

A DUMP ends with the server's own CRC-64 of it: two of a key whose sums agree are of the same value, so that
what was written between DUMP and UNLINK is never deleted unsaved, and no value crosses the network twice.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Any, Protocol

import hiredis

from perftui.backends.valkey.keys import WORK_DEADLINE
from perftui.backends.valkey.link import verify
from perftui.backends.valkey.quarantine import PurgePowers, named
from perftui.model.cache import KeyTally
from perftui.model.errors import Lost
from perftui.model.keydumps import SUM, KeyDump

AT_ONCE = 128
"""Keys of one server in one write: it is held up for well under a millisecond, as long as they are small."""

FEW = 16
"""Keys of one script, each of which is serialised in it."""

ANSWER = 8 * 1024 * 1024
"""Bytes that keys of one answer may take in the server; a larger key comes alone."""

LARGEST = 32 * 1024 * 1024
"""Bytes that one may take to be carried at all: DUMP has no pages, and an answer a limit of 64 MiB."""

ELSEWHERE = ("MOVED", "ASK", "TRYAGAIN", "CLUSTERDOWN", "READONLY", "MASTERDOWN", "NOSCRIPT")
"""Answers of a node that a key is not to be changed at now; NOSCRIPT: the script's text got such a one."""

Group = tuple[list[bytes], list[Any]]
"""Names of one slot as they are counted, and what follows the script's name."""

# Per key: when it dies and its DUMP, or 0 absent, 1 too large, 2 for the next answer.
SAVE = b"""
local out, clock, total = {}, redis.call('TIME'), 0
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
for i, key in ipairs(KEYS) do
  local size = redis.call('MEMORY', 'USAGE', key)
  if not size then
    out[i] = 0
  elseif size > tonumber(ARGV[2]) then
    out[i] = 1
  elseif total > 0 and total + size > tonumber(ARGV[1]) then
    out[i] = 2
  else
    local ttl = redis.call('PTTL', key)
    local dies = -1
    if ttl >= 0 then dies = now + ttl end
    total = total + size
    out[i] = {string.format('%.0f', dies), redis.call('DUMP', key)}
  end
end
return out
"""

# Per key: 1 deleted, 0 absent, 3 not the value of that sum any more.
UNLINK_SAME = b"""
local out = {}
for i, key in ipairs(KEYS) do
  local now = redis.call('DUMP', key)
  if not now then
    out[i] = 0
  elseif string.sub(now, -8) ~= ARGV[i] then
    out[i] = 3
  else
    redis.call('UNLINK', key)
    out[i] = 1
  end
end
return out
"""

# Per key: the sum of its value; nothing where it takes more than ARGV bytes, and so is another.
SUMS = b"""
local out = {}
for i, key in ipairs(KEYS) do
  local size = redis.call('MEMORY', 'USAGE', key)
  local now = size and size <= tonumber(ARGV[i]) and redis.call('DUMP', key)
  out[i] = now and string.sub(now, -8) or ''
end
return out
"""


class DumpPowers(PurgePowers):
    """KeyDumper over the working connection."""

    async def dump_keys(self, keys: Sequence[bytes], tally: KeyTally) -> tuple[list[KeyDump], list[bytes]]:
        """Weigh the first of `keys`, then DUMP and PTTL of as many as fit; and the names of the rest."""
        first = list(keys[:AT_ONCE])
        fitting, later = await self._fitting(first, tally)
        return await self._dumped(fitting, tally), [*later, *keys[AT_ONCE:]]

    async def unlink_dumps(self, dumps: Sequence[KeyDump], tally: KeyTally) -> None:
        """Delete those whose value is still the one dumped."""
        sums = {dump.key: dump.payload[-SUM:] for dump in dumps}
        groups = [
            (names, [len(names), *names, *(sums[name] for name in names)]) for names in self._together(sums)
        ]
        replies: list[Any] = []
        try:
            await self._scripts(UNLINK_SAME, groups, tally, replies)
        finally:  # DUMP is a lookup
            self._met_by_scripts(replies)
        if replies and all(isinstance(reply, hiredis.ReplyError) for reply in replies):
            verify(replies[0], "EVAL", self._work.where)  # it would be so with every other batch

    async def put_dumps(self, dumps: Sequence[KeyDump], tally: KeyTally, over: bool = False) -> None:
        """RESTORE what has not died by the server's clock; a key that stands already is compared."""
        now = _ms(await self._work.one("TIME", deadline=WORK_DEADLINE))
        live = [dump for dump in dumps if not 0 <= dump.dies <= now]
        tally.absent += len(dumps) - len(live)
        if not live:
            return
        how = ("REPLACE", "ABSTTL") if over else ("ABSTTL",)
        replies: list[Any] = []
        try:
            asked = [("RESTORE", dump.key, max(0, dump.dies), dump.payload, *how) for dump in live]
            await self._work.ask(asked, WORK_DEADLINE, replies)
            self._whole(replies)
        except BaseException:
            for dump in self._put(live, replies, tally):
                tally.hold(named(dump.key))
            raise
        await self._compare(self._put(live, replies, tally), tally)

    async def _fitting(self, keys: list[bytes], tally: KeyTally) -> tuple[list[bytes], list[bytes]]:
        """Those that one answer carries, and those that have to wait."""
        replies = await self._work.ask([("MEMORY", "USAGE", key) for key in keys], WORK_DEADLINE)
        self._whole(replies)
        taken: list[bytes] = []
        total = 0
        for number, (key, reply) in enumerate(zip(keys, replies, strict=True)):
            size = verify(reply, "MEMORY", self._work.where)
            if size is None:
                tally.absent += 1
            elif size > LARGEST:
                self._too_large(key, tally)
            elif taken and total + size > ANSWER:
                return taken, keys[number:]
            else:
                taken.append(key)
                total += size
        return taken, []

    @staticmethod
    def _too_large(key: bytes, tally: KeyTally) -> None:
        tally.fail(f"{named(key)}: larger than {LARGEST >> 20} MiB, which is not carried to a file")

    async def _dumped(self, keys: list[bytes], tally: KeyTally) -> list[KeyDump]:
        if not keys:
            return []
        asked = [("TIME",), *(part for key in keys for part in (("DUMP", key), ("PTTL", key)))]
        replies = await self._work.ask(asked, WORK_DEADLINE)
        self._whole(replies)
        now = _ms(verify(replies[0], "TIME", self._work.where))
        dumps = []
        for key, payload, left in zip(keys, replies[1::2], replies[2::2], strict=True):
            verify(payload, "DUMP", self._work.where)
            ttl = verify(left, "PTTL", self._work.where)
            if payload is None or ttl == -2:
                tally.absent += 1
                self.own_misses += 2
            else:
                dumps.append(KeyDump(key, now + ttl if ttl >= 0 else -1, payload))
                self.own_hits += 2
        return dumps

    def _put(self, dumps: Sequence[KeyDump], replies: Sequence[Any], tally: KeyTally) -> list[KeyDump]:
        """Count what became of them, without those whose place is taken: they are the answer."""
        tally.unsure += len(dumps) - len(replies)
        busy = []
        for dump, reply in zip(dumps, replies, strict=False):
            if isinstance(reply, hiredis.ReplyError) and str(reply).startswith("BUSYKEY"):
                busy.append(dump)
            elif not elsewhere(reply):
                self._count([dump.key], [1 if reply == b"OK" else reply], tally, asked="RESTORE")
        return busy

    async def _compare(self, dumps: Sequence[KeyDump], tally: KeyTally) -> None:
        """Those that stand there with this very value were never deleted, or are back already."""
        if not dumps:
            return
        most = {dump.key: 4 * len(dump.payload) + ANSWER for dump in dumps}
        groups = [
            (names, [len(names), *names, *(most[name] for name in names)]) for names in self._together(most)
        ]
        replies: list[Any] = []
        try:
            await self._ask_scripts(SUMS, groups, replies)
        finally:
            there: dict[bytes, Any] = {}
            for (names, _), sums in zip(groups, replies, strict=False):
                if isinstance(sums, list):
                    there.update(zip(names, sums, strict=False))
            self.own_hits += sum(map(bool, there.values()))
            for dump in dumps:
                if there.get(dump.key) == dump.payload[-SUM:]:
                    tally.same += 1
                else:
                    tally.hold(named(dump.key))

    def _together(self, names: Iterable[bytes]) -> list[list[bytes]]:
        """Names in groups that one script may have as its keys."""
        return [list(names)]

    async def _scripts(
        self, script: bytes, groups: Sequence[Group], tally: KeyTally, into: list[Any] | None = None
    ) -> None:
        """One script a group, all in one write; what each key's answer was is counted."""
        replies = [] if into is None else into
        try:
            await self._ask_scripts(script, groups, replies)
        finally:
            for (names, _), reply in zip(groups, replies, strict=False):
                if isinstance(reply, list):
                    self._count(names, reply, tally)
                elif not elsewhere(reply):
                    self._count(names, [reply] * len(names), tally)
            tally.unsure += sum(len(names) for names, _ in groups[len(replies) :])
        self._whole(replies)

    async def _ask_scripts(self, script: bytes, groups: Sequence[Group], replies: list[Any]) -> None:
        """The first carries the script's text, which the others name."""
        sha = hashlib.sha1(script, usedforsecurity=False).hexdigest()
        heads = [("EVAL", script), *[("EVALSHA", sha)] * (len(groups) - 1)]
        asked = [(*head, *words) for head, (_, words) in zip(heads, groups, strict=True)]
        await self._work.ask(asked, WORK_DEADLINE, replies)

    def _whole(self, replies: Sequence[Any]) -> None:
        gone = next((reply for reply in replies if elsewhere(reply)), None)
        if gone is not None:
            raise Lost(f"{self._work.where} does not hold all of these slots now: {str(gone)[:80]}")


class DumpScript(DumpPowers):
    """The same of one server alone, whose keys one script may name: a single round trip to dump them."""

    async def dump_keys(self, keys: Sequence[bytes], tally: KeyTally) -> tuple[list[KeyDump], list[bytes]]:
        """By a script; where that is refused step by step, which says what the login lacks."""
        first = list(keys[:AT_ONCE])
        rows = await self._saved(first)
        if rows is None:
            return await super().dump_keys(keys, tally)
        dumps: list[KeyDump] = []
        later = first[len(rows) :]
        for key, row in zip(first, rows, strict=False):
            if isinstance(row, list):
                dumps.append(KeyDump(key, int(row[0]), row[1]))
            elif row == 2:
                later.append(key)
            elif row == 1:
                self._too_large(key, tally)
            else:
                tally.absent += 1
        self.own_hits += 2 * len(dumps)
        return dumps, [*later, *keys[AT_ONCE:]]

    async def _saved(self, keys: list[bytes]) -> list[Any] | None:
        """What SAVE says of the first of them, until one has to wait for the next answer; None: refused."""
        rows: list[Any] = []
        room = ANSWER
        for some in self._sliced(keys, FEW):
            asked: list[Any] = ["EVAL", SAVE, len(some), *some, room, LARGEST]
            (reply,) = await self._timed(self._work.ask([asked], WORK_DEADLINE))
            if not isinstance(reply, list):
                return None
            rows += reply
            room -= sum(len(row[1]) for row in reply if isinstance(row, list))
            if room <= 0 or 2 in reply:
                break
        return rows

    async def _ask_scripts(self, script: bytes, groups: Sequence[Group], replies: list[Any]) -> None:
        """One after another, for others wait for the server as well."""
        for group in groups:
            some: list[Any] = []
            try:
                await self._timed(super()._ask_scripts(script, [group], some))
            finally:
                replies += some

    def _together(self, names: Iterable[bytes]) -> list[list[bytes]]:
        return [list(some) for some in self._sliced(list(names), FEW)]


def elsewhere(reply: Any) -> bool:
    """Whether a node says that it is not the one to ask now."""
    return isinstance(reply, hiredis.ReplyError) and str(reply).split(" ", 1)[0] in ELSEWHERE


def _ms(time: Any) -> int:
    """What TIME says, in ms since the epoch."""
    return int(time[0]) * 1000 + int(time[1]) // 1000


class DumpShards(Protocol):
    """KeyDumper over all primaries, which work at the same time. A change of the map meanwhile is Lost."""

    _known: tuple[Any, ...]
    read: Callable[[], Any]

    def _at(self, names: Sequence[bytes]) -> Sequence[tuple[DumpPowers, list[bytes]]]:
        """Names by who holds them."""
        ...

    async def dump_keys(self, keys: Sequence[bytes], tally: KeyTally) -> tuple[list[KeyDump], list[bytes]]:
        """The first of `keys`, as many as fit an answer of each primary; and the names of the rest."""
        most = 3 * AT_ONCE
        told = await self._every(keys[:most], lambda shard, some: shard.dump_keys(some, tally))
        later = [name for _, rest in told for name in rest]
        return [dump for dumps, _ in told for dump in dumps], [*later, *keys[most:]]

    async def unlink_dumps(self, dumps: Sequence[KeyDump], tally: KeyTally) -> None:
        """Delete those whose value is still the one dumped."""
        by_name = {dump.key: dump for dump in dumps}
        await self._every(
            list(by_name), lambda shard, some: shard.unlink_dumps([by_name[name] for name in some], tally)
        )

    async def put_dumps(self, dumps: Sequence[KeyDump], tally: KeyTally, over: bool = False) -> None:
        """RESTORE each at the primary of its slot."""
        by_name = {dump.key: dump for dump in dumps}
        await self._every(
            list(by_name), lambda shard, some: shard.put_dumps([by_name[n] for n in some], tally, over)
        )

    async def _every(
        self, names: Sequence[bytes], work: Callable[[DumpPowers, list[bytes]], Coroutine[Any, Any, Any]]
    ) -> list[Any]:
        """At each primary its part; the first failure is raised once all have ended, or counts would lie."""
        if not self._known:
            await self.read()
        told = await asyncio.gather(*(work(*part) for part in self._at(names)), return_exceptions=True)
        for one in told:
            if isinstance(one, BaseException):
                raise one
        return told
