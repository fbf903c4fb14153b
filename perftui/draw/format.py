"""Numbers for people: base units in, short text out, one way of writing on every screen.

Every function takes `width`: the text is then right-aligned in that many cells, so that a figure
that changes does not push its neighbours. None and NaN are drawn as `–`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import datetime, timezone, tzinfo
from functools import lru_cache

from perftui.draw.clean import fit

NOTHING = "–"
MINUS = "−"
_NONE_LEFT = re.compile(r"(?<=[dhm]) 0?0 [hms]$")
_DECIMAL = ("", "k", "M", "G", "T", "P", "E")
_BINARY = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")


def _absent(value: float | None) -> bool:
    return value is None or value != value  # noqa: PLR0124 - NaN is the only value unequal to itself


def _pad(text: str, width: int) -> str:
    return fit(text, width, "right") if width else text


def _digits(value: float, digits: int = 3) -> str:
    """`value` (0 <= value < 1000 or so) with about `digits` significant digits, never an exponent."""
    if value == 0:
        return "0"
    rounded = float(f"{value:.{digits}g}")  # 9.996 has as many digits as what it is told as, 10.0
    whole = len(str(int(rounded))) if rounded >= 1 else 1
    return f"{value:.{max(0, digits - whole)}f}"


def _scaled(value: float, step: float, units: tuple[str, ...]) -> tuple[str, str]:
    """Digits and unit of a non-negative value, carried up when rounding reaches the next unit."""
    index = 0
    while value >= step and index < len(units) - 1:
        value /= step
        index += 1
    text = str(int(value)) if index == 0 and value == int(value) else _digits(value)
    if float(text) >= step and index < len(units) - 1:
        return "1.00", units[index + 1]
    return text, units[index]


def number(value: float | None, width: int = 0) -> str:
    """A plain count or quantity: `7`, `0.25`, `12.3k`, `4.56M`."""
    if value is None or _absent(value):
        return _pad(NOTHING, width)
    if math.isinf(value):
        return _pad("∞" if value > 0 else MINUS + "∞", width)
    text, unit = _scaled(abs(value), 1000.0, _DECIMAL)
    return _pad(_signed(value, text) + unit, width)


def _signed(value: float, text: str) -> str:
    return (MINUS if value < 0 and text.strip("0.") else "") + text


def count(value: float | None, width: int = 0) -> str:
    """A whole number with thousands separators: `1,234,567`."""
    if value is None or _absent(value) or math.isinf(value):
        return _pad(NOTHING, width)
    return _pad(f"{round(value):,}".replace("-", MINUS), width)


def plural(number: float, noun: str, nouns: str = "") -> str:
    """The noun as it stands after that number: `key` after 1, else `keys`, or `nouns` where it takes no s."""
    return noun if number == 1 else nouns or f"{noun}s"


def many(number: float, noun: str, nouns: str = "") -> str:
    """A count and what is counted: `1 key`, `2 keys`, `0 entries`."""
    return f"{count(number)} {plural(number, noun, nouns)}"


def bytes_(value: float | None, width: int = 0) -> str:
    """Bytes in binary units: `512 B`, `1.50 KiB`, `12.0 GiB`."""
    if value is None or _absent(value) or math.isinf(value):
        return _pad(NOTHING, width)
    text, unit = _scaled(abs(value), 1024.0, _BINARY)
    if unit == "B":
        text = str(round(float(text)))
    return _pad(f"{_signed(value, text)} {unit}", width)


def ratio(value: float | None, width: int = 0) -> str:
    """A ratio as percent: `94.2%`, `100%`, `0.05%`; never rounds up to 100 or down to 0."""
    if value is None or _absent(value) or math.isinf(value):
        return _pad(NOTHING, width)
    percent = abs(value) * 100
    if percent in (0, 100):
        text = f"{percent:.0f}"
    elif percent < 1:
        text = f"{percent:.2f}" if percent >= 0.005 else "<0.01"
    elif 99 < percent < 100:
        text = f"{math.floor(percent * 100) / 100:.2f}"
    else:
        text = f"{percent:.1f}" if percent < 1000 else f"{percent:.0f}"
    return _pad(_signed(value, text) + "%", width)


def between(ends: tuple[float, float]) -> str:
    """An interval of ratios as percent: `71–93%`, `96.2–98.9%`; rounded outwards."""
    low, high = (max(0.0, min(1.0, end)) * 100 for end in ends)
    tens = 1 if high - low >= 10 else 10
    shown = math.floor(low * tens + 1e-9) / tens, math.ceil(high * tens - 1e-9) / tens
    return "–".join(f"{end:.{0 if tens == 1 else 1}f}" for end in shown).replace("100.0", "100") + "%"


def duration(value: float | None, width: int = 0) -> str:
    """Seconds as `350 µs`, `1.24 ms`, `12.3 s`, `2 m 05 s`, `3 h 12 m`, `4 d 2 h`."""
    if value is None or _absent(value) or math.isinf(value):
        return _pad(NOTHING, width)
    return _pad((MINUS if value < 0 else "") + _duration(abs(value)), width)


def _duration(seconds: float) -> str:
    for limit, factor, unit in (
        (0.9995e-6, 1e9, "ns"),
        (0.9995e-3, 1e6, "µs"),
        (0.9995, 1e3, "ms"),
        (59.95, 1, "s"),
    ):
        if seconds < limit:
            return f"{_digits(seconds * factor)} {unit}" if seconds else "0 s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} m {whole % 60:02d} s"
    if whole < 86400:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} m"
    return f"{whole // 86400} d {whole % 86400 // 3600} h"


def span(value: float | None) -> str:
    """How long, without a part that is none: `7 d`, `10 m`, `3 h 12 m`."""
    return _NONE_LEFT.sub("", duration(value))


def life(value: float | None) -> str:
    """A TTL in seconds as one would type it, with a space: `90 s`, `5 m`, `24 h`; `never` when infinite."""
    if value is None or math.isnan(value):
        return NOTHING
    if math.isinf(value):
        return "never"
    if value <= 0:
        return "not kept"
    sizes = ((86400, "d"), (3600, "h"), (60, "m")) if value >= 172800 else ((3600, "h"), (60, "m"))
    return next((f"{value / size:g} {unit}" for size, unit in sizes if value % size == 0), f"{value:g} s")


def age(value: float | None, width: int = 0) -> str:
    """How long ago, in one unit: `7 s`, `3 m`, `2 h`, `4 d`."""
    if value is None or _absent(value) or math.isinf(value):
        return _pad(NOTHING, width)
    seconds = max(0, int(value))
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= size:
            return _pad(f"{seconds // size} {unit}", width)
    return _pad(f"{seconds} s", width)


def rate(value: float | None, unit: str = "", width: int = 0) -> str:
    """Something a second: `1.23k/s`; with unit `bytes`: `2.00 KiB/s`; with `s`: `350 ms/s`."""
    base = {"bytes": bytes_, "s": duration, "ratio": ratio}.get(unit, number)
    text = base(value)
    return _pad(text if text == NOTHING else text + "/s", width)


def _byte_rate(value: float | None, width: int = 0) -> str:
    return rate(value, "bytes", width)


def _time_rate(value: float | None, width: int = 0) -> str:
    return rate(value, "s", width)


_BY_UNIT: dict[str, Callable[..., str]] = {
    "s": duration,
    "bytes": bytes_,
    "ratio": ratio,
    "1/s": rate,
    "bytes/s": _byte_rate,
    "1": number,
    "count": count,
    "": number,
    "s/s": _time_rate,
}


def value(amount: float | None, unit: str = "1", width: int = 0) -> str:
    """`amount` written for its base unit; an unknown unit is appended to the number."""
    writer = _BY_UNIT.get(unit)
    if writer is not None:
        return writer(amount, width=width)
    text = number(amount)
    return _pad(text if text == NOTHING else f"{text} {unit}", width)


def against(amount: float, op: str, limit: float, unit: str = "1") -> str:
    """A figure against its limit: `94.3% > 80.0%`; the figure alone without `op`."""
    found = value(amount, unit).strip()
    return f"{found} {op} {value(limit, unit).strip()}" if op else found


def delta(amount: float | None, unit: str = "1", width: int = 0) -> str:
    """A change, always with its sign: `+3.2%`, `−12.0 MiB`, `±0`."""
    if amount is None or _absent(amount):
        return _pad(NOTHING, width)
    text = value(abs(amount), unit)
    sign = "±" if amount == 0 else "+" if amount > 0 else MINUS
    return _pad(sign + text, width)


@lru_cache(maxsize=64)
def zone(name: str) -> tzinfo:
    """The time zone called `name`; UTC when the machine does not know it."""
    if name == "UTC":
        return timezone.utc  # noqa: UP017 - a constant, needs no tz database
    from zoneinfo import ZoneInfo  # few need it, and it costs the start

    try:
        return ZoneInfo(name)
    except (OSError, ValueError, KeyError):
        return timezone.utc  # noqa: UP017


def clock(at: float | None, tz: str = "UTC", width: int = 0) -> str:
    """Time of day of an instant (epoch seconds): `14:02:10`."""
    return _pad(NOTHING if at is None else f"{_local(at, tz):%H:%M:%S}", width)


def stamp(at: float | None, tz: str = "UTC", width: int = 0) -> str:
    """Date and time of an instant: `2026-11-25 14:02:10`."""
    return _pad(NOTHING if at is None else f"{_local(at, tz):%Y-%m-%d %H:%M:%S}", width)


def _local(at: float, tz: str) -> datetime:
    return datetime.fromtimestamp(at, zone(tz))
