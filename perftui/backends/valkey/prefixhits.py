"""Reads of a look at the command stream judged: which commands of it read, put and take away which keys."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from math import inf

from perftui.analysis.prefixhits import Did, Judged, Step
from perftui.backends.valkey.keys import QUARANTINE, WORK_DEADLINE
from perftui.backends.valkey.latency import READS, group
from perftui.backends.valkey.link import Link, verify
from perftui.backends.valkey.streamlines import (
    SCRIPT,
    SCRIPTS,
    TAIL,
    Command,
    arguments,
    if_absent,
    life,
    parsed,
)
from perftui.model.errors import BackendError
from perftui.model.prefixhits import PrefixHits

_NO_VALUE = """
strlen exists ttl pttl type hexists hlen hstrlen llen scard zcard xlen object touch xread eval_ro evalsha_ro
fcall_ro
"""
FETCHES = (READS | {"getex"}) - frozenset(_NO_VALUE.split())
"""Commands that read a value whose key comes first; those that ask about a key alone do not use its value."""

MANY = 1024  # keys taken of one MGET
MOST_ASKED = 5000
"""Keys that are asked for after a look, at most; only long MGETs read more."""

_OURS = (b"__", QUARANTINE)
_PUTS = frozenset({"set", "setex", "psetex", "getset", "mset"})
_ADDING = """
append setrange setbit incr incrby incrbyfloat decr decrby hset hmset hsetnx hincrby hincrbyfloat lpush rpush
sadd zincrby pfadd restore
"""
_ADDS = frozenset(_ADDING.split())
_TAKES = frozenset({"del", "unlink", "getdel"})
_TWO = frozenset({"rename", "renamenx", "copy", "smove", "lmove"})  # both their keys change
_ALL = frozenset({"flushall", "flushdb"})
_SAME = frozenset({"persist", "lset", "linsert", "xack", "publish", *_NO_VALUE.split()})
_LATER = {"expire": 3, "pexpire": 3000}  # an end from there on is later than any look's
_EXISTS_ONLY = re.compile(rb' "XX"', re.IGNORECASE)


class HitPowers:
    """Hit ratios by prefix from lines of MONITOR, with EXISTS for what they do not tell.

    `own_hits` and `own_misses` count what asking adds to the server's own.
    """

    _stream: Link
    _work: Link
    own_hits: int
    own_misses: int

    async def hits_by_prefix(self, lines: Sequence[bytes]) -> tuple[tuple[PrefixHits, ...], str]:
        """Prefixes by how often they were read, and why keys could not be asked for, or ''.

        Left out: other databases, what scripts read to compare, and what consoles and the cache library keep
        for themselves.
        """
        judged, why, there = Judged(steps(lines, self._stream.address.db)), "", dict[bytes, bool]()
        try:
            for start in range(0, min(MOST_ASKED, len(judged.asked)), 1000):
                there |= await self._exist(judged.asked[start : min(start + 1000, MOST_ASKED)])
        except BackendError as error:
            why = str(error)
        return judged.by_prefix(there), why

    async def _exist(self, names: Sequence[bytes]) -> dict[bytes, bool]:
        """Whether each is there, in one round trip; those whose slot went elsewhere are left out."""
        replies = await self._work.ask([("EXISTS", name) for name in names], WORK_DEADLINE)
        verify(replies[0], "EXISTS", self._work.where)
        found = {n: bool(r) for n, r in zip(names, replies, strict=True) if type(r) is int}
        self.own_hits += sum(found.values())
        self.own_misses += len(found) - sum(found.values())
        return found


def fetched(line: bytes, db: int) -> list[tuple[float, bytes]]:
    """When, and which keys of this database, one MONITOR line read a value of."""
    command = parsed(line)
    if command is None or command.db != db or command.name not in FETCHES:
        return []
    return [(command.at, key) for key in _read(command, line)]


def _read(command: Command, line: bytes) -> list[bytes]:
    keys = arguments(line, MANY)[1:] if command.name == "mget" else [command.key]
    return [key for key in keys if key is not None and not ours(key)]


def ours(key: bytes) -> bool:
    """Whether consoles or the cache library keep it for themselves."""
    return key.startswith(_OURS) or b":__" in key


def steps(lines: Sequence[bytes], db: int) -> Iterator[Step]:
    """What the lines did to keys of this database; what a script wrote counts for who called it."""
    caller, seen = b"", set[bytes]()
    for line in lines:
        command = parsed(line)
        if command is None or command.db != db:
            continue
        name, at, who = command.name, command.at, command.client
        if name in SCRIPTS:
            caller = who
        elif name in FETCHES:
            found = [] if who == SCRIPT else [Step(key, Did.READ, at, who) for key in _read(command, line)]
            seen.update(step.key for step in found)
            yield from found
        elif name in _ALL:
            yield from (Step(key, Did.TOOK, at, who) for key in seen)
        elif group(name):
            did, lasts = _did(name, line), life(name, line) if name in _PUTS else None
            by = caller if who == SCRIPT else who
            keys = _keys(name, line) if did is not None else []
            yield from (Step(key, did, at, by, inf if lasts is None else lasts) for key in keys if did)


def _did(name: str, line: bytes) -> Did | None:
    """What a command that does not read does to its key; None: nothing to whether it is there."""
    if name in _LATER:
        words = arguments(line, 3)
        ends = words[2] if len(words) > 2 else b""
        return None if ends.isdigit() and int(ends[:15]) >= _LATER[name] else Did.CHANGED
    if name == "setnx" or (name == "set" and if_absent(line)):
        return Did.FILL
    if name in _PUTS:
        return Did.CHANGED if name == "set" and _EXISTS_ONLY.search(line[-TAIL:]) else Did.PUT
    kinds = ((_ADDS, Did.ADD), (_TAKES, Did.TOOK), (_SAME, None))
    return next((did for names, did in kinds if name in names), Did.CHANGED)


def _keys(name: str, line: bytes) -> list[bytes]:
    """Those that it changes."""
    if name in {"mset", "msetnx"}:
        found = arguments(line, 2 * MANY)[1::2]
    else:
        found = arguments(line, MANY if name in _TAKES else 3 if name in _TWO else 2)[1:]
    return [key for key in found if not ours(key)]
