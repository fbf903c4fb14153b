"""What caches do, as OpenTelemetry metrics and spans, sent to the collector that a service names.

Needs `pip install "perftui[otel]"`, and nothing of it is imported before a `Telemetry` is made.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import math
import re
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

from perftui.analysis.quantile import Sketch
from perftui.instrument.cache.ports import Figures
from perftui.model.errors import ConfigError, Unsupported
from perftui.model.reuse import SKETCHES
from perftui.model.tiers import TierStats

if TYPE_CHECKING:
    from perftui.instrument.cache.face import Cache

INSTALL: Final = 'needs OpenTelemetry: pip install "perftui[otel]"'
SCOPE: Final = "perftui.cache"
NAME, KEY, OPERATION, OUTCOME = (f"{SCOPE}.{word}" for word in ("name", "key", "operation", "outcome"))
OPERATIONS: Final = ("get", "get_or_set", "set")
OUTCOMES: Final = frozenset({"hit", "miss", "stale"})
QUANTILES: Final = (0.5, 0.95, 0.99, 0.999)
BOUNDS: Final = (
    0.0001,
    0.00025,
    0.0005,
    0.001,
    0.0025,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1,
    2.5,
    5,
    10,
)
LOOK: Final = 2.0  # seconds between looks at the counts
WITHIN: Final = 2.0  # seconds a collector has for one request
END: Final = 5.0  # seconds for what is left when it is closed
_OTHER = re.compile(r"[^A-Za-z0-9_./-]")


class _Doing:
    """An operation that runs; whatever works for it in other tasks has it too."""

    __slots__ = ("key", "outcome")

    def __init__(self, key: str) -> None:
        self.key = key
        self.outcome = ""


_doing: ContextVar[_Doing | None] = ContextVar("perftui_cache_doing", default=None)


class Telemetry:
    """One for all caches of a process: `follow` each, and `close` it when they are closed.

    Args:
        endpoint: where an OTLP/HTTP collector listens, such as `http://127.0.0.1:4318`. None: what the
            service has set up for OpenTelemetry, or `meters` and `tracers`.
        service: the name of the service; else OTEL_SERVICE_NAME.
        headers: sent with each request to the collector, such as its token.
        every: seconds between two reports of metrics.
        spans: False sends metrics alone.
        sample: the share of traces that begin here and are sent; one that began elsewhere decides for itself.
        keys: put keys into spans; they may be private, so say so.
        meters, tracers: providers of the service's own, which it shuts down itself.

    Metrics: `perftui.cache.operation.duration` (seconds; get, get_or_set, set and load, with the outcome),
    each counter and gauge of `Cache.stats()` as `perftui.cache.NAME`, and `perftui.cache.latency`, quantiles
    of the latencies in `stats()`. Spans: `cache get`, `cache get_or_set`, `cache set`, and inside
    them `cache load`. `peek` has none: it is too short. A collector that is away costs callers nothing:
    counts come with the next report, spans are lost.

    Raises:
        ConfigError: the endpoint is no http:// or https:// URL.
        Unsupported: OpenTelemetry is not installed.
    """

    def __init__(
        self,
        endpoint: str | None = None,
        *,
        service: str = "",
        headers: Mapping[str, str] | None = None,
        every: float = 15.0,
        spans: bool = True,
        sample: float = 1.0,
        keys: bool = False,
        meters: Any = None,
        tracers: Any = None,
    ) -> None:
        try:
            from opentelemetry import metrics, trace
        except ImportError:
            raise Unsupported(INSTALL) from None
        self._own: list[Callable[[], object]] = []
        if endpoint is not None:
            own = _Own(endpoint, service, headers or {})
            meters, tracers = own.meters(every), own.tracers(sample) if spans else None
            self._own = own.ends
        self._meter = (meters or metrics.get_meter_provider()).get_meter(SCOPE)
        self._tracer = (tracers or trace.get_tracer_provider()).get_tracer(SCOPE) if spans else None
        self._observation = metrics.Observation
        self._keys = keys
        self._durations = self._meter.create_histogram(
            f"{SCOPE}.operation.duration",
            "s",
            "How long an operation took",
            explicit_bucket_boundaries_advisory=BOUNDS,
        )
        self._meter.create_observable_gauge(
            f"{SCOPE}.latency", [self._quantiles], "s", "Quantiles since the start, within 1 %"
        )
        self._names: set[str] = set()
        self._stats: dict[str, TierStats] = {}
        self._followed: dict[str, _Followed] = {}
        self._task: asyncio.Task[None] | None = None

    def follow(self, cache: Cache) -> None:
        """Tell of this cache from now on; where the event loop runs, and before its methods are taken."""
        followed = _Followed(self, cache)
        self._followed[cache.name] = followed
        cache.beside(followed)
        cache.on_event(_told)
        for name in OPERATIONS:
            vars(cache)[name] = self._around(cache, name)
        cache.around_loads(functools.partial(self._load, cache.name))
        self.look(cache)
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="cache telemetry")

    def look(self, cache: Cache) -> None:
        """Take its counts, as they will be reported."""
        stats = self._stats[cache.name] = cache.stats()
        for name in stats.counters.keys() - self._names:
            self._meter.create_observable_counter(_metric(name), [self._reader("counters", name)], "1")
        self._names |= stats.counters.keys()
        for name in stats.gauges.keys() - self._names:
            unit = "s" if name.endswith("_s") else "By" if name.endswith("bytes") else "1"
            self._meter.create_observable_gauge(_metric(name), [self._reader("gauges", name)], unit)
        self._names |= stats.gauges.keys()

    async def close(self) -> None:
        """Report once more, and stop; five seconds at most. Twice is harmless."""
        if self._task is not None:
            self._task.cancel()
            self._task = None
        for followed in tuple(self._followed.values()):
            await followed.close()
        ends, self._own = self._own, []
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(END):
                await asyncio.gather(*(asyncio.to_thread(end) for end in ends), return_exceptions=True)

    def let_go(self, followed: _Followed) -> None:
        """A cache ends: its last counts stay, to be reported once more."""
        cache = followed.cache
        if self._followed.get(cache.name) is followed:
            del self._followed[cache.name]
            self.look(cache)
        for name in OPERATIONS:
            vars(cache).pop(name, None)
        cache.around_loads(None)

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(LOOK)
            for followed in tuple(self._followed.values()):
                self.look(followed.cache)

    # one operation

    def _around(self, cache: Cache, name: str) -> Callable[..., Any]:
        """A method of the cache, timed and traced."""
        work: Callable[..., Any] = getattr(cache, name)
        labels = {NAME: cache.name, OPERATION: name}
        nothing = "" if name == "set" else "coalesced" if cache.enabled else "off"

        @functools.wraps(work)
        async def traced(key: str, *args: Any, **named: Any) -> Any:
            doing = _Doing(key)
            token = _doing.set(doing)
            try:
                with self._measured(labels, key, doing, nothing):
                    return await work(key, *args, **named)
            finally:
                _doing.reset(token)

        return traced

    @contextlib.contextmanager
    def _load(self, cache: str, key: str) -> Iterator[None]:
        with self._measured({NAME: cache, OPERATION: "load"}, key):
            yield

    @contextlib.contextmanager
    def _measured(
        self, labels: Mapping[str, str], key: str, doing: _Doing | None = None, nothing: str = ""
    ) -> Iterator[None]:
        """A span, and one more duration; what it raises is its caller's."""
        about, began = dict(labels), perf_counter()
        more = {KEY: key} if self._keys else {}
        tracer = self._tracer
        spanned: contextlib.AbstractContextManager[Any] = contextlib.nullcontext()
        if tracer is not None:
            spanned = tracer.start_as_current_span(f"cache {labels[OPERATION]}", attributes=about | more)
        with spanned as span:
            try:
                yield
            except BaseException as error:
                about["error.type"] = type(error).__qualname__
                raise
            finally:
                outcome = (doing.outcome or nothing) if doing is not None else ""
                if outcome:
                    about[OUTCOME] = outcome
                if span is not None:
                    span.set_attributes(about)
                self._durations.record(perf_counter() - began, about)

    # reporting: on the exporter's thread, which sees only what `look` has put down

    def _reader(self, of: str, name: str) -> Callable[[Any], list[Any]]:
        def read(_options: Any) -> list[Any]:
            found = ((stats, getattr(stats, of).get(name)) for stats in tuple(self._stats.values()))
            return [
                self._observation(value, {NAME: stats.namespace})
                for stats, value in found
                if value is not None
            ]

        return read

    def _quantiles(self, _options: Any) -> list[Any]:
        rows = []
        for stats in tuple(self._stats.values()):
            for what, packed in stats.sketches.items():
                if what in SKETCHES:
                    continue
                sketch = Sketch.unpack(packed)
                for q in QUANTILES:
                    value = sketch.quantile(q)
                    if not math.isnan(value):
                        labels = {NAME: stats.namespace, OPERATION: what, "quantile": f"{q:g}"}
                        rows.append(self._observation(value, labels))
        return rows


class _Followed:
    """A cache's part in its telemetry: closed with the cache."""

    def __init__(self, telemetry: Telemetry, cache: Cache) -> None:
        self.telemetry, self.cache = telemetry, cache

    def figures(self) -> Figures:
        """Nothing of its own."""
        return Figures()

    async def close(self) -> None:
        """Tell no more; twice is harmless."""
        self.telemetry.let_go(self)


class _Own:
    """Providers that send to one collector."""

    def __init__(self, endpoint: str, service: str, headers: Mapping[str, str]) -> None:
        if not endpoint.startswith(("http://", "https://")):
            raise ConfigError(f"{endpoint!r} is no collector: http://HOST:4318 or https://HOST:4318")
        try:
            from opentelemetry.sdk.resources import Resource
        except ImportError:
            raise Unsupported(INSTALL) from None
        about: dict[str, Any] = {"service.instance.id": secrets.token_hex(8)}
        if service:
            about["service.name"] = service
        self._resource = Resource.create(about)
        self._base = endpoint.rstrip("/")
        self._headers = dict(headers)
        self.ends: list[Callable[[], object]] = []

    def meters(self, every: float) -> Any:
        """Metrics, each so many seconds."""
        from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
        from opentelemetry.sdk.metrics import MeterProvider
        from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader

        sender = OTLPMetricExporter(f"{self._base}/v1/metrics", headers=self._headers, timeout=WITHIN)
        reader = PeriodicExportingMetricReader(sender, every * 1000, WITHIN * 1000)
        made = MeterProvider([reader], self._resource, shutdown_on_exit=False)
        self.ends.append(functools.partial(made.shutdown, END * 1000))
        return made

    def tracers(self, sample: float) -> Any:
        """Spans, in batches; at most 2,048 wait."""
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.sdk.trace.sampling import ParentBasedTraceIdRatio

        made = TracerProvider(ParentBasedTraceIdRatio(sample), self._resource, shutdown_on_exit=False)
        sender = OTLPSpanExporter(f"{self._base}/v1/traces", headers=self._headers, timeout=WITHIN)
        made.add_span_processor(BatchSpanProcessor(sender))
        self.ends.append(made.shutdown)
        return made


def _told(what: str, key: str) -> None:
    """An event of the operation that runs here is its outcome."""
    doing = _doing.get()
    if doing is not None and what in OUTCOMES and doing.key == key:
        doing.outcome = what


def _metric(name: str) -> str:
    return f"{SCOPE}.{_OTHER.sub('_', name)}"[:255]
