"""Datadog asked and told, each request and answer held to the models of its published schema."""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from typing import ClassVar

import pytest

from perftui.backends.datadog import BATCH, Datadog
from perftui.model.errors import BackendError, Lost, Protocol, Refused, Unsupported
from perftui.model.options import DatadogOptions
from perftui.model.ports import FigureSource, MetricSink
from perftui.model.sink import Sent
from tests.backends.contract import BackendContract
from tests.backends.datadogserver import API_KEY, APP_KEY, DatadogApi, checked

QUERY = "avg:system.cpu.user{*} by {host}"


def told(host, *values):
    now = int(time.time() // 20 * 20) * 1000
    first = now - 20_000 * len(values)
    return {
        "metric": "system.cpu.user",
        "display_name": "system.cpu.user",
        "aggr": "avg",
        "scope": f"host:{host}",
        "tag_set": [f"host:{host}"],
        "expression": f"avg:system.cpu.user{{host:{host}}}",
        "interval": 20,
        "length": len(values),
        "start": first,
        "end": now,
        "pointlist": [[float(first + 20_000 * n), value] for n, value in enumerate(values)],
        "unit": [{"family": "percentage", "name": "percent", "short_name": "%", "scale_factor": 1.0}, None],
    }


@pytest.fixture
async def api():
    one = DatadogApi()
    await one.start()
    one.series = [told("web1", 10.0, 12.5, None), told("web2", 3.0), told("idle", None)]
    yield one
    await one.stop()
    assert one.problems == []


@pytest.fixture
def options(api):
    return DatadogOptions(API_KEY, APP_KEY, (QUERY,), base_url=api.url)


class TestContract(BackendContract):
    powers: ClassVar[tuple[type, ...]] = (FigureSource, MetricSink)

    @pytest.fixture
    async def live(self, options):
        return lambda: Datadog("dd", options)

    @pytest.fixture
    def at(self):
        return lambda port: Datadog("dd", DatadogOptions(API_KEY, base_url=f"http://127.0.0.1:{port}"))

    @pytest.fixture
    def secret(self):
        return API_KEY

    @pytest.fixture(params=[("x" * 32, APP_KEY), (API_KEY, "x" * 40)])
    def wrong_login(self, options, request):
        api_key, app_key = request.param
        return lambda: Datadog("dd", replace(options, api_key=api_key, app_key=app_key))


@pytest.fixture
async def datadog(options):
    made = Datadog("dd", options)
    await made.open()
    yield made
    await made.close()


async def test_the_last_number_of_each_series_is_read(api, datadog):
    reading = await datadog.read()
    assert {str(m.key): m.value for m in reading.samples} == {
        "dd/system.cpu.user{aggr=avg,host=web1}": 12.5,  # the newest bucket is still empty
        "dd/system.cpu.user{aggr=avg,host=web2}": 3.0,
    }
    assert api.queries == [QUERY]
    figures = {figure.labels: figure.value for figure in await datadog.figures(QUERY)}
    assert figures[("aggr", "avg"), ("host", "web1")] == 12.5
    with pytest.raises(Unsupported, match="scope_expr"):
        await datadog.figures("nonsense")
    api.series = []
    with pytest.raises(Unsupported, match="no point"):
        await datadog.figures(QUERY)


async def test_figures_are_submitted_as_gauges_in_batches(api, datadog):
    at = time.time()
    labels = (("empty", ""), ("source", "cache"), ("zone", "y" * 300))
    one = Sent("perftui_valkey_hit_ratio", labels, 0.93, "ratio", at)
    rows = [one, replace(one, value=float("nan")), *[replace(one, unit="s", value=0.2)] * BATCH]
    assert await datadog.put_figures(rows) == BATCH + 1
    assert [len(payload.series) for payload in api.arrived] == [BATCH, 1]
    first, second, *_ = api.arrived[0].series
    assert (first.metric, first.type.value, first.points[0].value) == (one.name, 3, 0.93)
    assert first.points[0].timestamp == int(at)
    assert first.tags[0] == "source:cache"
    assert len(first.tags[1]) == 200
    assert second.unit == "second"


@pytest.mark.parametrize(
    "wrong", [{"type": 9}, {"typo": 1}, {"points": [[1, 2]]}, {"points": None}, {"tags": "x"}, {"metric": 7}]
)
def test_the_schema_refuses_what_is_not_in_it(wrong):
    from datadog_api_client.v2.model.metric_payload import MetricPayload

    row = {"metric": "m", "type": 3, "points": [{"timestamp": 1, "value": 1.0}], "tags": ["a:b"]}
    checked(MetricPayload, {"series": [row]})
    with pytest.raises((AssertionError, TypeError, ValueError)):
        checked(MetricPayload, {"series": [row | wrong]})


async def test_without_a_query_only_the_key_is_tried(api):
    made = Datadog("dd", DatadogOptions(API_KEY, base_url=api.url))
    await made.open()
    assert (await made.read()).samples == ()
    await made.close()
    assert api.queries == []


@pytest.mark.parametrize(
    ("given", "error", "said"),
    [
        ({"queries": (QUERY,), "app_key": "", "base_url": ""}, Refused, "app_key"),
        ({"site": "evil.example/x", "base_url": ""}, Unsupported, "no site"),
        ({"api_key": "a\r\nX-Evil: 1"}, Refused, "characters"),
    ],
)
async def test_options_that_cannot_work_are_refused(options, given, error, said):
    with pytest.raises(error, match=said):
        await Datadog("dd", replace(options, **given)).open()


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (200, b"[", Protocol),
        (200, b"[]", Protocol),
        (200, b'{"series": [{"metric": "m", "pointlist": [[1]]}]}', Protocol),
        (200, b'{"series": [{"metric": "m", "pointlist": [[1, 1e999]]}]}', Protocol),
        (200, b'{"series": [{"pointlist": [[1, 1]]}]}', Protocol),
        (200, b"[" * 100_000, Protocol),
        (200, b" " * (5 << 20), Protocol),
        (400, b'{"errors": ["\\u001b[31m no"]}', Unsupported),
        (429, b"", Lost),
        (503, b"<html>", Lost),
    ],
)
async def test_a_bad_answer_is_an_error_of_the_house(api, datadog, status, body, error):
    api.raw = (status, body)
    with pytest.raises(error) as caught:
        await datadog.read()
    assert str(caught.value).isprintable()


async def test_what_is_not_taken_is_said(api, datadog):
    api.raw = (202, b'{"errors": ["Payload too \\u001b old"]}')
    with pytest.raises(BackendError, match="too") as caught:
        await datadog.put_figures([Sent("m", (), 1.0, "1", time.time())])
    assert str(caught.value).isprintable()


async def test_the_shell_submits_too(api, tmp_path):
    import asyncio

    file = tmp_path / "config.toml"
    file.write_text(
        '[env.here]\nkind = "lab"\n[env.here.backends.host]\n[env.here.backends.dd]\nkind = "datadog"\n'
        f'api_key = "env:KEY"\nbase_url = "{api.url}"\n'
    )
    file.chmod(0o600)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "perftui", "monitor", "put", "dd", "--series", "host/memory.*"),
        *("--config", str(file), "--over", "2", "--yes"),
        env={"KEY": API_KEY, "PERFTUI_STATE_DIR": str(tmp_path / "state")},
        stdout=asyncio.subprocess.PIPE,
    )
    said, _ = await process.communicate()
    assert process.returncode == 0
    names = {series.metric: series for payload in api.arrived for series in payload.series}
    assert f"dd has taken {len(names)} values" in said.decode()
    assert "source:host" in names["perftui_host_memory_used_ratio"].tags
