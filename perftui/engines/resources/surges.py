"""Whether an application is asked far more than in the minutes before, and for which routes."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

from perftui.analysis import surge
from perftui.engines.resources.apis import name
from perftui.model.endpoint import ApiReading, ApiView, Endpoint, Surge
from perftui.model.finding import Finding, Severity
from perftui.model.frame import SeriesReader
from perftui.model.series import SeriesKey

BEFORE = 900.0  # seconds of what is usual
RECENT = 60.0  # the newest of them, which may belong to the surge
SHORTEST = 120.0
NEW_USUAL = 1800.0  # seconds after which a surge is what is usual
ROUTES = 8  # the busiest, whose past is looked at


class Surges:
    """The surges that last: what was usual before one is remembered until it is over."""

    def __init__(self) -> None:
        self._now: dict[str, Surge] = {}

    def look(self, source: str, at: float, reading: ApiReading, history: SeriesReader) -> Surge | None:
        """The surge of one application at this look, None when it is asked as usual."""
        known = self._now.get(source)
        if known is None:
            known = _begun(source, at, reading, history)
        elif reading.total.rate < surge.BACK * known.usual or not 0 <= at - known.began <= NEW_USUAL:
            known = None
        if known is None:
            self._now.pop(source, None)
        else:
            self._now[source] = known
        return known


def _begun(source: str, at: float, reading: ApiReading, history: SeriesReader) -> Surge | None:
    if reading.total.rate < surge.LEAST:
        return None
    key = SeriesKey(source, "http.requests_per_s")
    start, end = at - BEFORE, at - RECENT
    times, rates = history.series(key, start, end).between(start, end)
    if len(times) < surge.FEWEST or times[-1] - times[0] < SHORTEST:
        return None
    usual = surge.usual(rates, reading.total.rate)
    if usual is None:
        return None
    routes = [(e, _usual_of(source, e, start, end, history)) for e in reading.endpoints[:ROUTES]]
    routes.sort(key=lambda pair: pair[1] - pair[0].rate)
    return Surge(at, usual, end - times[0], tuple((name(e), rate) for e, rate in routes[:3]))


def _usual_of(source: str, e: Endpoint, start: float, end: float, history: SeriesReader) -> float:
    labels = (("method", e.method), ("route", e.route))
    key = SeriesKey(source, "http.route.requests_per_s", labels)
    _, rates = history.series(key, start, end).between(start, end)
    return median(rates) if rates else 0.0


def findings(view: ApiView) -> Iterator[Finding]:
    """More requests than before, with the rates of the routes that gained most."""
    found, reading = view.surge, view.reading
    if found is None:
        return
    total = reading.total
    times = total.rate / found.usual
    rates = {name(e): e.rate for e in reading.endpoints}
    before = f"{found.usual:.1f}/s in the {found.over / 60:.0f} min before"
    evidence = [f"{total.rate:.1f} requests/s over {reading.window:.0f} s, {before}"]
    evidence += [f"{route}: {rate:.1f} → {rates.get(route, 0.0):.1f}/s" for route, rate in found.routes]
    yield Finding(
        "api.traffic-surge",
        Severity.WARNING,
        view.source,
        f"{reading.service}: a surge of traffic, {times:.1f} times what is usual",
        tuple(evidence),
    )
