"""Values of a namespace to learn from, and its dictionaries: read in pieces, put in force, taken back."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any

import hiredis

from perftui.backends.valkey.link import verify
from perftui.model.dictionaries import BEFORE, CURRENT, LARGEST, MOST, PREFIX, DictionaryState, number_of
from perftui.model.errors import Unsupported

DEADLINE = 5.0
SCAN_S = 2.0  # seconds of SCANs at most
LARGEST_VALUE, LARGEST_SAMPLE = 128 << 10, 16 << 20
AT_ONCE = 100


class DictionaryPowers:
    """DictionaryKeeper over the working connection."""

    _work: Any  # a Link, or a whole cluster as one
    scan: Callable[[bytes, int, int], Awaitable[tuple[int, tuple[bytes, ...]]]]
    own_hits: int

    async def sample_values(self, namespace: str, want: int) -> tuple[bytes, ...]:
        """The first 128 KiB of up to `want` values of a namespace; 2 s of looking and 16 MiB at most.

        Raises:
            BackendError: the server does not answer, or forbids it.
        """
        begin = f"{namespace}:".encode("utf-8", "surrogatepass")
        pattern = b"".join(b"\\" + bytes([c]) if c in b"*?[]\\^" else bytes([c]) for c in begin) + b"*"
        names: dict[bytes, None] = {}
        cursor, until = 0, time.monotonic() + SCAN_S
        while len(names) < want and time.monotonic() < until:
            cursor, found = await self.scan(pattern, cursor, 1000)
            names.update(dict.fromkeys(name for name in found if not name.startswith(begin + b"__")))
            if not cursor:
                break
        return await self._values(list(names)[:want])

    async def _values(self, names: list[bytes]) -> tuple[bytes, ...]:
        values: list[bytes] = []
        size = 0
        for at in range(0, len(names), AT_ONCE):
            asked = [("GETRANGE", name, 0, LARGEST_VALUE - 1) for name in names[at : at + AT_ONCE]]
            self.own_hits += len(asked)
            for reply in await self._work.ask(asked, DEADLINE):
                if isinstance(reply, hiredis.ReplyError) and str(reply).startswith("WRONGTYPE"):
                    continue
                values.append(verify(reply, "GETRANGE", self._work.where))
                size += len(values[-1])
            if size > LARGEST_SAMPLE:
                break
        return tuple(values)

    async def dictionary_state(self, namespace: str) -> DictionaryState:
        """Which dictionaries a namespace has; Unsupported when there are more than anybody needs."""
        key = _key(namespace)
        count = int(await self._work.one("HLEN", key, deadline=DEADLINE))
        if count > MOST + 2:
            raise Unsupported(f"{count} dictionaries are more than the {MOST} a namespace may have")
        names = await self._work.one("HKEYS", key, deadline=DEADLINE)
        now, before = await self._work.one("HMGET", key, CURRENT, BEFORE, deadline=DEADLINE)
        numbers = tuple(sorted(number for number in map(number_of, names) if number))
        return DictionaryState(number_of(now), number_of(before), numbers)

    async def dictionary(self, namespace: str, number: int) -> bytes:
        """One of them; empty when it is not there, or larger than 1 MiB."""
        key = _key(namespace)
        if int(await self._work.one("HSTRLEN", key, str(number), deadline=DEADLINE)) > LARGEST:
            return b""
        return await self._work.one("HGET", key, str(number), deadline=DEADLINE) or b""

    async def put_dictionary(self, namespace: str, number: int, data: bytes) -> None:
        """Put it in force; nodes learn of it as they next look."""
        now = (await self.dictionary_state(namespace)).current
        words = (str(number), data, CURRENT, str(number), BEFORE, str(now))
        await self._work.one("HSET", _key(namespace), *words, deadline=DEADLINE)

    async def use_dictionary(self, namespace: str, number: int) -> None:
        """Put one that is there in force again, or none with 0."""
        now = (await self.dictionary_state(namespace)).current
        words = (CURRENT, str(number), BEFORE, str(now))
        await self._work.one("HSET", _key(namespace), *words, deadline=DEADLINE)


def _key(namespace: str) -> bytes:
    return (PREFIX + namespace).encode("utf-8", "surrogatepass")
