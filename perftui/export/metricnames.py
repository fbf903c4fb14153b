"""From a series' name to the one a Prometheus server knows it by: base units, nothing abbreviated."""

from __future__ import annotations

import re

_ODD = re.compile(r"[^a-zA-Z0-9_]+")
_SPELT = {
    "s": "seconds",
    "m": "minute",
    "ms": "milliseconds",
    "kb": "kilobytes",
    "mb": "megabytes",
    "tps": "transactions_per_second",
    "cpu": "cpu",
}
_RESERVED = ("_total", "_count", "_sum", "_bucket", "_info", "_created")
_TYPES = ("counter", "gauge", "histogram", "summary")


def metric_name(kind: str, name: str) -> str:
    """`cache` of kind valkey, `ops_per_s` → `perftui_valkey_ops_per_second`."""
    words = [word for word in _ODD.sub("_", name.lower()).split("_") if word]
    spelt = [_spelt(word, before) for before, word in zip(["", *words], words, strict=False)]
    text = "_".join(["perftui", _ODD.sub("_", kind), *(word for word in spelt if word not in _TYPES)])
    for ending in _RESERVED:
        text = text.removesuffix(ending)
    return text


def _spelt(word: str, before: str) -> str:
    """A word without abbreviation; `per_s` is per second."""
    if word == "s" and before == "per":
        return "second"
    return _SPELT.get(word, word)


def label_name(name: str) -> str:
    """A label's name as Prometheus takes it."""
    text = _ODD.sub("_", name) or "label"
    return f"_{text}" if text[0].isdigit() else text.lstrip("_") or "label"
