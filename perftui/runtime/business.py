"""Reads the declared figures, each at its own pace and under a deadline, and remembers them as series."""

from __future__ import annotations

import asyncio
import logging
import math
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from perftui.analysis.business import PerMinute, cost, parts
from perftui.model.anomaly import HIGH, LOW, SIGMAS, told
from perftui.model.business import (
    ADOPTION,
    SOURCE,
    TOPIC,
    USERS,
    BusinessReport,
    Cost,
    Metric,
    MetricView,
    series_key,
)
from perftui.model.errors import PerftuiError, Unsupported
from perftui.model.frame import Frame
from perftui.model.ports import FigureSource
from perftui.model.reading import Measure, Reading
from perftui.model.series import Series, SeriesKey
from perftui.runtime.clock import Clock
from perftui.runtime.observer import BUGS
from perftui.runtime.rings import Rings
from perftui.runtime.topic import Topic

log = logging.getLogger(__name__)

PACE = 1.0  # seconds between two rounds at least
DEADLINE = 5.0
WEEK = 7 * 86400.0
AROUND = 120.0  # seconds around the same instant of last week
LOOKBACK = 300.0  # seconds before an alarm in which the value may have left its band
APART = 900.0  # seconds without trouble from which on it is another incident
KEPT = 3600.0  # seconds a cost is told after its end
MOST_TOLD = 20  # parts remembered as series of their own


class Till:
    """One environment's figures."""

    def __init__(
        self,
        metrics: Sequence[Metric],
        backends: Mapping[str, Any],
        rings: Rings,
    ) -> None:
        self._backends = backends
        self._rings = rings
        self._views = {m.name: MetricView(m, 0.0) for m in metrics}
        self._rates = {m.name: PerMinute() for m in metrics if m.counted}
        self._due = dict.fromkeys(self._views, 0.0)
        self._weeks: dict[str, tuple[float, float | None]] = {}
        self._costs: dict[str, Cost] = {}
        self._costed: dict[str, float] = {}  # up to when they are worked out

    async def run(self, clock: Clock, topic: Topic[Frame], keep: Callable[[Reading], None]) -> None:
        """Read until cancelled; without a declared figure there is nothing to do."""
        if not self._views:
            topic.publish(Frame(TOPIC, clock.wall(), None, {}, history=self._rings))
        while self._views:
            topic.publish(await self.tick(clock.wall(), keep))
            await asyncio.sleep(max(PACE, min(self._due.values()) - clock.wall()))

    async def tick(self, now: float, keep: Callable[[Reading], None]) -> Frame:
        """Read what is due, all at once; what there is to tell."""
        due = [name for name, at in self._due.items() if at <= now]
        await asyncio.gather(*(self._read(name, now) for name in due))
        measures = [measure for name in due for measure in _measures(self._views[name], now)]
        if measures:
            keep(Reading(SOURCE, now, 0.0, tuple(measures), None))
        for name in self._views:
            self._compare(name, now)
        report = BusinessReport(tuple(self._views.values()))
        return Frame(TOPIC, now, report, {}, history=self._rings, seen=now)

    async def _read(self, name: str, now: float) -> None:
        view = self._views[name]
        metric = view.metric
        self._due[name] = now + metric.every - PACE / 2
        try:
            async with asyncio.timeout(DEADLINE):
                figures = await self._source(metric).figures(metric.read)
            view = await self._with_users(view)
        except TimeoutError:
            self._views[name] = replace(view, at=now, error=f"{metric.source}: no answer in {DEADLINE:g} s")
            return
        except PerftuiError as error:
            self._views[name] = replace(view, at=now, error=str(error))
            return
        except BUGS as error:  # of one source: it costs that figure
            log.exception("business.%s", name)
            self._views[name] = replace(view, at=now, error=f"{type(error).__name__}: {error}")
            return
        found = parts(figures, metric.by)
        if metric.counted:
            found = self._rates[name].step(now, found)
            if not found:
                self._views[name] = replace(view, at=now, error="", seen=now)
                return
        rows = tuple(sorted(found.items(), key=lambda row: (-row[1], row[0])))
        self._views[name] = replace(view, at=now, error="", seen=now, value=_whole(metric, rows), parts=rows)

    async def _with_users(self, view: MetricView) -> MetricView:
        """How many different people are behind it, where asked for; without them it is still a figure."""
        metric, view = view.metric, replace(view, users=(), active=None, unknown="")
        try:
            async with asyncio.timeout(DEADLINE):
                if metric.users:
                    found = parts(await self._source(metric).figures(metric.users), metric.by)
                    view = replace(
                        view, users=tuple(sorted(found.items(), key=lambda row: (-row[1], row[0])))
                    )
                if metric.active:
                    whole = await self._source(metric).figures(metric.active)
                    view = replace(view, active=sum(figure.value for figure in whole))
        except TimeoutError:
            return replace(view, unknown=f"users: no answer of {metric.source} in {DEADLINE:g} s")
        except PerftuiError as error:
            return replace(view, unknown=f"users: {error}")
        return view

    def _source(self, metric: Metric) -> FigureSource:
        backend = self._backends.get(metric.source)
        if backend is None:
            raise Unsupported(f"business.{metric.name}: there is no backend {metric.source}")
        if not isinstance(backend, FigureSource):
            raise Unsupported(f"business.{metric.name}: {metric.source} ({backend.kind}) tells no figures")
        return backend

    def _compare(self, name: str, now: float) -> None:
        """Last week, the band and the cost, from what is remembered."""
        key = series_key(name)
        low, high = (self._rings.series(told(edge, key), now - 60, now).last for edge in (LOW, HIGH))
        self._views[name] = replace(
            self._views[name],
            week=self._last_week(name, key, now),
            low=low.value if low else None,
            high=high.value if high else None,
            cost=self._cost(name, key, now),
        )

    def _last_week(self, name: str, key: SeriesKey, now: float) -> float | None:
        """Asked of the store once a minute: it moves no faster."""
        at, value = self._weeks.get(name, (0.0, None))
        if now - at >= 60.0:
            past = self._rings.series(key, now - WEEK - AROUND, now - WEEK + AROUND)
            values = past.between(now - WEEK - AROUND, now - WEEK + AROUND)[1]
            value = sum(values) / len(values) if len(values) else None
            self._weeks[name] = (now, value)
        return value

    def _cost(self, name: str, key: SeriesKey, now: float) -> Cost | None:
        """Grows while the value is unusual, kept for an hour after; soon unusual again it is the same one."""
        known = self._costs.get(name)
        newest = self._rings.series(told(SIGMAS, key), now - 60, now).last
        lasting = newest is not None and newest.value > 0
        ended = known.until if known is not None else None
        if lasting and (known is None or (ended is not None and now - ended >= APART)):
            grown = _grown(None, self._between(key, self._left_at(key, now), now), None)
        elif known is not None and (lasting or ended is None):
            since = self._costed.get(name, now)
            grown = _grown(known, self._between(key, since, now), None if lasting else now)
        else:
            return self._forgotten(name, now)
        self._costed[name] = now
        if grown is not None:
            self._costs[name] = grown
        return grown or known

    def _forgotten(self, name: str, now: float) -> Cost | None:
        known = self._costs.get(name)
        if known is not None and now - (known.until or now) > KEPT:
            del self._costs[name]
        return known

    def _left_at(self, key: SeriesKey, now: float) -> float:
        """When the value left its band: some points are needed until it counts as unusual."""
        since = now
        actual, low, high = self._between(key, now - LOOKBACK, now)
        rows = zip(*actual.between(0, now), _as_of(low, actual), _as_of(high, actual), strict=True)
        for at, value, bottom, top in reversed([row for row in rows if row[2] is not None]):
            if (bottom or 0) <= value <= (top or 0):
                break
            since = at
        return since

    def _between(self, key: SeriesKey, start: float, end: float) -> tuple[Series, Series, Series]:
        """Values, and the band with a minute before, so that it is known at the first of them."""
        low, high = (self._rings.series(told(edge, key), start - 60, end) for edge in (LOW, HIGH))
        return self._rings.series(key, start, end), low, high


def _grown(known: Cost | None, rows: tuple[Series, Series, Series], until: float | None) -> Cost | None:
    more = cost_of(*rows)
    if known is None or more is None:
        return known and replace(known, until=until) if more is None else more
    return Cost(
        known.since, known.amount + more.amount, known.least + more.least, known.most + more.most, until
    )


def cost_of(actual: Series, low: Series, high: Series) -> Cost | None:
    """The cost over recorded values, each compared with the band as it stood then."""
    columns = (*actual.between(0, math.inf), _as_of(low, actual), _as_of(high, actual))
    rows = [(a, v, b, t) for a, v, b, t in zip(*columns, strict=True) if b is not None and t is not None]
    return cost(*([row[i] for row in rows] for i in range(4)))


def _as_of(series: Series, instants: Series) -> list[float | None]:
    """Its values at the instants of another, each standing until the next."""
    times, values = series.between(0, math.inf)
    if not times:
        return [None] * len(instants)
    return [values[max(0, bisect_right(times, sample.at) - 1)] for sample in instants]


def _whole(metric: Metric, rows: Sequence[tuple[str, float]]) -> float | None:
    """The figure as one number: money of several currencies has none."""
    if metric.kind == "sum" and metric.by and len(rows) > 1:
        return None
    return sum(value for _, value in rows)


def _measures(view: MetricView, now: float) -> list[Measure]:
    if view.seen != now:
        return []
    name = view.metric.name
    found = [] if view.value is None else [Measure(series_key(name), view.value)]
    found += [Measure(series_key(name, part), value) for part, value in view.parts[:MOST_TOLD] if part]
    for part, count in view.users[:MOST_TOLD]:
        labels = series_key(name, part).labels
        found.append(Measure(SeriesKey(SOURCE, USERS, labels), count))
        share = view.adoption(part)[1]
        found += [Measure(SeriesKey(SOURCE, ADOPTION, labels), share, "ratio")] if share is not None else []
    return found
