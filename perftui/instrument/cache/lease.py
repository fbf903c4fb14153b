"""One loader over all processes: a lease in L2, renewed by its owner, whose end wakes those who wait."""

from __future__ import annotations

import asyncio
import contextlib
import random
import secrets
from collections import defaultdict

from perftui.instrument.cache.names import lease_key
from perftui.instrument.cache.ports import Guard, Store, unguarded
from perftui.model.errors import BackendError

POLL = 0.1  # how often one who waits looks, should nothing wake it; drawn from half of it to all
MOST_UNDONE = 64  # leases that may have come too late, and are given up at a time
RENEW = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])"""
RELEASE = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])"""


class Lease:
    """A load that is ours until released, or until L2 says it is another's."""

    def __init__(self, store: Store, key: bytes, token: bytes, life: float) -> None:
        self._store, self._key, self._token, self._life = store, key, token, life
        self._until = asyncio.get_running_loop().time() + life
        self._lost = False
        self._task = asyncio.create_task(self._renew(), name="cache lease")

    @property
    def held(self) -> bool:
        """Whether it is still ours: not taken, and renewed within its life."""
        return not self._lost and asyncio.get_running_loop().time() < self._until

    async def release(self) -> None:
        """Give it up, if it is ours. L2 gone: it ends by itself."""
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        if self._lost:
            return
        self._lost = True
        await _release(self._store, self._key, self._token, self._life)

    async def _renew(self) -> None:
        loop, life = asyncio.get_running_loop(), int(self._life * 1000)
        while not self._lost:
            await asyncio.sleep(self._life / 3)
            asked = loop.time()
            try:
                ours = await self._store.command(
                    "EVAL", RENEW, 1, self._key, self._token, life, key=self._key, within=self._life / 3
                )
            except BackendError:
                continue
            if not ours:
                self._lost = True
            else:
                self._until = asked + self._life


class L2Lock:
    """The lock of a namespace; the invalidation link calls `woke` when a lease changed or a value came."""

    def __init__(self, namespace: str, store: Store, guarded: Guard = unguarded) -> None:
        self._namespace = namespace
        self._store = store
        self._guarded = guarded
        self._undoing: set[asyncio.Task[None]] = set()
        self._waiting: dict[str, set[asyncio.Future[None]]] = defaultdict(set)

    async def acquire(self, key: str, lease: float, *, within: float | None = None) -> Lease | None:
        """The lease, or None while another owns it.

        Raises:
            BackendError: L2 does not answer, or is left alone.
        """
        place, token = lease_key(self._namespace, key), secrets.token_bytes(12)
        words = ("SET", place, token, "NX", "PX", int(lease * 1000))
        asked = False

        async def ask() -> object:
            nonlocal asked
            asked = True
            return await self._store.command(*words, key=place, within=within)

        try:
            answer = await self._guarded(ask)
        except BackendError:
            if asked:
                self._undo(place, token, lease)
            raise
        return Lease(self._store, place, token, lease) if answer else None

    def _undo(self, place: bytes, token: bytes, lease: float) -> None:
        """What was asked for may arrive yet, as nobody's: others would wait for its end."""
        if len(self._undoing) < MOST_UNDONE:
            task = asyncio.create_task(_release(self._store, place, token, lease), name="cache lease undone")
            self._undoing.add(task)
            task.add_done_callback(self._undoing.discard)

    async def released(self, key: str, within: float) -> None:
        """Wait until something woke us, or it is time to look again; `within` seconds at most."""
        loop = asyncio.get_running_loop()
        told: asyncio.Future[None] = loop.create_future()
        self._waiting[key].add(told)
        pause = min(within, random.uniform(POLL / 2, POLL))  # noqa: S311 - jitter, not a secret
        timer = loop.call_later(pause, _wake, told)
        try:
            await told
        finally:
            timer.cancel()
            self._waiting[key].discard(told)
            if not self._waiting[key]:
                del self._waiting[key]

    def woke(self, key: str) -> None:
        """Something happened to this key's lease or value."""
        for told in self._waiting.get(key, ()):
            _wake(told)


async def _release(store: Store, place: bytes, token: bytes, within: float) -> None:
    with contextlib.suppress(BackendError):
        await store.command("EVAL", RELEASE, 1, place, token, key=place, within=within)


def _wake(told: asyncio.Future[None]) -> None:
    if not told.done():
        told.set_result(None)
