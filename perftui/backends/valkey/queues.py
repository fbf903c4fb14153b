"""Queues that live in a key-value server: BullMQ, RQ, Celery's lists, streams; read as they lie."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import hiredis

from perftui.backends.valkey import queuelayouts as layouts
from perftui.backends.valkey.link import Command, Link, verify
from perftui.backends.valkey.queuelayouts import Found, Seek
from perftui.model.errors import BackendError, Refused
from perftui.model.queues import QueueDepth, QueueView, pace
from perftui.model.reading import Measure
from perftui.model.series import SeriesKey

DEADLINE = 3.0
FIND_EVERY = 60.0  # seconds between two searches while somebody looks at queues
FIND_RARELY = 600.0  # while nobody does
LOOK_EVERY = 10.0  # seconds between two looks that nobody asked for
LEAST = 0.2  # seconds without which such a look is not begun
AGED = ("BullMQ", "RQ", "stream")  # systems that write down since when a job waits
GONE = ("WRONGTYPE", "ERR no such key")  # said of a key that changed since it was found


@dataclass(frozen=True, slots=True)
class QueueLook:
    """Queues as last looked at, the figures of a look that is new, and why it could not be had."""

    views: tuple[QueueView, ...] = ()
    measures: tuple[Measure, ...] = ()
    limit: str = ""


class QueuePowers:
    """QueueReader over the working connection; `queues` in the options names lists and streams as well."""

    _look: Link
    _work: Link
    name: str
    own_hits: int
    own_misses: int
    _queue_names: Sequence[str] = ()
    _queues_found: tuple[Found, ...] = ()
    _queues_sought: float = float("-inf")
    _queues_due: float = float("-inf")
    _queue_seek: Seek | None = None
    _queue_kinds: dict[str, bytes] | None = None
    _queue_views: tuple[QueueView, ...] = ()
    _queue_limit: str = ""

    async def queues(self) -> tuple[QueueDepth, ...]:
        """Every queue that was found; looked for anew once a minute."""
        if time.monotonic() - self._queues_sought > FIND_EVERY:
            seek = Seek()
            while not seek.over:
                seek.take(await self._ask(self._work, DEADLINE, seek.asked()))
                await asyncio.sleep(0)
            self._know(seek)
        return await self._depths(self._work, DEADLINE)

    async def queue_look(self, within: float) -> QueueLook:
        """Known queues with their pace; figures only where a look was due, and why there is none.

        Looked at every 10 s in two or three round trips, of O(1) commands all of them; found a thousand keys
        a call, every ten minutes. It takes `within` seconds at most. Who forbids it is asked again in ten
        minutes.
        """
        now = time.monotonic()
        if within < LEAST or now < self._queues_due:
            return QueueLook(self._queue_views, (), self._queue_limit)
        try:
            await self._seek_on(now, within / 4)
            if self._queue_seek is not None and not self._queues_found:
                return QueueLook()
            depths = [depth for depth in await self._depths(self._look, within / 4) if _used(depth)]
        except BackendError as error:
            self._queues_due = now + (FIND_RARELY if isinstance(error, Refused) else LOOK_EVERY)
            self._queue_limit = str(error)
            return QueueLook(self._queue_views, (), self._queue_limit)
        self._queues_due, self._queue_limit = now + LOOK_EVERY, ""
        before = {(view.depth.system, view.depth.name): view.depth for view in self._queue_views}
        self._queue_views = tuple(pace(d, before.get((d.system, d.name))) for d in depths)
        return QueueLook(self._queue_views, tuple(m for view in self._queue_views for m in _measures(view)))

    async def _seek_on(self, now: float, within: float) -> None:
        """One step of a search that is under way or due."""
        if self._queue_seek is None and now - self._queues_sought > FIND_RARELY:
            self._queue_seek = Seek()
        if self._queue_seek is not None:
            self._queue_seek.take(await self._ask(self._look, within, self._queue_seek.asked()))
            if self._queue_seek.over:
                self._know(self._queue_seek)

    def _know(self, seek: Seek) -> None:
        self._queues_found, self._queue_seek = seek.found(self._queue_names), None
        self._queues_sought, self._queue_kinds = time.monotonic(), {}

    async def _ask(self, link: Link, within: float, commands: Sequence[Command]) -> list[Any]:
        """The replies; ours are counted, for the server counts each as a lookup."""
        replies = await link.ask(commands, within) if commands else []
        for reply, command in zip(replies, commands, strict=True):
            missed = isinstance(reply, hiredis.ReplyError)
            if not missed or not str(reply).startswith(GONE):
                verify(reply, str(command[0]), link.where)
            elif self._queue_kinds:
                self._queue_kinds = {}
            if command[0] != "SCAN":
                absent = str(reply).startswith("ERR") if missed else _absent(command[0], reply)
                self.own_misses += absent
                self.own_hits += not absent
        return replies

    async def _depths(self, link: Link, within: float) -> tuple[QueueDepth, ...]:
        """All known queues at once: what their keys are, where that is not known, lengths, and ages."""
        found = self._queues_found
        kinds = await self._kinds(link, within, [key for queue in found for key in layouts.keys_of(queue)])
        asked = [layouts.asked(queue, kinds) for queue in found]
        at = time.time()
        replies = iter(await self._ask(link, within, [one for commands in asked for one in commands]))
        told = [
            layouts.told(self.name, queue, kinds, list(islice(replies, len(commands))), at)
            for queue, commands in zip(found, asked, strict=True)
        ]
        oldest = [(depth, where) for depth, where in told if depth is not None and where is not None]
        said = await self._ask(link, within, [("HGET", where.key, where.field) for _, where in oldest])
        ages = {
            (depth.system, depth.name): where.age(reply, at)
            for (depth, where), reply in zip(oldest, said, strict=True)
        }
        depths = (depth for depth, _ in told if depth is not None)
        return tuple(replace(d, oldest=ages.get((d.system, d.name), d.oldest)) for d in depths)

    async def _kinds(self, link: Link, within: float, keys: Sequence[str]) -> dict[str, bytes]:
        """What each key is; one that is not there is asked again the next time."""
        known = self._queue_kinds if self._queue_kinds is not None else {}
        new = [key for key in keys if key not in known]
        kinds = await self._ask(link, within, [("TYPE", key) for key in new])
        known |= {key: kind for key, kind in zip(new, kinds, strict=True) if kind != b"none"}
        self._queue_kinds = known
        return dict(known)


def _absent(command: bytes | str | float, reply: Any) -> bool:
    """Whether the reply says that there is no such key; a stream without groups has none to tell."""
    return reply == b"none" or (not reply and command != "XINFO")


def _used(depth: QueueDepth) -> bool:
    """Whether it is more than a key named as a queue's; a list that options name is one, empty too."""
    return depth.system != "BullMQ" or bool(depth.added or depth.inside or depth.failed)


def _measures(view: QueueView) -> Iterator[Measure]:
    depth = view.depth
    labels = (("queue", depth.name), ("system", depth.system))
    rows: Sequence[tuple[str, float | None, str]] = (
        ("waiting", float(depth.waiting), "1"),
        ("active", float(depth.active), "1"),
        ("delayed", float(depth.delayed), "1"),
        ("failed", float(depth.failed), "1"),
        ("oldest_s", depth.oldest if depth.waiting or depth.system not in AGED else 0.0, "s"),
        ("in_per_s", view.in_per_s, "1/s"),
        ("out_per_s", view.out_per_s, "1/s"),
        ("drain_s", view.drains_in, "s"),
    )
    for name, value, unit in rows:
        if value is not None:
            yield Measure(SeriesKey(depth.source, f"queue.{name}", labels), value, unit)
