"""Samples of a scrape that are kept as they are: rules, charts and queries know them by their own names."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Sequence
from fnmatch import translate

from perftui.analysis.metricnames import AS_TOLD, unit_of
from perftui.analysis.promtext import Labels, Samples
from perftui.model.reading import Measure
from perftui.model.series import SeriesKey

log = logging.getLogger(__name__)

MOST = 500  # series of one target
MOST_NAMES = 20_000  # remembered, whether they are wanted or not
OURS = ("source", "job", "instance")  # labels that say where it is from; a target's own are `exported_…`


class Keeper:
    """Chooses by patterns of metric names (`myapp_*`), and remembers what labels are called here."""

    def __init__(self, source: str, patterns: Sequence[str], job: str, url: str) -> None:
        self._source = source
        self._wanted = re.compile("|".join(map(translate, patterns))) if patterns else None
        place = url.partition("://")[2].partition("/")[0]
        self._from = (("instance", place), ("job", job))
        self._names: dict[str, bool] = {}
        self._keys: dict[str, dict[Labels, SeriesKey]] = {}
        self._told = False

    def measures(self, samples: Samples) -> Iterator[Measure]:
        """Those that are kept, and how many more there would be."""
        if self._wanted is None:
            return
        count = 0
        for name in samples:
            if not self._wants(name):
                continue
            unit = unit_of(name)
            known = self._keys.setdefault(name, {})
            for labels, value in samples[name]:
                count += 1
                if count <= MOST:
                    key = known.get(labels)
                    if key is None:
                        key = known[labels] = self._key(name, labels)
                    yield Measure(key, value, unit)
        if count > MOST:
            self._say(count)
            yield Measure(SeriesKey(self._source, "keep.left_out"), float(count - MOST))
        if sum(map(len, self._keys.values())) > 4 * MOST:  # series that came and went
            self._keys.clear()

    def _wants(self, name: str) -> bool:
        found = self._names.get(name)
        if found is None:
            assert self._wanted is not None
            if len(self._names) >= MOST_NAMES:
                self._names.clear()
            found = self._names[name] = self._wanted.match(name) is not None
        return found

    def _key(self, name: str, labels: Labels) -> SeriesKey:
        own = [(f"exported_{label}" if label in OURS else label, value) for label, value in labels]
        return SeriesKey(self._source, AS_TOLD + name, tuple(sorted((*own, *self._from))))

    def _say(self, count: int) -> None:
        if not self._told:
            self._told = True
            log.warning("%s: %d of %d series that match `keep` are kept", self._source, MOST, count)
