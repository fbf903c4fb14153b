"""How queues lie in a key-value server: which keys a queue has, what to ask of them, what the replies mean.

BullMQ keeps `bull:NAME:wait` and the like (https://docs.bullmq.io/guide/architecture): lists and sorted
sets whose kinds differ by version, so each key is asked once what it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import hiredis

from perftui.backends.valkey.link import Command
from perftui.model.queues import QueueDepth, System

BULL = ("wait", "paused", "prioritized", "waiting-children", "active", "delayed", "failed", "completed")
RQ = ("wip", "deferred", "scheduled", "failed")
LENGTH = {b"list": "LLEN", b"zset": "ZCARD", b"set": "SCARD", b"stream": "XLEN"}
STEPS = 20  # of a thousand keys spent on finding queues
STEP = 1000
MOST = 50  # queues told
Found = tuple[System, str]
Kinds = Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class Oldest:
    """Where it is written since when the job at the end of a queue waits."""

    key: str
    field: str
    milliseconds: bool

    def age(self, said: Any, at: float) -> float | None:
        """Seconds at `at`; None where nobody wrote it down."""
        text = text_of(said) if isinstance(said, bytes) else ""
        try:
            stamp = float(text) / 1000 if self.milliseconds else _instant(text)
        except ValueError:
            return None
        return max(0.0, at - stamp)


Told = tuple[QueueDepth | None, Oldest | None]


class Seek:
    """One search for queues: a thousand keys a step, as many steps as are worth it."""

    def __init__(self) -> None:
        self._cursor = self._steps = 0
        self._rq: list[bytes] = []
        self._metas: set[bytes] = set()
        self._bindings: set[bytes] = set()

    @property
    def over(self) -> bool:
        """Whether everything was seen that will be."""
        return bool(self._steps) and (not self._cursor or self._steps >= STEPS)

    def asked(self) -> list[Command]:
        """What the next step asks."""
        scan: Command = ("SCAN", self._cursor, "COUNT", STEP)
        return [scan] if self._steps else [scan, ("SMEMBERS", "rq:queues")]

    def take(self, replies: Sequence[Any]) -> None:
        """What it was answered."""
        (cursor, names), *rq = replies
        if rq and not isinstance(rq[0], hiredis.ReplyError):
            self._rq = sorted(rq[0])
        self._cursor, self._steps = int(cursor), self._steps + 1
        self._metas.update(name for name in names if name.endswith(b":meta") and name.count(b":") >= 2)
        self._bindings.update(name for name in names if name.startswith(b"_kombu.binding."))

    def found(self, named: Sequence[str]) -> tuple[Found, ...]:
        """The queues of this server, and those that the options name."""
        rows: list[Found] = [("RQ", text_of(name).removeprefix("rq:queue:")) for name in self._rq]
        rows += [("BullMQ", text_of(name).removesuffix(":meta")) for name in sorted(self._metas)]
        # Fanout exchanges have bindings too, but no list of that name: such a queue is simply not there.
        rows += [("Celery", text_of(name).rpartition(".")[2]) for name in sorted(self._bindings)]
        rows += [("list", name) for name in named]
        return tuple(dict.fromkeys(rows))[:MOST]


def keys_of(queue: Found) -> list[str]:
    """Keys of which must be known what they are."""
    system, name = queue
    if system == "BullMQ":
        return [f"{name}:{part}" for part in BULL]
    return [] if system == "RQ" else [name]


def asked(queue: Found, kinds: Kinds) -> list[Command]:
    """The lengths of a queue and what stands at its end; the same number of replies is `told`."""
    system, name = queue
    if system == "BullMQ":
        sizes: list[Command] = [(LENGTH[kinds[key]], key) for key in _there(name, kinds).values()]
        return [*sizes, ("LINDEX", f"{name}:wait", -1), ("GET", f"{name}:id")]
    if system == "RQ":
        sizes = [("ZCARD", f"rq:{part}:{name}") for part in RQ]
        return [("LLEN", f"rq:queue:{name}"), ("LINDEX", f"rq:queue:{name}", 0), *sizes]
    if kinds.get(name) == b"stream":
        return [("XLEN", name), ("XINFO", "GROUPS", name), ("XINFO", "STREAM", name)]
    return [("LLEN", name)]


def told(source: str, queue: Found, kinds: Kinds, replies: Sequence[Any], at: float) -> Told:
    """The queue as these replies say, None when it is none, and where the age of its oldest job is."""
    system, name = queue
    if system == "BullMQ":
        return _bull(source, name, list(_there(name, kinds)), replies, at)
    if system == "RQ":
        return _rq(source, name, replies, at)
    if kinds.get(name) == b"stream":
        return _stream(source, name, replies, at), None
    if isinstance(replies[0], hiredis.ReplyError) or (system == "Celery" and name not in kinds):
        return None, None
    return QueueDepth(source, system, name, at, int(replies[0])), None


def _there(name: str, kinds: Kinds) -> dict[str, str]:
    keys = {part: f"{name}:{part}" for part in BULL}
    return {part: key for part, key in keys.items() if kinds.get(key) in LENGTH}


def _bull(source: str, name: str, there: Sequence[str], replies: Sequence[Any], at: float) -> Told:
    *lengths, oldest, added = replies
    oldest = oldest if isinstance(oldest, bytes) else None
    sizes = {part: number(length) for part, length in zip(there, lengths, strict=True)}
    depth = QueueDepth(
        source,
        "BullMQ",
        name.partition(":")[2],
        at,
        sum(sizes.get(part, 0) for part in ("wait", "paused", "prioritized")) - _marker(oldest),
        sizes.get("active", 0),
        sizes.get("delayed", 0) + sizes.get("waiting-children", 0),
        sizes.get("failed", 0),
        number(added) if added is not None else None,
    )
    return depth, Oldest(f"{name}:{text_of(oldest)}", "timestamp", True) if oldest else None


def _rq(source: str, name: str, replies: Sequence[Any], at: float) -> Told:
    waiting, oldest, *sizes = replies
    active, deferred, scheduled, failed = map(number, sizes)
    depth = QueueDepth(source, "RQ", name, at, number(waiting), active, deferred + scheduled, failed)
    known = isinstance(oldest, bytes)
    return depth, Oldest(f"rq:job:{text_of(oldest)}", "enqueued_at", False) if known else None


def _stream(source: str, name: str, replies: Sequence[Any], at: float) -> QueueDepth | None:
    """What the slowest group was not given yet waits; what was given and not confirmed is active."""
    if any(isinstance(reply, hiredis.ReplyError) for reply in replies):
        return None  # deleted since, or another kind of key by now
    length, groups, info = replies
    rows = [_pairs(group) for group in groups]
    lags = [int(row["lag"]) for row in rows if row.get("lag") is not None]
    added, first = _pairs(info).get("entries-added"), _pairs(info).get("first-entry")
    waiting = max(lags) if lags else int(length)
    behind = bool(first) and waiting > 0 and waiting == int(length)
    return QueueDepth(
        source,
        "stream",
        name,
        at,
        waiting,
        sum(int(row.get("pending", 0)) for row in rows),
        added=int(added) if added is not None else None,
        oldest=max(0.0, at - int(text_of(first[0]).partition("-")[0]) / 1000) if behind and first else None,
    )


def _instant(text: str) -> float:
    when = datetime.fromisoformat(text)
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()


def text_of(raw: bytes | str | None) -> str:
    """A key or a field as text."""
    return raw.decode(errors="replace") if isinstance(raw, bytes) else raw or ""


def number(raw: Any) -> int:
    """A length or a counter; 0 where the key is of another kind."""
    return 0 if raw is None or isinstance(raw, hiredis.ReplyError) else int(raw)


def _marker(oldest: bytes | None) -> int:
    """BullMQ before 5 wakes its workers with an entry that is no job."""
    return 1 if oldest is not None and oldest.startswith(b"0:") else 0


def _pairs(flat: Any) -> dict[str, Any]:
    if isinstance(flat, dict):
        return {text_of(name): value for name, value in flat.items()}
    return {text_of(name): value for name, value in zip(flat[::2], flat[1::2], strict=True)}
