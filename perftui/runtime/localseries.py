"""Our own series as expressions see them: recent ones from memory, older ones from history."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from perftui.analysis.metricnames import UP_SERVED, metric_labels
from perftui.analysis.promql import Plan, Shelf, evaluate, matching, parse
from perftui.analysis.promql.gather import needs
from perftui.model.alerts import LINKS, UP, Labels, Matcher
from perftui.model.errors import ConfigError
from perftui.model.health import Link
from perftui.model.metrics import (
    LOOKBACK,
    NAME,
    STALE,
    MetricReader,
    PromReading,
    Speech,
    Vector,
    Window,
)
from perftui.model.reading import Look
from perftui.model.series import SeriesKey
from perftui.runtime.history import History
from perftui.runtime.rings import Rings

FRESH = 900.0  # seconds that memory surely holds
MOST_SERIES = 2000  # that one selector may touch
MOST_ROWS = 4_000_000  # samples that one expression may load

Known = dict[str, list[tuple[Labels, SeriesKey]]]
"""Metric name → its series."""


class LocalSeries:
    """Answers expressions over what the session reads (`rings`), what is kept, and what rules `written`.

    They mean what they mean to the server that is connected, unless `speech` says how they are read.
    """

    def __init__(
        self,
        kinds: Mapping[str, str],
        *,
        history: History | None = None,
        rings: Rings | None = None,
        looks: Callable[[], Mapping[str, Look]] | None = None,
        written: Shelf | None = None,
        speech: Speech | None = None,
    ) -> None:
        self._speech = speech
        self._kinds = kinds
        self._history = history
        self._rings = rings
        self._looks = looks or (dict)
        self._written = written
        self._read: tuple[float, ...] = ()
        self._recent: tuple[tuple[SeriesKey, ...], Known] = ((), {})

    async def __call__(self, expression: str, at: float) -> Vector:
        """The elements of an expression's result at an instant."""
        plan = parse(expression)
        return evaluate(plan, await self.reader(plan, at, at), at, self.speech.dialect)

    @property
    def speech(self) -> Speech:
        """As it was given, else as the first server that was read tells of itself, lost now or not."""
        if self._speech is not None:
            return self._speech
        for name, look in self._looks().items():
            facts = look.reading.facts if look.reading is not None else None
            if isinstance(facts, PromReading):
                return Speech(name, facts.flavour.dialect)
        return Speech()

    async def reader(self, plan: Plan, start: float, end: float) -> MetricReader:
        """All series that a plan touches when it is evaluated from `start` to `end`."""
        loaded = _Loaded(self._written)
        span = (round(start * 1000), round(end * 1000))
        rows = 0
        for need in needs(plan.root, span, round(LOOKBACK * 1000)):
            matchers = need.selector.matchers
            old = self._history is not None and (self._rings is None or need.start < self._oldest)
            for labels, key in self._chosen(matchers, old=old):
                window = await self._window(labels, key, need.start, need.end, old=old)
                rows += len(window.at)
                if rows > MOST_ROWS:
                    raise ConfigError(f"more than {MOST_ROWS:,} samples for {plan.text[:60]}")
                loaded.add(window)
            loaded.extend(self._ups(matchers, end))
        return loaded

    @property
    def _oldest(self) -> float:
        """From when on memory holds everything."""
        assert self._rings is not None
        newest = max((look.reading.at for look in self._looks().values() if look.reading), default=0.0)
        return max(self._rings.began, newest - FRESH)

    def _chosen(self, matchers: Sequence[Matcher], *, old: bool) -> list[tuple[Labels, SeriesKey]]:
        known = self._known(old=old)
        names = [m.value for m in matchers if m.name == NAME and m.op == "="]
        if names == [UP_SERVED]:
            others = [m for m in matchers if m.name != NAME]
            ups = self._chosen([Matcher(NAME, "=", UP), *others], old=old)
            return [(_called(labels, UP_SERVED), key) for labels, key in ups]
        lists = [known.get(names[0], [])] if names else list(known.values())
        holds = matching(matchers)
        found = [pair for pairs in lists for pair in pairs if holds(pair[0])]
        if len(found) > MOST_SERIES:
            raise ConfigError(f"a selector matches {len(found)} series, {MOST_SERIES} at most")
        return found

    def _known(self, *, old: bool) -> Known:
        if old and self._history is not None:
            return _by_name(self._history.keys(), self._kinds)
        read = tuple(look.reading.at for look in self._looks().values() if look.reading is not None)
        if read and read == self._read:  # nothing was read since: a thousand rules share one look at the keys
            return self._recent[1]
        self._read = read
        keys = self._rings.recent_keys() if self._rings is not None else ()
        if keys != self._recent[0]:
            self._recent = (keys, _by_name(keys, self._kinds))
        return self._recent[1]

    async def _window(self, labels: Labels, key: SeriesKey, start: float, end: float, *, old: bool) -> Window:
        if old and self._history is not None:
            times, values = await self._history.lasts(key, start, end)
            return self._ended(labels, key, times.tolist(), values.tolist(), end)  # lists walk quicker
        assert self._rings is not None
        at, values = self._rings.recent_series(key, start, end).between(start, end)
        return self._ended(labels, key, at, values, end)

    def _ended(
        self, labels: Labels, key: SeriesKey, at: Sequence[float], values: Sequence[float], end: float
    ) -> Window:
        """With a stale marker where the backend has been read since without it, or was lost."""
        look = self._looks().get(key.source)
        if look is None or not at:
            return Window(labels, at, values)
        gone = look.reading.at if look.reading is not None else 0.0
        if look.health.link in (Link.LOST, Link.REFUSED):
            gone = max(look.health.since, gone)
        if round(at[-1], 3) < round(gone, 3) <= end:
            return Window(labels, [*at, gone], [*values, STALE])
        return Window(labels, at, values)

    def _ups(self, matchers: Sequence[Matcher], at: float) -> Iterator[Window]:
        """`up` of every backend that was read or lost, under the name it is asked for."""
        holds = matching(matchers)
        served = any(m.name == NAME and m.op == "=" and m.value == UP_SERVED for m in matchers)
        for name, look in self._looks().items():
            link = look.health.link
            labels = metric_labels(SeriesKey(name, UP), self._kinds.get(name, ""))
            labels = _called(labels, UP_SERVED) if served else labels
            if link in (Link.LIVE, Link.LATE, Link.LOST, Link.REFUSED) and holds(labels):
                yield Window(labels, [at], [float(link in (Link.LIVE, Link.LATE))])


class _Loaded:
    """A `MetricReader` over what was loaded, and what rules wrote."""

    def __init__(self, written: Shelf | None) -> None:
        self._windows: dict[Labels, Window] = {}
        self._written = written

    def add(self, window: Window) -> None:
        """One series; the longer of two spans of the same one stays."""
        before = self._windows.get(window.labels)
        if before is None:
            self._windows[window.labels] = window
        elif len(window.at) and (not len(before.at) or window.at[0] < before.at[0]):
            later = bisect_right(before.at, window.at[-1])
            self._windows[window.labels] = Window(
                window.labels,
                [*window.at, *before.at[later:]],
                [*window.values, *before.values[later:]],
            )
        elif len(window.at):
            later = bisect_right(window.at, before.at[-1])
            self._windows[window.labels] = Window(
                window.labels,
                [*before.at, *window.at[later:]],
                [*before.values, *window.values[later:]],
            )

    def extend(self, windows: Iterable[Window]) -> None:
        """Several."""
        for window in windows:
            self.add(window)

    def select(self, matchers: Sequence[Matcher], start: float, end: float) -> Iterable[Window]:
        """Windows of [start, end], sorted by labels."""
        holds = matching(matchers)
        found = [_cut(w, start, end) for labels, w in self._windows.items() if holds(labels)]
        if self._written is not None:
            found += self._written.select(matchers, start, end)
        return sorted(found, key=lambda window: window.labels)


def _cut(window: Window, start: float, end: float) -> Window:
    lo, hi = bisect_left(window.at, start), bisect_right(window.at, end)
    return Window(window.labels, window.at[lo:hi], window.values[lo:hi])


def _called(labels: Labels, name: str) -> Labels:
    return tuple((label, name if label == NAME else value) for label, value in labels)


def _by_name(keys: Iterable[SeriesKey], kinds: Mapping[str, str]) -> Known:
    known: Known = {}
    for key in keys:
        source = dict(key.labels)["source"] if key.source == LINKS else ""
        meant = SeriesKey(source, UP) if source else key
        labels = metric_labels(meant, kinds.get(meant.source, "" if source else "other"))
        known.setdefault(dict(labels)[NAME], []).append((labels, key))
    return known
