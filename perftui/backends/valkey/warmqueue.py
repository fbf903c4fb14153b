"""Runs of warm jobs, handed to nodes of the cache library through a Stream of this server."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import hiredis

from perftui.backends.valkey.link import Link, verify
from perftui.model.warmqueue import (
    FIELD,
    GROUP,
    KEPT,
    LARGEST,
    LARGEST_KEYS,
    MOST_KEYS,
    NoOrder,
    Order,
    Told,
    keys_key,
    pack_order,
    queue_key,
    told_key,
    unpack_order,
    unpack_told,
)

DEADLINE: Final = 3.0
PAGE: Final = 200  # entries that are looked at: runs of one set are few


class WarmQueuePowers:
    """WarmQueue over the working connection; every method raises BackendError."""

    _work: Link

    async def order_warm(self, namespace: str, name: str, order: Order, keys: Sequence[str] = ()) -> bool:
        """Let a node take the run; False, and nothing done, where it is known already.

        Raises:
            ValueError: more keys than a run may name.
            BackendError: the server does not answer, or forbids it.
        """
        text = "\n".join(keys).encode("utf-8", "surrogatepass")
        if len(keys) > MOST_KEYS or len(text) > LARGEST_KEYS:
            raise ValueError(f"a run names {MOST_KEYS:,} keys at most, of {LARGEST_KEYS >> 10} KiB in all")
        told, waits = await self.warm_told(namespace, name, order.run)
        if told is not None or waits:
            return False
        queue = queue_key(namespace, name)
        if keys:  # before the order: in a cluster they are elsewhere
            named = keys_key(namespace, name, order.run)
            await self._work.one("SET", named, text, "PX", KEPT, deadline=DEADLINE)
        commands: list[tuple[bytes | str | int, ...]] = [
            ("XADD", queue, "*", FIELD, pack_order(order)),  # first: nodes take an empty queue away
            ("XGROUP", "CREATE", queue, GROUP, 0),
            ("PEXPIRE", queue, KEPT),
        ]
        for command, reply in zip(commands, await self._work.ask(commands, DEADLINE), strict=True):
            if not (isinstance(reply, hiredis.ReplyError) and str(reply).startswith("BUSYGROUP")):
                verify(reply, str(command[0]), self._work.where)
        return True

    async def warm_told(self, namespace: str, name: str, run: str) -> tuple[Told | None, bool]:
        """What its node said last, and whether it still stands in the queue."""
        said = ("GETRANGE", told_key(namespace, name, run), 0, LARGEST)
        text, entries = await self._work.ask([said, _entries(namespace, name)], DEADLINE)
        verify(text, "GETRANGE", self._work.where)
        waits = bool(_of_run(verify(entries, "XRANGE", self._work.where), run))
        try:
            return unpack_told(text), waits
        except NoOrder:
            return None, waits

    async def withdraw_warm(self, namespace: str, name: str, run: str) -> bool:
        """Take it off the queue: its node stops; whether it stood there."""
        entries = await self._work.one(*_entries(namespace, name), deadline=DEADLINE)
        ids = _of_run(entries, run)
        if not ids:
            return False
        queue = queue_key(namespace, name)
        replies = await self._work.ask([("XACK", queue, GROUP, *ids), ("XDEL", queue, *ids)], DEADLINE)
        return bool(verify(replies[1], "XDEL", self._work.where))


def _entries(namespace: str, name: str) -> tuple[bytes | str | int, ...]:
    return "XRANGE", queue_key(namespace, name), "-", "+", "COUNT", PAGE


def _of_run(entries: Sequence[Any], run: str) -> list[bytes]:
    return [id_ for id_, fields in entries if _run_of(fields) == run]


def _run_of(fields: Sequence[bytes]) -> str:
    found = dict(zip(fields[::2], fields[1::2], strict=False))
    try:
        return unpack_order(found.get(FIELD, b"")).run
    except NoOrder:
        return ""
