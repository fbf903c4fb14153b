"""What runs in somebody else's process: light, exact, bounded, and read by their own tools."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from perftui.analysis.promtext import Scanner
from perftui.backends.scrape.red import reading
from perftui.backends.scrape.roles import Names, Roles
from perftui.instrument import asgi, wsgi
from perftui.instrument.metrics import FOLDED, LONGEST, MOST_SERIES, Registry
from perftui.model.endpoint import Thrown


def values(registry):
    """All samples as a foreign parser reads them."""
    families = list(text_string_to_metric_families(registry.exposition()))
    assert len({family.name for family in families}) == len(families)
    return {(s.name, tuple(sorted(s.labels.items()))): s.value for family in families for s in family.samples}


def test_all_kinds_are_printed_as_they_were_counted():
    registry = Registry()
    registry.count("orders_total")
    registry.count("orders_total", 2, currency="EUR")
    registry.gauge("queue_depth", 7.5)
    for value in (0.004, 0.005, 0.3, 99):
        registry.observe("wait_seconds", value)
    found = values(registry)
    assert found["orders_total", ()] == 1
    assert found["orders_total", (("currency", "EUR"),)] == 2
    assert found["queue_depth", ()] == 7.5
    assert found["wait_seconds_bucket", (("le", "0.005"),)] == 2  # the bound is inside
    assert found["wait_seconds_bucket", (("le", "+Inf"),)] == found["wait_seconds_count", ()] == 4
    assert found["wait_seconds_sum", ()] == pytest.approx(99.309)


@pytest.mark.parametrize("name", ["orders", "bad name_total", "wait_total"])
def test_wrong_names_and_kinds_are_refused(name):
    registry = Registry()
    registry.count("right_total")
    with pytest.raises(ValueError, match=r"_total|letters|counter"):
        registry.count(name) if name != "wait_total" else registry.observe(name, 1.0)
    with pytest.raises(ValueError, match="not a gauge"):
        registry.gauge("right_total", 1)
    with pytest.raises(ValueError, match="go back"):
        registry.count("right_total", -1)


def test_labels_are_cut_escaped_and_folded():
    registry = Registry()
    registry.count("odd_total", path='a"b\\c\nd')
    registry.count("long_total", path="x" * 500)
    for n in range(MOST_SERIES + 50):
        registry.count("many_total", user=n)
    found = values(registry)
    assert found["odd_total", (("path", 'a"b\\c\nd'),)] == 1
    assert found["long_total", (("path", "x" * LONGEST),)] == 1
    assert found["many_total", (("user", "other"),)] == 50
    assert found[FOLDED, (("metric", "many_total"),)] == 50
    assert sum(key[0] == "many_total" for key in found) == MOST_SERIES + 1


def test_threads_lose_nothing():
    registry = Registry()

    def work():
        for _ in range(2000):
            registry.count("work_total")

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert values(registry)["work_total", ()] == 8000


def test_processes_that_share_a_folder_are_added_up_and_the_dead_keep_their_counts(tmp_path):
    registry = Registry()
    registry.share(tmp_path / "figures")
    registry.count("work_total", 5)
    registry.gauge("held", 1)
    child = os.fork()
    if not child:
        registry.count("work_total", 3)
        registry.gauge("held", 4)
        registry._write(now=True)
        os._exit(0)
    os.waitpid(child, 0)
    found = values(registry)
    assert found["work_total", ()] == 8
    assert found["held", ()] == 1  # what the child held went with it


async def ask(app, path, method="GET"):
    sent = []

    async def send(message):
        sent.append(message)

    scope = {
        "type": "http",
        "path": path,
        "method": method,
        "headers": [],
        "query_string": b"",
        "root_path": "",
    }
    await app(scope, None, send)
    return sent


async def test_a_starlette_application_is_counted_by_template_never_by_path():
    registry = Registry()

    async def product(request):
        if request.path_params["id"] == 13:
            raise LookupError(request.path_params["id"])
        return PlainTextResponse("ok", 201)

    app = asgi.Measured(Starlette(routes=[Route("/products/{id:int}", product)]), registry)
    for n in range(3):
        await ask(app, f"/products/{n}")
    await ask(app, "/nowhere/secret")
    with pytest.raises(LookupError):
        await ask(app, "/products/13")
    found = values(registry)
    base = ("http_request_duration_seconds_count", (("method", "GET"), ("route", "/products/{id}")))
    assert found[base[0], (*base[1], ("status", "201"))] == 3
    assert found[base[0], (*base[1], ("status", "500"))] == 1
    assert found["http_exceptions_total", (("exception", "LookupError"), ("route", "/products/{id}"))] == 1
    assert found["http_requests_in_flight", ()] == 0
    assert "secret" not in registry.exposition()
    printed = await ask(app, "/metrics")
    assert dict(printed[0]["headers"])[b"content-type"].startswith(b"text/plain; version=0.0.4")


async def test_in_flight_is_told_while_it_is_and_other_scopes_pass():
    registry, seen = Registry(), []

    async def inner(scope, receive, send):
        seen.append((scope["type"], values(registry).get(("http_requests_in_flight", ()))))

    app = asgi.Measured(inner, registry)
    await ask(app, "/")
    await app({"type": "lifespan"}, None, None)
    assert seen == [("http", 1.0), ("lifespan", 0.0)]


def test_a_wsgi_application_is_counted_when_its_last_piece_is_taken():
    registry, closed = Registry(), []

    class Pieces(list):
        def close(self):
            closed.append(True)

    def inner(environ, start):
        if environ["PATH_INFO"] == "/broken":
            raise KeyError("x")
        environ[wsgi.ROUTE] = "/things/{id}"
        start("404 Not Found", [])
        return Pieces([b"a", b"b"])

    app = wsgi.Measured(inner, registry)
    answer = iter(app({"PATH_INFO": "/things/9", "REQUEST_METHOD": "BREW"}, lambda *_: None))
    assert next(answer) == b"a"
    assert values(registry)["http_requests_in_flight", ()] == 1
    assert list(answer) == [b"b"]
    with pytest.raises(KeyError):
        list(app({"PATH_INFO": "/broken", "REQUEST_METHOD": "GET"}, lambda *_: None))
    found = values(registry)
    assert (
        found[
            "http_request_duration_seconds_count",
            (("method", "other"), ("route", "/things/{id}"), ("status", "404")),
        ]
        == 1
    )
    assert found["http_exceptions_total", (("exception", "KeyError"), ("route", "other"))] == 1
    assert found["http_requests_in_flight", ()] == 0
    assert closed == [True]
    (body,) = app({"PATH_INFO": "/metrics", "REQUEST_METHOD": "GET"}, lambda *_: None)
    assert body.decode() == registry.exposition()


async def test_the_console_knows_every_role_of_it():
    registry = Registry()

    async def inner(scope, receive, send):
        scope[asgi.ROUTE] = "/x"
        await send({"type": "http.response.start", "status": 503, "headers": []})

    app = asgi.Measured(inner, registry)
    for _ in range(4):
        await ask(app, "/x")
    roles = Roles(Names())
    counters = roles.sort(Scanner().scan(registry.exposition()), 1.0, 1.0)
    ((labels, total),) = counters.requests.items()
    role = roles.role(labels)
    assert (role.route, role.method, role.status, total) == ("/x", "GET", "503", 4)
    assert next(iter(counters.histograms.values())).count == 4
    assert counters.in_flight == 0


async def test_the_console_reads_exceptions_by_class():
    registry = Registry()

    async def inner(scope, receive, send):
        scope[asgi.ROUTE] = "/x"
        raise LookupError

    app = asgi.Measured(inner, registry)
    roles = Roles(Names())
    before = roles.sort(Scanner().scan(registry.exposition()), 1.0, 1.0)
    for _ in range(4):
        with pytest.raises(LookupError):
            await ask(app, "/x")
    now = roles.sort(Scanner().scan(registry.exposition()), 3.0, 3.0)
    told = reading("shop", now, before, roles.role)
    assert told.exceptions == (Thrown("LookupError", "/x", 2.0, 4.0),)
    assert [e.route for e in told.endpoints] == ["/x"]


IMPORT = """
import sys, time, json, threading, pathlib, re
before, began = set(sys.modules), time.process_time()
import perftui.instrument.asgi, perftui.instrument.wsgi
took, new = time.process_time() - began, set(sys.modules) - before
own = {name for name in new if name.split('.')[0] not in sys.stdlib_module_names}
print(took, *sorted(own))
"""


def imported() -> tuple[float, list[str]]:
    run = subprocess.run([sys.executable, "-c", IMPORT], capture_output=True, text=True, check=True)
    took, *names = run.stdout.split()
    return float(took), names


def test_it_brings_nothing_of_the_console_along():
    _, names = imported()
    assert "perftui.instrument.metrics" in names
    assert [n for n in names if n != "perftui" and not n.startswith("perftui.instrument")] == []


@pytest.mark.slow
def test_it_is_quick_to_import():
    """Processor time, the least of many: the machine may be busy with something else."""
    assert min(imported()[0] for _ in range(15)) <= 0.015
