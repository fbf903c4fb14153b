"""Keeps of a host what rules ask for under node_exporter's names: rule files of others need no server."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Final

from perftui.analysis.metricnames import AS_TOLD, unit_of
from perftui.analysis.nodecounters import HostCounters, node_rows
from perftui.analysis.promql import matching, parse
from perftui.analysis.promql.gather import needs
from perftui.analysis.promrules import Group, source_of
from perftui.model.alerts import Labels
from perftui.model.errors import PerftuiError
from perftui.model.metrics import NAME
from perftui.model.reading import Measure, Reading
from perftui.model.resources import HostReading
from perftui.model.series import SeriesKey

BEGIN: Final = "node_"
INFO: Final = "node_uname_info"


class NodeSeries:
    """Adds to a host's readings the samples that rules of `groups` name; the others are not collected."""

    def __init__(self, groups: Callable[[], tuple[Group, ...]]) -> None:
        self._groups = groups
        self._known: tuple[Group, ...] = ()
        self._asked: list[Callable[[Labels], bool]] = []
        self._wanted: dict[str, bool] = {}
        self._counters: dict[str, HostCounters] = {}

    def added(self, reading: Reading) -> Reading:
        """The reading with what rules want of it."""
        groups = self._groups()
        if groups is not self._known:
            self._known, self._asked, self._wanted = groups, list(_asked(groups)), {}
        if not self._asked or not isinstance(reading.facts, HostReading):
            return reading
        more = tuple(self._measures(reading, reading.facts))
        return replace(reading, samples=(*reading.samples, *more)) if more else reading

    def _measures(self, reading: Reading, host: HostReading) -> Iterator[Measure]:
        counters = self._counters.setdefault(reading.source, HostCounters())
        counters.add(host)
        beside = (("instance", host.host), ("job", reading.source))
        for row in node_rows(host, counters, reading.at):
            if self._wants(row.metric):
                key = _key(reading.source, row.metric, (*row.labels, *beside))
                yield Measure(key, float(row.value), unit_of(row.metric))
        if self._wants(INFO):
            yield Measure(_key(reading.source, INFO, (("nodename", host.host), *beside)), 1.0)

    def _wants(self, metric: str) -> bool:
        if metric not in self._wanted:
            named = ((NAME, metric),)
            self._wanted[metric] = any(holds(named) for holds in self._asked)
        return self._wanted[metric]


def _key(source: str, metric: str, labels: Labels) -> SeriesKey:
    return SeriesKey(source, AS_TOLD + metric, tuple(sorted(labels)))


def _asked(groups: Iterable[Group]) -> Iterator[Callable[[Labels], bool]]:
    """What each selector of a rule says of names; one that names no metric of a host asks for none."""
    for rule in (rule for group in groups for rule in group.rules if not source_of(rule)):
        try:
            found = needs(parse(rule.expr).root, (0, 0), 0)
        except PerftuiError:  # the ruler tells of it
            continue
        for need in found:
            names = [one for one in need.selector.matchers if one.name == NAME]
            if any(one.op in {"=", "=~"} and BEGIN in one.value for one in names):
                yield matching(names)
