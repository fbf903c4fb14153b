"""Leases of purges and of moves of slots, in the server itself: consoles that share nothing else see them."""

from __future__ import annotations

import contextlib
import getpass
import json
import socket
import time
from typing import Any, Final

from perftui.backends.valkey.keys import WORK_DEADLINE
from perftui.backends.valkey.link import Link
from perftui.model.worklease import PURGE, SLOTS, Working

KEY: Final = b"perftui:quarantine:lease"  # hidden from scans with what is in quarantine
KEYS: Final = {PURGE: KEY, SLOTS: KEY + b":slots"}
TOKEN: Final = 32
LARGEST: Final = 1024
HOLD: Final = b"""
local had = redis.call('GETRANGE', KEYS[1], 0, tonumber(ARGV[4]))
if #had > 0 and string.sub(had, 1, #ARGV[1]) ~= ARGV[1] then return had end
redis.call('SET', KEYS[1], ARGV[1] .. ARGV[2], 'PX', ARGV[3])
return ''"""
RELEASE: Final = b"""
if redis.call('GETRANGE', KEYS[1], 0, #ARGV[1] - 1) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0"""


class WorkLeasePowers:
    """WorkLease and PurgeProbe over the working connection."""

    _work: Any  # a Link, or a whole cluster as one

    async def hold_work(self, work: str, token: str, now: Working, life: float) -> Working | None:
        """Take the lease, or renew it with how far we are; None: it is ours, else who has it."""
        told = json.dumps({"who": _person(), "what": now.what[:200], "done": now.done, "of": now.of})
        words = (HOLD, 1, KEYS[work], token, told, round(life * 1000), LARGEST)
        return told_by(await self._of_lease("EVAL", *words))

    async def working(self, work: str, token: str) -> Working | None:
        """Who has it, if anybody but us."""
        value = await self._of_lease("GETRANGE", KEYS[work], 0, LARGEST)
        ours = isinstance(value, bytes) and value.startswith(token.encode())
        return None if ours else told_by(value)

    async def release_work(self, work: str, token: str) -> None:
        """Give it back, if it is ours."""
        await self._of_lease("EVAL", RELEASE, 1, KEYS[work], token)

    async def probe_purge(self) -> float:
        """Seconds of a PING there and back."""
        return await pinged(self._work)

    async def _of_lease(self, *command: bytes | str | float) -> Any:
        return await self._work.one(*command, deadline=WORK_DEADLINE)


async def pinged(link: Link) -> float:
    """Seconds of a PING there and back on a connection."""
    started = time.monotonic()
    await link.one("PING", deadline=WORK_DEADLINE)
    return time.monotonic() - started


def told_by(value: Any) -> Working | None:
    """What a lease's value says; what is none of ours is somebody's all the same."""
    if not isinstance(value, bytes) or not value:
        return None
    what, done, of, who = "something", 0, None, "somebody"
    with contextlib.suppress(ValueError, TypeError, AttributeError, RecursionError):
        said = json.loads(value[TOKEN:])
        what, who = str(said.get("what", what))[:200], str(said.get("who", who))[:100]
        done, of = int(said.get("done", 0)), None if said.get("of") is None else int(said["of"])
    return Working(what, done, of, who)


def _person() -> str:
    try:
        user = getpass.getuser()
    except (OSError, KeyError, ImportError):
        user = "somebody"
    return f"{user}@{socket.gethostname()}"
