"""CloudWatch read and written, judged by an emulator that checks signatures and requests (not the maths)."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from dataclasses import replace
from typing import ClassVar

import botocore.session
import pytest
from botocore.validate import ParamValidator

from perftui.backends.aws.cloudwatch import CloudWatch, parse_metric
from perftui.engines.resources.put import PutFigures
from perftui.model.errors import Lost, PlanRejected, Protocol, Refused, Unsupported
from perftui.model.options import CloudWatchOptions
from perftui.model.ports import FigureSource, MetricSink
from perftui.model.sink import Sent
from tests.backends.awsserver import REGION, Aws
from tests.backends.contract import BackendContract

METRIC = "perftui/hit_ratio{source=cache} Average"


@pytest.fixture(scope="module")
def aws():
    one = Aws()
    yield one
    one.stop()


@pytest.fixture
def options(aws):
    return CloudWatchOptions(REGION, (METRIC,), aws.access_key, aws.secret_key, base_url=aws.url)


class TestContract(BackendContract):
    powers: ClassVar[tuple[type, ...]] = (FigureSource, MetricSink)

    @pytest.fixture
    async def live(self, options):
        return lambda: CloudWatch("aws", options)

    @pytest.fixture
    def at(self):
        return lambda port: CloudWatch(
            "aws", CloudWatchOptions(REGION, (), "AKIA", "pa55w0rd", base_url=f"http://127.0.0.1:{port}")
        )

    @pytest.fixture
    def secret(self):
        return "pa55w0rd"

    @pytest.fixture
    def wrong_login(self, options):
        return lambda: CloudWatch("aws", replace(options, secret_key="x" * 40))


@pytest.fixture
async def cloud(options):
    made = CloudWatch("aws", options)
    await made.open()
    yield made
    await made.close()


def sent(name, value, unit="ratio", **labels):
    return Sent(name, tuple(sorted(labels.items())), value, unit, time.time())


async def test_what_is_put_is_read_again(cloud):
    taken = await cloud.put_figures(
        [sent("hit_ratio", 0.93, source="cache"), sent("p95", 0.2, "s"), sent("odd", float("nan"))]
    )
    assert taken == 2
    reading = await cloud.read()
    (measure,) = reading.samples
    assert measure.value == pytest.approx(0.93)
    assert str(measure.key) == "aws/hit_ratio{namespace=perftui,source=cache,stat=Average}"
    assert reading.facts.silent == 0
    (figure,) = await cloud.figures("perftui/p95 Maximum")
    assert (figure.value, figure.labels) == (pytest.approx(0.2), ())
    with pytest.raises(Unsupported, match="no point"):
        await cloud.figures("AWS/RDS/CPUUtilization{DBInstanceIdentifier=none}")


async def test_requests_fit_the_model_that_aws_publishes(cloud, monkeypatch):
    """Botocore carries the service's model: every parameter's name, type and bound."""
    model = botocore.session.Session().get_service_model("cloudwatch")
    asked = []
    real = cloud._signed

    def kept(operation, content):
        asked.append((operation, json.loads(content)))
        return real(operation, content)

    monkeypatch.setattr(cloud, "_signed", kept)
    await cloud.put_figures([sent("bytes", 7.0, "bytes/s", source="x" * 3000, empty="")] * 501)
    await cloud.read()
    assert [operation for operation, _ in asked] == ["PutMetricData", "PutMetricData", "GetMetricData"]
    for operation, body in asked:
        shape = model.operation_model(operation).input_shape
        assert set(body) <= set(shape.members)
        report = ParamValidator().validate(body, shape)
        assert not report.has_errors(), report.generate_report()
    assert asked[0][1]["MetricData"][0]["Unit"] in (model.shape_for("StandardUnit").enum)


async def test_metrics_as_they_are_written():
    metric = parse_metric(" AWS/RDS/CPUUtilization{B=2, A = 1} p99.9 ")
    assert (metric.namespace, metric.name, metric.stat) == ("AWS/RDS", "CPUUtilization", "p99.9")
    assert metric.dimensions == (("A", "1"), ("B", "2"))
    assert parse_metric("shop/orders").stat == "Average"
    for wrong in ("", "orders", "a/b{x}", "a/b{=1}", "a/b{x=1", "a/b{x=1} y z"):
        with pytest.raises(Unsupported, match=r"metric|dimensions"):
            parse_metric(wrong)


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (200, b"[", Protocol),
        (200, b"[]", Protocol),
        (200, b'{"MetricDataResults": [{"Id": "other", "Values": [1]}]}', Protocol),
        (200, b'{"MetricDataResults": [{"Id": "m0", "Values": [1e999], "Timestamps": [1]}]}', Protocol),
        (200, b"[" * 100_000, Protocol),
        (200, b" " * (5 << 20), Protocol),
        (400, b'{"__type": "x#ThrottlingException"}', Lost),
        (400, b'{"__type": "x#ExpiredTokenException"}', Refused),
        (400, b'{"__type": "x#ValidationError", "message": "\\u001b[31m"}', Unsupported),
        (503, b"{}", Lost),
    ],
)
async def test_a_bad_answer_is_an_error_of_the_house(options, status, body, error):
    async def answer(reads, writes):
        await reads.readuntil(b"\r\n\r\n")
        writes.write(b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n" % (status, len(body)) + body)
        writes.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    made = CloudWatch("aws", replace(options, base_url=url))
    await made.open()
    with pytest.raises(error) as caught:
        await made.read()
    assert str(caught.value).isprintable()
    await made.close()
    server.close()


async def test_sending_is_planned_and_cannot_be_taken_back(cloud):
    action = PutFigures(cloud, "aws", figures=[sent("hit_ratio", 0.5, source="cache\x1b")] * 25)
    plan = await action.plan()
    assert (plan.count, plan.reversible) == (25, False)
    assert plan.affects[-1] == "and 5 more"
    assert all(line.isprintable() for line in plan.affects)
    assert (await action.run(lambda _: None)).done == 25
    with pytest.raises(PlanRejected):
        await action.undo(None)
    with pytest.raises(PlanRejected, match="nothing to send"):
        await PutFigures(cloud, "aws", figures=()).plan()


@pytest.mark.slow
async def test_the_shell_sends_what_it_sees(aws, cloud, tmp_path):
    file = tmp_path / "config.toml"
    file.write_text(
        f'[env.here]\nkind = "lab"\n[env.here.backends.host]\n[env.here.backends.aws]\nkind = "cloudwatch"\n'
        f'region = "{REGION}"\naccess_key = "{aws.access_key}"\nsecret_key = "env:SECRET"\nbase_url = "{aws.url}"\n'
    )
    file.chmod(0o600)

    async def put(*words):
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "perftui", "monitor", "put", "aws", "--series", "host/memory.used_ratio"),
            *("--config", str(file), "--over", "2", *words),
            env={"SECRET": aws.secret_key, "PERFTUI_STATE_DIR": str(tmp_path / "state")},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate()
        return process.returncode, out.decode(), err.decode()

    code, out, _ = await put("--dry-run")
    assert code == 0
    assert "send 1 values to aws" in out
    assert "perftui_host_memory_used_ratio" in out
    assert (await put())[0] == 4  # nobody to ask
    code, out, err = await put("--yes")
    assert (code, out) == (0, "aws has taken 1 values\n"), err
    (figure,) = await cloud.figures("perftui/perftui_host_memory_used_ratio{source=host}")
    assert 0 < figure.value < 1
