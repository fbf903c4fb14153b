"""CloudWatch: metrics of AWS read as our own, and our figures put beside them.

The JSON protocol of the service's model in botocore (`GraniteServiceVersion20100801`), signed by botocore
and spoken by httpx, so that answers are bounded and reads can be cancelled.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html
"""

from __future__ import annotations

import asyncio
import json
import math
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from perftui.backends.aws import credentials, domain
from perftui.backends.httperrors import bounded
from perftui.model.business import Figure
from perftui.model.errors import Lost, Protocol, Refused, Unsupported
from perftui.model.options import CloudWatchOptions
from perftui.model.reading import Measure, Reading
from perftui.model.series import SeriesKey
from perftui.model.sink import Sent

if TYPE_CHECKING:
    import httpx

TARGET = "GraniteServiceVersion20100801"
PERIOD = 60.0  # seconds a point stands for: the finest that AWS' own services give without more pay
BACK = 900.0  # seconds in which the newest point is looked for; many services are minutes late
LOOK = 6.0
MOST_METRICS = 100
MOST_BYTES = 4 << 20
BATCH = 500  # figures a request; 1000 are allowed
UNITS = {"s": "Seconds", "bytes": "Bytes", "1/s": "Count/Second", "bytes/s": "Bytes/Second"}
_METRIC = re.compile(
    r"(?P<space>[^{}]{1,255})/(?P<name>[^/{}]{1,255}?)\s*(?:\{(?P<dims>[^{}]*)\})?(?:\s+(?P<stat>\S+))?\s*\Z"
)
_PASSES = ("Throttling", "ThrottlingException", "InternalServiceFault", "ServiceUnavailable")


@dataclass(frozen=True, slots=True)
class CloudMetric:
    """One metric: its namespace, name, sorted dimensions and statistic."""

    namespace: str
    name: str
    dimensions: tuple[tuple[str, str], ...]
    stat: str


@dataclass(frozen=True, slots=True)
class CloudPoint:
    """The newest point of a metric; `at` is when its minute began, as AWS has it."""

    metric: CloudMetric
    value: float
    at: float


@dataclass(frozen=True, slots=True)
class CloudWatchReading:
    """Newest points, and how many of the metrics had none in the last quarter of an hour."""

    points: tuple[CloudPoint, ...]
    silent: int = 0


def parse_metric(text: str) -> CloudMetric:
    """`NAMESPACE/METRIC{DIMENSION=VALUE,…} STATISTIC`; Average when none is named; else Unsupported."""
    found = _METRIC.match(text.strip())
    if found is None:
        raise Unsupported(f"{text[:120]!r} is no metric like AWS/RDS/CPUUtilization{{Name=value}} Average")
    pairs = [part.partition("=") for part in (found["dims"] or "").split(",") if part.strip()]
    if any(not sign or not name.strip() or not value.strip() for name, sign, value in pairs):
        raise Unsupported(f"{text[:120]!r}: dimensions are Name=value, parted by commas")
    dimensions = tuple(sorted((name.strip(), value.strip()) for name, _, value in pairs))
    return CloudMetric(found["space"], found["name"], dimensions, found["stat"] or "Average")


class CloudWatch:
    """One account and region; powers `FigureSource` and `MetricSink`."""

    kind: ClassVar[str] = "cloudwatch"
    layer: ClassVar[str] = "api"
    Options: ClassVar[type] = CloudWatchOptions
    libraries: ClassVar[tuple[str, ...]] = ("httpx", "botocore.auth", "botocore.session")
    period: ClassVar[float] = 60.0  # a question costs money, and answers are no newer
    idle_period: ClassVar[float] = 300.0
    deadline: ClassVar[float] = 8.0

    def __init__(self, name: str, options: CloudWatchOptions) -> None:
        self.name = name
        self._options = options
        self._url = (
            options.base_url.rstrip("/") or f"https://monitoring.{options.region}.{domain(options.region)}"
        )
        self._client: httpx.AsyncClient | None = None
        self._keys: Any = None
        self._metrics: tuple[CloudMetric, ...] = ()

    async def open(self) -> None:
        """Find the keys, and read what the metrics are; nothing is asked of AWS yet."""
        import httpx

        self._metrics = tuple(parse_metric(text) for text in self._options.metrics[:MOST_METRICS])
        try:
            async with asyncio.timeout(LOOK):
                self._keys = await asyncio.to_thread(credentials, self.name, self._options)
        except TimeoutError as error:
            raise Lost(f"{self.name}: nobody gives us AWS credentials in time") from error
        self._client = httpx.AsyncClient(timeout=LOOK, trust_env=False)

    async def close(self) -> None:
        """Close the connection; may be called twice."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def read(self) -> Reading:
        """The newest point of each metric, as far as there is one."""
        at, began = time.time(), time.monotonic()
        points = await self._points(self._metrics, at)
        samples = {
            SeriesKey(self.name, point.metric.name, _labels(point.metric)): point.value for point in points
        }
        facts = CloudWatchReading(points, len(self._metrics) - len(points))
        measures = tuple(Measure(key, value) for key, value in samples.items())
        return Reading(self.name, at, time.monotonic() - began, measures, facts)

    async def figures(self, read: str) -> tuple[Figure, ...]:
        """The newest point of one metric."""
        points = await self._points((parse_metric(read),), time.time())
        if not points:
            raise Unsupported(f"{self.name}: {read[:120]!r} has no point of the last {BACK / 60:.0f} minutes")
        return tuple(Figure(point.value, point.metric.dimensions) for point in points)

    async def put_figures(self, figures: Sequence[Sent]) -> int:
        """Put them into our namespace; how many were taken."""
        rows = [_datum(one) for one in figures if math.isfinite(one.value)]
        for start in range(0, len(rows), BATCH):
            batch = rows[start : start + BATCH]
            await self._ask("PutMetricData", {"Namespace": self._options.namespace, "MetricData": batch})
        return len(rows)

    async def _points(self, metrics: Sequence[CloudMetric], now: float) -> tuple[CloudPoint, ...]:
        ids = {f"m{number}": metric for number, metric in enumerate(metrics)}
        body = {
            "MetricDataQueries": [{"Id": id_, "MetricStat": _stat(metric)} for id_, metric in ids.items()],
            "StartTime": int(now - BACK),
            "EndTime": int(now + PERIOD),
            "ScanBy": "TimestampDescending",
        }
        # Without a metric the question still tells whether the keys are good.
        said = await self._ask(
            "GetMetricData" if ids else "ListMetrics", body if ids else {"Namespace": "perftui"}
        )
        try:
            rows = [(ids[row["Id"]], row) for row in said.get("MetricDataResults") or ()]
            found = [(m, row["Values"][0], row["Timestamps"][0]) for m, row in rows if row.get("Values")]
            return tuple(CloudPoint(m, _finite(value), _finite(at)) for m, value, at in found)
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            raise Protocol(f"{self.name}: an answer cannot be read: {type(error).__name__}") from error

    async def _ask(self, operation: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        if self._client is None:
            raise Lost(f"{self.name}: not open")
        content = json.dumps(body).encode()
        async with bounded(self.name, self._url, LOOK):
            headers = await asyncio.to_thread(self._signed, operation, content)
            async with self._client.stream(
                "POST", f"{self._url}/", content=content, headers=headers
            ) as answer:
                said = bytearray()
                async for part in answer.aiter_bytes():
                    said += part
                    if len(said) > MOST_BYTES:
                        raise Protocol(f"{self.name}: the answer is larger than {MOST_BYTES >> 20} MiB")
        return self._judged(operation, answer.status_code, bytes(said))

    def _signed(self, operation: str, content: bytes) -> dict[str, str]:
        """Headers with the signature; temporary keys may be renewed here, which takes the network."""
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest

        told = {"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": f"{TARGET}.{operation}"}
        request: Any = AWSRequest("POST", f"{self._url}/", data=content, headers=told)
        SigV4Auth(self._keys.get_frozen_credentials(), "monitoring", self._options.region).add_auth(request)
        return dict(request.headers.items())

    def _judged(self, operation: str, status: int, said: bytes) -> Mapping[str, Any]:
        if status in {401, 403}:
            raise Refused(
                f"{self.name}: AWS refuses {operation} (HTTP {status}): look at the keys and their policy"
            )
        try:
            found = json.loads(said or b"{}")
        except (ValueError, RecursionError) as error:
            raise Protocol(f"{self.name}: the answer to {operation} is no JSON (HTTP {status})") from error
        if not isinstance(found, Mapping):
            raise Protocol(f"{self.name}: the answer to {operation} is no object")
        if status == 200:
            return found
        code = str(found.get("__type", "")).rpartition("#")[2][:80]
        why = str(found.get("message") or found.get("Message") or "")[:200]
        if status >= 500 or status == 429 or code in _PASSES:
            raise Lost(f"{self.name}: AWS answers {operation} with HTTP {status} {code!r}")
        if any(word in code for word in ("Token", "Signature", "AccessDenied", "Unrecognized")):
            raise Refused(f"{self.name}: AWS refuses {operation}: {code!r}")
        raise Unsupported(f"{self.name}: {operation} is not taken: {code!r} {why!r}")


def _stat(metric: CloudMetric) -> dict[str, Any]:
    dimensions = [{"Name": name, "Value": value} for name, value in metric.dimensions]
    what = {"Namespace": metric.namespace, "MetricName": metric.name, "Dimensions": dimensions}
    return {"Metric": what, "Period": int(PERIOD), "Stat": metric.stat}


def _labels(metric: CloudMetric) -> tuple[tuple[str, str], ...]:
    own = (("namespace", metric.namespace), ("stat", metric.stat))
    return tuple(sorted((*metric.dimensions, *own)))


def _datum(one: Sent) -> dict[str, Any]:
    dimensions = [{"Name": name[:255], "Value": value[:1024]} for name, value in one.labels[:30] if value]
    return {
        "MetricName": one.name[:255],
        "Dimensions": dimensions,
        "Timestamp": int(one.at),
        "Value": one.value,
        "Unit": UNITS.get(one.unit, "None"),
    }


def _finite(value: Any) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError("no number")
    return number
