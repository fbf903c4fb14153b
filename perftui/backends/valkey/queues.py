"""Queues that live in a key-value server: BullMQ, RQ, Celery's lists, streams; read as they lie.

BullMQ keeps `bull:NAME:wait` and the like (https://docs.bullmq.io/guide/architecture): lists and sorted
sets whose kinds differ by version, so each key is asked once what it is.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any

import hiredis

from perftui.backends.valkey.link import Link, verify
from perftui.model.queues import QueueDepth, System

MOST = 50  # queues told
SCANS = 20  # steps of a thousand keys spent on finding them
FIND_EVERY = 60.0
DEADLINE = 3.0
BULL = ("wait", "paused", "prioritized", "waiting-children", "active", "delayed", "failed", "completed")
LENGTH = {b"list": "LLEN", b"zset": "ZCARD", b"set": "SCARD", b"stream": "XLEN"}
Found = tuple[System, str]


class QueuePowers:
    """QueueReader over the working connection; `queues` in the options names lists and streams as well."""

    _work: Link
    name: str
    _queue_names: Sequence[str] = ()
    _queues_found: tuple[Found, ...] = ()
    _queues_sought: float = float("-inf")
    _queue_types: dict[str, bytes] | None = None

    async def queues(self) -> tuple[QueueDepth, ...]:
        """Every queue that was found; looked for anew once a minute."""
        if time.monotonic() - self._queues_sought > FIND_EVERY:
            self._queues_found = tuple(dict.fromkeys(await self._find()))[:MOST]
            self._queues_sought = time.monotonic()
            self._queue_types = {}
        readers = {"BullMQ": self._bull_depth, "RQ": self._rq_depth, "stream": self._stream_depth}
        looks = []
        for system, name in self._queues_found:
            looks.append(await readers.get(system, self._list_depth)(system, name))
        return tuple(look for look in looks if look is not None)

    async def _ask(self, *commands: tuple[bytes | str | float, ...]) -> list[Any]:
        replies = await self._work.ask(commands, DEADLINE)
        for reply, command in zip(replies, commands, strict=True):
            if not (isinstance(reply, hiredis.ReplyError) and str(reply).startswith("WRONGTYPE")):
                verify(reply, str(command[0]), self._work.where)
        return replies

    async def _find(self) -> list[Found]:
        (rq,) = await self._ask(("SMEMBERS", "rq:queues"))
        found: list[Found] = []
        if not isinstance(rq, hiredis.ReplyError):
            found += [("RQ", name.decode(errors="replace").removeprefix("rq:queue:")) for name in sorted(rq)]
        cursor, metas, bindings = 0, [], []
        for _ in range(SCANS):
            cursor, names = await self._work.one("SCAN", cursor, "COUNT", 1000, deadline=DEADLINE)
            metas += [n for n in names if n.endswith(b":meta") and n.count(b":") >= 2]
            bindings += [n for n in names if n.startswith(b"_kombu.binding.")]
            cursor = int(cursor)
            if not cursor:
                break
            await asyncio.sleep(0)
        found += [("BullMQ", n.decode(errors="replace").removesuffix(":meta")) for n in sorted(metas)]
        # Fanout exchanges have bindings too, but no list of that name: such a queue is simply not there.
        found += [("Celery", n.decode(errors="replace").rpartition(".")[2]) for n in sorted(bindings)]
        return found + await self._named()

    async def _named(self) -> list[Found]:
        if not self._queue_names:
            return []
        kinds = await self._ask(*(("TYPE", name) for name in self._queue_names))
        return [
            ("stream" if kind == b"stream" else "list", name)
            for name, kind in zip(self._queue_names, kinds, strict=True)
        ]

    async def _kinds(self, keys: Sequence[str]) -> dict[str, bytes]:
        """What each key is; one that is not there is asked again the next time."""
        known = self._queue_types if self._queue_types is not None else {}
        new = [key for key in keys if key not in known]
        if new:
            kinds = await self._ask(*(("TYPE", key) for key in new))
            known |= {key: kind for key, kind in zip(new, kinds, strict=True) if kind != b"none"}
        self._queue_types = known
        return known

    async def _bull_depth(self, system: System, name: str) -> QueueDepth | None:
        keys = {part: f"{name}:{part}" for part in BULL}
        kinds = await self._kinds(list(keys.values()))
        there = {part: key for part, key in keys.items() if kinds.get(key) in LENGTH}
        asked = [(LENGTH[kinds[key]], key) for key in there.values()]
        ends = [("LINDEX", keys["wait"], -1), ("GET", f"{name}:id")]
        at = time.time()
        *lengths, oldest, added = await self._ask(*asked, *ends)
        oldest = oldest if isinstance(oldest, bytes) else None
        sizes = {part: _number(length) for part, length in zip(there, lengths, strict=True)}
        return QueueDepth(
            self.name,
            system,
            name.partition(":")[2],
            at,
            sum(sizes.get(part, 0) for part in ("wait", "paused", "prioritized")) - _marker(oldest),
            sizes.get("active", 0),
            sizes.get("delayed", 0) + sizes.get("waiting-children", 0),
            sizes.get("failed", 0),
            _number(added) if added is not None else None,
            await self._age(f"{name}:{_text(oldest)}", "timestamp", at, 1000) if oldest else None,
        )

    async def _rq_depth(self, system: System, name: str) -> QueueDepth | None:
        at = time.time()
        parts = ("wip", "deferred", "scheduled", "failed")
        waiting, oldest, *sizes = await self._ask(
            ("LLEN", f"rq:queue:{name}"),
            ("LINDEX", f"rq:queue:{name}", 0),
            *(("ZCARD", f"rq:{part}:{name}") for part in parts),
        )
        active, deferred, scheduled, failed = map(_number, sizes)
        age = await self._age(f"rq:job:{_text(oldest)}", "enqueued_at", at, 1) if oldest else None
        delayed = deferred + scheduled
        return QueueDepth(self.name, system, name, at, _number(waiting), active, delayed, failed, None, age)

    async def _stream_depth(self, system: System, name: str) -> QueueDepth | None:
        """What the slowest group was not given yet waits; what was given and not confirmed is active."""
        at = time.time()
        length, groups, info = await self._ask(
            ("XLEN", name), ("XINFO", "GROUPS", name), ("XINFO", "STREAM", name)
        )
        rows = [_pairs(group) for group in groups]
        lags = [int(row["lag"]) for row in rows if row.get("lag") is not None]
        added = _pairs(info).get("entries-added")
        first = _pairs(info).get("first-entry")
        waiting = max(lags) if lags else int(length)
        behind = bool(first) and waiting > 0 and waiting == int(length)
        return QueueDepth(
            self.name,
            system,
            name,
            at,
            waiting,
            sum(int(row.get("pending", 0)) for row in rows),
            added=int(added) if added is not None else None,
            oldest=max(0.0, at - int(_text(first[0]).partition("-")[0]) / 1000) if behind and first else None,
        )

    async def _list_depth(self, system: System, name: str) -> QueueDepth | None:
        at = time.time()
        kind, length = await self._ask(("TYPE", name), ("LLEN", name))
        if isinstance(length, hiredis.ReplyError) or (kind == b"none" and system == "Celery"):
            return None
        return QueueDepth(self.name, system, name, at, int(length))

    async def _age(self, key: str, field: str, at: float, scale: float) -> float | None:
        (said,) = await self._ask(("HGET", key, field))
        text = _text(said) if isinstance(said, bytes) else ""
        try:
            stamp = float(text) / scale if scale > 1 else _instant(text)
        except ValueError:
            return None
        return max(0.0, at - stamp)


def _instant(text: str) -> float:
    from datetime import UTC, datetime

    when = datetime.fromisoformat(text)
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()


def _text(raw: bytes | str | None) -> str:
    return raw.decode(errors="replace") if isinstance(raw, bytes) else raw or ""


def _number(raw: Any) -> int:
    """A length or a counter; 0 where the key is of another kind."""
    return 0 if raw is None or isinstance(raw, hiredis.ReplyError) else int(raw)


def _marker(oldest: bytes | None) -> int:
    """BullMQ before 5 wakes its workers with an entry that is no job."""
    return 1 if oldest is not None and oldest.startswith(b"0:") else 0


def _pairs(flat: Any) -> dict[str, Any]:
    if isinstance(flat, dict):
        return {_text(name): value for name, value in flat.items()}
    return {_text(name): value for name, value in zip(flat[::2], flat[1::2], strict=True)}
