"""Metrics of an application's own: kept as they are told, asked in PromQL, and under a rule."""

from __future__ import annotations

import base64
import math
import shutil
import ssl
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from perftui.backends.scrape import Scrape, ScrapeOptions
from perftui.backends.scrape.kept import MOST, Keeper, unit_of
from perftui.backends.scrape.targets import Targets
from perftui.model.errors import Lost, Refused
from perftui.model.health import Health, Link
from perftui.model.options import TargetsOptions
from perftui.model.reading import Look
from perftui.runtime.localseries import LocalSeries
from perftui.runtime.rings import Rings
from tests.backends.test_scrape import TOKEN, Service
from tests.needs import needs

TEXT = """\
# TYPE jobs_failed_total counter
jobs_failed_total{queue="mail",instance="inner"} 7
jobs_failed_total{queue="sms"} 2
# TYPE queue_size gauge
queue_size 12
# TYPE wait_seconds histogram
wait_seconds_bucket{le="0.1"} 1
wait_seconds_bucket{le="+Inf"} 4
wait_seconds_sum 9.5
wait_seconds_count 4
other_thing 1
"""


@pytest.fixture
def service():
    made = Service()
    made.body = TEXT.encode()
    yield made
    made.close()


async def opened(backend):
    await backend.open()
    return backend


def kept(reading):
    return {m.key.name: (dict(m.key.labels), m.value, m.unit) for m in reading.samples if ":" in m.key.name}


async def test_what_matches_is_kept_with_where_it_is_from(service):
    scrape = await opened(
        Scrape("shop", ScrapeOptions(service.url, token=TOKEN, keep=("jobs_*", "queue_size")))
    )
    try:
        reading = await scrape.read()
    finally:
        await scrape.close()
    place = service.url.split("/")[2]
    found = kept(reading)
    assert found["metric:queue_size"] == ({"instance": place, "job": "shop"}, 12.0, "1")
    failed = {
        dict(m.key.labels)["queue"]: m for m in reading.samples if m.key.name == "metric:jobs_failed_total"
    }
    assert failed["mail"].value == 7
    assert dict(failed["mail"].key.labels)["exported_instance"] == "inner"
    assert dict(failed["mail"].key.labels)["instance"] == place
    assert set(found) == {"metric:queue_size", "metric:jobs_failed_total"}


async def test_nothing_is_kept_unasked(service):
    scrape = await opened(Scrape("shop", ScrapeOptions(service.url, token=TOKEN)))
    try:
        assert kept(await scrape.read()) == {}
    finally:
        await scrape.close()


async def test_expressions_find_it_in_a_list_of_targets_too(service):
    many = Targets("many", TargetsOptions((service.url,), token=TOKEN, every=1.0, keep=("*",)))
    await opened(many)
    rings, looks = Rings(), {}
    local = LocalSeries({"many": "targets"}, rings=rings, looks=lambda: looks)
    try:
        at = 0.0
        for failed in (7, 10):
            service.body = TEXT.replace('"inner"} 7', f'"inner"}} {failed}').encode()
            for target in many._known.values():
                target.due = 0.0
            (part,) = (await many.read()).parts
            rings.record(part)
            looks[part.source] = Look(part.source, "scrape", part, Health(Link.LIVE, part.at))
            at = part.at + 0.001  # expressions know milliseconds only
        assert [p.value for p in await local("queue_size", at)] == [12.0]
        (rose,) = await local('increase(jobs_failed_total{queue="mail"}[5m]) > 0', at)
        assert dict(rose.labels)["job"] == "many"
        (median,) = await local("histogram_quantile(0.2, wait_seconds_bucket)", at)
        assert median.value == pytest.approx(0.08)
        assert await local("perftui_scrape_queue_size", at) == ()
    finally:
        await many.close()


def test_what_there_is_no_room_for_is_counted():
    from perftui.analysis.promtext import Scanner

    text = "".join(f'big{{n="{n}"}} {n}\n' for n in range(MOST + 7)) + "# EOF\n"
    measures = list(
        Keeper("shop", ("big",), "shop", "http://a:1/metrics").measures(Scanner().scan(text).samples)
    )
    assert len(measures) == MOST + 1
    assert (measures[-1].key.name, measures[-1].value) == ("keep.left_out", 7.0)


def test_units_are_those_that_names_end_in():
    units = [unit_of(n) for n in ("wait_seconds_sum", "disk_bytes_total", "hit_ratio", "jobs_total")]
    assert units == ["s", "bytes", "ratio", "1"]
    assert math.isfinite(MOST)


class Guarded(BaseHTTPRequestHandler):
    """Wants a basic login and a tenant."""

    def do_GET(self):
        login = "Basic " + base64.b64encode(b"eve:pass").decode()
        fits = self.headers.get("Authorization") == login and self.headers.get("X-Scope-OrgID") == "team"
        body = b"up_and_well 1\n"
        self.send_response(200 if fits else 401)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A certificate that signs itself, with its key."""
    program = shutil.which("openssl")
    needs("openssl", program is not None, "apt install openssl")
    folder = tmp_path_factory.mktemp("tls")
    cert, key = folder / "cert.pem", folder / "key.pem"
    made = [program, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost"]
    made += ["-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(cert)]
    subprocess.run(made, check=True, capture_output=True, timeout=60)
    return str(cert), str(key)


@pytest.fixture
def guarded(files):
    """A server that also asks for the client's certificate."""
    cert, key = files
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    context.load_verify_locations(cert)
    context.verify_mode = ssl.CERT_REQUIRED
    server = ThreadingHTTPServer(("127.0.0.1", 0), Guarded)
    server.daemon_threads = True
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"https://localhost:{server.server_port}/metrics"
    server.shutdown()
    server.server_close()
    thread.join()


LOGIN = {"username": "eve", "password": "pass", "tenant": "team"}


async def test_a_login_a_tenant_and_certificates_of_both_sides(guarded, files):
    cert, key = files
    tls = {"ca_file": cert, "cert_file": cert, "key_file": key}
    one = await opened(Scrape("one", ScrapeOptions(guarded, keep=("up_*",), **LOGIN, **tls)))
    many = await opened(Targets("many", TargetsOptions((guarded,), keep=("up_*",), **LOGIN, **tls)))
    wrong = await opened(Scrape("wrong", ScrapeOptions(guarded, **{**LOGIN, "tenant": ""}, **tls)))
    stranger = await opened(Scrape("stranger", ScrapeOptions(guarded, **LOGIN, ca_file=cert)))
    try:
        assert kept(await one.read())["metric:up_and_well"][1] == 1.0
        (part,) = (await many.read()).parts
        assert kept(part)["metric:up_and_well"][0]["job"] == "many"
        with pytest.raises(Refused):
            await wrong.read()
        with pytest.raises(Lost):
            await stranger.read()
    finally:
        for backend in (one, many, wrong, stranger):
            await backend.close()
    with pytest.raises(Refused, match="certificate file"):
        await Scrape("none", ScrapeOptions(guarded, ca_file="/nowhere.pem")).open()
