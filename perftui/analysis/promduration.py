"""Durations as Prometheus writes them: `1h30m`, each unit once, from years down to milliseconds."""

from __future__ import annotations

import re

_UNITS = (("y", 31_536_000.0), ("w", 604_800.0), ("d", 86_400.0), ("h", 3600.0), ("m", 60.0), ("s", 1.0))
_FORM = re.compile("".join(rf"(?:(\d+){unit})?" for unit, _ in _UNITS) + r"(?:(\d+)ms)?\Z", re.ASCII)
_LONGEST = (1 << 63) / 1e9  # what a server's nanoseconds can hold


def parse_duration(text: str) -> float:
    """Seconds of `5m` or `1h30m`; ValueError in Prometheus' words."""
    if text == "0":
        return 0.0
    if not text:
        raise ValueError("empty duration string")
    found = _FORM.match(text) if len(text) < 100 else None
    if found is None:
        raise ValueError(f'not a valid duration string: "{text}"')
    factors = (*(seconds for _, seconds in _UNITS), 0.001)
    total = sum(int(part) * factor for part, factor in zip(found.groups(), factors, strict=True) if part)
    if total >= _LONGEST:
        raise ValueError("duration out of range")
    return total


def show_duration(seconds: float) -> str:
    """The shortest text of a duration that reads back as the same, to the millisecond."""
    left = round(seconds * 1000)
    if left == 0:
        return "0s"
    text = ""
    for unit, factor in _UNITS:
        size = round(factor * 1000)
        # years and weeks only when nothing else is left: nobody reads 1w3d4h
        if unit in "yw" and left % size:
            continue
        count, left = divmod(left, size)
        text += f"{count}{unit}" if count else ""
    return text + (f"{left}ms" if left else "")
