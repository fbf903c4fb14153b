"""Scrapes of real HTTP servers: figures agree with the server's own counts, failures are told apart."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import math
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from perftui.analysis.endpoints import merged
from perftui.analysis.endpoints import thrown as thrown_at
from perftui.analysis.promtext import Scanner
from perftui.backends.scrape import MAX_BYTES, Scrape, ScrapeOptions
from perftui.backends.scrape.roles import Names, Roles
from perftui.engines.resources import apis
from perftui.model.endpoint import ApiView
from perftui.model.errors import Lost, Protocol, Refused, Unsupported
from perftui.model.ports import EndpointSource, FigureSource
from perftui.screens.overview.endpoints import evidence
from tests.backends.contract import BackendContract

TOKEN = "s3cret-token"


class Service:
    """A real HTTP server with metrics of its own, that wants a token."""

    def __init__(self):
        self.registry = CollectorRegistry()
        self.seconds = Histogram(
            "http_request_duration_seconds",
            "d",
            ["method", "route", "status"],
            registry=self.registry,
            buckets=(0.01, 0.1, 1.0),
        )
        self.in_flight = Gauge("http_requests_in_flight", "n", registry=self.registry)
        self.cache = Counter("shop_cache_requests", "not HTTP requests", registry=self.registry)
        self.status, self.body, self.type = 200, None, "text/plain; version=0.0.4"
        service = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                allowed = self.headers.get("Authorization") == f"Bearer {TOKEN}"
                body = service.body if service.body is not None else generate_latest(service.registry)
                self.send_response(service.status if allowed else 401)
                self.send_header("Content-Length", str(len(body)))
                self.send_header("Content-Type", service.type)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02})
        self.thread.start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server.server_port}/metrics"

    def serve(self, route, seconds, times=1, status="200", method="GET"):
        for _ in range(times):
            self.seconds.labels(method, route, status).observe(seconds)

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def service():
    made = Service()
    yield made
    made.close()


@pytest.fixture
async def scrape(service):
    made = Scrape("shop", ScrapeOptions(service.url, token=TOKEN))
    await made.open()
    yield made
    await made.close()


class TestContract(BackendContract):
    powers = (EndpointSource, FigureSource)

    @pytest.fixture
    def live(self, service):
        service.serve("/", 0.05, 5)
        return lambda: Scrape("shop", ScrapeOptions(service.url, token=TOKEN))

    @pytest.fixture
    def at(self):
        return lambda port: Scrape("shop", ScrapeOptions(f"http://127.0.0.1:{port}/metrics", token=TOKEN))

    @pytest.fixture
    def wrong_login(self, service):
        return lambda: Scrape("shop", ScrapeOptions(service.url, token="wrong"))

    @pytest.fixture
    def secret(self):
        return TOKEN


async def test_rates_errors_and_quantiles_agree_with_what_was_served(service, scrape):
    service.serve("/a", 0.05, 1000)
    first = (await scrape.read()).facts
    assert (first.window, first.total.rate, first.total.p95_s) == (0, 0, None)
    began = time.monotonic()
    service.serve("/a", 0.05, 90)
    service.serve("/b", 0.5, 8, method="POST")
    service.serve("/b", 0.005, 2, status="503", method="POST")
    service.serve("/a", 0.001, 100, status="404")
    service.in_flight.set(3)
    facts = (await scrape.read()).facts
    assert facts.window == pytest.approx(time.monotonic() - began, abs=0.2)
    assert facts.total.rate * facts.window == pytest.approx(200)
    assert facts.total.error_ratio == pytest.approx(2 / 200)
    assert facts.total.client_error_ratio == pytest.approx(0.5)
    assert (facts.requests_total, facts.errors_total, facts.in_flight) == (1200, 2, 3)
    assert dict(facts.buckets) == {0.01: 102, 0.1: 90, 1.0: 8, math.inf: 0}
    assert facts.total.p50_s == pytest.approx(0.01 * 100 / 102)
    assert facts.total.p95_s == pytest.approx(0.01 + 0.09 * (190 - 102) / 90)
    by_route = {(e.route, e.method): e for e in facts.endpoints}
    assert by_route["/b", "POST"].error_ratio == pytest.approx(0.2)
    assert by_route["/b", "POST"].mean_s == pytest.approx((8 * 0.5 + 2 * 0.005) / 10)
    assert by_route["/a", "GET"].rate * facts.window == pytest.approx(190)
    assert facts.total.source_of_quantiles == "histogram, 4 buckets"


async def test_a_restart_of_the_service_gives_no_negative_rate(service, scrape):
    service.serve("/", 0.05, 500)
    await scrape.read()
    service.seconds.clear()
    service.serve("/", 0.05, 7)
    facts = (await scrape.read()).facts
    assert facts.total.rate * facts.window == pytest.approx(7)
    assert facts.total.p50_s == pytest.approx(0.055)


async def test_windows_reach_back_as_far_as_asked(service, scrape):
    await scrape.read()
    for _ in range(3):
        service.serve("/", 0.05, 10)
        await scrape.read()
    (row,) = await scrape.endpoints(60)
    first, last = scrape._requests._kept[0], scrape._requests._recent[-1]
    assert row.rate * (last.mono - first.mono) == pytest.approx(30)
    assert await scrape.endpoints(0) == ()


async def test_each_route_says_its_statuses_buckets_and_apdex(service, scrape):
    await scrape.read()
    service.serve("/a", 0.05, 60)
    service.serve("/a", 0.5, 20)
    service.serve("/a", 0.001, 20, status="404")
    facts = (await scrape.read()).facts
    (row,) = facts.endpoints
    assert {s: n * facts.window for s, n in row.statuses} == pytest.approx({"200": 80, "404": 20})
    assert dict(row.buckets) == {0.01: 20, 0.1: 60, 1.0: 20, math.inf: 0}
    assert row.apdex == pytest.approx((80 + (80 + 20 * 0.3 / 0.9)) / 2 / 100)


async def test_the_past_of_a_route_adds_up_and_survives_a_restart(service, scrape, monkeypatch):
    monkeypatch.setattr("perftui.backends.scrape.requests.KEPT_EVERY", 0.0)
    await scrape.read()
    service.serve("/a", 0.05, 10)
    await scrape.read()
    service.serve("/a", 0.5, 4, status="500")
    service.serve("/b", 0.05, 1)
    await scrape.read()
    service.seconds.clear()
    service.serve("/a", 0.05, 3)
    await scrape.read()
    past = await scrape.endpoint_past("/a", "GET")
    assert past.bounds == (0.01, 0.1, 1.0, math.inf)
    assert [s.counts for s in past.stretches] == [(0, 10, 0, 0), (0, 0, 4, 0), (0, 3, 0, 0)]
    assert [dict(s.statuses) for s in past.stretches][:2] == [{"200": 10}, {"500": 4}]
    assert all(a.end == b.start for a, b in itertools.pairwise(past.stretches))
    assert (await scrape.endpoint_past("/none", "GET")).stretches == ()


async def test_samples_are_kept_for_the_whole_and_for_routes(service, scrape):
    await scrape.read()
    service.serve("/a", 0.05, 10)
    found = {(m.key.name, m.key.labels): m.value for m in (await scrape.read()).samples}
    assert found["http.requests_per_s", ()] > 0
    assert found["http.error_ratio", ()] == 0
    assert found["http.route.p95_s", (("method", "GET"), ("route", "/a"))] == pytest.approx(0.0955)


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (404, b"", Protocol),
        (503, b"", Lost),
        (200, b"<html>hello</html>", Protocol),
        (200, b"m 1\n" * (MAX_BYTES // 4 + 1), Protocol),
        (403, b"", Refused),
    ],
)
async def test_each_failure_has_its_name(service, scrape, status, body, kind):
    service.status, service.body = status, body
    with pytest.raises(kind) as caught:
        await scrape.read()
    assert "127.0.0.1" in str(caught.value)


async def test_an_address_that_is_none():
    made = Scrape("shop", ScrapeOptions("ftp://127.0.0.1/metrics"))
    await made.open()
    with pytest.raises(Unsupported):
        await made.read()
    await made.close()
    with pytest.raises(Lost):
        await made.read()


def sorted_roles(text, names=None):
    return Roles(names or Names()).sort(Scanner().scan(text), 0.0, 0.0)


def test_counters_named_requests_of_something_else_are_not_requests():
    text = 'shop_cache_requests_total 5\nhttp_request_duration_seconds_bucket{le="+Inf"} 2\nhttp_request_duration_seconds_count 2\n'
    assert sorted_roles(text).requests == {(): 2.0}


def test_prefixed_and_configured_names():
    assert sorted_roles('myapp_http_requests_total{code="200"} 5\n').requests == {(("code", "200"),): 5.0}
    assert sorted_roles("calls 7\n", Names(requests="calls")).requests == {(): 7.0}
    own = sorted_roles('lat_bucket{le="1"} 1\nlat_bucket{le="+Inf"} 2\n', Names(durations="lat"))
    assert own.histograms[()].counts == (1.0, 2.0)


def test_a_service_without_http_metrics_still_shows_its_gauges():
    found = sorted_roles("# TYPE queue_depth gauge\nqueue_depth 4\nprocess_resident_memory_bytes 1e6\n")
    assert found.requests == {}
    assert [(g.name, g.value) for g in found.gauges] == [("queue_depth", 4.0)]
    assert found.rss == {(): 1e6}


async def test_a_read_of_a_thousand_samples_costs_a_few_milliseconds(service, scrape):
    for i in range(60):
        service.serve(f"/route{i}", 0.05)
    await scrape.read()
    text = generate_latest(service.registry).decode()
    assert text.count("\n") > 300
    scanner, began = Scanner(), time.process_time()
    for _ in range(20):
        scanner.scan(text)
    assert (time.process_time() - began) / 20 < 0.004


async def test_figures_are_of_one_scrape_and_never_old(service, scrape, monkeypatch):
    asked = []
    real = scrape._fetch

    async def fetch():
        asked.append(1)
        return await real()

    monkeypatch.setattr(scrape, "_fetch", fetch)
    name = next(iter(service.seconds.describe())).name + "_count"
    service.serve("/a", 0.05, 3)
    await asyncio.gather(*(scrape.figures(name) for _ in range(5)))
    assert len(asked) == 1
    service.serve("/a", 0.05, 4)
    scrape._scraped -= scrape.period  # as if that long had passed
    assert sum(f.value for f in await scrape.figures(name)) == 7
    assert len(asked) == 2


async def test_figures_are_samples_of_the_newest_scrape_narrowed_by_matchers(service, scrape):
    service.serve("/a", 0.05, 3)
    service.serve("/b", 0.05, 2)
    name = next(iter(service.seconds.describe())).name + "_count"
    assert sum(f.value for f in await scrape.figures(name)) == 5
    (only,) = await scrape.figures(name + '{route="/b"}')
    assert (only.value, dict(only.labels)["route"]) == (2, "/b")
    for wrong in ("nothing_total", name + "{route=}"):
        with pytest.raises(Unsupported):
            await scrape.figures(wrong)


async def test_a_service_that_labels_paths_as_asked_for_has_routes_all_the_same(service, scrape):
    lines = [
        f'http_requests_total{{method="GET",path="/orders/{n}?page=1",status="200"}} 5' for n in range(40)
    ]
    service.body = "\n".join(lines).encode() + b"\n"
    await scrape.read()
    service.body = service.body.replace(b"} 5", b"} 8")
    reading = await scrape.read()
    (endpoint,) = reading.facts.endpoints
    assert (endpoint.method, endpoint.route) == ("GET", "/orders/{id}")
    assert endpoint.rate * reading.facts.window == pytest.approx(120)


async def test_openmetrics_without_its_end_is_cut_short(service, scrape):
    service.type = "application/openmetrics-text; version=1.0.0; charset=utf-8"
    whole = b"http_requests_total 5.0\nother 1\n# EOF\n"
    for body in (whole, whole[:-1], b"# EOF\n"):
        service.body = body
        await scrape.read()
    for body in (b"", whole[:24], whole[:32], b"a 1\n b # EOF\n"):
        service.body = body
        with pytest.raises(Protocol, match="cut short"):
            await scrape.read()
    service.type, service.body = "text/plain; version=0.0.4", whole[:24]
    await scrape.read()  # the text format has no end to be missed


async def test_a_damaged_page_is_read_as_far_as_it_goes_and_says_so(service, scrape):
    service.body = f"a 1\na 2\na 2\nb{'x' * 20_000} 1\nhttp_requests_total 5\n".encode()
    reading = await scrape.read()
    facts = reading.facts
    assert (facts.metrics, facts.damaged, facts.duplicates, facts.requests_total) == (2, 1, 2, 5)
    assert {m.key.name: m.value for m in reading.samples if m.key.name.startswith("scrape.")} == {
        "scrape.damaged": 1,
        "scrape.duplicates": 2,
    }
    (finding,) = apis.findings(ApiView("shop", 0.0, facts))
    assert finding.evidence == (
        "lines longer than 16 KiB, passed over: 1",
        "samples told again, of which the first counts: 2",
    )


async def test_how_many_samples_a_page_may_have_can_be_told(service):
    service.body = b"a 1\nb 1\nc 1\n"
    for most, refused in ((2, True), (3, False)):
        made = Scrape("shop", ScrapeOptions(service.url, token=TOKEN, most_samples=most))
        await made.open()
        try:
            with pytest.raises(Protocol, match="most_samples") if refused else contextlib.nullcontext():
                await made.read()
        finally:
            await made.close()


async def test_exceptions_by_class_have_series_and_are_evidence_of_what_fails(service, scrape):
    thrown = Counter("http_exceptions", "n", ["exception", "route"], registry=service.registry)
    thrown.labels("KeyError", "/a").inc(7)
    thrown.labels("OSError", "/b").inc(9)
    service.serve("/a", 0.01)
    first = (await scrape.read()).facts
    assert [(t.exception, t.route, t.rate, t.total) for t in first.exceptions] == [
        ("OSError", "/b", 0, 9),
        ("KeyError", "/a", 0, 7),
    ]
    thrown.labels("KeyError", "/a").inc(30)
    service.serve("/a", 0.01, 30, status="500")
    reading = await scrape.read()
    facts = reading.facts
    assert [(t.exception, t.total) for t in facts.exceptions] == [("KeyError", 37), ("OSError", 9)]
    assert facts.exceptions[0].rate * facts.window == pytest.approx(30)
    series = {m.key.labels: m.value for m in reading.samples if m.key.name == "http.exceptions_per_s"}
    assert series == {
        (("exception", "KeyError"), ("route", "/a")): facts.exceptions[0].rate,
        (("exception", "OSError"), ("route", "/b")): 0,
    }
    view = ApiView("shop", 0.0, facts)
    found = {f.id: f for f in apis.findings(view)}
    assert found["api.error-rate-high"].evidence[-1].startswith("KeyError at /a: ")
    (row,) = (row for row in merged([view]) if row.endpoint.route == "/a")
    assert thrown_at([view], row) == (("KeyError", facts.exceptions[0].rate),)
    assert "; exceptions at this route: KeyError " in evidence(row, thrown_at([view], row))
