"""Instants as people type them: `14:02`, `-20m`, `20m` (ago), `yesterday 09:30`, ISO 8601."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, tzinfo

_AGO = re.compile(r"[-−]?(\d{1,6})\s*(s|m|h|d)(?:\s*(\d{1,6})\s*(s|m|h))?\Z")
_TIME = re.compile(r"(?:(today|yesterday)\s+)?(\d{1,2}):(\d{2})(?::(\d{2}))?\Z")
_UNIT = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
SHAPES = "14:02, 14:02:10, -20m, yesterday 09:30, 2026-03-01 14:02, 2026-03-01T14:02:10Z"


def instant(text: str, now: float, zone: tzinfo) -> float:
    """Epoch seconds of a typed instant; a time without a day is the last that was. Else ValueError."""
    text = text.strip()
    ago = _AGO.match(text)
    if ago is not None:
        more = float(ago[3]) * _UNIT[ago[4]] if ago[3] else 0.0
        return now - float(ago[1]) * _UNIT[ago[2]] - more
    time = _TIME.match(text)
    if time is not None:
        return _of_day(time, now, zone)
    try:
        read = datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"{text[:40]!r} is no instant: {SHAPES}") from error
    at = (read if read.tzinfo is not None else read.replace(tzinfo=zone)).timestamp()
    if at > now:
        raise ValueError(f"{text[:40]} has not come yet")
    return at


def _of_day(time: re.Match[str], now: float, zone: tzinfo) -> float:
    here = datetime.fromtimestamp(now, zone)
    try:
        read = here.replace(hour=int(time[2]), minute=int(time[3]), second=int(time[4] or 0), microsecond=0)
    except ValueError as error:
        raise ValueError(f"{time[0]} is no time of day") from error
    if time[1] == "yesterday" or (time[1] is None and read > here):
        read -= timedelta(days=1)
    if read > here:
        raise ValueError(f"{time[0]} has not come yet")
    return read.timestamp()
