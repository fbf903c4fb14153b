"""RabbitMQ: what lies in each queue and how fast it comes and goes, by the management plugin's HTTP API.

https://www.rabbitmq.com/docs/management#http-api. Its figures are as old as `collect_statistics_interval`
(5 s), and messages and rates are sampled at different instants: rates are taken as the server reckons them.
"""

from __future__ import annotations

import asyncio
import json
import math
import time
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote

from perftui.backends.httperrors import bounded
from perftui.model.errors import Lost, Protocol, Refused, Unsupported
from perftui.model.options import RabbitMqOptions
from perftui.model.queues import QueueDepth, QueuesReading, QueueView, pace
from perftui.model.reading import Measure, Reading
from perftui.model.series import SeriesKey

if TYPE_CHECKING:
    import httpx

MOST = 200  # queues told, the fullest first
MOST_BYTES = 4 << 20
LOOK = 4.0
COLUMNS = (
    "name",
    "vhost",
    "messages_ready",
    "messages_unacknowledged",
    "consumers",
    "head_message_timestamp",
)
GONE = ("ack", "deliver_no_ack", "get_no_ack")  # how a message leaves a queue for good


class RabbitMq:
    """One cluster; power `QueueReader`. A queue of another virtual host than `/` is `vhost/queue`."""

    kind: ClassVar[str] = "rabbitmq"
    layer: ClassVar[str] = "api"
    Options: ClassVar[type] = RabbitMqOptions
    libraries: ClassVar[tuple[str, ...]] = ("httpx",)
    period: ClassVar[float] = 5.0
    idle_period: ClassVar[float] = 30.0
    deadline: ClassVar[float] = 5.0

    def __init__(self, name: str, options: RabbitMqOptions) -> None:
        self.name = name
        self._options = options
        self._where = options.url.split("@")[-1]  # without a user and password
        self._client: httpx.AsyncClient | None = None
        self._known: tuple[QueueDepth, ...] = ()
        self._known_at = float("-inf")

    async def open(self) -> None:
        """Prepare the client; the server is asked at the first read."""
        import httpx

        o = self._options
        self._client = httpx.AsyncClient(
            auth=(o.username, o.password),
            headers={"User-Agent": "perftui", "Accept": "application/json"},
            verify=await asyncio.to_thread(self._trust),
            timeout=LOOK,
            trust_env=False,
        )

    def _trust(self) -> Any:
        """A TLS context with the options' file; reading it takes a disk."""
        import ssl

        if not self._options.url.startswith("https:"):
            return True
        try:
            return ssl.create_default_context(cafile=self._options.ca_file or None)
        except OSError as error:
            raise Refused(f"{self.name}: ca_file cannot be used: {error}") from error

    async def close(self) -> None:
        """Close the connection; may be called twice."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def read(self) -> Reading:
        """The fullest queues with their consumers and pace."""
        at, began = time.time(), time.monotonic()
        views = tuple(pace(depth, None) for depth in await self._look())
        samples = tuple(measure for view in views for measure in self._samples(view))
        return Reading(self.name, at, time.monotonic() - began, samples, QueuesReading(views))

    async def queues(self) -> tuple[QueueDepth, ...]:
        """What was read last, when that is as young as the poller's reads are; else looked at now."""
        if time.monotonic() - self._known_at < self.period:
            return self._known
        return await self._look()

    async def _look(self) -> tuple[QueueDepth, ...]:
        at = time.time()
        async with self._bounded():
            rows = json.loads(await self._body())
            rows = rows["items"] if isinstance(rows, Mapping) else rows
            depths = tuple(self._depth(row, at) for row in rows[:MOST])
        self._known, self._known_at = depths, time.monotonic()
        return depths

    @asynccontextmanager
    async def _bounded(self) -> AsyncIterator[None]:
        """A deadline around calls of the client, whose errors become ours."""
        where = self._where
        try:
            async with bounded(self.name, where, LOOK):
                yield
        except (AttributeError, LookupError, TypeError, ValueError, RecursionError) as error:
            why = f"{type(error).__name__}: {error}"[:200]
            raise Protocol(f"{self.name}: {where} answers what cannot be read: {why!r}") from error

    async def _body(self) -> bytes:
        if self._client is None:
            raise Lost(f"{self.name}: not open")
        o = self._options
        url = f"{o.url.rstrip('/')}/api/queues" + (f"/{quote(o.vhost, safe='')}" if o.vhost else "")
        params = {
            "page": "1",
            "page_size": str(MOST),
            "sort": "messages",
            "sort_reverse": "true",
            "columns": ",".join((*COLUMNS, "message_stats")),
        }
        async with self._client.stream("GET", url, params=params) as answer:
            self._judge(answer.status_code)
            content = bytearray()
            async for part in answer.aiter_bytes():
                content += part
                if len(content) > MOST_BYTES:
                    raise Protocol(f"{self.name}: the answer is larger than {MOST_BYTES >> 20} MiB")
        return bytes(content)

    def _judge(self, status: int) -> None:
        if status in {401, 403}:
            why = "check username and password; the user needs the tag `monitoring`"
            raise Refused(f"{self.name}: the server refuses us (HTTP {status}): {why}")
        if status == 404:
            raise Unsupported(
                f"{self.name}: {self._where} has no management API, or no virtual host"
                f" {self._options.vhost!r}: rabbitmq-plugins enable rabbitmq_management"
            )
        if status != 200:
            raise Lost(f"{self.name}: {self._where} answers HTTP {status}")

    def _depth(self, row: Mapping[str, Any], at: float) -> QueueDepth:
        vhost, name = str(row["vhost"])[:200], str(row["name"])[:255]
        stamp = row.get("head_message_timestamp")  # only where its sender gave it one
        return QueueDepth(
            self.name,
            "RabbitMQ",
            name if vhost == "/" else f"{vhost}/{name}",
            at,
            _count(row.get("messages_ready")),
            _count(row.get("messages_unacknowledged")),
            oldest=max(0.0, at - _figure(stamp)) if stamp else None,
            consumers=_count(row.get("consumers")),
            rates=_rates(row.get("message_stats") or {}),
        )

    def _samples(self, view: QueueView) -> Iterable[Measure]:
        depth = view.depth
        rows: Sequence[tuple[str, float | None, str]] = (
            ("ready", float(depth.waiting), "1"),
            ("unacked", float(depth.active), "1"),
            ("consumers", float(depth.consumers or 0), "1"),
            ("in_per_s", view.in_per_s, "1/s"),
            ("out_per_s", view.out_per_s, "1/s"),
            ("drain_s", view.drains_in, "s"),
        )
        for name, value, unit in rows:
            if value is not None:
                yield Measure(SeriesKey(self.name, name, (("queue", depth.name),)), value, unit)


def _rates(stats: Mapping[str, Any]) -> tuple[float, float]:
    """Messages a second in and out; a queue that never had one has no statistics."""

    def rate(name: str) -> float:
        return _figure((stats.get(f"{name}_details") or {}).get("rate"))

    return rate("publish"), sum(rate(name) for name in GONE)


def _count(value: Any) -> int:
    return int(_figure(value))


def _figure(value: Any) -> float:
    """A number that is one; 0 where the server has none yet."""
    number = float(value or 0)
    if not math.isfinite(number) or number < 0:
        raise ValueError(f"{number} is no count")
    return number
