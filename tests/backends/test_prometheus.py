"""A real Prometheus, one behind a login, and answers no Prometheus would give."""

from __future__ import annotations

import http.server
import json
import threading
import time

import pytest

from perftui.analysis.promql import Shelf, instant, parse
from perftui.backends.prometheus import LONG_QUERY, MOST_BYTES, Prometheus, decode
from perftui.model.errors import ExpressionError, Lost, Protocol, Refused, Unsupported
from perftui.model.metrics import GENERATION_2, GENERATION_3, labels_of
from perftui.model.options import PrometheusOptions
from perftui.model.ports import FigureSource, PromQuerier
from tests.backends.contract import BackendContract
from tests.needs import needs
from tests.promserver import PROGRAM, Server
from tests.waiting import auntil

CONFIG = """
global: {evaluation_interval: 1s}
rule_files: [rules.yml]
"""
RULES = """
groups:
- name: own
  rules:
  - {alert: Hot, expr: vector(42) > 1, labels: {severity: warning}, annotations: {summary: too hot}}
  - {record: two, expr: vector(2)}
"""
# bcrypt of "test", as Prometheus' own documentation has it
USERS = "basic_auth_users: {admin: $2b$12$hNf2lSsxfm0.i4a.1kVpSOVyBCfIB51VRjgBUyv6kdnyTlgWj81Ay}\n"
pytestmark = pytest.mark.needs("prometheus")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    needs("prometheus", PROGRAM is not None, "install the package prometheus")
    folder = tmp_path_factory.mktemp("prometheus")
    (folder / "rules.yml").write_text(RULES)
    running = Server(folder, CONFIG)
    now = float(int(time.time()))
    running.push([(labels_of("up", job=job), now - 1, value) for job, value in (("a", 1.0), ("b", 0.0))])
    yield running
    running.stop()


@pytest.fixture(scope="module")
def locked(tmp_path_factory):
    """One that asks who is there; readiness is behind the login too."""
    needs("prometheus", PROGRAM is not None, "install the package prometheus")
    folder = tmp_path_factory.mktemp("locked")
    (folder / "web.yml").write_text(USERS)
    running = Server(folder, "{}\n", f"--web.config.file={folder / 'web.yml'}")
    yield running
    running.stop()


@pytest.fixture
async def asked(server):
    backend = Prometheus("prom", PrometheusOptions(url=server.url))
    await backend.open()
    yield backend
    await backend.close()


class TestPrometheus(BackendContract):
    powers = (PromQuerier, FigureSource)

    @pytest.fixture
    def live(self, server):
        return lambda: Prometheus("prom", PrometheusOptions(url=server.url, token="s3cr3t-token"))

    @pytest.fixture
    def at(self):
        return lambda port: Prometheus(
            "prom", PrometheusOptions(url=f"http://127.0.0.1:{port}", token="s3cr3t-token")
        )

    @pytest.fixture
    def secret(self):
        return "s3cr3t-token"

    @pytest.fixture
    def wrong_login(self, locked):
        options = PrometheusOptions(url=locked.url, username="admin", password="wrong")
        return lambda: Prometheus("prom", options)


async def test_a_look_tells_version_and_targets(asked):
    reading = await asked.read()
    assert reading.facts.flavour.product == "Prometheus"
    assert reading.facts.flavour.version.startswith("2.")
    assert reading.facts.flavour.dialect == GENERATION_2
    assert (reading.facts.targets, reading.facts.targets_up) == (2, 1)


async def test_instant_and_range_have_the_values_that_were_written(asked):
    now = time.time()
    found = await asked.instant("up", now)
    assert [(dict(p.labels)["job"], p.value) for p in found.vector] == [("a", 1.0), ("b", 0.0)]
    over = await asked.range('up{job="a"}', now, now + 60, 15)
    (window,) = over.matrix
    assert [at - window.at[0] for at in window.at] == [0, 15, 30, 45, 60]
    assert (await asked.instant("time()", 5.5)).vector[0].value == 5.5
    assert (await asked.instant('"word"', now)).text == "word"
    assert len((await asked.instant("up[5m]", now)).matrix) == 2
    assert (await asked.instant("1/0", now)).vector[0].value == float("inf")


async def test_a_long_query_is_posted(asked):
    many = " or ".join(f'up{{job="a",nothing{n}=""}}' for n in range(100))
    assert len(many) > LONG_QUERY
    assert len((await asked.instant(many, time.time())).vector) == 1


async def test_what_can_be_listed(asked):
    now = time.time()
    assert await asked.series(["up"], now - 60, now) == (labels_of("up", job="a"), labels_of("up", job="b"))
    assert "job" in await asked.labels()
    assert await asked.labels("job") == ("a", "b")
    assert await asked.metadata() == {}
    with pytest.raises(ExpressionError):
        await asked.labels("../status")


async def test_rules_and_alerts_of_the_server(asked):
    async def firing():
        return await asked.alerts()

    (alert,) = await auntil(firing, timeout=30)
    assert (dict(alert.labels)["alertname"], alert.state, alert.value) == ("Hot", "firing", 42.0)
    assert abs(alert.since - time.time()) < 60
    hot, two = await asked.rules()
    assert (hot.kind, hot.name, hot.group, hot.interval) == ("alerting", "Hot", "own", 1.0)
    assert (dict(hot.labels), dict(hot.annotations)) == ({"severity": "warning"}, {"summary": "too hot"})
    assert (two.kind, two.name, two.expr) == ("recording", "two", "vector(2)")


async def test_errors_point_at_the_place_as_ours_do(asked):
    for text in ("rate(up)", 'sum(up{a="ü"}) + rate(up)', "1 +\n  rate(up)", "up and 1", 'foo{a="b"', "sum("):
        with pytest.raises(ExpressionError) as theirs:
            await asked.instant(text, time.time())
        with pytest.raises(ExpressionError) as ours:
            parse(text)
        assert theirs.value.caret == ours.value.caret != ""
    with pytest.raises(ExpressionError, match="more than 11000 points"):
        await asked.range("up", 0.0, 400 * 86_400.0, 1.0)
    with pytest.raises(ExpressionError, match="many-to-many"):
        await asked.instant("up + on () up", time.time())


async def test_the_right_login_is_let_in(locked):
    backend = Prometheus("prom", PrometheusOptions(url=locked.url, username="admin", password="test"))
    await backend.open()
    assert (await backend.flavour()).dialect == GENERATION_2
    await backend.close()
    with pytest.raises(Lost, match="not open"):
        await backend.instant("up", 1.0)


class Liar(http.server.BaseHTTPRequestHandler):
    """Answers whatever the test put there."""

    status, body, seen = 200, b"{}", {}

    def do_GET(self):
        type(self).seen = dict(self.headers)
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        try:
            self.wfile.write(self.body)
        except OSError:  # it had enough
            self.close_connection = True

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def liar():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Liar)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (200, b"{}", Protocol),
        (200, b"<html>", Protocol),
        (200, b'{"status":"success","data":{"resultType":"vector","result":[{"metric":[]}]}}', None),
        (200, b'{"status":"success","data":{"resultType":"vector","result":[{"value":[1,"x"],"metric":{}}]}}', Protocol),
        (200, b'{"status":"success","data":7}', Protocol),
        (200, b"[" * 100_000, Protocol),
        (200, b" " * (MOST_BYTES + 1), Protocol),
        (404, b"no", Unsupported),
        (401, b"no", Refused),
        (502, b"bad gateway", Lost),
        (503, b'{"status":"error","errorType":"timeout","error":"query timed out"}', Lost),
        (422, b'{"status":"error","errorType":"execution","error":"many-to-many"}', ExpressionError),
    ],
    ids=range(12),
)  # fmt: skip
async def test_strange_answers_are_errors_of_the_house(liar, status, body, error):
    Liar.status, Liar.body = status, body
    backend = Prometheus("prom", PrometheusOptions(url=liar, tenant="team-a"))
    await backend.open()
    try:
        if error is None:
            assert (await backend.instant("up", 1.0)).vector == ()
        else:
            with pytest.raises(error):
                await backend.instant("up", 1.0)
    finally:
        await backend.close()
    assert Liar.seen["X-Scope-OrgID"] == "team-a"


@pytest.mark.parametrize(
    ("data", "product", "generation", "exact"),
    [
        ({"version": "2.42.0+ds"}, "Prometheus", 2, True),
        ({"version": "3.1.0"}, "Prometheus", 3, True),
        ({"version": "v1.79.5-victoria-metrics"}, "VictoriaMetrics", 2, False),
        ({"application": "Grafana Mimir", "version": "2.14.0"}, "Mimir", 3, True),
        ({}, "Prometheus", 2, True),
    ],
)
def test_flavours(data, product, generation, exact):
    found = decode.flavour({"data": data})
    assert (found.product, found.dialect.generation, found.exact) == (product, generation, exact)
    assert str(generation) in found.dialect.note


async def test_native_histograms_are_left_out_and_said(liar):
    Liar.status, result = 200, [{"metric": {}, "histogram": [1, {}]}]
    Liar.body = json.dumps(
        {"status": "success", "warnings": ["slow"], "data": {"resultType": "vector", "result": result}}
    ).encode()
    backend = Prometheus("prom", PrometheusOptions(url=liar))
    await backend.open()
    found = await backend.instant("up", 1.0)
    await backend.close()
    assert found.warnings == ("slow", "1 series of native histograms are left out")


def test_generation_3_is_another_dialect():
    assert GENERATION_3.left_open
    assert instant(parse("vector(1)", GENERATION_3), Shelf(), 0.0, GENERATION_3).vector[0].value == 1.0


async def test_an_expression_is_a_figure_of_the_business(asked):
    rows = await asked.figures("up")
    assert [(dict(f.labels)["job"], f.value) for f in rows] == [("a", 1.0), ("b", 0.0)]
    assert [f.value for f in await asked.figures("sum(up)")] == [1.0]
    assert await asked.figures("nothing") == ()
