"""The small Python edge of the lab: its counters, purges and checks over HTTP.

What it cannot do is said, not imitated: no stale-while-revalidate, no request collapsing, one origin.
"""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any, ClassVar

from perftui.analysis.rates import Rates
from perftui.model.cdn import CacheState, EdgeFacts, EdgeLook, Origin, PurgeRequest, UrlUse
from perftui.model.errors import BackendError, Lost, Protocol, Refused
from perftui.model.options import PyEdgeOptions
from perftui.model.reading import Measure, Reading
from perftui.model.series import SeriesKey

LIMIT = 4 << 20
WAIT = 3.0
LIMITS = ("no stale-while-revalidate", "no request collapsing", "one origin")


class PyEdge:
    """One Python edge; powers `Purger`, `EdgeVerifier`, `EdgeContent`."""

    kind: ClassVar[str] = "pyedge"
    layer: ClassVar[str] = "cdn"
    Options: ClassVar[type] = PyEdgeOptions
    libraries: ClassVar[tuple[str, ...]] = ("httpx",)
    period: ClassVar[float] = 2.0
    idle_period: ClassVar[float] = 10.0
    deadline: ClassVar[float] = 4.0

    def __init__(self, name: str, options: PyEdgeOptions) -> None:
        self.name = name
        self._url = options.url.rstrip("/")
        self._options = options
        self._rates = Rates()
        self._client: Any = None

    async def open(self) -> None:
        """Prepare the HTTP client and check that the edge answers."""
        import httpx

        await self.close()
        self._client = httpx.AsyncClient(base_url=self._url, timeout=WAIT, trust_env=False)
        await self._stats()

    async def close(self) -> None:
        """Close the HTTP client."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def read(self) -> Reading:
        """Counters, stored objects and the origin's health."""
        at, began = time.time(), time.monotonic()
        facts = self._facts(at, await self._stats())
        return Reading(self.name, at, time.monotonic() - began, self._measures(facts), facts)

    async def purge_edge(self, request: PurgeRequest) -> int | None:
        """Drop by path or tag; the number of objects dropped."""
        targets = [_path(t) if request.kind == "url" else t for t in request.targets]
        body = json.dumps({"kind": request.kind, "targets": targets})
        answer = await self._json("POST", "/_edge/purge", body.encode())
        return int(answer["dropped"]) if isinstance(answer.get("dropped"), int) else None

    async def look_at(self, url: str) -> EdgeLook:
        """GET as a visitor; the state is the edge's own `X-Cache` word."""
        began = time.monotonic()
        path = _path(url)
        status, headers, _ = await self._http("GET", path)
        word = headers.get("x-cache", "").lower()
        known = {state.value: state for state in CacheState}
        age = headers.get("age", "")
        kept = tuple(
            (k, headers[k][:200]) for k in ("x-cache", "age", "cache-control", "etag") if k in headers
        )
        took = time.monotonic() - began
        seconds = float(age) if age.isdigit() else None
        return EdgeLook(path, status, known.get(word), seconds, took, kept, headers.get("x-object", ""))

    async def recent_urls(self, limit: int) -> tuple[UrlUse, ...]:
        """The most requested URLs of its last few thousand requests."""
        stats = await self._stats("?log=1")
        uses: dict[str, list[Any]] = {}
        try:
            for path, state, size, ttfb, tags in stats["log"]:
                row = uses.setdefault(str(path)[:2048], [0, 0, 0, 0.0, ()])
                row[0] += 1
                row[1] += state == "hit"
                row[2] += int(size)
                row[3] += float(ttfb)
                row[4] = tuple(str(tags).split()[:20]) or row[4]
        except (KeyError, TypeError, ValueError) as error:
            raise Protocol(f"{self.name}: a log that cannot be read") from error
        ranked = sorted(uses.items(), key=lambda item: (-item[1][0], item[0]))[:limit]
        return tuple(UrlUse(u, n, hits, b, t / n, tags) for u, (n, hits, b, t, tags) in ranked)

    async def _stats(self, query: str = "") -> dict[str, Any]:
        return await self._json("GET", f"/_edge/stats{query}")

    async def _json(self, method: str, path: str, body: bytes = b"") -> dict[str, Any]:
        status, _, text = await self._http(method, path, body)
        if status in (401, 403):
            raise Refused(f"{self.name}: the edge refuses our token")
        try:
            answer = json.loads(text)
        except ValueError as error:
            raise Protocol(f"{self.name}: {path} answered {status} and no JSON") from error
        if status != 200 or not isinstance(answer, dict):
            raise Protocol(f"{self.name}: {path} answered {status}")
        return answer

    async def _http(self, method: str, path: str, body: bytes = b"") -> tuple[int, dict[str, str], bytes]:
        import httpx

        if self._client is None:
            raise Lost(f"{self.name}: not connected")
        headers = {"X-Edge-Token": self._options.token} if path.startswith("/_edge/") else {}
        try:
            async with (
                asyncio.timeout(WAIT),
                self._client.stream(method, path, headers=headers, content=body or None) as answer,
            ):
                text = b""
                async for chunk in answer.aiter_bytes():
                    text += chunk
                    if len(text) > LIMIT:
                        raise Protocol(f"{self.name}: {path} answered over {LIMIT} bytes")
                return answer.status_code, dict(answer.headers), text
        except BackendError:
            raise
        except (TimeoutError, httpx.TimeoutException) as error:
            raise Lost(f"{self.name}: no answer from {self._url} in {WAIT:g} s") from error
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
            raise Lost(f"{self.name}: {type(error).__name__}: {error}"[:300]) from error

    def _facts(self, at: float, stats: dict[str, Any]) -> EdgeFacts:
        try:
            counters = {str(k): float(v) for k, v in stats["counters"].items()}
            origin = stats["origin"]
            rate = self._rates.step(at, counters)
            hit, miss = rate.get("hit", 0.0), rate.get("miss", 0.0)
            return EdgeFacts(
                product="python edge",
                uptime=float(stats["uptime"]),
                requests_per_s=rate.get("requests"),
                hit_ratio=hit / (hit + miss) if hit + miss else None,
                bytes_per_s=rate.get("bytes"),
                errors_per_s=rate.get("error"),
                objects=int(stats["objects"]),
                stored_bytes=int(stats["used"]),
                limit_bytes=int(stats["limit"]),
                by_state=tuple((s, rate[s]) for s in ("hit", "miss", "pass", "error") if s in rate),
                origins=(Origin("origin", origin["healthy"], str(origin["url"])[:200]),),
                limits=LIMITS,
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise Protocol(f"{self.name}: statistics that cannot be read: {error!r}"[:300]) from error

    def _measures(self, facts: EdgeFacts) -> tuple[Measure, ...]:
        plain = (
            ("requests_per_s", facts.requests_per_s, "1/s"),
            ("hit_ratio", facts.hit_ratio, "ratio"),
            ("bytes_per_s", facts.bytes_per_s, "bytes/s"),
            ("errors_per_s", facts.errors_per_s, "1/s"),
            ("objects", facts.objects, "1"),
            ("stored_bytes", facts.stored_bytes, "bytes"),
            *((f"{state}_per_s", value, "1/s") for state, value in facts.by_state if state != "error"),
        )
        return tuple(Measure(SeriesKey(self.name, n), float(v), u) for n, v, u in plain if v is not None)


def _path(url: str) -> str:
    if not url.startswith(("http://", "https://")):
        return url
    rest = url.split("//", 1)[1]
    return "/" + rest.split("/", 1)[1] if "/" in rest else "/"
