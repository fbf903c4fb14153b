"""Requests of which the service told the trace: the slowest of each endpoint over a quarter of an hour."""

from __future__ import annotations

from collections.abc import Iterable

from perftui.analysis.promtext import Example, Labels
from perftui.backends.scrape.red import RoleOf
from perftui.model.endpoint import Exemplar

TRACE = ("trace_id", "traceID", "TraceID", "traceId")
LASTS = 900.0  # seconds
EACH = 5  # kept of an endpoint
MOST = 100  # endpoints
LONGEST = 64  # characters of a trace's id


class Exemplars:
    """Kept from scrape to scrape: a histogram tells only its newest ones."""

    def __init__(self) -> None:
        self._by_route: dict[tuple[str, str], dict[str, Exemplar]] = {}

    def add(self, examples: Iterable[Example], durations: str, role_of: RoleOf, now: float) -> None:
        """Those of the histogram of durations; others say nothing about a request's time."""
        for example in examples:
            trace = _trace(example.labels)
            if trace and example.name == f"{durations}_bucket" and 0 <= example.value < LASTS:
                role = role_of(example.series)
                at = now if example.at is None else min(example.at, now)
                one = Exemplar(role.route, role.method, role.status, trace, example.value, at)
                self._keep(one)
        self._forget(now)

    def _keep(self, one: Exemplar) -> None:
        key = (one.route, one.method)
        if key in self._by_route or len(self._by_route) < MOST:
            known = self._by_route.setdefault(key, {})
            known.setdefault(one.trace_id, one)
            if len(known) > EACH:
                del known[min(known.values(), key=lambda e: (e.seconds, e.at)).trace_id]

    def _forget(self, now: float) -> None:
        for key, known in tuple(self._by_route.items()):
            left = {trace: e for trace, e in known.items() if now - e.at <= LASTS}
            if left:
                self._by_route[key] = left
            else:
                del self._by_route[key]

    def all(self) -> tuple[Exemplar, ...]:
        """By endpoint, the slowest first."""
        found = (e for known in self._by_route.values() for e in known.values())
        return tuple(sorted(found, key=lambda e: (e.route, e.method, -e.seconds, e.at)))


def _trace(labels: Labels) -> str:
    by_name = dict(labels)
    return next((by_name[name] for name in TRACE if by_name.get(name)), "")[:LONGEST]
