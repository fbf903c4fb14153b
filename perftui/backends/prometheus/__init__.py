"""Any server with Prometheus' query API: long history, its rules and its alerts, asked in PromQL."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from perftui.backends.httperrors import bounded, clock_of, trust
from perftui.backends.prometheus import decode
from perftui.model.business import Figure
from perftui.model.errors import ExpressionError, Lost, Protocol, Refused
from perftui.model.metrics import (
    Answer,
    Flavour,
    MetricMeta,
    PromReading,
    ServerAlert,
    ServerRule,
    check_points,
)
from perftui.model.options import PrometheusOptions
from perftui.model.reading import Measure, Reading
from perftui.model.series import SeriesKey

if TYPE_CHECKING:
    import httpx

    from perftui.model.alerts import Labels

MOST_BYTES = 32 << 20
LONG_QUERY = 1500  # characters of parameters beyond which a query is posted: proxies bound addresses

T = TypeVar("T")
Params = Sequence[tuple[str, str]]


class Prometheus:
    """One server; power `PromQuerier`."""

    kind: ClassVar[str] = "prometheus"
    layer: ClassVar[str] = "api"
    Options: ClassVar[type] = PrometheusOptions
    libraries: ClassVar[tuple[str, ...]] = ("httpx",)
    period: ClassVar[float] = 5.0
    idle_period: ClassVar[float] = 30.0
    deadline: ClassVar[float] = 3.0

    def __init__(self, name: str, options: PrometheusOptions) -> None:
        self.name = name
        self._options = options
        self._client: httpx.AsyncClient | None = None
        self._flavour: Flavour | None = None
        self._ahead: float | None = None  # its clock, by its newest answer

    async def open(self) -> None:
        """Prepare the client; the server is asked at the first read."""
        import httpx

        o = self._options
        headers = {"User-Agent": "perftui", "Accept": "application/json"}
        if o.token:
            headers["Authorization"] = f"Bearer {o.token}"
        if o.tenant:
            headers["X-Scope-OrgID"] = o.tenant
        self._client = httpx.AsyncClient(
            headers=headers,
            auth=(o.username, o.password) if o.username else None,
            verify=await asyncio.to_thread(trust, self.name, o.ca_file, o.cert_file, o.key_file)
            if o.url.startswith("https:")
            else True,
            timeout=o.timeout,
            trust_env=False,
        )

    async def close(self) -> None:
        """Close the connection; may be called twice."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def read(self) -> Reading:
        """Which server it is, how many targets it has and how many of them are up."""
        at, began = time.time(), time.monotonic()
        async with self._bounded(self.deadline * 0.8):
            self._flavour = await self._asked("status/buildinfo", (), decode.flavour)
            known = await self._asked("query", (("query", "count(up)"),), decode.answer)
            up = await self._asked("query", (("query", "count(up == 1)"),), decode.answer)
        targets, targets_up = (int(c.vector[0].value) if c.vector else 0 for c in (known, up))
        took = time.monotonic() - began
        rows = (("targets", targets, "1"), ("targets_up", targets_up, "1"), ("answer_s", took, "s"))
        samples = tuple(Measure(SeriesKey(self.name, name), float(v), unit) for name, v, unit in rows)
        facts = PromReading(self._flavour, targets, targets_up)
        return Reading(self.name, at, took, samples, facts, ahead=self._ahead)

    async def flavour(self) -> Flavour:
        """Which server it is, and the dialect it speaks."""
        if self._flavour is None:
            self._flavour = await self._ask("status/buildinfo", (), decode.flavour)
        return self._flavour

    async def instant(self, expr: str, at: float) -> Answer:
        """What an expression comes to at one instant."""
        return await self._query(expr, "query", (("query", expr), ("time", f"{at:.3f}")))

    async def figures(self, read: str) -> tuple[Figure, ...]:
        """What an expression comes to now, an element a figure."""
        answer = await self.instant(read, time.time())
        return tuple(Figure(point.value, tuple(point.labels)) for point in answer.vector)

    async def range(self, expr: str, start: float, end: float, step: float) -> Answer:
        """Its values every `step` seconds, both ends inside."""
        check_points(start, end, step)
        span = (("start", f"{start:.3f}"), ("end", f"{end:.3f}"), ("step", f"{step:.3f}"))
        return await self._query(expr, "query_range", (("query", expr), *span))

    async def series(self, selectors: Sequence[str], start: float, end: float) -> tuple[Labels, ...]:
        """Label sets of the series that any of the selectors matches."""
        matches = [("match[]", selector) for selector in selectors]
        span = (("start", f"{start:.3f}"), ("end", f"{end:.3f}"))
        return await self._ask("series", (*matches, *span), decode.label_sets, post=True)

    async def labels(self, name: str = "") -> tuple[str, ...]:
        """Names of all labels, or the values of one."""
        if name and not name.replace("_", "a").isalnum():
            raise ExpressionError(f"{name!r} is no label name")
        return await self._ask(f"label/{name}/values" if name else "labels", (), decode.names)

    async def metadata(self, metric: str = "") -> Mapping[str, MetricMeta]:
        """Types and help texts, of one metric or of all."""
        return await self._ask("metadata", (("metric", metric),) if metric else (), decode.metadata)

    async def rules(self) -> tuple[ServerRule, ...]:
        """The rules it evaluates, with their state."""
        return await self._ask("rules", (), decode.rules)

    async def alerts(self) -> tuple[ServerAlert, ...]:
        """The alerts it holds."""
        return await self._ask("alerts", (), decode.alerts)

    async def _query(self, expr: str, path: str, params: Params) -> Answer:
        async with self._bounded(self._options.timeout):
            return await self._asked(path, params, decode.answer, post=True, expr=expr)

    async def _ask(self, path: str, params: Params, read: Callable[[Any], T], *, post: bool = False) -> T:
        async with self._bounded(self._options.timeout):
            return await self._asked(path, params, read, post=post)

    async def _asked(
        self, path: str, params: Params, read: Callable[[Any], T], *, post: bool = False, expr: str = ""
    ) -> T:
        body = await self._body(path, params, post=post)
        if body.get("status") == "error":
            raise decode.refusal(self.name, expr, body)
        try:
            return read(body)
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            raise Protocol(f"{self.name}: an answer of {path} cannot be read: {error!r}") from error

    def _bounded(self, seconds: float) -> AbstractAsyncContextManager[None]:
        return bounded(self.name, self._options.url.split("@")[-1], seconds)  # without a user and password

    async def _body(self, path: str, params: Params, *, post: bool) -> dict[str, Any]:
        if self._client is None:
            raise Lost(f"{self.name}: not open")
        url = f"{self._options.url.rstrip('/')}/api/v1/{path}"
        long = post and sum(len(n) + len(v) for n, v in params) > LONG_QUERY
        request = (
            self._client.build_request("POST", url, data=_form(params))
            if long
            else self._client.build_request("GET", url, params=list(params))
        )
        asked, began = time.time(), time.monotonic()
        answer = await self._client.send(request, stream=True)
        self._ahead = clock_of(answer.headers, asked, time.monotonic() - began)
        try:
            content = await self._content(answer)
        finally:
            await answer.aclose()
        return decode.body(self.name, answer.status_code, content)

    async def _content(self, answer: httpx.Response) -> bytes:
        if answer.status_code in {401, 403}:
            why = f"HTTP {answer.status_code}: check token, user and tenant"
            raise Refused(f"{self.name}: the server refuses us ({why})")
        content = bytearray()
        async for part in answer.aiter_bytes():
            content += part
            if len(content) > MOST_BYTES:
                raise Protocol(f"{self.name}: the answer is larger than {MOST_BYTES >> 20} MiB: ask for less")
        return bytes(content)


def _form(params: Params) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in params:
        found.setdefault(name, []).append(value)
    return found
