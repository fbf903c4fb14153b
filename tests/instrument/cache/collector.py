"""A collector that keeps what it is sent, decoded by the published schema of OTLP."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

KINDS = {"/v1/metrics": ExportMetricsServiceRequest, "/v1/traces": ExportTraceServiceRequest}


class Collector:
    """Listens on `url`. `hung`: it takes requests and does not answer."""

    def __init__(self, *, hung: bool = False) -> None:
        self.requests: list[tuple[str, Any, dict[str, str]]] = []
        self.let_go = threading.Event()
        if not hung:
            self.let_go.set()
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                collector.let_go.wait(30)
                said = KINDS[self.path].FromString(body)
                collector.requests.append((self.path, said, dict(self.headers)))
                self.send_response(200)
                self.send_header("content-type", "application/x-protobuf")
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.let_go.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def spans(self) -> list[Any]:
        """All that came."""
        return [
            span
            for path, said, _ in self.requests
            if path == "/v1/traces"
            for resource in said.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    def points(self) -> Iterator[tuple[str, dict[str, str], Any]]:
        """Name, attributes and point of the last report."""
        last = [said for path, said, _ in self.requests if path == "/v1/metrics"][-1]
        for resource in last.resource_metrics:
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    for point in getattr(metric, metric.WhichOneof("data")).data_points:
                        yield metric.name, labels(point), point

    def counts(self) -> dict[str, int]:
        """Counters and gauges that are whole numbers."""
        return {
            name: p.as_int
            for name, _, p in self.points()
            if p.DESCRIPTOR.name == "NumberDataPoint" and p.HasField("as_int")
        }

    def durations(self) -> dict[tuple[str, str], Any]:
        """Histograms by operation and outcome."""
        return {
            (said["perftui.cache.operation"], said.get("perftui.cache.outcome", "")): point
            for name, said, point in self.points()
            if name == "perftui.cache.operation.duration"
        }


def labels(of: Any) -> dict[str, str]:
    """The attributes of a point, span or resource."""
    return {a.key: a.value.string_value for a in of.attributes}
