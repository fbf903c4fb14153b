"""Any application or host that serves Prometheus text at an address."""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from perftui.analysis.hostmeasures import measures
from perftui.analysis.matchers import matches, parse_matchers
from perftui.analysis.nodemetrics import NodeHost
from perftui.analysis.promtext import Rows, Scanner
from perftui.backends.httperrors import bounded
from perftui.backends.scrape.exemplars import Exemplars
from perftui.backends.scrape.past import Past
from perftui.backends.scrape.red import endpoints, reading
from perftui.backends.scrape.roles import Counters, Names, Roles
from perftui.model.alerts import Matcher
from perftui.model.business import Figure
from perftui.model.endpoint import ApiReading, Endpoint, EndpointPast
from perftui.model.errors import ConfigError, Lost, Protocol, Refused, Unsupported
from perftui.model.options import ScrapeOptions
from perftui.model.reading import Measure, Reading
from perftui.model.series import SeriesKey
from perftui.model.targets import ScrapedHost

if TYPE_CHECKING:
    import httpx

# OpenMetrics first: only it can name the traces behind a histogram.
ACCEPT = "application/openmetrics-text;version=1.0.0;q=1, text/plain;version=0.0.4;q=0.5, */*;q=0.1"
MAX_BYTES = 16 << 20
KEPT_EVERY = 10.0  # seconds between scrapes kept for longer windows
KEPT_FOR = 300.0
ROUTES_SAMPLED = 50


class Scrape:
    """One `/metrics` address: an application's requests, or a host under node_exporter's names."""

    kind: ClassVar[str] = "scrape"
    layer: ClassVar[str] = "api"
    Options: ClassVar[type] = ScrapeOptions
    libraries: ClassVar[tuple[str, ...]] = ("httpx",)
    period: ClassVar[float] = 2.0
    idle_period: ClassVar[float] = 10.0
    deadline: ClassVar[float] = 3.0

    def __init__(self, name: str, options: ScrapeOptions, client: httpx.AsyncClient | None = None) -> None:
        """`client` asks for somebody else, who opens and closes it."""
        self.name = name
        self._options = options
        self._service = options.service or name
        self._client = client
        self._scanner = Scanner()
        self._roles = Roles(Names(options.requests, options.durations, options.in_flight))
        self._recent: deque[Counters] = deque()
        self._kept: deque[Counters] = deque(maxlen=int(KEPT_FOR / KEPT_EVERY) + 1)
        self._past = Past()
        self._exemplars = Exemplars()
        self._node = NodeHost()
        self._samples: Mapping[str, Rows] = {}
        self._scraped = -math.inf
        self._fresh = asyncio.Lock()

    async def open(self) -> None:
        """Prepare the client; the address is asked at the first read."""
        import httpx

        headers = {"Accept": ACCEPT, "User-Agent": "perftui"}
        if self._options.token:
            headers["Authorization"] = f"Bearer {self._options.token}"
        self._client = httpx.AsyncClient(headers=headers, timeout=self.deadline, trust_env=False)

    async def close(self) -> None:
        """Close the connection; may be called twice."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def read(self) -> Reading:
        """Scrape once; rates and quantiles cover about `window` seconds up to now."""
        at, began = time.time(), time.monotonic()
        text = await self._fetch()
        try:
            scrape = self._scanner.scan(text)
        except ValueError as error:
            raise Protocol(f"{self.name}: {self._options.url} sent no Prometheus text: {error}") from error
        self._samples, self._scraped = scrape.samples, time.monotonic()
        now = self._roles.sort(scrape, at, time.monotonic())
        self._remember(now)
        self._exemplars.add(scrape.examples, self._roles.durations(scrape), self._roles.role, at)
        facts = reading(self._service, now, self._recent[0], self._roles.role)
        facts = replace(
            facts, metrics=scrape.count, bytes_=len(text), tallies=tuple(self._past.tallies.values())
        )
        facts = replace(facts, exemplars=self._exemplars.all())
        samples = self._measures(facts, now)
        host = self._node.reading(scrape.samples, at, now.mono, self._service)
        if host is None:
            return Reading(self.name, at, time.monotonic() - began, samples, facts)
        samples = (*samples, *measures(self.name, host))
        return Reading(self.name, at, time.monotonic() - began, samples, ScrapedHost(facts, host))

    async def endpoints(self, window: float) -> tuple[Endpoint, ...]:
        """Routes over the last `window` seconds as far as scrapes reach back, busiest first."""
        if not self._recent:
            await self.read()
        now = self._recent[-1]
        past = [c for c in (*self._kept, *self._recent) if now.mono - c.mono <= window]
        return endpoints(self._service, now, min(past, key=lambda c: c.mono), self._roles.role)

    async def figures(self, read: str) -> tuple[Figure, ...]:
        """A metric's samples, narrowed by matchers (`orders_total{shop="1"}`), no older than a period."""
        async with self._fresh:  # several figures asked at once are of one scrape
            if time.monotonic() - self._scraped > self.period:
                await self.read()
        name, matchers = wanted(read)
        rows = self._samples.get(name)
        if rows is None:
            raise Unsupported(f"{self.name}: {self._options.url} has no metric {name[:80]!r}")
        return tuple(Figure(value, labels) for labels, value in rows if matches(matchers, dict(labels)))

    async def endpoint_past(self, route: str, method: str) -> EndpointPast:
        """The last quarter of an hour of one endpoint, by ten seconds, from counters' differences."""
        return self._past.of(route, method)

    def forget(self) -> None:
        """Let go of what only later questions would need: of fifty hosts it is most of what is in memory."""
        self._samples = {}
        self._kept.clear()

    def _remember(self, now: Counters) -> None:
        """Keep scrapes one by one for the window, and one in ten seconds for longer ones."""
        self._recent.append(now)
        while len(self._recent) > 2 and now.mono - self._recent[1].mono >= self._options.window:
            self._recent.popleft()
        if not self._kept or now.mono - self._kept[-1].mono >= KEPT_EVERY:
            if self._kept:
                self._past.add(now, self._kept[-1], self._roles.role)
            self._kept.append(now)

    async def _fetch(self) -> str:
        if self._client is None:
            raise Lost(f"{self.name}: not open")
        async with bounded(self.name, self._options.url, self.deadline * 0.7):
            return await self._get(self._client)

    async def _get(self, client: httpx.AsyncClient) -> str:
        url = self._options.url
        async with client.stream("GET", url) as answer:
            if answer.status_code in {401, 403}:
                raise Refused(f"{self.name}: {url} refuses us (HTTP {answer.status_code}): check the token")
            if answer.status_code >= 500:
                raise Lost(f"{self.name}: {url} answers HTTP {answer.status_code}")
            if answer.status_code != 200:
                raise Protocol(f"{self.name}: no metrics at {url}: HTTP {answer.status_code}")
            body = bytearray()
            async for part in answer.aiter_bytes():
                body += part
                if len(body) > MAX_BYTES:
                    raise Protocol(f"{self.name}: {url} sends more than {MAX_BYTES >> 20} MiB of metrics")
        return body.decode(errors="replace")

    def _measures(self, r: ApiReading, now: Counters) -> tuple[Measure, ...]:
        found = self._endpoint_measures("http", r.total, ()) if r.window else []
        if r.window and r.total.rate:  # requests that did not fail, of those that came
            key = SeriesKey(self.name, "http.availability_ratio")
            found.append(Measure(key, 1.0 - r.total.error_ratio, "ratio"))
        for e in r.endpoints[:ROUTES_SAMPLED]:
            found += self._endpoint_measures("http.route", e, (("method", e.method), ("route", e.route)))
        if r.in_flight is not None:
            found.append(Measure(SeriesKey(self.name, "http.in_flight"), r.in_flight))
        for labels, value in now.rss.items():
            key = SeriesKey(self.name, "process.rss_bytes", tuple(sorted(labels)))
            found.append(Measure(key, value, "bytes"))
        return tuple(found)

    def _endpoint_measures(
        self, prefix: str, e: Endpoint, labels: tuple[tuple[str, str], ...]
    ) -> list[Measure]:
        rows = [
            ("requests_per_s", e.rate, "1/s"),
            ("error_ratio", e.error_ratio if e.rate else None, "ratio"),
        ]
        rows += [("p50_s", e.p50_s, "s"), ("p95_s", e.p95_s, "s"), ("p99_s", e.p99_s, "s")]
        return [
            Measure(SeriesKey(self.name, f"{prefix}.{name}", labels), value, unit)
            for name, value, unit in rows
            if value is not None
        ]


def wanted(read: str) -> tuple[str, tuple[Matcher, ...]]:
    """Name and matchers; Unsupported when they cannot be read."""
    name, brace, rest = read.strip().partition("{")
    try:
        return name.strip(), parse_matchers("{" + rest) if brace else ()
    except ConfigError as error:
        raise Unsupported(str(error)) from error
