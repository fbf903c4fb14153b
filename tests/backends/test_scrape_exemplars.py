"""Traces behind a histogram: read from a real OpenMetrics server, kept, shown and told on."""

from __future__ import annotations

import math
import threading
import time
from http.server import ThreadingHTTPServer

import pytest
from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.exposition import MetricsHandler
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from perftui.analysis.endpoints import merged
from perftui.analysis.promtext import MOST_EXEMPLARS, Example, Scanner
from perftui.backends.scrape import Scrape
from perftui.backends.scrape.exemplars import EACH, LASTS, MOST, Exemplars
from perftui.backends.scrape.roles import Names, Roles
from perftui.draw.rows import Look, Size, plain
from perftui.export.exposition import put_api
from perftui.export.families import Families
from perftui.export.prometheus import written
from perftui.model.endpoint import ApiView, EndpointPast
from perftui.model.event import Event, Events
from perftui.model.options import ScrapeOptions
from perftui.screens.overview import endpoints

NAME = "http_request_duration_seconds"


@pytest.fixture
def registry():
    return CollectorRegistry()


@pytest.fixture
def seconds(registry):
    return Histogram(NAME, "d", ["method", "route", "status"], registry=registry, buckets=(0.01, 0.1, 1.0))


@pytest.fixture
async def scrape(registry, seconds):
    """The reference client's own server, which speaks OpenMetrics to whoever asks for it."""
    handler = MetricsHandler.factory(registry)
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    made = Scrape("shop", ScrapeOptions(f"http://127.0.0.1:{server.server_port}/metrics"))
    await made.open()
    yield made
    await made.close()
    server.shutdown()
    server.server_close()
    thread.join()


def serve(seconds, route, took, trace, status="200"):
    seconds.labels("GET", route, status).observe(took, {"trace_id": trace})


async def test_the_slowest_requests_keep_their_traces_from_scrape_to_scrape(seconds, scrape):
    serve(seconds, "/a", 0.05, "aaa")
    await scrape.read()
    serve(seconds, "/a", 0.07, "bbb")  # the same bucket: the service forgets the one before
    serve(seconds, "/b", 0.5, "ccc", "500")
    facts = (await scrape.read()).facts
    told = [(e.route, e.trace_id, e.seconds, e.status) for e in facts.exemplars]
    assert told == [("/a", "bbb", 0.07, "200"), ("/a", "aaa", 0.05, "200"), ("/b", "ccc", 0.5, "500")]
    assert all(abs(e.at - time.time()) < 60 for e in facts.exemplars)
    assert facts.total.rate * facts.window == pytest.approx(2)  # figures are what they were without them


async def test_they_are_shown_with_their_endpoint_and_told_on_in_openmetrics_only(
    seconds, scrape, monkeypatch
):

    monkeypatch.setattr("perftui.backends.scrape.requests.KEPT_EVERY", 0.0)
    serve(seconds, "/a", 0.001, "first")
    await scrape.read()
    for n in range(20):
        serve(seconds, "/a", 0.05, f"trace{n}")
    serve(seconds, "/a", 5.0, "slowest", "500")
    await scrape.read()
    facts = (await scrape.read()).facts
    (row,) = merged((ApiView("shop", time.time(), facts),))
    rows = plain(endpoints.traces(facts, row, Size(60, 5), Look()))
    assert rows[0].strip().startswith("5.00 s")
    assert "500  trace slowest" in rows[0]
    assert endpoints.exemplars(None, row) == []
    found = Families()
    put_api(found, "shop", facts)
    text = (await written(found.sorted(), openmetrics=True)).decode()
    samples = [s for f in text_string_to_metric_families(text) for s in f.samples if s.exemplar]
    by_bound = {float(s.labels["le"]): s.exemplar for s in samples}
    assert by_bound[math.inf].labels == {"trace_id": "slowest"}
    assert by_bound[0.1].labels["trace_id"].startswith("trace")
    assert all(e.value <= le for le, e in by_bound.items())
    assert "trace_id" not in (await written(found.sorted(), openmetrics=False)).decode()


def example(trace, value=0.1, route="/a", at=1000.0, name=f"{NAME}_bucket", key="trace_id"):
    return Example(name, (("route", route), ("le", "1.0")), ((key, trace),), value, at)


def test_what_is_kept_is_bounded_and_grows_old():
    kept, role = Exemplars(), Roles(Names()).role
    kept.add([example(f"t{n}", n / 100) for n in range(50)], NAME, role, 1000.0)
    assert [e.trace_id for e in kept.all()] == [f"t{n}" for n in range(49, 49 - EACH, -1)]
    kept.add([example("x" * 500, route=f"/{n}") for n in range(2 * MOST)], NAME, role, 1001.0)
    assert len({e.route for e in kept.all()}) == MOST
    assert max(len(e.trace_id) for e in kept.all()) == 64
    kept.add([], NAME, role, 1001.0 + LASTS)
    assert kept.all() == ()


def test_others_say_nothing_about_a_requests_time():
    kept, role = Exemplars(), Roles(Names()).role
    others = [
        example("", 0.1),
        example("a", key="span_id"),
        example("a", name="queue_wait_seconds_bucket"),
        example("a", math.nan),
        example("a", -1.0),
    ]
    kept.add(others, NAME, role, 1000.0)
    assert kept.all() == ()
    kept.add([example("ahead", at=9e9), example("untold", at=None, key="traceID")], NAME, role, 1000.0)
    assert [(e.trace_id, e.at) for e in kept.all()] == [("ahead", 1000.0), ("untold", 1000.0)]


@pytest.mark.parametrize(
    "tail", ['# {trace_id="a"', "# {trace_id=a} 1", '# {trace_id="a"} x', '# {trace_id="a"}', "# {"]
)
def test_an_exemplar_that_cannot_be_read_costs_only_itself(tail):
    scrape = Scanner().scan(f'x_bucket{{le="1"}} 5 {tail}\ny 1\n')
    assert scrape.examples == []
    assert scrape.samples == {"x_bucket": [((("le", "1"),), 5.0)], "y": [((), 1.0)]}


def test_lines_with_and_without_are_one_series_and_many_are_bounded():
    scanner = Scanner()
    first = scanner.scan('x_bucket{le="1"} 5 # {trace_id="a # {b"} 0.5 12.5\nz 3\n')
    assert first.examples == [Example("x_bucket", (("le", "1"),), (("trace_id", "a # {b"),), 0.5, 12.5)]
    second = scanner.scan('x_bucket{le="1"} 6\nx_bucket{le="1"} 7 1000 # {trace_id="c"} 1\nz 3 # {a="b"} 1\n')
    objects = [labels for labels, _ in (*first.samples["x_bucket"], *second.samples["x_bucket"])]
    assert all(one is objects[0] for one in objects)
    many = "".join(f'x 1 # {{trace_id="{n}"}} 1\n' for n in range(MOST_EXEMPLARS + 5))
    assert len(scanner.scan(many).examples) == MOST_EXEMPLARS


async def test_an_endpoint_without_exemplars_has_no_past_of_them(seconds, scrape):
    seconds.labels("GET", "/a", "200").observe(0.05)
    facts = (await scrape.read()).facts
    assert facts.exemplars == ()
    assert isinstance(await scrape.endpoint_past("/a", "GET"), EndpointPast)


def test_what_was_deployed_is_marked_on_the_charts():
    events = Events((Event(5.0, "deploy", "shop", "shop 4.2"), Event(6.0, "note", "shop", "x")))
    assert [(mark.at, mark.label) for mark in endpoints.deploys(events)] == [(5.0, "shop 4.2")]
    assert endpoints.deploys(None) == ()
