"""Datadog: queries of its metrics read as our own, and our figures submitted beside them.

https://docs.datadoghq.com/api/latest/metrics: `GET /api/v1/query` and `POST /api/v2/series`.
"""

from __future__ import annotations

import asyncio
import json
import math
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from perftui.backends.httperrors import bounded
from perftui.model.business import Figure
from perftui.model.errors import Lost, Protocol, Refused, Unsupported
from perftui.model.options import DatadogOptions
from perftui.model.reading import Measure, Reading
from perftui.model.series import SeriesKey
from perftui.model.sink import Sent

if TYPE_CHECKING:
    import httpx

BACK = 600.0  # seconds in which the newest point is looked for
LOOK = 6.0
MOST_QUERIES = 20  # a minute: an organisation has 1600 an hour
MOST_SERIES = 500
MOST_BYTES = 4 << 20
BATCH = 500  # series a request: far below 5 MB
GAUGE = 3
UNITS = {"s": "second", "bytes": "byte"}
_SITE = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)+\Z")


@dataclass(frozen=True, slots=True)
class DatadogPoint:
    """The newest point of one series of an answer; `at` is epoch seconds."""

    metric: str
    labels: tuple[tuple[str, str], ...]
    value: float
    at: float


@dataclass(frozen=True, slots=True)
class DatadogReading:
    """Newest points of all queries; series without one are left out."""

    points: tuple[DatadogPoint, ...]


class Datadog:
    """One organisation; powers `FigureSource` and `MetricSink`."""

    kind: ClassVar[str] = "datadog"
    layer: ClassVar[str] = "api"
    Options: ClassVar[type] = DatadogOptions
    libraries: ClassVar[tuple[str, ...]] = ("httpx",)
    period: ClassVar[float] = 60.0  # queries are counted
    idle_period: ClassVar[float] = 300.0
    deadline: ClassVar[float] = 8.0

    def __init__(self, name: str, options: DatadogOptions) -> None:
        self.name = name
        self._options = options
        self._url = options.base_url.rstrip("/") or f"https://api.{options.site}"
        self._client: httpx.AsyncClient | None = None

    async def open(self) -> None:
        """Prepare the client; Datadog is asked at the first read."""
        import httpx

        o = self._options
        if not o.base_url and not _SITE.match(o.site):
            raise Unsupported(f"{self.name}: {o.site[:60]!r} is no site like datadoghq.eu")
        if o.queries and not o.app_key:
            raise Refused(f"{self.name}: queries want an application key: give app_key")
        keys = {"DD-API-KEY": o.api_key} | ({"DD-APPLICATION-KEY": o.app_key} if o.app_key else {})
        if not all(key.isascii() and key.isprintable() for key in keys.values()):
            raise Refused(f"{self.name}: a key has characters no key has")
        headers = {"User-Agent": "perftui", "Accept": "application/json", **keys}
        self._client = await asyncio.to_thread(
            httpx.AsyncClient, headers=headers, timeout=LOOK, trust_env=False
        )

    async def close(self) -> None:
        """Close the connection; may be called twice."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def read(self) -> Reading:
        """The newest points of every query; without one, only whether the key is good."""
        at, began = time.time(), time.monotonic()
        async with bounded(self.name, self._url.split("@")[-1], LOOK):
            asked = self._options.queries[:MOST_QUERIES]
            answers = await asyncio.gather(*(self._query(query, at) for query in asked))
            points = [point for answer in answers for point in answer]
            if not self._options.queries:
                await self._ask("GET", "/api/v1/validate")
        values = {SeriesKey(self.name, p.metric, p.labels): p.value for p in points[:MOST_SERIES]}
        measures = tuple(Measure(key, value) for key, value in values.items())
        return Reading(self.name, at, time.monotonic() - began, measures, DatadogReading(tuple(points)))

    async def figures(self, read: str) -> tuple[Figure, ...]:
        """What a query comes to now, a series a figure."""
        async with bounded(self.name, self._url.split("@")[-1], LOOK):
            points = await self._query(read, time.time())
        if not points:
            raise Unsupported(f"{self.name}: {read[:120]!r} has no point of the last {BACK / 60:.0f} minutes")
        return tuple(Figure(point.value, point.labels) for point in points)

    async def put_figures(self, figures: Sequence[Sent]) -> int:
        """Submit them as gauges; how many were taken."""
        rows = [_series(one) for one in figures if math.isfinite(one.value)]
        async with bounded(self.name, self._url.split("@")[-1], LOOK):
            for start in range(0, len(rows), BATCH):
                said = await self._ask("POST", "/api/v2/series", body={"series": rows[start : start + BATCH]})
                if said.get("errors"):
                    raise Unsupported(
                        f"{self.name}: Datadog does not take them: {str(said['errors'])[:200]!r}"
                    )
        return len(rows)

    async def _query(self, query: str, now: float) -> tuple[DatadogPoint, ...]:
        span = {"from": str(int(now - BACK)), "to": str(int(now)), "query": query}
        said = await self._ask("GET", "/api/v1/query", params=span)
        if said.get("status") == "error" or said.get("error"):
            raise Unsupported(
                f"{self.name}: {query[:120]!r} cannot be asked: {str(said.get('error'))[:200]!r}"
            )
        try:
            return tuple(_points(said.get("series") or ()))
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            raise Protocol(f"{self.name}: an answer cannot be read: {type(error).__name__}") from error

    async def _ask(
        self,
        method: str,
        path: str,
        params: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> Mapping[str, Any]:
        if self._client is None:
            raise Lost(f"{self.name}: not open")
        said = bytearray()
        async with self._client.stream(method, f"{self._url}{path}", params=params, json=body) as answer:
            async for part in answer.aiter_bytes():
                said += part
                if len(said) > MOST_BYTES:
                    raise Protocol(
                        f"{self.name}: the answer is larger than {MOST_BYTES >> 20} MiB: ask for less"
                    )
        return self._judged(path, answer.status_code, bytes(said))

    def _judged(self, path: str, status: int, said: bytes) -> Mapping[str, Any]:
        if status in {401, 403}:
            raise Refused(
                f"{self.name}: Datadog refuses {path} (HTTP {status}): check site, api_key and app_key"
            )
        if status in {408, 429} or status >= 500:
            raise Lost(f"{self.name}: Datadog answers {path} with HTTP {status}")
        try:
            found = json.loads(said or b"{}")
        except (ValueError, RecursionError) as error:
            raise Protocol(f"{self.name}: the answer to {path} is no JSON (HTTP {status})") from error
        if not isinstance(found, Mapping):
            raise Protocol(f"{self.name}: the answer to {path} is no object")
        if status not in {200, 202}:
            why = str(found.get("errors") or "")[:200]
            raise Unsupported(f"{self.name}: {path} is not taken (HTTP {status}): {why!r}")
        return found


def _points(rows: Sequence[Mapping[str, Any]]) -> Iterator[DatadogPoint]:
    """The last point of each series that is a number: the newest bucket is often still empty."""
    for row in rows[:MOST_SERIES]:
        numbers = [(at, value) for at, value in row["pointlist"] if value is not None]
        if numbers:
            at, value = (float(number) for number in numbers[-1])
            if not math.isfinite(at) or not math.isfinite(value):
                raise ValueError("no number")
            yield DatadogPoint(str(row["metric"])[:200], _labels(row), value, at / 1000)


def _labels(row: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    pairs = [str(tag)[:200].partition(":") for tag in row.get("tag_set") or ()]
    own = [("aggr", str(row["aggr"])[:50])] if row.get("aggr") else []
    return tuple(sorted(dict([*((name, value) for name, _, value in pairs), *own]).items()))


def _series(one: Sent) -> dict[str, Any]:
    """One gauge; a tag is at most 200 characters."""
    found: dict[str, Any] = {
        "metric": one.name[:200],
        "type": GAUGE,
        "points": [{"timestamp": int(one.at), "value": one.value}],
        "tags": [f"{name}:{value}"[:200] for name, value in one.labels if value],
    }
    return found | ({"unit": UNITS[one.unit]} if one.unit in UNITS else {})
