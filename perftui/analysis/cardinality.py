"""Which metrics take the most series, and which label of each makes them so many."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable

from perftui.model.price import Crowd
from perftui.model.series import SeriesKey

FEWEST = 200  # series of a metric below which it is no crowd
MOST = 3


def crowds(keys: Iterable[SeriesKey]) -> tuple[Crowd, ...]:
    """The metrics with the most series, the largest first, each with the label that has the most values."""
    count = Counter[tuple[str, str]]()
    values = defaultdict[tuple[str, str], dict[str, set[str]]](dict)
    for key in keys:
        metric = key.source, key.name
        count[metric] += 1
        for label, value in key.labels:
            values[metric].setdefault(label, set()).add(value)
    found = []
    for (source, name), series in count.most_common(MOST):
        if series < FEWEST:
            break
        label, different = max(values[source, name].items(), key=lambda item: len(item[1]), default=("", ()))
        found.append(Crowd(source, name, series, label, len(different)))
    return tuple(found)
