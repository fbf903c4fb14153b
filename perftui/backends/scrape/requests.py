"""Counters of a service's requests, look after look: what they gained over a window, and of late."""

from __future__ import annotations

from collections import deque
from dataclasses import replace

from perftui.backends.scrape.past import Past
from perftui.backends.scrape.red import RoleOf, endpoints, reading
from perftui.backends.scrape.roles import Counters
from perftui.model.endpoint import ApiReading, Endpoint, EndpointPast
from perftui.model.reading import Measure
from perftui.model.series import SeriesKey

KEPT_EVERY = 10.0  # seconds between looks kept for longer windows
KEPT_FOR = 300.0
ROUTES_SAMPLED = 50


class Requests:
    """The last looks at one service's counters.

    `name` is its backend, `window` the seconds rates and quantiles cover.
    """

    def __init__(self, name: str, service: str, window: float, role_of: RoleOf) -> None:
        self._name, self._service, self._window, self._role_of = name, service, window, role_of
        self._recent: deque[Counters] = deque()
        self._kept: deque[Counters] = deque(maxlen=int(KEPT_FOR / KEPT_EVERY) + 1)
        self._past = Past()

    @property
    def empty(self) -> bool:
        """Whether nothing was looked at yet."""
        return not self._recent

    def add(self, now: Counters) -> ApiReading:
        """One look more: kept one by one for the window, and one in ten seconds for longer ones."""
        self._recent.append(now)
        while len(self._recent) > 2 and now.mono - self._recent[1].mono >= self._window:
            self._recent.popleft()
        if not self._kept or now.mono - self._kept[-1].mono >= KEPT_EVERY:
            if self._kept:
                self._past.add(now, self._kept[-1], self._role_of)
            self._kept.append(now)
        facts = reading(self._service, now, self._recent[0], self._role_of)
        return replace(facts, tallies=tuple(self._past.tallies.values()))

    def endpoints(self, window: float) -> tuple[Endpoint, ...]:
        """Routes over the last `window` seconds as far as looks reach back, busiest first."""
        now = self._recent[-1]
        past = [c for c in (*self._kept, *self._recent) if now.mono - c.mono <= window]
        return endpoints(self._service, now, min(past, key=lambda c: c.mono), self._role_of)

    def past(self, route: str, method: str) -> EndpointPast:
        """The last quarter of an hour of one endpoint, by ten seconds, from counters' differences."""
        return self._past.of(route, method)

    def forget(self) -> None:
        """Let go of what only longer windows would need."""
        self._kept.clear()

    def measures(self, r: ApiReading) -> list[Measure]:
        """The series of a reading: the whole service's, and those of its busiest routes."""
        found = self._of("http", r.total, ()) if r.window else []
        if r.window and r.total.rate:  # requests that did not fail, of those that came
            key = SeriesKey(self._name, "http.availability_ratio")
            found.append(Measure(key, 1.0 - r.total.error_ratio, "ratio"))
        for e in r.endpoints[:ROUTES_SAMPLED]:
            found += self._of("http.route", e, (("method", e.method), ("route", e.route)))
        for t in r.exceptions if r.window else ():
            where = (("exception", t.exception), ("route", t.route))
            found.append(Measure(SeriesKey(self._name, "http.exceptions_per_s", where), t.rate, "1/s"))
        if r.in_flight is not None:
            found.append(Measure(SeriesKey(self._name, "http.in_flight"), r.in_flight))
        return found

    def _of(self, prefix: str, e: Endpoint, labels: tuple[tuple[str, str], ...]) -> list[Measure]:
        rows = [
            ("requests_per_s", e.rate, "1/s"),
            ("error_ratio", e.error_ratio if e.rate else None, "ratio"),
        ]
        rows += [("p50_s", e.p50_s, "s"), ("p95_s", e.p95_s, "s"), ("p99_s", e.p99_s, "s")]
        return [
            Measure(SeriesKey(self._name, f"{prefix}.{name}", labels), value, unit)
            for name, value, unit in rows
            if value is not None
        ]
