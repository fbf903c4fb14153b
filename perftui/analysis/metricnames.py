"""The Prometheus name and labels of our series: one mapping for expressions, `/metrics`, exported rules."""

from __future__ import annotations

import re
from functools import lru_cache

from perftui.model.alerts import UP, Labels
from perftui.model.series import SeriesKey

PREFIX = "perftui"
UP_SERVED = "perftui_source_up"  # what an agent's `/metrics` calls `up`: a server has its own of that name
AS_TOLD = "metric:"  # what begins the name of a series that keeps the name its target tells it under
RULES = """\
The console's series can be asked in PromQL, in rules and by `perftui monitor query`, without a server; an
agent's `/metrics` serves them under the same names. A series `NAME` of a system of kind `KIND` is the
metric `perftui_KIND_NAME`: dots become `_`, abbreviated units are spelled out (`_s` → `_seconds`, `_per_s`
→ `_per_second`, `tps` → `transactions_per_second`), endings and words that mean a type are left out. So
`hit_ratio` of a `valkey` is `perftui_valkey_hit_ratio`, and `http.p95_s` of a `scrape` is
`perftui_scrape_http_p95_seconds`.

Every series carries its own labels and `source`, the name of its system. `up{source, kind}` is 1 while a
system answers and 0 when it is lost; `/metrics` calls it `perftui_source_up`, and so may expressions.
It is remembered every 15 s and at each change, while a console or an agent reads.

What a target's `/metrics` tells beside requests and hosts is kept where `keep` of its backend says so
(`keep = ["myapp_*"]`), under the names and labels it has there, with `job` (the backend) and `instance` (the
address). In `[alerts.rules]` such a series is `backend/metric:NAME`.

A host of ours has node_exporter's names too (`node_cpu_seconds_total`, `node_memory_MemAvailable_bytes`,
…; `job` is the backend, `instance` the host's name) where a rule file asks for them: rule files of others
run as they are. What no rule names is not kept; counters begin at 0 when perftui starts, as after a restart
of the host."""

_ODD = re.compile(r"[^a-zA-Z0-9_]+")
_SPELT = {
    "s": "seconds",
    "m": "minute",
    "ms": "milliseconds",
    "kb": "kilobytes",
    "mb": "megabytes",
    "tps": "transactions_per_second",
}
_RESERVED = ("_total", "_count", "_sum", "_bucket", "_info", "_created")
_UNITS = (("_seconds", "s"), ("_bytes", "bytes"), ("_ratio", "ratio"))
_TYPES = ("counter", "gauge", "histogram", "summary")


@lru_cache(maxsize=20_000)
def metric_name(name: str, kind: str) -> str:
    """`ops_per_s` of a valkey → `perftui_valkey_ops_per_second`."""
    if name == UP:
        return UP
    if name.startswith(AS_TOLD):
        return name.removeprefix(AS_TOLD)
    words = [word for word in _ODD.sub("_", name.lower()).split("_") if word]
    spelt = [_spelt(word, before) for before, word in zip(["", *words], words, strict=False)]
    text = "_".join([PREFIX, _ODD.sub("_", kind), *(word for word in spelt if word not in _TYPES)])
    for ending in _RESERVED:
        text = text.removesuffix(ending)
    return text


def _spelt(word: str, before: str) -> str:
    """A word without abbreviation; `per_s` is per second."""
    if word == "s" and before == "per":
        return "second"
    return _SPELT.get(word, word)


@lru_cache(maxsize=20_000)
def metric_labels(key: SeriesKey, kind: str) -> Labels:
    """The whole label set of a series, sorted."""
    labels = {label_name(name): value for name, value in key.labels if value}
    labels |= {"__name__": metric_name(key.name, kind), "source": key.source}
    if key.name == UP:
        labels["kind"] = kind
    return tuple(sorted(labels.items()))


def label_name(name: str) -> str:
    """A label's name as Prometheus takes it."""
    text = _ODD.sub("_", name) or "label"
    return f"_{text}" if text[0].isdigit() else text.lstrip("_") or "label"


def unit_of(name: str) -> str:
    """The unit that a metric's name ends in; a count of something is a number."""
    base = name.removesuffix("_total").removesuffix("_sum")
    return next((unit for end, unit in _UNITS if base.endswith(end)), "1")
