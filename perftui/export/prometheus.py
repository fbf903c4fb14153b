"""What Prometheus scrapes: text 0.0.4 and OpenMetrics 1.0, written in pieces so that no key waits.

Formats: https://prometheus.io/docs/instrumenting/exposition_formats/ and
https://prometheus.io/docs/specs/om/open_metrics_spec/
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterable
from functools import lru_cache

from perftui.export.families import Family, Labels

TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
PIECE = 400  # lines between two breaths

_UNITS = ("seconds", "bytes", "ratio")
_LABEL = str.maketrans({"\\": "\\\\", "\n": "\\n", '"': '\\"'})
_HELP = str.maketrans({"\\": "\\\\", "\n": "\\n"})


def accepts_openmetrics(accept: str) -> bool:
    """Whether an `Accept` header prefers OpenMetrics 1.0 to text; text for whoever says nothing."""
    best = {"openmetrics": -1.0, "text": -1.0}
    for part in accept.lower().split(","):
        media, *params = (word.strip() for word in part.split(";"))
        given = dict(param.partition("=")[::2] for param in params)
        version = given.get("version", "").strip('"')
        quality = _quality(given.get("q", "1"))
        if media == "application/openmetrics-text" and version in ("", "1.0.0"):
            best["openmetrics"] = max(best["openmetrics"], quality)
        elif media in ("text/plain", "text/*", "*/*"):
            best["text"] = max(best["text"], quality)
    return best["openmetrics"] > 0 and best["openmetrics"] >= best["text"]


def _quality(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


async def written(families: Iterable[Family], *, openmetrics: bool) -> bytes:
    """The whole exposition; the loop gets its turn after every few hundred lines."""
    pieces: list[bytes] = []
    lines: list[str] = []
    for family in families:
        lines += _head(family, openmetrics=openmetrics)
        name, exemplars = family.name, family.exemplars if openmetrics else {}
        for labels, cells in family.rows.items():
            inside = _labels(labels)
            for suffix, more, value in cells:
                both = f"{inside},{_labels(more)}" if inside and more else inside or _labels(more)
                line = f"{name}{suffix}{{{both}}}" if both else f"{name}{suffix}"
                told = exemplars.get((labels, suffix, more)) if exemplars else None
                lines.append(f"{line} {number(value)} # {told}" if told else f"{line} {number(value)}")
            if len(lines) >= PIECE:
                pieces.append(("\n".join(lines) + "\n").encode())
                lines = []
                await asyncio.sleep(0)
    if openmetrics:
        lines.append("# EOF")
    pieces.append(("\n".join(lines) + "\n").encode() if lines else b"")
    return b"".join(pieces)


def _head(family: Family, *, openmetrics: bool) -> list[str]:
    """HELP and TYPE, each once; a counter's family has its ending in the older format only."""
    name, kind = family.name, family.type
    if not openmetrics:
        name += {"counter": "_total", "info": "_info"}.get(kind, "")
        kind = "gauge" if kind == "info" else kind
    help_ = family.help.translate(_LABEL if openmetrics else _HELP)
    head = [f"# HELP {name} {help_}", f"# TYPE {name} {kind}"]
    unit = next((unit for unit in _UNITS if name.endswith(f"_{unit}")), "")
    return [*head, f"# UNIT {name} {unit}"] if openmetrics and unit and kind != "info" else head


def exemplar(trace_id: str, value: float, at: float) -> str:
    """What follows `#` behind a sample of OpenMetrics: the trace, the observed value and its instant."""
    return f'{{trace_id="{_value(trace_id)}"}} {number(value)} {at:.3f}'


@lru_cache(maxsize=50_000)
def _labels(labels: Labels) -> str:
    return ",".join(f'{name}="{_value(value)}"' for name, value in labels)


def _value(text: str) -> str:
    """A label's value escaped; half surrogates of odd file names as a question mark."""
    return text.translate(_LABEL).encode("utf-8", "replace").decode()


def number(value: float) -> str:
    """As Go reads it back to the last digit."""
    if -1e15 < value < 1e15:
        whole = int(value)
        return str(whole) if whole == value else repr(float(value))
    if value != value:  # noqa: PLR0124 (NaN is what differs from itself)
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return repr(float(value))


def bound(value: float) -> str:
    """A bucket's upper bound, the same text in both formats: a bucket is found by it."""
    return "+Inf" if math.isinf(value) else repr(float(value))
