"""What both request middlewares count: requests, errors, durations and how many are being served."""

from __future__ import annotations

import time

from perftui.instrument.metrics import BUCKETS, Registry

DURATION = "http_request_duration_seconds"
IN_FLIGHT = "http_requests_in_flight"
EXCEPTIONS = "http_exceptions_total"
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"})
OTHER = "other"


class Red:
    """Begins and ends requests; `route` is always a template, so that no path of a visitor makes a series."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        registry.describe(DURATION, "histogram", "Time from a request's head to its response's end.", BUCKETS)
        registry.describe(IN_FLIGHT, "gauge", "Requests being served.")
        registry.describe(EXCEPTIONS, "counter", "Exceptions that left the application, by class.")

    def begin(self) -> float:
        """A request is here; what `end` wants to be told."""
        self.registry.move(IN_FLIGHT, 1)
        return time.perf_counter()

    def end(
        self, began: float, method: str, route: str, status: int, error: BaseException | None = None
    ) -> None:
        """It is done, or failed."""
        self.registry.move(IN_FLIGHT, -1)
        method = method if method in METHODS else OTHER
        took = time.perf_counter() - began
        self.registry.observe(DURATION, took, method=method, route=route or OTHER, status=status)
        if error is not None:
            self.registry.count(EXCEPTIONS, exception=type(error).__name__, route=route or OTHER)
