"""Any application or host that serves Prometheus text at an address."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from perftui.analysis.hostmeasures import measures
from perftui.analysis.matchers import matches, parse_matchers
from perftui.analysis.nodemetrics import NodeHost
from perftui.analysis.promtext import Rows, Scanner
from perftui.backends.httperrors import bounded, clock_of, trust
from perftui.backends.scrape.exemplars import Exemplars
from perftui.backends.scrape.kept import Keeper
from perftui.backends.scrape.pools import Pools
from perftui.backends.scrape.requests import Requests
from perftui.backends.scrape.roles import Counters, Names, Roles
from perftui.model.alerts import Matcher
from perftui.model.business import Figure
from perftui.model.endpoint import ApiReading, Endpoint, EndpointPast, Pool
from perftui.model.errors import ConfigError, Lost, Protocol, Refused, Unsupported
from perftui.model.options import ScrapeOptions, TargetsOptions
from perftui.model.reading import Measure, Reading
from perftui.model.series import SeriesKey
from perftui.model.targets import ScrapedHost

if TYPE_CHECKING:
    import httpx

# OpenMetrics first: only it can name the traces behind a histogram.
ACCEPT = "application/openmetrics-text;version=1.0.0;q=1, text/plain;version=0.0.4;q=0.5, */*;q=0.1"
OPENMETRICS = "application/openmetrics-text"
ENDS = ("\n# EOF\n", "\n# EOF")
MAX_BYTES = 16 << 20


class Scrape:
    """One `/metrics` address: an application's requests, or a host under node_exporter's names."""

    kind: ClassVar[str] = "scrape"
    layer: ClassVar[str] = "api"
    Options: ClassVar[type] = ScrapeOptions
    libraries: ClassVar[tuple[str, ...]] = ("httpx",)
    period: ClassVar[float] = 2.0
    idle_period: ClassVar[float] = 10.0
    deadline: ClassVar[float] = 3.0

    def __init__(
        self, name: str, options: ScrapeOptions, client: httpx.AsyncClient | None = None, job: str = ""
    ) -> None:
        """`client` asks for somebody else, who opens and closes it; `job` is what it belongs to."""
        self.name = name
        self._options = options
        self._service = options.service or name
        self._client = client
        self._scanner = Scanner(max(1, options.most_samples))
        self._roles = Roles(Names(options.requests, options.durations, options.in_flight))
        self._requests = Requests(name, self._service, options.window, self._roles.role)
        self._exemplars = Exemplars()
        self._node = NodeHost()
        self._pools = Pools()
        self._keeper = Keeper(name, options.keep, job or name, options.url)
        self._samples: Mapping[str, Rows] = {}
        self._scraped = -math.inf
        self._fresh = asyncio.Lock()
        self._ahead: float | None = None  # its clock, by its newest answer

    async def open(self) -> None:
        """Prepare the client; the address is asked at the first read."""
        if self._options.url.startswith("https:"):
            self._client = await asyncio.to_thread(client_of, self.name, self._options, secure=True)
        else:  # at once: whoever asks for a figure right after the start finds it open
            self._client = client_of(self.name, self._options, secure=False)

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
        self._exemplars.add(scrape.examples, self._roles.durations(scrape), self._roles.role, at)
        facts = self._requests.add(now)
        facts = replace(facts, metrics=scrape.count, bytes_=len(text), exemplars=self._exemplars.all())
        facts = replace(facts, damaged=scrape.damaged, duplicates=scrape.duplicates)
        facts = replace(facts, pools=self._pools.of(scrape.samples))
        samples = (*self._measures(facts, now), *self._keeper.measures(scrape.samples))
        host = self._node.reading(scrape.samples, at, now.mono, self._service)
        if host is None:
            return Reading(self.name, at, time.monotonic() - began, samples, facts, ahead=self._ahead)
        samples = (*samples, *measures(self.name, host))
        facts_ = ScrapedHost(facts, host)
        return Reading(self.name, at, time.monotonic() - began, samples, facts_, ahead=self._ahead)

    async def endpoints(self, window: float) -> tuple[Endpoint, ...]:
        """Routes over the last `window` seconds as far as scrapes reach back, busiest first."""
        if self._requests.empty:
            await self.read()
        return self._requests.endpoints(window)

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
        return self._requests.past(route, method)

    def forget(self) -> None:
        """Let go of what only later questions would need: of fifty hosts it is most of what is in memory."""
        self._samples = {}
        self._requests.forget()

    async def _fetch(self) -> str:
        if self._client is None:
            raise Lost(f"{self.name}: not open")
        async with bounded(self.name, self._options.url, self.deadline * 0.7):
            return await self._get(self._client)

    async def _get(self, client: httpx.AsyncClient) -> str:
        url = self._options.url
        asked, began = time.time(), time.monotonic()
        async with client.stream("GET", url) as answer:
            self._ahead = clock_of(answer.headers, asked, time.monotonic() - began)
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
        text = body.decode(errors="replace")
        told = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if told == OPENMETRICS and not f"\n{text}".endswith(ENDS):
            raise Protocol(f"{self.name}: {url} sends metrics that are cut short: they end without `# EOF`")
        return text

    def _measures(self, r: ApiReading, now: Counters) -> tuple[Measure, ...]:
        found = self._requests.measures(r)
        faults = (("scrape.damaged", r.damaged), ("scrape.duplicates", r.duplicates))
        found += (Measure(SeriesKey(self.name, name), float(n)) for name, n in faults if n)
        found += (measure for pool in r.pools for measure in self._pool_measures(pool))
        for labels, value in now.rss.items():
            key = SeriesKey(self.name, "process.rss_bytes", tuple(sorted(labels)))
            found.append(Measure(key, value, "bytes"))
        return tuple(found)

    def _pool_measures(self, pool: Pool) -> Iterator[Measure]:
        labels = (("pool", pool.name),) if pool.name else ()
        waiting = None if pool.waiting is None else float(pool.waiting)
        rows = (
            ("pool.used", float(pool.used), "1"),
            ("pool.used_ratio", pool.used_ratio, "ratio"),
            ("pool.waiting", waiting, "1"),
            ("pool.wait_s", pool.wait_s, "s"),
        )
        for name, value, unit in rows:
            if value is not None:
                yield Measure(SeriesKey(self.name, name, labels), value, unit)


def client_of(
    name: str, options: ScrapeOptions | TargetsOptions, *, secure: bool, most: int | None = None
) -> httpx.AsyncClient:
    """A client that logs in as the options say; reading certificates takes a disk."""
    import httpx

    headers = {"Accept": ACCEPT, "User-Agent": "perftui"}
    if options.token:
        headers["Authorization"] = f"Bearer {options.token}"
    if options.tenant:
        headers["X-Scope-OrgID"] = options.tenant
    return httpx.AsyncClient(
        headers=headers,
        auth=(options.username, options.password) if options.username else None,
        verify=trust(name, options.ca_file, options.cert_file, options.key_file) if secure else True,
        limits=httpx.Limits(max_connections=most, max_keepalive_connections=most),
        timeout=Scrape.deadline,
        trust_env=False,
    )


def wanted(read: str) -> tuple[str, tuple[Matcher, ...]]:
    """Name and matchers; Unsupported when they cannot be read."""
    name, brace, rest = read.strip().partition("{")
    try:
        return name.strip(), parse_matchers("{" + rest) if brace else ()
    except ConfigError as error:
        raise Unsupported(str(error)) from error
