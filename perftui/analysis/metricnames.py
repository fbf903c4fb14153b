"""The Prometheus name and labels of a series of ours, decided in one place.

`perftui_KIND_NAME` with the backend in the label `source` and the series' own labels beside it:
`cpu.busy_ratio` of the host `web` is `perftui_host_cpu_busy_ratio{source="web"}`. Whether a backend
answers is `up{source, kind}`, as a server has it for its targets.
"""

from __future__ import annotations

import re
from functools import lru_cache

from perftui.model.alerts import UP, Labels
from perftui.model.series import SeriesKey

PREFIX = "perftui"
_OTHER = re.compile(r"[^a-zA-Z0-9_]")


def metric_name(name: str, kind: str) -> str:
    """Of a series' dotted name of a backend of this kind."""
    return UP if name == UP else f"{PREFIX}_{_OTHER.sub('_', kind)}_{_OTHER.sub('_', name)}"


@lru_cache(maxsize=20_000)
def metric_labels(key: SeriesKey, kind: str) -> Labels:
    """The whole label set of a series, sorted."""
    labels = {label_name(name): value for name, value in key.labels if value}
    labels |= {"__name__": metric_name(key.name, kind), "source": key.source}
    if key.name == UP:
        labels["kind"] = kind
    return tuple(sorted(labels.items()))


def label_name(name: str) -> str:
    """A label's name as Prometheus allows it."""
    clean = _OTHER.sub("_", name)
    return f"_{clean}" if clean[:1].isdigit() else clean
