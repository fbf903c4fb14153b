"""Purging keys so that it can be taken back: each key moves, atomically, to a name that remembers its TTL.

A quarantined key is called `perftui:quarantine:ID:EXPIRY:FORM:KEY`. EXPIRY is the instant (server
clock, milliseconds) at which the key would have died by itself, -1 for never. FORM says how KEY is
written so that both names share a cluster slot: `t` as it is, because it has a hash tag of its own; `w`
wrapped in braces, which makes the whole key the tag.
"""

from __future__ import annotations

import math
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any

import hiredis

from perftui.backends.valkey.keys import QUARANTINE, WORK_DEADLINE, KeyPowers
from perftui.backends.valkey.link import translated, verify
from perftui.draw.clean import inert
from perftui.model.cache import KeySurvey, KeyTally
from perftui.model.errors import Protocol

SLICE = 32
"""Keys of one script, for a server serves nobody else meanwhile."""

NEAR = 0.005
"""Seconds there and back up to which it is done slice by slice; a server further away gets all at once."""

# Per key: 1 moved, 0 absent, or the error's text. TIME + PTTL rather than PEXPIRETIME, which Redis 6 lacks.
MOVE = b"""
local out, clock = {}, redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local keep = now + tonumber(ARGV[2])
for i, key in ipairs(KEYS) do
  local ttl = redis.call('PTTL', key)
  if ttl == -2 then
    out[i] = 0
  else
    local dies = -1
    if ttl >= 0 then dies = now + ttl end
    local there = ARGV[1] .. string.format('%.0f', dies) .. ':' .. ARGV[i + 2]
    local moved = redis.pcall('RENAMENX', key, there)
    if type(moved) == 'table' and moved.err then
      out[i] = moved.err
    elseif moved == 0 then
      out[i] = 'ERR already in quarantine'
    else
      if dies == -1 or dies > keep then redis.call('PEXPIREAT', there, string.format('%.0f', keep)) end
      out[i] = 1
    end
  end
end
return out
"""

# KEYS in pairs: quarantined name, original name. 1 restored, 0 gone, 2 a newer key stands there. No EXISTS:
# it would count as a lookup, and undoing a purge would show as a fall of the hit ratio.
RESTORE = b"""
local out = {}
for i = 1, #KEYS, 2 do
  local n = (i + 1) / 2
  local moved = redis.pcall('RENAMENX', KEYS[i], KEYS[i + 1])
  if type(moved) == 'table' and moved.err then
    out[n] = string.find(moved.err, 'no such key') and 0 or moved.err
  elseif moved == 0 then
    out[n] = 2
  else
    if ARGV[n] == '-1' then
      redis.call('PERSIST', KEYS[i + 1])
    else
      redis.call('PEXPIREAT', KEYS[i + 1], ARGV[n])
    end
    out[n] = 1
  end
end
return out
"""
RESTORE_OVER = RESTORE.replace(b"'RENAMENX'", b"'RENAME'")  # it never answers 0


Script = tuple[Sequence[bytes], tuple[Any, ...]]
"""Keys as they are counted, and the command."""


def home(quarantine: str) -> bytes:
    """Where the keys of one quarantine live."""
    return QUARANTINE + quarantine.encode() + b":"


def hash_tag(key: bytes) -> bytes:
    """What a cluster hashes of `key`: the text in its first braces, or the whole of it."""
    start = key.find(b"{")
    end = key.find(b"}", start + 1) if start >= 0 else -1
    return key[start + 1 : end] if end > start + 1 else key


def written(key: bytes) -> bytes:
    """FORM and KEY of a quarantined name (see the module's text)."""
    if hash_tag(key) is not key:
        return b"t:" + key
    return b"w:{" + key + b"}"


def original(name: bytes, quarantine: str) -> tuple[bytes, int]:
    """The key behind a quarantined name and its expiry in ms; Protocol when it is none."""
    expiry, _, rest = name.removeprefix(home(quarantine)).partition(b":")
    form, _, key = rest.partition(b":")
    try:
        dies = int(expiry)
    except ValueError as error:
        raise Protocol(f"not a quarantined key: {inert(repr(name))}") from error
    return (key[1:-1] if form == b"w" else key), dies


class PurgePowers(KeyPowers):
    """KeyPurger: survey, move away, delete, bring back."""

    _trip = math.inf  # seconds of the quickest slice there and back

    async def survey_keys(self, pattern: bytes, sample: int = 200) -> KeySurvey:
        """Count what matches by a full SCAN (bounded in time) and weigh an even sample of it."""
        from perftui.backends.valkey.survey import survey

        return await survey(self, pattern, sample)

    async def facts(self) -> dict[str, str]:
        """Role, policy and size that a plan must know."""
        from perftui.backends.valkey.info import parse

        return parse(await self._work.one("INFO", "all", deadline=WORK_DEADLINE))

    async def quarantine_keys(
        self, keys: Sequence[bytes], quarantine: str, keep: float, tally: KeyTally
    ) -> None:
        """Move `keys` away for `keep` seconds; counts into `tally`, also when cancelled meanwhile."""
        where, life = home(quarantine), int(keep * 1000)

        def move(some: Sequence[bytes]) -> Script:
            return some, ("EVAL", MOVE, len(some), *some, where, life, *map(written, some))

        answers: list[Any] = []
        try:
            await self._each(keys, move, tally, answers)
        finally:  # PTTL is a lookup
            self._met_by_scripts(answers)

    async def delete_keys(self, keys: Sequence[bytes], tally: KeyTally) -> None:
        """UNLINK `keys`: gone for good, their memory freed in the background."""
        replies: list[Any] = []
        try:
            await self._work.ask([("UNLINK", key) for key in keys], WORK_DEADLINE, replies)
        finally:
            self._count(keys, replies, tally)

    async def scan_quarantine(self, quarantine: str, cursor: int) -> tuple[int, tuple[bytes, ...]]:
        """One SCAN step over the keys of a quarantine."""
        return await self.scan(_literal(home(quarantine)) + b"*", cursor, 1000)

    async def restore_keys(
        self, names: Sequence[bytes], quarantine: str, tally: KeyTally, over: bool = False
    ) -> None:
        """Bring quarantined `names` back with their TTLs; one whose place is taken stays, unless `over`."""
        script = RESTORE_OVER if over else RESTORE

        def bring(some: Sequence[bytes]) -> Script:
            pairs = [original(name, quarantine) for name in some]
            keys = [part for name, (key, _) in zip(some, pairs, strict=True) for part in (name, key)]
            return [key for key, _ in pairs], ("EVAL", script, len(keys), *keys, *(dies for _, dies in pairs))

        await self._each(names, bring, tally)

    async def hand_on(self, within: float) -> bool:
        """Wait up to `within` seconds for one replica, of a server that has any; False: none confirms it.

        What only a primary has is lost with it, and purged keys are back.
        """
        told = await self._work.one("INFO", "replication", deadline=WORK_DEADLINE)
        if not isinstance(told, bytes) or b"connected_slaves:0" in told:
            return True
        heard = await self._work.one("WAIT", 1, round(within * 1000), deadline=WORK_DEADLINE + within)
        return bool(heard)

    async def _each(
        self,
        names: Sequence[bytes],
        make: Callable[[Sequence[bytes]], Script],
        tally: KeyTally,
        into: list[Any] | None = None,
    ) -> None:
        """A script over some at a time; what each key's answer was is counted, and the answers put `into`."""
        for some in self._sliced(names):
            keys, command = make(some)
            replies: list[Any] = []
            try:
                await self._timed(self._work.ask([command], WORK_DEADLINE, replies))
                verify(replies[0], "EVAL", self._work.where)
            finally:
                if into is not None:
                    into += replies
                rows = replies[0] if replies and isinstance(replies[0], list) else []
                refused = bool(replies) and not rows
                self._count(keys, rows, tally, sent=not refused)

    def _met_by_scripts(self, answers: Sequence[Any]) -> None:
        """Count as ours what scripts looked up, once for each key; 0 says that it was not there."""
        met = [one for row in answers if isinstance(row, list) for one in row]
        self.own_hits += len(met) - met.count(0)
        self.own_misses += met.count(0)

    def _sliced(self, names: Sequence[bytes], most: int = SLICE) -> Iterator[Sequence[bytes]]:
        """Names for one script each: a slice, but where the way there takes longer all that are left."""
        at = 0
        while at < len(names):
            some = names[at:] if NEAR < self._trip < math.inf else names[at : at + most]
            at += len(some)
            yield some

    async def _timed(self, asked: Awaitable[Any]) -> Any:
        """The answer; the quickest tells the way, for a server that is busy now was quicker once."""
        started = time.monotonic()
        answer = await asked
        self._trip = min(self._trip, time.monotonic() - started)
        return answer

    def _count(
        self,
        keys: Sequence[bytes],
        replies: Sequence[Any],
        tally: KeyTally,
        *,
        sent: bool = True,
        asked: str = "UNLINK",
    ) -> None:
        """Outcomes of a batch; keys without an answer are `unsure`: they may have been changed."""
        if sent:
            tally.unsure += len(keys) - len(replies)
        for key, reply in zip(keys, replies, strict=False):
            if reply == 1:
                tally.did(self._work.where)
            elif reply == 0:
                tally.absent += 1
            elif reply == 2:
                tally.hold(named(key))
            elif reply == 3:
                tally.changed.append(key)
            else:
                tally.fail(f"{named(key)}: {self._reason(reply, asked)}")

    def _reason(self, reply: Any, asked: str) -> str:
        if isinstance(reply, hiredis.ReplyError):
            return str(translated(reply, asked, self._work.where))
        return inert(reply.decode("utf-8", "replace") if isinstance(reply, bytes) else str(reply))


def named(key: bytes) -> str:
    """A key in a sentence."""
    return inert(key[:64].decode("utf-8", "backslashreplace"), 64)


def _literal(text: bytes) -> bytes:
    """`text` as a glob that matches only itself."""
    return b"".join(b"\\" + bytes([c]) if c in b"*?[]\\^-" else bytes([c]) for c in text)
